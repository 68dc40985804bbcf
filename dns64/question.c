/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The question of a query. */
#include "dns64/question.h"

#include <errno.h>
#include <string.h>

#include <libknot/libknot.h>

#include "base/hash.h"

bool question_eq(const struct question *a, const struct question *b)
{
	return a->type == b->type && a->class == b->class && a->flags == b->flags &&
	       a->len == b->len && memcmp(a->name, b->name, a->len) == 0;
}

/*
 * The name's hash, which nobody can foresee, mixed with the rest by MurmurHash3's finalizer: which
 * types of a name meet in a bucket cannot be told either.
 */
uint64_t question_hash_as(const struct hash_key *key, const struct question *q, uint16_t type)
{
	uint64_t h = q->name_hash ? q->name_hash : hash_bytes(key, q->name, q->len);

	h ^= (uint64_t)type << 32 | (uint64_t)q->class << 8 | q->flags;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ULL;
	return h ^ h >> 33;
}

uint64_t question_hash(const struct hash_key *key, const struct question *q)
{
	return question_hash_as(key, q, q->type);
}

int question_set_name(struct question *q, const char *text)
{
	if (!knot_dname_from_str(q->name, text, sizeof(q->name))) {
		return -EINVAL;
	}
	knot_dname_to_lower(q->name);
	q->name_hash = 0;
	q->len = (uint8_t)knot_dname_size(q->name);
	return 0;
}
