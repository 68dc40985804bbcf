/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The set of items a worker has not been told about: a ring for the order, a bitmap for
 * membership. The ring cannot overflow, because no id is in it twice.
 */
#include "gateway/control/dirty.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIRTY_SIZE_MIN 64 /* ids: one word of the bitmap */

void dirty_init(struct dirty *set)
{
	*set = (struct dirty){0};
}

void dirty_fini(struct dirty *set)
{
	free(set->ring);
	free(set->bits);
	dirty_init(set);
}

int dirty_reserve(struct dirty *set, size_t n_ids)
{
	size_t size = set->size ? set->size : DIRTY_SIZE_MIN;
	uint32_t *ring = NULL;
	uint64_t *bits = NULL;

	if (n_ids <= set->size) {
		return 0;
	}
	while (size < n_ids) {
		size *= 2;
	}
	ring = calloc(size, sizeof(*ring));
	bits = calloc(size / 64, sizeof(*bits));
	if (!ring || !bits) {
		free(ring);
		free(bits);
		return -ENOMEM;
	}
	for (size_t i = 0; i < set->count; i++) {
		ring[i] = set->ring[(set->first + i) & (set->size - 1)];
	}
	if (set->size > 0) {
		memcpy(bits, set->bits, set->size / 8);
	}
	free(set->ring);
	free(set->bits);
	*set = (struct dirty){.ring = ring, .bits = bits, .size = size, .count = set->count};
	return 0;
}

bool dirty_has(const struct dirty *set, uint32_t id)
{
	return id < set->size && set->bits[id / 64] >> id % 64 & 1;
}

void dirty_add(struct dirty *set, uint32_t id)
{
	assert(id < set->size);
	if (dirty_has(set, id)) {
		return;
	}
	set->bits[id / 64] |= UINT64_C(1) << id % 64;
	set->ring[(set->first + set->count++) & (set->size - 1)] = id;
}

bool dirty_take(struct dirty *set, uint32_t *ret_id)
{
	if (set->count == 0) {
		return false;
	}
	*ret_id = set->ring[set->first];
	set->bits[*ret_id / 64] &= ~(UINT64_C(1) << *ret_id % 64);
	set->first = (set->first + 1) & (set->size - 1);
	set->count--;
	return true;
}

void dirty_clear(struct dirty *set)
{
	if (set->size > 0) {
		memset(set->bits, 0, set->size / 8);
	}
	set->first = set->count = 0;
}
