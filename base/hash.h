/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_HASH_H
#define SIXGATE_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Key of SipHash-2-4; random per process, so that a peer cannot aim at one bucket. */
struct hash_key {
	uint64_t k[2];
};

/* Fills key by getrandom(2); to be called before the sandbox closes. */
void hash_key_init(struct hash_key *key);
/* SipHash-2-4 (Aumasson, Bernstein 2012). */
uint64_t hash_bytes(const struct hash_key *key, const void *data, size_t len);

/*
 * Chained hash table of nodes embedded in their owners. It grows step by step: no single call
 * moves more than a few buckets.
 */
struct table_node {
	struct table_node *next; /* bucket */
	uint64_t hash;
};

struct table {
	struct table_node **buckets;     /* owned; NULL while empty */
	struct table_node **old_buckets; /* owned; being moved into buckets */
	size_t n_buckets, n_old, moved;  /* powers of two; old buckets below moved are empty */
	size_t count;
};

typedef bool (*table_eq_fn)(const struct table_node *node, const void *key);

void table_init(struct table *t);
/* Frees the buckets only, not the nodes. */
void table_fini(struct table *t);
/* Returns 0 or -ENOMEM. The caller has made sure that no equal key is in. */
int table_insert(struct table *t, struct table_node *node, uint64_t hash)
	__attribute__((warn_unused_result));
struct table_node *table_find(const struct table *t, uint64_t hash, table_eq_fn eq,
			      const void *key);
/*
 * Begins to bring closer to the CPU what table_find() will look at, in steps from 0 to
 * TABLE_EXPECT_STEPS - 1, each of which needs what the one before it began to bring: who looks for
 * many does one step for all, then the next. n_bytes of the node's owner, which it is the first
 * member of, will be looked at.
 */
#define TABLE_EXPECT_STEPS 3
void table_expect(const struct table *t, uint64_t hash, unsigned int step, size_t n_bytes);
/* node must be in t. */
void table_remove(struct table *t, struct table_node *node);

/*
 * Walks all nodes in no order. it starts zeroed; the node it returned may be removed, nothing may
 * be inserted meanwhile.
 */
struct table_iter {
	size_t bucket;
	struct table_node *next;
	bool in_old, started;
};
struct table_node *table_next(const struct table *t, struct table_iter *it);

#endif
