/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ways around in the tree of values: by key, by path, and from a place to its source line.
 */
#include "conf/text/tree.h"

#include <stdio.h>
#include <stdlib.h>

void tree_fini(struct tree *tree)
{
	arena_free(tree->arena);
	*tree = (struct tree){0};
}

const struct tree_node *tree_get(const struct tree_node *map, const char *key)
{
	struct str name = str_from(key);

	for (const struct tree_node *n = map->first; n && map->kind == TREE_MAP; n = n->next) {
		if (str_eq(n->key, name)) {
			return n;
		}
	}
	return NULL;
}

bool tree_is_null(const struct tree_node *node)
{
	return node->kind == TREE_SCALAR && !node->quoted &&
	       (node->text.len == 0 || str_eq(node->text, str_from("~")) ||
		str_eq(node->text, str_from("null")));
}

struct issue_path tree_path(const struct tree_node *node)
{
	const struct tree_node *up[TREE_DEPTH_MAX + 1];
	struct issue_path path = {0};
	size_t n = 0, len = 0;
	char key[64];

	for (; node && node->parent && n <= TREE_DEPTH_MAX; node = node->parent) {
		up[n++] = node;
	}
	while (n > 0 && len < sizeof(path.text)) {
		node = up[--n];
		if (node->parent->kind == TREE_MAP) {
			len += (size_t)snprintf(path.text + len, sizeof(path.text) - len, "/%s",
						str_escape(key, sizeof(key), node->key));
		} else {
			len += (size_t)snprintf(path.text + len, sizeof(path.text) - len, "/%zu",
						node->index);
		}
	}
	return path;
}

/* The child of node that the first part of path names; path moves behind it. */
static const struct tree_node *step(const struct tree_node *node, const char **path)
{
	const char *part = *path + 1;
	struct str name = {part, strcspn(part, "/")};
	const struct tree_node *child = node->first;
	uint64_t index;

	*path = part + name.len;
	if (node->kind == TREE_LIST) {
		if (str_to_u64(name, 0, TREE_TEXT_MAX, &index) < 0) {
			return NULL;
		}
		while (child && child->index != index) {
			child = child->next;
		}
		return child;
	}
	while (child && !str_eq(child->key, name)) {
		child = child->next;
	}
	return child;
}

void tree_locate(const struct tree *tree, struct issue *issue)
{
	const struct tree_node *node = tree->root;
	const char *path = issue->path;

	while (*path == '/') {
		const struct tree_node *child = step(node, &path);

		if (!child) {
			break;
		}
		node = child;
	}
	tree_place(tree->source, issue, node->line, node->col);
}

/* Bytes of the UTF-8 character at p. */
static size_t char_len(const char *p, const char *end)
{
	size_t len = 1;

	while (p + len < end && ((unsigned char)p[len] & 0xc0) == 0x80) {
		len++;
	}
	return len;
}

static const char *line_end(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	nl = nl ? nl : end;
	return nl > p && nl[-1] == '\r' ? nl - 1 : nl;
}

/* What is no character, would steer the terminal it is shown on, or turns the text's direction. */
static bool steers(const char *p, size_t len)
{
	static const unsigned char lead_min[] = {0, 0, 0xc2, 0xe0, 0xf0};
	const unsigned char *c = (const unsigned char *)p;

	if (len > 4 || c[0] < lead_min[len]) {
		return true;
	}
	switch (len) {
	case 1:
		return (c[0] < 0x20 && c[0] != '\t') || c[0] >= 0x7f;
	case 2:
		return c[0] == 0xc2 && c[1] < 0xa0;
	case 3:
		return c[0] == 0xe2 &&
		       ((c[1] == 0x80 && (c[2] == 0x8e || c[2] == 0x8f || c[2] >= 0xa8)) ||
			(c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
	default:
		return false;
	}
}

/* Copies the part of the line around the place, at most ISSUE_SOURCE_MAX bytes. */
static void show_source(struct issue *issue, const char *line, const char *end)
{
	const char *start = line, *p = line;
	unsigned int caret = 0;
	size_t n = 0;

	for (unsigned int col = 1; col < issue->col && p < end; col++) {
		p += char_len(p, end);
		caret++;
		while (end - start > ISSUE_SOURCE_MAX && p - start > ISSUE_SOURCE_MAX / 2) {
			start += char_len(start, end);
			caret--;
		}
	}
	for (p = start; p < end;) {
		size_t len = char_len(p, end);

		if (n + len > ISSUE_SOURCE_MAX) {
			break;
		}
		if (steers(p, len)) {
			issue->source[n++] = '?';
		} else {
			memcpy(issue->source + n, p, len);
			n += len;
		}
		p += len;
	}
	issue->source[n] = '\0';
	issue->caret = caret;
}

void tree_place(struct str source, struct issue *issue, unsigned int line, unsigned int col)
{
	const char *p = source.p, *end = source.p + source.len;

	if (!issue) {
		return;
	}
	issue->line = line;
	issue->col = col;
	for (unsigned int i = 1; i < line && p; i++) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : NULL;
	}
	if (p) {
		show_source(issue, p, line_end(p, end));
	}
}
