/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_ANSWER_H
#define SIXGATE_DNS64_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns64/question.h"

/*
 * What an upstream answered, as the cache keeps it and answers are made from: one block, with the
 * records as they stand in a message behind that question, so that a name may be compressed
 * against it (RFC 1035 4.1.4). The records of the answer section are the chain of aliases in its
 * order, then those of the type asked; no OPT record.
 *
 * Offsets count from the start of such a message. No TTL is longer than it may be kept.
 */
enum {
	ANSWER_LINKS_MAX = 16, /* aliases in a chain */
	ANSWER_NO_EDE = 0xffff,
};

#define ANSWER_TTL_MAX_S      86400 /* of a positive answer */
#define ANSWER_NEGATIVE_MAX_S 3600  /* RFC 2308 5: one to three hours */
#define ANSWER_NO_SOA         UINT32_MAX

enum answer_section {
	ANSWER_ANSWER,
	ANSWER_AUTHORITY,
	ANSWER_ADDITIONAL,
	N_ANSWER_SECTIONS,
};

struct answer_rr {
	uint16_t owner; /* where its name is */
	uint16_t fixed; /* where its type, class, TTL and length are */
};

struct answer {
	uint32_t ttl_s;          /* how long it may be kept; 0: not at all */
	uint32_t negative_ttl_s; /* of its SOA (RFC 2308 5), bounded; ANSWER_NO_SOA */
	uint16_t rcode;          /* with EDNS's bits */
	uint16_t ede;            /* INFO-CODE (RFC 8914), of bogus data if any; ANSWER_NO_EDE */
	uint16_t n_rr[N_ANSWER_SECTIONS];
	uint16_t n_chain;      /* records of aliases, the first of the answer section */
	uint16_t n_data;       /* records of the type asked, which follow; then signatures */
	uint16_t tail;         /* where the name is that the chain of aliases ends at */
	uint16_t first;        /* where the first record is */
	uint16_t len;          /* of all records, bytes */
	bool authentic;        /* AD (RFC 4035 3.2.3) */
	bool edns;             /* it had an OPT record */
	struct answer_rr rr[]; /* then the bytes of the records */
};

enum answer_result {
	ANSWER_READ,
	ANSWER_MALFORMED,
	ANSWER_LOOP, /* aliases without end */
	ANSWER_TRUNCATED,
	ANSWER_NO_MEMORY,
};

/*
 * Reads a message that answers q; that it is the answer to our query was checked. The block is
 * the caller's on ANSWER_READ: free(3).
 */
enum answer_result answer_read(const struct question *q, const uint8_t *wire, size_t len,
			       struct answer **ret_answer);
/* An answer without records. NULL when out of memory. */
struct answer *answer_empty(const struct question *q, uint16_t rcode);
/* SERVFAIL for that reason, where an upstream has no answer. NULL when out of memory. */
struct answer *answer_failed(const struct question *q, uint16_t ede);

/*
 * The answer to q, whose name is an alias of that of target, to which a is the answer. NULL when
 * out of memory, or it becomes too long.
 */
struct answer *answer_alias(const struct question *q, uint32_t ttl_s, const struct question *target,
			    const struct answer *a);

/* Whether data of SVCB or HTTPS has an ipv4hint (RFC 9460 7.3) that may be left out. */
bool answer_has_ipv4hint(const struct answer *a);
/* The same answer without these, and without the signatures of that data. NULL: out of memory. */
struct answer *answer_without_ipv4hint(const struct question *q, const struct answer *a);

/* It says neither what there is nor that there is nothing. */
bool answer_is_failure(const struct answer *a);
/* The data was checked, and is not its owner's (INFO-CODE 6 to 12). */
bool answer_is_bogus(const struct answer *a);
/* The records' bytes: of offset answer.first. */
const uint8_t *answer_bytes(const struct answer *a);
uint16_t answer_rr_type(const struct answer *a, unsigned int i);
uint32_t answer_rr_ttl(const struct answer *a, unsigned int i);
/* Borrowed; *ret_len bytes. */
const uint8_t *answer_rr_data(const struct answer *a, unsigned int i, uint16_t *ret_len);
unsigned int answer_n_rr(const struct answer *a);
/* Bytes of memory it takes. */
size_t answer_size(const struct answer *a);

#endif
