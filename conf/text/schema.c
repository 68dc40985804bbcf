/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Walks a tree of values by the schema's tables. The same walk serves the node config and the
 * tenant object; what is special to one key is in its table or in its schema's finish().
 */
#include "conf/text/schema.h"

#include <stdarg.h>
#include <stdio.h>

#define KEYS_MAX 64 /* of one map: a bit each */

void reader_issue(struct reader *r, const struct tree_node *node, const char *fmt, ...)
{
	char msg[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap); /* cut if too long */
	va_end(ap);
	tree_place(r->tree->source, issues_add(r->issues, tree_path(node).text, "%s", msg),
		   node->line, node->col);
}

/* As reader_issue(), at the node's key. */
static void key_issue(struct reader *r, const struct tree_node *node, const char *msg)
{
	tree_place(r->tree->source, issues_add(r->issues, tree_path(node).text, "%s", msg),
		   node->key_line, node->key_col);
}

const char *nearest_word(struct str text, const char *const *words)
{
	char buf[64];
	const char *best = NULL;
	unsigned int best_distance;

	if (text.len >= sizeof(buf)) {
		return NULL;
	}
	memcpy(buf, text.p, text.len);
	buf[text.len] = '\0';
	/* a short word is near to everything: at most a third of it may differ */
	best_distance = (unsigned int)(text.len < 3 ? 2 : 2 + text.len / 6);
	for (size_t i = 0; words[i]; i++) {
		unsigned int distance = str_distance(buf, words[i]);

		if (distance < best_distance) {
			best_distance = distance;
			best = words[i];
		}
	}
	return best;
}

static const struct key *find_key(const struct schema *schema, struct str name)
{
	for (const struct key *key = schema->keys; key->name; key++) {
		if (str_eq(str_from(key->name), name)) {
			return key;
		}
	}
	return NULL;
}

/* Returns the bit of the key that was probably meant: it need not be called missing as well. */
static uint64_t unknown_key(struct reader *r, const struct tree_node *node,
			    const struct schema *schema)
{
	const char *names[KEYS_MAX + 1] = {0};
	const char *near, *refused = refused_find(node->key);
	char msg[ERR_MSG_MAX];

	if (refused) {
		key_issue(r, node, refused);
		return 0;
	}
	for (size_t i = 0; i < KEYS_MAX && schema->keys[i].name; i++) {
		names[i] = schema->keys[i].name;
	}
	near = nearest_word(node->key, names);
	(void)snprintf(msg, sizeof(msg), near ? "unknown key, did you mean '%s'?" : "unknown key",
		       near);
	key_issue(r, node, msg);
	return near ? (uint64_t)1 << (find_key(schema, str_from(near)) - schema->keys) : 0;
}

static void refuse_unbuilt(struct reader *r, const struct tree_node *node,
			   const struct schema *schema, const struct key *key)
{
	const char *what = unbuilt_find(schema, key->name, NULL);
	char msg[ERR_MSG_MAX];

	if (what) {
		(void)snprintf(msg, sizeof(msg), "%s is not in this build", what);
		key_issue(r, node, msg);
		return;
	}
	if (node->kind == TREE_SCALAR) {
		what = unbuilt_find(schema, key->name, &node->text);
	}
	if (what) {
		reader_issue(r, node, "%s is not in this build", what);
	}
}

static void read_item(struct reader *r, const struct tree_node *node, const struct key *key,
		      void *object, void *out)
{
	if (tree_is_null(node)) {
		reader_issue(r, node, "has no value");
	} else if (key->type == KEY_MAP) {
		if (node->kind == TREE_SCALAR && key->words &&
		    str_eq(node->text, str_from(key->words[0]))) {
			return;
		}
		schema_read(r, node, key->sub, out);
	} else if (node->kind != TREE_SCALAR) {
		reader_issue(r, node, "must be a single value, not a %s",
			     node->kind == TREE_LIST ? "list" : "mapping");
	} else {
		value_read(r, node, key, object, out);
	}
}

