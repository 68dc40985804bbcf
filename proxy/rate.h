/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_RATE_H
#define SIXGATE_PROXY_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * New sessions per second of a service or tenant, over all workers. Each worker keeps a state of
 * its own and feeds it with the same total, the sum of the shared counters; nothing else is
 * shared. The limit holds for a second that slides over two full ones, the same for all workers
 * because they have one clock: a burst of the whole limit passes at once, and under steady
 * pressure each second admits the limit.
 */
struct rate {
	uint64_t last_ms;    /* of the last question; 0: never asked */
	uint64_t last_total; /* total at that time */
	uint64_t present;    /* sessions in the second of last_ms, up to then */
	uint64_t previous;   /* sessions in the second before */
};

/*
 * When the service or tenant arrives in the worker, with the total at that time; so the first
 * question knows what the other workers have admitted since. A zeroed state begins with the
 * first question instead.
 */
void rate_init(struct rate *rate, uint64_t total, uint64_t now_ms);

/*
 * Asks for one more session. total: sessions admitted so far by all workers, this one not among
 * them, refused ones left out (a client that hammers must not lock the others out). It may
 * step back by a session a worker, as counters are read one after the other.
 * now_ms: monotonic, not 0. per_second 0 is no limit.
 *
 * True when it may go on; the caller counts it, so that the next total holds it.
 */
bool rate_admit(struct rate *rate, uint64_t total, uint32_t per_second, uint64_t now_ms) CHECKED;

#endif
