/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A tenant's rate of queries; see query_rate.h. Pure: no clock, no memory. */
#include "dns64/query_rate.h"

#include <stdbool.h>

#define QUERY     1000 /* in thousandths; what a second brings to a rate of one in a ms */
#define SECOND_MS 1000

/* As far as it may be above or below 0: a second's silence pays any debt. */
static int64_t within(int64_t v, int64_t bound)
{
	return v < -bound ? -bound : v > bound ? bound : v;
}

/* How much time counts: enough to pay any debt and be full again. */
static int64_t elapsed_ms(const struct query_rate *rate, uint64_t now_ms)
{
	if (rate->at_ms == 0) {
		return SECOND_MS;
	}
	return now_ms - rate->at_ms < 2 * SECOND_MS ? (int64_t)(now_ms - rate->at_ms)
						    : 2 * SECOND_MS;
}

/* What others let through since, as far as it can matter. */
static int64_t taken_by(const struct query_rate *rate, uint64_t others)
{
	const uint64_t most = 2 * (uint64_t)rate->per_second;

	if (rate->at_ms == 0 || others < rate->others) {
		return 0; /* or the counters were given out again */
	}
	return (int64_t)(others - rate->others < most ? others - rate->others : most);
}

void query_rate_fill(struct query_rate *rate, uint64_t others, uint64_t now_ms)
{
	const int64_t full = (int64_t)rate->per_second * QUERY;
	const int64_t gain = elapsed_ms(rate, now_ms) * rate->per_second;

	rate->left = within(within(rate->left, full) + gain, full);
	rate->left = within(rate->left - taken_by(rate, others) * QUERY, full);
	rate->left_to_refuse = within(rate->left_to_refuse + gain, full);
	rate->others = others;
	rate->at_ms = now_ms;
}

static bool take(int64_t *left)
{
	if (*left < QUERY) {
		return false;
	}
	*left -= QUERY;
	return true;
}

enum query_rate_result query_rate_ask(struct query_rate *rate)
{
	if (rate->per_second == 0 || take(&rate->left)) {
		return QUERY_RATE_ADMIT;
	}
	return take(&rate->left_to_refuse) ? QUERY_RATE_REFUSE : QUERY_RATE_DROP;
}
