/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_ANSWER_INTERNAL_H
#define SIXGATE_DNS64_ANSWER_INTERNAL_H

#include <libknot/libknot.h>

#include "dns64/answer.h"

/* answer*.c among themselves. */
#define ANSWER_RR_FIXED_BYTES 10 /* type, class, TTL, length */
#define ANSWER_PARSE_FLAGS    (KNOT_PF_NOCANON | KNOT_PF_KEEPWIRE)

/* A message on its way from `in`, as libknot parsed it, to `out`. */
struct reader {
	const struct question *q;
	knot_pkt_t *in, *out;
	knot_dname_storage_t name; /* where the chain has come to, lower case */
	uint16_t tail;
	uint16_t n_chain, n_data;
	unsigned int n_links;
	/* that were put, each once, although many links may come from it */
	const knot_rrset_t *dnames[ANSWER_LINKS_MAX + 1];
	unsigned int n_dnames;
};

static inline bool ede_is_bogus(uint16_t ede)
{
	return ede >= KNOT_EDNS_EDE_BOGUS && ede <= KNOT_EDNS_EDE_NSEC_MISS;
}

static inline uint32_t ttl_least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* RFC 2181 8: one with the top bit is zero. */
static inline uint32_t ttl_of_wire(uint32_t ttl_s)
{
	return ttl_s > INT32_MAX ? 0 : ttl_s;
}

/* answer.c */
/* With room for so many records, and bytes of them. NULL when out of memory. */
struct answer *answer_new(const struct question *q, size_t n_rr, size_t len);
uint8_t *answer_bytes_of(struct answer *a);
/* Once all else is set: how long it may be kept, and its records be told. */
void answer_settle(struct answer *a);

/* answer_read.c */
/* Puts a record of in, or one like it, into out. False: it does not fit. */
bool reader_put(struct reader *r, const knot_rrset_t *rr);
/* All records of a section that the class asked has. */
bool reader_put_section(struct reader *r, knot_section_t id);
/* The block, of what out holds now; what else there is to say of a message is the caller's. */
struct answer *reader_block(const struct reader *r);

#endif
