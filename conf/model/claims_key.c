/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Index of what is claimed by its whole key: address and port, whole address, public key.
 */
#include "conf/model/claims_key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/model/internal.h"

static bool key_eq(const struct table_node *node, const void *key)
{
	const struct key_claim *a = (const struct key_claim *)node, *b = key;

	return a->kind == b->kind && a->port == b->port && a->len == b->len &&
	       memcmp(a->key, b->key, a->len) == 0;
}

static uint64_t key_hash(const struct key_index *index, const struct key_claim *k)
{
	uint8_t bytes[KEY_BYTES_MAX + 3] = {(uint8_t)k->kind, (uint8_t)(k->port >> 8),
					    (uint8_t)k->port};

	memcpy(bytes + 3, k->key, k->len);
	return hash_bytes(&index->key, bytes, (size_t)k->len + 3);
}

static struct key_claim key_make(enum key_kind kind, const void *key, size_t len, uint16_t port)
{
	struct key_claim k = {.kind = kind, .port = port};

	k.len = (uint8_t)(len < KEY_BYTES_MAX ? len : KEY_BYTES_MAX);
	memcpy(k.key, key, k.len);
	return k;
}

static struct key_claim *key_find(const struct key_index *index, const struct key_claim *k)
{
	return (struct key_claim *)table_find(&index->keys, key_hash(index, k), key_eq, k);
}

static struct key_claim **port_bucket(struct key_index *index, uint16_t port)
{
	return &index->by_port[port % KEY_PORT_BUCKETS];
}

int key_index_take(struct key_index *index, enum key_kind kind, const void *key, size_t len,
		   uint16_t port, struct claimant *by, const struct key_claim **ret_other)
{
	struct key_claim wanted = key_make(kind, key, len, port);
	struct key_claim *claim = key_find(index, &wanted);

	if (claim && claim_is_foreign(&claim->claim, by)) {
		*ret_other = claim;
		return -EEXIST;
	}
	if (!claim) {
		claim = malloc(sizeof(*claim));
		if (!claim) {
			return -ENOMEM;
		}
		*claim = wanted;
		if (table_insert(&index->keys, &claim->node, key_hash(index, &wanted)) < 0) {
			free(claim);
			return -ENOMEM;
		}
		if (port > 0) {
			claim->next_port = *port_bucket(index, port);
			*port_bucket(index, port) = claim;
		}
	}
	claim_take(&claim->claim, by);
	return 0;
}

bool key_index_taken(const struct key_index *index, enum key_kind kind, const void *key, size_t len)
{
	struct key_claim wanted = key_make(kind, key, len, 0);

	return key_find(index, &wanted) != NULL;
}

struct claim *key_index_claim(const struct key_index *index, enum key_kind kind, const void *key,
			      size_t len, uint16_t port)
{
	struct key_claim wanted = key_make(kind, key, len, port);

	return &key_find(index, &wanted)->claim;
}

void key_index_drop(struct key_index *index, enum key_kind kind, const void *key, size_t len,
		    uint16_t port)
{
	struct key_claim wanted = key_make(kind, key, len, port);
	struct key_claim *claim = key_find(index, &wanted);
	struct key_claim **link = port_bucket(index, port);

	claim_drop(&claim->claim);
	if (claim->claim.owner) {
		return;
	}
	while (port > 0 && *link != claim) {
		link = &(*link)->next_port;
	}
	if (port > 0) {
		*link = claim->next_port;
	}
	table_remove(&index->keys, &claim->node);
	free(claim);
}

const struct key_claim *key_index_foreign_address(const struct key_index *index,
						  const struct addr *addr, bool whole_only,
						  const struct claimant *by)
{
	struct key_claim wanted = key_make(KEY_KIND_ADDRESS, addr->b, sizeof(addr->b), 0);
	const struct key_claim *claim = key_find(index, &wanted);

	if (claim && claim_is_foreign(&claim->claim, by)) {
		return claim;
	}
	for (size_t i = 0; i < KEY_PORT_BUCKETS && !whole_only; i++) {
		for (claim = index->by_port[i]; claim; claim = claim->next_port) {
			if (memcmp(claim->key, addr->b, sizeof(addr->b)) == 0 &&
			    claim_is_foreign(&claim->claim, by)) {
				return claim;
			}
		}
	}
	return NULL;
}

const struct key_claim *key_index_foreign_port(const struct key_index *index, uint16_t port,
					       const struct claimant *by)
{
	const struct key_claim *claim = index->by_port[port % KEY_PORT_BUCKETS];

	for (; claim; claim = claim->next_port) {
		if (claim->kind == KEY_KIND_TCP && claim->port == port &&
		    claim_is_foreign(&claim->claim, by)) {
			return claim;
		}
	}
	return NULL;
}

const struct key_claim *key_index_foreign_listen(const struct key_index *index, uint16_t port,
						 const struct claimant *by)
{
	struct key_claim wanted = key_make(KEY_KIND_LISTEN, &port, sizeof(port), 0);
	const struct key_claim *claim = key_find(index, &wanted);

	return claim && claim_is_foreign(&claim->claim, by) ? claim : NULL;
}

const struct key_claim *key_index_foreign_udp(const struct key_index *index,
					      const struct node_conf *node, uint16_t port,
					      const struct claimant *by)
{
	const struct key_claim *claim = index->by_port[port % KEY_PORT_BUCKETS];

	for (; claim; claim = claim->next_port) {
		struct addr a;

		memcpy(&a, claim->key, sizeof(a));
		if (claim->kind == KEY_KIND_UDP && claim->port == port &&
		    claim_is_foreign(&claim->claim, by) && check_is_machines(node, &a)) {
			return claim;
		}
	}
	return NULL;
}

void key_index_init(struct key_index *index)
{
	table_init(&index->keys);
	hash_key_init(&index->key);
}

void key_index_fini(struct key_index *index)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&index->keys, &it))) {
		table_remove(&index->keys, node);
		free(node);
	}
	table_fini(&index->keys);
}
