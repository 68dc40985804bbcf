/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SipHash-2-4 and the keyed hash table. Growing moves MOVE_STEP old buckets with each insert, so
 * that a table of a million nodes never stops the event loop. Removing moves nothing: a walk that
 * removes its nodes meets each one once.
 */
#include "base/hash.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TABLE_MIN 16 /* buckets */
#define MOVE_STEP 16 /* old buckets moved with each insert */
#define CPU_LINE  64 /* bytes that come to the CPU at once */

void hash_key_init(struct hash_key *key)
{
	/* 16 bytes never come short once the pool is ready, for which this call waits */
	if (getrandom(key, sizeof(*key), 0) != sizeof(*key)) {
		abort();
	}
}

static inline uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static inline uint64_t le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* The last len % 8 of len bytes, which begin at p. */
static inline uint64_t last_bytes(const uint8_t *p, size_t len)
{
	size_t n = len % 8;
	uint64_t v = 0;

	if (n > 0 && len > 8) { /* with some of those before, which are shifted out */
		return le64(p + len - 8) >> (64 - 8 * n);
	}
	for (size_t i = 0; i < n; i++) {
		v |= (uint64_t)p[i] << (8 * i);
	}
	return v;
}

uint64_t hash_bytes(const struct hash_key *key, const void *data, size_t len)
{
	const uint8_t *p = data, *whole = p + len / 8 * 8;
	uint64_t v[4] = {
		key->k[0] ^ 0x736f6d6570736575ULL,
		key->k[1] ^ 0x646f72616e646f6dULL,
		key->k[0] ^ 0x6c7967656e657261ULL,
		key->k[1] ^ 0x7465646279746573ULL,
	};
	uint64_t m;

	for (; p < whole; p += 8) {
		m = le64(p);
		v[3] ^= m;
		sip_round(v);
		sip_round(v);
		v[0] ^= m;
	}
	m = (uint64_t)len << 56 | last_bytes(data, len);
	v[3] ^= m;
	sip_round(v);
	sip_round(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++) {
		sip_round(v);
	}
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void table_init(struct table *t)
{
	*t = (struct table){0};
}

void table_fini(struct table *t)
{
	free(t->buckets);
	free(t->old_buckets);
	table_init(t);
}

/* Moves up to n old buckets; the last one frees the old array. */
static void table_move(struct table *t, size_t n)
{
	while (t->old_buckets && n-- > 0) {
		struct table_node *node = t->old_buckets[t->moved];

		while (node) {
			struct table_node *next = node->next;
			struct table_node **bucket = &t->buckets[node->hash & (t->n_buckets - 1)];

			node->next = *bucket;
			*bucket = node;
			node = next;
		}
		t->old_buckets[t->moved++] = NULL;
		if (t->moved == t->n_old) {
			free(t->old_buckets);
			t->old_buckets = NULL;
			t->n_old = 0;
			t->moved = 0;
		}
	}
}

static int table_resize(struct table *t, size_t n)
{
	struct table_node **buckets = calloc(n, sizeof(struct table_node *));

	if (!buckets) {
		return -ENOMEM;
	}
	t->old_buckets = t->buckets;
	t->n_old = t->n_buckets;
	t->moved = 0;
	t->buckets = buckets;
	t->n_buckets = n;
	return 0;
}

int table_insert(struct table *t, struct table_node *node, uint64_t hash)
{
	struct table_node **bucket;

	table_move(t, MOVE_STEP);
	if (!t->buckets && table_resize(t, TABLE_MIN) < 0) {
		return -ENOMEM;
	}
	/* failing to grow costs speed, not the insert */
	if (t->count >= t->n_buckets && !t->old_buckets) {
		(void)!table_resize(t, t->n_buckets * 2);
	}
	node->hash = hash;
	bucket = &t->buckets[hash & (t->n_buckets - 1)];
	node->next = *bucket;
	*bucket = node;
	t->count++;
	return 0;
}

static struct table_node *chain_find(struct table_node *node, uint64_t hash, table_eq_fn eq,
				     const void *key)
{
	for (; node; node = node->next) {
		if (node->hash == hash && eq(node, key)) {
			return node;
		}
	}
	return NULL;
}

struct table_node *table_find(const struct table *t, uint64_t hash, table_eq_fn eq, const void *key)
{
	struct table_node *node;

	if (t->count == 0) {
		return NULL;
	}
	node = chain_find(t->buckets[hash & (t->n_buckets - 1)], hash, eq, key);
	if (!node && t->old_buckets) {
		node = chain_find(t->old_buckets[hash & (t->n_old - 1)], hash, eq, key);
	}
	return node;
}

static void chain_expect(struct table_node *const *bucket, uint64_t hash, unsigned int step,
			 size_t n_bytes)
{
	const struct table_node *node;

	if (step == 0) {
		__builtin_prefetch(bucket);
		return;
	}
	for (node = *bucket; step > 1 && node && node->hash != hash;) {
		node = node->next;
	}
	/* a chain is mostly of one node: its first line is brought before it is known for the one
	 */
	for (size_t at = step == 1 ? 0 : CPU_LINE; node && at < (step == 1 ? 1 : n_bytes);
	     at += CPU_LINE) {
		__builtin_prefetch((const char *)node + at);
	}
}

void table_expect(const struct table *t, uint64_t hash, unsigned int step, size_t n_bytes)
{
	if (t->count == 0) {
		return;
	}
	chain_expect(&t->buckets[hash & (t->n_buckets - 1)], hash, step, n_bytes);
	if (t->old_buckets) {
		chain_expect(&t->old_buckets[hash & (t->n_old - 1)], hash, step, n_bytes);
	}
}

static bool chain_remove(struct table_node **link, const struct table_node *node)
{
	for (; *link; link = &(*link)->next) {
		if (*link == node) {
			*link = node->next;
			return true;
		}
	}
	return false;
}

void table_remove(struct table *t, struct table_node *node)
{
	if (!chain_remove(&t->buckets[node->hash & (t->n_buckets - 1)], node) && t->old_buckets) {
		(void)chain_remove(&t->old_buckets[node->hash & (t->n_old - 1)], node);
	}
	node->next = NULL;
	t->count--;
}

struct table_node *table_next(const struct table *t, struct table_iter *it)
{
	struct table_node *node;

	if (!it->started) {
		it->started = true;
		it->in_old = t->old_buckets != NULL;
	}
	while (!it->next) {
		if (it->in_old && it->bucket >= t->n_old) {
			it->in_old = false;
			it->bucket = 0;
		}
		if (!it->in_old && it->bucket >= t->n_buckets) {
			return NULL;
		}
		it->next = it->in_old ? t->old_buckets[it->bucket] : t->buckets[it->bucket];
		it->bucket++;
	}
	node = it->next;
	it->next = node->next;
	return node;
}
