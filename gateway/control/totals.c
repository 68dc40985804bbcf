/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Counters of listeners that are gone. Looked at only when somebody asks or another listener goes,
 * which is soon enough: nothing waits for these slots.
 */
#include "gateway/control/totals.h"

#include <stdlib.h>

#include "base/cursor.h"
#include "gateway/control/slots.h"

struct resting {
	struct resting *next; /* totals.resting */
	uint32_t slot;
};

static uint64_t slot_sum(const struct totals *totals, uint32_t slot, enum counter which)
{
	return slots_sum(totals->slots, slot, which);
}

static void totals_keep(struct totals *totals, uint32_t slot)
{
	for (int i = 0; i < N_COUNTERS; i++) {
		totals->former[i] += slot_sum(totals, slot, (enum counter)i);
	}
	slots_put(totals->slots, slot);
}

static void totals_sweep(struct totals *totals)
{
	struct resting **at = &totals->resting;

	while (*at) {
		struct resting *resting = *at;

		if (slot_sum(totals, resting->slot, COUNTER_ACTIVE) > 0) {
			at = &resting->next;
			continue;
		}
		*at = resting->next;
		totals_keep(totals, resting->slot);
		free(resting);
	}
}

void totals_rest(struct totals *totals, uint32_t slot)
{
	struct resting *resting = malloc(sizeof(*resting));

	totals_sweep(totals);
	if (!resting) {
		totals_keep(totals, slot); /* what its last sessions do is not counted */
		totals->former[COUNTER_ACTIVE] = 0;
		return;
	}
	*resting = (struct resting){.next = totals->resting, .slot = slot};
	totals->resting = resting;
}

uint64_t totals_get(struct totals *totals, enum counter which)
{
	uint64_t sum;

	totals_sweep(totals);
	sum = totals->former[which];
	for (const struct resting *r = totals->resting; r; r = r->next) {
		sum += slot_sum(totals, r->slot, which);
	}
	return sum;
}

void totals_write(const struct totals *totals, struct buf *out)
{
	for (unsigned int i = 0; i < N_COUNTERS; i++) {
		buf_printf(out, "n %u %llu\n", i, (unsigned long long)totals->former[i]);
	}
	/* keys that no listener has: they rest on */
	for (const struct resting *r = totals->resting; r; r = r->next) {
		buf_printf(out, "k %u %c #%u\n", r->slot, SLOTS_KEY_LISTENER, r->slot);
	}
}

void totals_fini(struct totals *totals)
{
	while (totals->resting) {
		struct resting *next = totals->resting->next;

		free(totals->resting);
		totals->resting = next;
	}
}
