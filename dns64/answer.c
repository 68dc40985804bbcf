/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the cache keeps of an upstream: see answer.h. Made in answer_read.c. */
#include "dns64/answer_internal.h"

#include <stdlib.h>

#include <libknot/libknot.h>

#define FAILURE_TTL_S 5 /* RFC 9520 3.2 */

uint8_t *answer_bytes_of(struct answer *a)
{
	return (uint8_t *)(a->rr + answer_n_rr(a));
}

const uint8_t *answer_bytes(const struct answer *a)
{
	return (const uint8_t *)(a->rr + answer_n_rr(a));
}

unsigned int answer_n_rr(const struct answer *a)
{
	return (unsigned int)a->n_rr[ANSWER_ANSWER] + a->n_rr[ANSWER_AUTHORITY] +
	       a->n_rr[ANSWER_ADDITIONAL];
}

size_t answer_size(const struct answer *a)
{
	return sizeof(*a) + answer_n_rr(a) * sizeof(a->rr[0]) + a->len;
}

static const uint8_t *fixed_of(const struct answer *a, unsigned int i)
{
	return answer_bytes(a) + (a->rr[i].fixed - a->first);
}

uint16_t answer_rr_type(const struct answer *a, unsigned int i)
{
	return knot_wire_read_u16(fixed_of(a, i));
}

uint32_t answer_rr_ttl(const struct answer *a, unsigned int i)
{
	return knot_wire_read_u32(fixed_of(a, i) + 4);
}

const uint8_t *answer_rr_data(const struct answer *a, unsigned int i, uint16_t *ret_len)
{
	*ret_len = knot_wire_read_u16(fixed_of(a, i) + 8);
	return fixed_of(a, i) + ANSWER_RR_FIXED_BYTES;
}

/* The records of first to end - 1 may be told for max_s at most. */
static void bound_ttls(struct answer *a, unsigned int first, unsigned int end, uint32_t max_s)
{
	for (unsigned int i = first; i < end; i++) {
		uint8_t *ttl = answer_bytes_of(a) + (a->rr[i].fixed - a->first) + 4;

		knot_wire_write_u32(ttl, ttl_least(ttl_of_wire(knot_wire_read_u32(ttl)), max_s));
	}
}

/* Nothing is told for longer than it is kept (RFC 2308 3); a set has one TTL (RFC 2181 5.2). */
static void bound_all_ttls(struct answer *a)
{
	unsigned int authority = a->n_rr[ANSWER_ANSWER];
	uint32_t data_s = ANSWER_TTL_MAX_S;

	bound_ttls(a, 0, answer_n_rr(a), ANSWER_TTL_MAX_S);
	for (unsigned int i = a->n_chain; i < a->n_chain + a->n_data; i++) {
		data_s = ttl_least(data_s, answer_rr_ttl(a, i));
	}
	if (a->n_data > 0) {
		bound_ttls(a, a->n_chain, authority, data_s);
	} else {
		bound_ttls(a, authority, authority + a->n_rr[ANSWER_AUTHORITY],
			   answer_is_failure(a) ? FAILURE_TTL_S : a->negative_ttl_s);
	}
}

/* How long the cache may keep it. */
static uint32_t ttl_of(const struct answer *a)
{
	uint32_t ttl_s = ANSWER_TTL_MAX_S;

	if (answer_is_failure(a)) {
		return FAILURE_TTL_S;
	}
	if (a->n_data == 0 && a->negative_ttl_s == ANSWER_NO_SOA) {
		return 0;
	}
	if (a->n_data == 0) {
		ttl_s = a->negative_ttl_s;
	}
	for (unsigned int i = 0; i < a->n_rr[ANSWER_ANSWER]; i++) {
		ttl_s = ttl_least(ttl_s, answer_rr_ttl(a, i));
	}
	return ttl_s;
}

void answer_settle(struct answer *a)
{
	bound_all_ttls(a);
	a->ttl_s = ttl_of(a);
}

struct answer *answer_new(const struct question *q, size_t n_rr, size_t len)
{
	struct answer *a = calloc(1, sizeof(*a) + n_rr * sizeof(a->rr[0]) + len);

	if (a) {
		a->first = (uint16_t)question_message_len(q);
		a->tail = QUESTION_NAME_AT;
		a->len = (uint16_t)len;
		a->ede = ANSWER_NO_EDE;
		a->negative_ttl_s = ANSWER_NO_SOA;
	}
	return a;
}

bool answer_is_failure(const struct answer *a)
{
	return a->rcode != KNOT_RCODE_NOERROR && a->rcode != KNOT_RCODE_NXDOMAIN;
}

bool answer_is_bogus(const struct answer *a)
{
	return ede_is_bogus(a->ede);
}

struct answer *answer_empty(const struct question *q, uint16_t rcode)
{
	struct answer *a = answer_new(q, 0, 0);

	if (a) {
		a->rcode = rcode;
		a->ttl_s = ttl_of(a);
	}
	return a;
}

struct answer *answer_failed(const struct question *q, uint16_t ede)
{
	struct answer *a = answer_empty(q, KNOT_RCODE_SERVFAIL);

	if (a) {
		a->ede = ede;
	}
	return a;
}
