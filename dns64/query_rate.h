/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_QUERY_RATE_H
#define SIXGATE_DNS64_QUERY_RATE_H

#include <stdint.h>

#include "base/err.h"

/*
 * Queries a second of a tenant: a bucket that holds those of one second. All workers together,
 * because a tenant's one resolver always meets the same worker: a share for each would be all it
 * ever gets. Each has a bucket of its own, from which it takes what the others have let through
 * as well, by the shared counters, once a millisecond at most: so the rate holds for all of them,
 * and a burst that comes to several at the same moment may be larger than it by a little.
 *
 * As many queries again are to be told that they were too many, in each worker, so that a resolver
 * knows at once and asks elsewhere. What is beyond these is not worth an answer.
 */
enum query_rate_result {
	QUERY_RATE_ADMIT,
	QUERY_RATE_REFUSE,
	QUERY_RATE_DROP,
};

struct query_rate {
	uint32_t per_second;          /* 0: no limit */
	uint64_t at_ms;               /* when it was filled; 0: never */
	uint64_t others;              /* what the other workers had let through then */
	int64_t left, left_to_refuse; /* thousandths of a query; left is below 0 by others' */
};

/*
 * To be called before query_rate_ask() when now_ms (monotonic, not 0) is not at_ms. others: what
 * other workers have let through of this tenant's, ever; it may step back.
 */
void query_rate_fill(struct query_rate *rate, uint64_t others, uint64_t now_ms);
/* Asks for one more query. */
enum query_rate_result query_rate_ask(struct query_rate *rate) CHECKED;

#endif
