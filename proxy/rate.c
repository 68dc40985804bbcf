/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rate of new sessions from shared totals. Called for each session that has a limit; no clock,
 * no memory, no shared state of its own.
 */
#include "proxy/rate.h"

#include "base/counters.h"

#define WINDOW_MS 1000

void rate_init(struct rate *rate, uint64_t total, uint64_t now_ms)
{
	*rate = (struct rate){.last_ms = now_ms, .last_total = total};
}

/* value * part / whole to the nearest, without overflow; part is at most whole. */
static uint64_t share_of(uint64_t value, uint64_t part, uint64_t whole)
{
	return (uint64_t)(((unsigned __int128)value * part + whole / 2) / whole);
}

/*
 * Takes note of the sessions since the last question. When they came is not known: they are taken
 * as evenly spread, because a worker that is seldom asked would else find all of them in the
 * present second.
 */
static void rate_advance(struct rate *rate, uint64_t total, uint64_t now_ms)
{
	uint64_t gap = now_ms - rate->last_ms;
	uint64_t windows = now_ms / WINDOW_MS - rate->last_ms / WINDOW_MS;
	uint64_t position = now_ms % WINDOW_MS;
	uint64_t count = total - rate->last_total, behind;

	if (windows == 0) {
		rate->present += count;
	} else {
		/* the last question was asked in an earlier second: gap > position */
		behind = count - share_of(count, position, gap);
		rate->previous = windows == 1 ? rate->present + behind
					      : share_of(behind, WINDOW_MS, gap - position);
		rate->present = count - behind;
	}
	rate->last_ms = now_ms;
	rate->last_total = total;
}

bool rate_admit(struct rate *rate, uint64_t total, uint32_t per_second, uint64_t now_ms)
{
	uint64_t ahead = WINDOW_MS - now_ms % WINDOW_MS;

	if (per_second == 0) {
		return true;
	}
	if (rate->last_ms == 0 || now_ms < rate->last_ms ||
	    total + WORKERS_MAX < rate->last_total) {
		rate_init(rate, total, now_ms); /* or the counters' slot was given out again */
	}
	if (total < rate->last_total) {
		total = rate->last_total;
	}
	rate_advance(rate, total, now_ms);
	/* of the second before counts what lies within a second from now */
	return share_of(rate->previous, ahead, WINDOW_MS) + rate->present < per_second;
}