static void read_list(struct reader *r, const struct tree_node *node, const struct key *key,
		      char *object)
{
	size_t size = key->type == KEY_MAP ? key->sub->size : value_size(key);
	size_t i = 0;
	char *items;

	if (node->kind == TREE_SCALAR && key->words &&
	    str_eq(node->text, str_from(key->words[0]))) {
		return;
	}
	if (node->kind != TREE_LIST) {
		reader_issue(r, node,
			     key->words ? "must be a list, or the word %s" : "must be a list",
			     key->words ? key->words[0] : "");
		return;
	}
	if (node->n > key->n_max) {
		reader_issue(r, node, "has %zu entries, more than %u", node->n, key->n_max);
		return;
	}
	if (node->n == 0) {
		if (key->mandatory) {
			reader_issue(r, node, "must not be empty");
		}
		return;
	}
	items = arena_array(r->arena, node->n, size);
	if (!items) {
		r->no_memory = true;
		return;
	}
	for (const struct tree_node *item = node->first; item; item = item->next) {
		read_item(r, item, key, object, items + size * i++);
	}
	memcpy(object + key->offset, &items, sizeof(items));
	memcpy(object + key->aux, &node->n, sizeof(node->n));
}

static void read_key(struct reader *r, const struct tree_node *node, const struct key *key,
		     char *object)
{
	if (key->n_max > 0) {
		read_list(r, node, key, object);
		return;
	}
	if (key->aux > 0 && key->type != KEY_ADDR_ANY && key->type != KEY_SERVICE) {
		*(bool *)(object + key->aux) = true;
	}
	read_item(r, node, key, object, object + key->offset);
}

static void set_default(const struct key *key, char *object)
{
	uint16_t v16 = (uint16_t)key->dflt;
	uint32_t v32 = (uint32_t)key->dflt;

	if (key->n_max > 0 || key->dflt == 0) {
		return; /* memory of the arena is zero */
	}
	if (key->type == KEY_U16) {
		memcpy(object + key->offset, &v16, sizeof(v16));
	} else if (key->type == KEY_U32 || key->type == KEY_DURATION || key->type == KEY_WORD) {
		memcpy(object + key->offset, &v32, sizeof(v32));
	} else if (key->type == KEY_BYTES) {
		memcpy(object + key->offset, &key->dflt, sizeof(key->dflt));
	}
}

static void finish_keys(struct reader *r, const struct tree_node *map, const struct schema *schema,
			uint64_t seen, char *object)
{
	for (size_t i = 0; schema->keys[i].name; i++) {
		const struct key *key = &schema->keys[i];
		struct issue *issue;

		if (seen & (uint64_t)1 << i) {
			continue;
		}
		set_default(key, object);
		if (key->mandatory) {
			issue = issues_add(r->issues,
					   issue_path("%s/%s", tree_path(map).text, key->name).text,
					   "missing");
			tree_place(r->tree->source, issue, map->line, map->col);
		}
	}
	if (schema->finish) {
		schema->finish(r, map, object);
	}
}

static void given_twice(struct reader *r, const struct tree_node *node)
{
	const struct tree_node *first = node->parent->first;
	char msg[ERR_MSG_MAX];

	while (!str_eq(first->key, node->key)) {
		first = first->next;
	}
	(void)snprintf(msg, sizeof(msg), "given twice, first in line %u", first->key_line);
	key_issue(r, node, msg);
}

void schema_read(struct reader *r, const struct tree_node *map, const struct schema *schema,
		 void *object)
{
	uint64_t seen = 0, meant = 0;

	if (map->kind != TREE_MAP) {
		reader_issue(r, map, "must be a mapping: %s", schema->name);
		return;
	}
	for (const struct tree_node *node = map->first; node; node = node->next) {
		const struct key *key = find_key(schema, node->key);
		uint64_t bit;

		if (!key) {
			meant |= unknown_key(r, node, schema);
			continue;
		}
		bit = (uint64_t)1 << (key - schema->keys);
		if (seen & bit) {
			given_twice(r, node);
			continue;
		}
		seen |= bit;
		refuse_unbuilt(r, node, schema, key);
		read_key(r, node, key, object);
	}
	finish_keys(r, map, schema, seen | meant, object);
}
