/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_DIRTY_H
#define SIXGATE_GATEWAY_DIRTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * A set of item ids, taken out in the order they came in. It is a set and not a queue: an item
 * that changes a thousand times while a worker is slow is in it once.
 */
struct dirty {
	uint32_t *ring; /* owned */
	uint64_t *bits; /* owned: which ids are in */
	size_t size;    /* ids it can hold: 0 to size - 1; a power of two */
	size_t first, count;
};

void dirty_init(struct dirty *set);
void dirty_fini(struct dirty *set);
/* Makes room for the ids below n_ids. Returns 0, or -ENOMEM with the set as it was. */
int dirty_reserve(struct dirty *set, size_t n_ids) CHECKED;
/* Puts id in, if it is not; there must be room for it. */
void dirty_add(struct dirty *set, uint32_t id);
bool dirty_has(const struct dirty *set, uint32_t id);
/* Takes the oldest out. False when the set is empty. */
bool dirty_take(struct dirty *set, uint32_t *ret_id);
void dirty_clear(struct dirty *set);

#endif
