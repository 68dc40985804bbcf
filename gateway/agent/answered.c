/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The prefixes the neighbour child answers for; see answered.h. */
#include "gateway/agent/answered.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"

struct entry {
	struct table_node node; /* answered.table */
	struct prefix prefix;
};

void answered_init(struct answered *a)
{
	*a = (struct answered){0};
	hash_key_init(&a->key);
	table_init(&a->table);
}

void answered_fini(struct answered *a)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&a->table, &it))) {
		table_remove(&a->table, node);
		free(container_of(node, struct entry, node));
	}
	table_fini(&a->table);
}

static bool entry_eq(const struct table_node *node, const void *key)
{
	const struct prefix *a = &container_of(node, const struct entry, node)->prefix, *b = key;

	return a->len == b->len && addr_eq(&a->addr, &b->addr);
}

static struct table_node *find(const struct answered *a, const struct prefix *p, uint64_t *ret_hash)
{
	*ret_hash = hash_bytes(&a->key, p->addr.b, sizeof(p->addr.b)) + p->len;
	return table_find(&a->table, *ret_hash, entry_eq, p);
}

int answered_add(struct answered *a, const struct prefix *p)
{
	struct entry *e;
	uint64_t hash;

	if (find(a, p, &hash)) {
		return 0;
	}
	e = calloc(1, sizeof(*e));
	if (!e) {
		return -ENOMEM;
	}
	e->prefix = *p;
	if (table_insert(&a->table, &e->node, hash) < 0) {
		free(e);
		return -ENOMEM;
	}
	a->n_of_len[p->len]++;
	return 0;
}

void answered_remove(struct answered *a, const struct prefix *p)
{
	uint64_t hash;
	struct table_node *node = find(a, p, &hash);

	if (node) {
		table_remove(&a->table, node);
		free(container_of(node, struct entry, node));
		a->n_of_len[p->len]--;
	}
}

bool answered_has(const struct answered *a, const struct addr *address)
{
	for (unsigned int len = 0; len <= 128; len++) {
		struct prefix p = {.addr = *address, .len = (uint8_t)len};
		uint64_t hash;

		if (a->n_of_len[len] > 0) {
			addr_mask(&p.addr, len);
			if (find(a, &p, &hash)) {
				return true;
			}
		}
	}
	return false;
}
