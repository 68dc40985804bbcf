/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_TOTALS_H
#define SIXGATE_GATEWAY_TOTALS_H

#include <stdint.h>

#include "base/counters.h"

struct buf;
struct slots;

/*
 * What listeners that are gone have counted, so that the node's totals never step back. Sessions
 * outlive their listener: its counter slot rests here until the last one has ended.
 */
struct totals {
	struct slots *slots; /* borrowed */
	uint64_t former[N_COUNTERS];
	struct resting *resting; /* owned */
};

/* Takes over a slot; it goes back to slots when no session is on it. */
void totals_rest(struct totals *totals, uint32_t slot);
uint64_t totals_get(struct totals *totals, enum counter which);
/* Writes all of it as lines for carry.h. */
void totals_write(const struct totals *totals, struct buf *out);
void totals_fini(struct totals *totals);

#endif
