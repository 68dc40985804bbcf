/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_RATE_H
#define SIXGATE_PROXY_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * New sessions per second of a service or tenant, over all workers. Each worker keeps a state of
 * its own and feeds it with the same total, the sum of the shared counters; nothing else is
 * shared. A second slides over two windows: a burst of the whole limit passes at once, and under
 * steady pressure each window holds the limit, exceeded by at most a session a worker.
 */
struct rate {
	uint64_t start_ms;    /* of the present window; 0: never asked */
	uint64_t start_total; /* total at that time */
	uint64_t previous;    /* sessions in the window before */
};

/*
 * Asks for one more session. total: sessions admitted so far by all workers, this one not among
 * them, refused ones left out (a client that hammers must not lock the others out). It may
 * step back by a session a worker, as counters are read one after the other.
 * now_ms: monotonic, not 0. per_second 0 is no limit. State starts zeroed.
 *
 * True when it may go on; the caller counts it, so that the next total holds it.
 */
bool rate_admit(struct rate *rate, uint64_t total, uint32_t per_second, uint64_t now_ms) CHECKED;

#endif
