/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Index of the claimed names: a tree of labels, read from the right, below each port. A name is
 * held against the wildcards on the way to it, a wildcard against all that is below it; the walk
 * below meets the tenant's own names only, or ends at the first one that is not.
 */
#include "conf/model/claims_name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct label_key {
	const struct label *parent;
	struct str text;
};

static bool label_eq(const struct table_node *node, const void *key)
{
	const struct label *label = (const struct label *)node;
	const struct label_key *k = key;

	return label->parent == k->parent && str_eq((struct str){label->text, label->len}, k->text);
}

static uint64_t label_hash(const struct name_index *index, const struct label_key *key)
{
	uintptr_t parent = (uintptr_t)key->parent;
	uint8_t bytes[sizeof(parent) + ALPN_NAME_MAX];

	memcpy(bytes, &parent, sizeof(parent));
	memcpy(bytes + sizeof(parent), key->text.p, key->text.len);
	return hash_bytes(&index->key, bytes, sizeof(parent) + key->text.len);
}

static struct label *label_find(const struct name_index *index, const struct label *parent,
				struct str text)
{
	struct label_key key = {parent, text};

	return (struct label *)table_find(&index->labels, label_hash(index, &key), label_eq, &key);
}

/* Head of the list of parent's children, of the ports without one. */
static struct label **first_of(struct name_index *index, struct label *parent)
{
	return parent ? &parent->first_child : &index->first_port;
}

static struct label *label_get(struct name_index *index, struct label *parent, struct str text)
{
	struct label_key key = {parent, text};
	struct label *label = label_find(index, parent, text);

	if (label) {
		return label;
	}
	label = calloc(1, sizeof(*label) + text.len);
	if (!label) {
		return NULL;
	}
	label->parent = parent;
	label->len = (uint16_t)text.len;
	memcpy(label->text, text.p, text.len);
	if (table_insert(&index->labels, &label->node, label_hash(index, &key)) < 0) {
		free(label);
		return NULL;
	}
	label->next = *first_of(index, parent);
	if (label->next) {
		label->next->before = label;
	}
	*first_of(index, parent) = label;
	return label;
}

/* Frees label and those above it that hold nothing any more. */
static void label_prune(struct name_index *index, struct label *label)
{
	while (label && !label->first_child && !label->exact.owner && !label->wildcard.owner) {
		struct label *parent = label->parent;

		if (label->next) {
			label->next->before = label->before;
		}
		if (label->before) {
			label->before->next = label->next;
		} else {
			*first_of(index, parent) = label->next;
		}
		table_remove(&index->labels, &label->node);
		free(label);
		label = parent;
	}
}

/* Takes the last label off name. */
static struct str last_label(struct str *name)
{
	size_t start = name->len;
	struct str label;

	while (start > 0 && name->p[start - 1] != '.') {
		start--;
	}
	label = (struct str){name->p + start, name->len - start};
	name->len = start > 0 ? start - 1 : 0;
	return label;
}

static struct str port_text(uint16_t port, char buf[2])
{
	buf[0] = (char)(port >> 8);
	buf[1] = (char)port;
	return (struct str){buf, 2};
}

static void conflict_set(struct name_conflict *c, const struct label *label, bool wildcard)
{
	size_t len = 0;

	c->owner = wildcard ? label->wildcard.owner : label->exact.owner;
	c->wildcard = wildcard;
	for (; label->parent && len + label->len + 2 < sizeof(c->text); label = label->parent) {
		if (len > 0) {
			c->text[len++] = '.';
		}
		memcpy(c->text + len, label->text, label->len);
		len += label->len;
	}
	c->text[len] = '\0';
}

/* The label that follows in a walk of all below top; NULL behind the last. */
static const struct label *walk_next(const struct label *label, const struct label *top)
{
	if (label->first_child) {
		return label->first_child;
	}
	while (label != top && !label->next) {
		label = label->parent;
	}
	return label == top ? NULL : label->next;
}

static bool foreign_below(const struct label *top, const struct claimant *by,
			  struct name_conflict *ret_conflict)
{
	const struct label *label = walk_next(top, top);

	for (; label; label = walk_next(label, top)) {
		if (claim_is_foreign(&label->exact, by)) {
			conflict_set(ret_conflict, label, false);
			return true;
		}
		if (claim_is_foreign(&label->wildcard, by)) {
			conflict_set(ret_conflict, label, true);
			return true;
		}
	}
	return false;
}

static struct label *name_find(const struct name_index *index, uint16_t port, struct str name)
{
	char buf[2];
	struct label *label = label_find(index, NULL, port_text(port, buf));

	while (label && name.len > 0) {
		label = label_find(index, label, last_label(&name));
	}
	return label;
}

int name_index_take(struct name_index *index, uint16_t port, struct str name, bool wildcard,
		    struct claimant *by, struct name_conflict *ret_conflict)
{
	char buf[2];
	struct label *label = label_get(index, NULL, port_text(port, buf));
	struct claim *claim;
	int rc = 0;

	while (label && name.len > 0 && rc == 0) {
		struct label *child = label_get(index, label, last_label(&name));

		if (!child) {
			rc = -ENOMEM;
			break;
		}
		label = child;
		if (name.len > 0 && claim_is_foreign(&label->wildcard, by)) {
			conflict_set(ret_conflict, label, true);
			rc = -EEXIST;
		}
	}
	if (!label) {
		return -ENOMEM;
	}
	claim = wildcard ? &label->wildcard : &label->exact;
	if (rc == 0 && claim_is_foreign(claim, by)) {
		conflict_set(ret_conflict, label, wildcard);
		rc = -EEXIST;
	}
	if (rc == 0 && wildcard && foreign_below(label, by, ret_conflict)) {
		rc = -EEXIST;
	}
	if (rc == 0) {
		claim_take(claim, by);
	} else {
		label_prune(index, label);
	}
	return rc;
}

struct claim *name_index_claim(const struct name_index *index, uint16_t port, struct str name,
			       bool wildcard)
{
	struct label *label = name_find(index, port, name);

	return wildcard ? &label->wildcard : &label->exact;
}

void name_index_drop(struct name_index *index, uint16_t port, struct str name, bool wildcard)
{
	struct label *label = name_find(index, port, name);

	claim_drop(wildcard ? &label->wildcard : &label->exact);
	label_prune(index, label);
}

bool name_index_foreign(const struct name_index *index, uint16_t port, const struct claimant *by,
			struct name_conflict *ret_conflict)
{
	const struct label *top = name_find(index, port, (struct str){0});

	return top && foreign_below(top, by, ret_conflict);
}

uint16_t label_port(const struct label *port)
{
	return (uint16_t)((uint8_t)port->text[0] << 8 | (uint8_t)port->text[1]);
}

void name_index_init(struct name_index *index)
{
	table_init(&index->labels);
	index->first_port = NULL;
	hash_key_init(&index->key);
}

void name_index_fini(struct name_index *index)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&index->labels, &it))) {
		table_remove(&index->labels, node);
		free(node);
	}
	table_fini(&index->labels);
}
