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

uint64_t question_hash(const struct hash_key *key, const struct question *q)
{
	struct hash_key own = *key;

	own.k[0] ^= (uint64_t)q->type << 32 | (uint64_t)q->class << 8 | q->flags;
	return hash_bytes(&own, q->name, q->len);
}

int question_set_name(struct question *q, const char *text)
{
	if (!knot_dname_from_str(q->name, text, sizeof(q->name))) {
		return -EINVAL;
	}
	knot_dname_to_lower(q->name);
	q->len = (uint8_t)knot_dname_size(q->name);
	return 0;
}
