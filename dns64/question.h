/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_QUESTION_H
#define SIXGATE_DNS64_QUESTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct hash_key;

#define QUESTION_NAME_MAX   255              /* bytes of a name (RFC 1035 2.3.4) */
#define DNS_HEADER_BYTES    12               /* RFC 1035 4.1.1 */
#define QUESTION_NAME_AT    DNS_HEADER_BYTES /* where the question's name is in a message */
#define QUESTION_TAIL_BYTES 4                /* type and class */

enum {
	QUESTION_DO = 1 << 0, /* DNSSEC records are wanted (RFC 4035 3.2.1) */
	QUESTION_CD = 1 << 1, /* unchecked data, too (RFC 4035 3.2.2) */
};

/* What an upstream is asked, and the cache knows an answer by. */
struct question {
	uint64_t name_hash; /* set by cache_expect(); 0: not yet */
	uint16_t type, class;
	uint8_t flags;                   /* QUESTION_* */
	uint8_t len;                     /* of name */
	uint8_t name[QUESTION_NAME_MAX]; /* as on the wire, lower case */
};

bool question_eq(const struct question *a, const struct question *b);
/* Of all of it, and as if it were of another type. name_hash, if set, is by the same key. */
uint64_t question_hash(const struct hash_key *key, const struct question *q);
uint64_t question_hash_as(const struct hash_key *key, const struct question *q, uint16_t type);
/* The bytes of a message before its first record. */
static inline unsigned int question_message_len(const struct question *q)
{
	return DNS_HEADER_BYTES + q->len + QUESTION_TAIL_BYTES;
}
/*
 * Sets the name from text such as "ipv4only.arpa." (RFC 1035 5.1). Returns 0 or -EINVAL; type,
 * class and flags stay.
 */
int question_set_name(struct question *q, const char *text) CHECKED;

#endif
