/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A set of prefixes; see prefix_set.h. */
#include "base/prefix_set.h"

#include <errno.h>
#include <stdlib.h>

#include "base/container.h"

struct entry {
	struct table_node node; /* prefix_set.table */
	struct prefix prefix;
};

void prefix_set_init(struct prefix_set *set)
{
	*set = (struct prefix_set){0};
	hash_key_init(&set->key);
	table_init(&set->table);
}

void prefix_set_fini(struct prefix_set *set)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&set->table, &it))) {
		table_remove(&set->table, node);
		free(container_of(node, struct entry, node));
	}
	table_fini(&set->table);
}

static bool entry_eq(const struct table_node *node, const void *key)
{
	const struct prefix *a = &container_of(node, const struct entry, node)->prefix, *b = key;

	return a->len == b->len && addr_eq(&a->addr, &b->addr);
}

static struct table_node *find(const struct prefix_set *set, const struct prefix *p,
			       uint64_t *ret_hash)
{
	*ret_hash = hash_bytes(&set->key, p->addr.b, sizeof(p->addr.b)) + p->len;
	return table_find(&set->table, *ret_hash, entry_eq, p);
}

int prefix_set_put(struct prefix_set *set, const struct prefix *p, bool in)
{
	uint64_t hash;
	struct table_node *node = find(set, p, &hash);
	struct entry *e;

	if (in == (node != NULL)) {
		return 0;
	}
	if (node) {
		table_remove(&set->table, node);
		free(container_of(node, struct entry, node));
		set->n_of_len[p->len]--;
		return 1;
	}
	e = calloc(1, sizeof(*e));
	if (!e || table_insert(&set->table, &e->node, hash) < 0) {
		free(e);
		return -ENOMEM;
	}
	e->prefix = *p;
	set->n_of_len[p->len]++;
	return 1;
}

bool prefix_set_covers(const struct prefix_set *set, const struct addr *a)
{
	for (unsigned int len = 0; len <= 128; len++) {
		struct prefix p = {.addr = *a, .len = (uint8_t)len};
		uint64_t hash;

		if (set->n_of_len[len] > 0) {
			addr_mask(&p.addr, len);
			if (find(set, &p, &hash)) {
				return true;
			}
		}
	}
	return false;
}

const struct prefix *prefix_set_next(const struct prefix_set *set, struct table_iter *it)
{
	const struct table_node *node = table_next(&set->table, it);

	return node ? &container_of(node, const struct entry, node)->prefix : NULL;
}
