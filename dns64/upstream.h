/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_UPSTREAM_H
#define SIXGATE_DNS64_UPSTREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

/*
 * Asks DNS servers. What an answer must have to be taken for one (RFC 5452): the server's address
 * and port (connected sockets, of which each has a port of its own and is replaced soon), the id,
 * the question with the upper and lower case it was asked in, the cookie (RFC 7873). What is
 * truncated, or comes with the case of letters changed, is asked again by TCP.
 *
 * The fastest one is asked first, the next one when it is silent or fails; nobody waits longer
 * than UPSTREAM_TOTAL_MS.
 */
struct answer;
struct fetch;
struct loop;
struct upstreams;

#define UPSTREAMS_MAX     16
#define UPSTREAM_TOTAL_MS 2200
#define UPSTREAM_TRIES    3
#define UPSTREAM_SOCKETS  4     /* of a server, of which one is taken at random */
#define UPSTREAM_REUSE    1000  /* questions of a socket */
#define UPSTREAM_AGE_MS   10000 /* of a socket */
#define UPSTREAM_TCP_MAX  64    /* connections */

struct upstreams_ops {
	/* Takes answer; NULL: there is none. */
	void (*done)(void *ctx, struct fetch *fetch, struct answer *answer);
};

struct upstream_stats {
	uint64_t n_sent, n_answers, n_timeouts, n_tcp;
	uint64_t n_foreign; /* that answered nothing we asked: wrong id, question, cookie */
	uint32_t srtt_ms;
};

/* Of n servers, at most UPSTREAMS_MAX. loop is borrowed. NULL when out of memory. */
struct upstreams *upstreams_new(struct loop *loop, const struct endpoint *servers, size_t n,
				const struct upstreams_ops *ops, void *ctx);
/* What is asked is not answered any more. */
void upstreams_free(struct upstreams *u);
/* ops.done() follows, never from within. Returns 0 or -errno. */
int upstreams_ask(struct upstreams *u, struct fetch *fetch) CHECKED;
/* Of the i-th server. */
const struct upstream_stats *upstreams_stats(const struct upstreams *u, size_t i);

#endif
