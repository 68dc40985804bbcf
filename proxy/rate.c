/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rate of new sessions from shared totals. Called for each session that has a limit; no clock,
 * no memory, no shared state of its own.
 */
#include "proxy/rate.h"

#include "base/counters.h"

#define WINDOW_MS 1000

static void rate_start(struct rate *rate, uint64_t total, uint64_t now_ms)
{
	*rate = (struct rate){.start_ms = now_ms, .start_total = total};
}

/*
 * Moves on to the window that holds now_ms. Sessions since the last window's start are taken as
 * evenly spread: when they came is not known, and a worker that sees few sessions itself would
 * else count all of them into one second.
 */
static void rate_advance(struct rate *rate, uint64_t total, uint64_t now_ms)
{
	uint64_t elapsed = now_ms - rate->start_ms;
	uint64_t count = total - rate->start_total;
	uint64_t position = elapsed % WINDOW_MS;
	/* rounded up and down so that none of count is lost */
	uint64_t present = (uint64_t)((unsigned __int128)count * position / elapsed);

	rate->previous =
		(uint64_t)((unsigned __int128)(count - present) * WINDOW_MS / (elapsed - position));
	rate->start_ms = now_ms - position;
	rate->start_total = total - present;
}

bool rate_admit(struct rate *rate, uint64_t total, uint32_t per_second, uint64_t now_ms)
{
	uint64_t position, present;

	if (per_second == 0) {
		return true;
	}
	if (rate->start_ms == 0 || now_ms < rate->start_ms ||
	    total + WORKERS_MAX < rate->start_total) {
		rate_start(rate, total, now_ms); /* first time, or the slot was given out again */
	}
	if (total < rate->start_total) {
		total = rate->start_total;
	}
	if (now_ms - rate->start_ms >= WINDOW_MS) {
		rate_advance(rate, total, now_ms);
	}
	position = now_ms - rate->start_ms;
	present = total - rate->start_total;
	return rate->previous * (WINDOW_MS - position) / WINDOW_MS + present < per_second;
}
