/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_INTERNAL_H
#define SIXGATE_DNS64_INTERNAL_H

#include <stddef.h>
#include <string.h>

#include "dns64/cache.h"
#include "dns64/resolver.h"

/*
 * request_plain.c for request.c: false when the message is not so plain; and request_parse() of any
 * message, which finds the same in one that is.
 */
bool request_plain(const uint8_t *wire, size_t len, struct request *ret_request);
enum request_result request_parse(const uint8_t *wire, size_t len, struct request *ret_request);

/* query.c for resolver.c: one query's way, as far as it goes without asking anybody. */
enum query_step {
	QUERY_ASKED,   /* what the client asked */
	QUERY_CHECK,   /* whether SERVFAIL was for bogus data: the same, unchecked */
	QUERY_A,       /* the addresses to synthesise from */
	QUERY_REVERSE, /* what a name under Pref64 is an alias of */
};

struct query {
	struct query *next;        /* fetch.waiting */
	struct dns_tenant *tenant; /* counted */
	struct dns_client client;
	const struct request *request; /* borrowed; own, once the query waits */
	uint64_t started_ms;
	enum query_step step;
	uint32_t failed_s;      /* when SERVFAIL came, for QUERY_CHECK */
	uint32_t ttl_max_s;     /* of what is synthesised (RFC 6147 5.1.7) */
	bool authentic;         /* that there is no AAAA */
	const char *why;        /* there are none synthesised, if none could be; NULL: it failed */
	bool synthesised;       /* the answer has addresses made of those of IPv4 */
	bool local;             /* neither the cache nor an upstream has said it */
	bool stale;             /* it is out of date */
	bool take_stale;        /* rather than to wait on */
	struct question target; /* of QUERY_REVERSE */
	struct request own;     /* set when the query waits */
};

struct found {
	struct cached cached;
	bool stale;
};

/* All but the names and the cookie, whose lengths are 0 with that. */
static inline void request_clear(struct request *r)
{
	memset(r, 0, offsetof(struct request, q.name));
}

/* The cache's time. */
static inline uint32_t resolver_now_s(const struct resolver *r)
{
	return (uint32_t)(r->now_ms / 1000);
}
/* The question of this step; room is for one that is to be made. */
const struct question *query_question(const struct query *q, struct question *room);
/* Before the first step. The length of the answer, or 0: go on with the step. */
size_t query_begin(struct query *q, uint8_t *wire);
/* With what was found. The length of the answer, or 0: go on with the step that it is now. */
size_t query_step(struct resolver *r, struct query *q, const struct found *found, uint8_t *wire);
size_t query_fail(const struct query *q, uint8_t *wire);
/* Why its answer has no synthesised addresses, or "yes". NULL: nobody wanted any. */
const char *query_synthesis(const struct query *q);

#endif
