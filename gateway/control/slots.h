/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_SLOTS_H
#define SIXGATE_GATEWAY_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counters.h"
#include "base/err.h"

struct tenant_conf;

/*
 * Gives out counter slots, the same number in every worker's segment. Slot 0 belongs to nobody.
 * A slot that comes back rests until no worker has a session on it; the oldest is taken first.
 */
struct slots {
	struct counters *const *segments; /* borrowed: one for each worker slot */
	size_t n_segments;
	uint64_t used[COUNTERS_SLOTS / 64]; /* by bit */
	uint32_t freed[COUNTERS_SLOTS];     /* ring: oldest at first */
	uint32_t first, n_freed;
	uint32_t fresh; /* never given out yet: this one and all above */
};

void slots_init(struct slots *slots, struct counters *const *segments, size_t n_segments);
/* Gives out a slot with zero counters. Returns 0, or -ENOSPC when all are taken. */
int slots_get(struct slots *slots, uint32_t *ret_slot, struct err *err) CHECKED;
/* Takes back a slot that every worker has let go; one that is not given out is left alone. */
void slots_put(struct slots *slots, uint32_t slot);

/*
 * Gives tenant, its services and backends their slots: those of the same tenant, service or
 * backend in former (NULL allowed), else new ones. On failure tenant has none but former's.
 */
int slots_assign(struct slots *slots, struct tenant_conf *tenant, const struct tenant_conf *former,
		 struct err *err) CHECKED;
/* Takes back the slots of gone that kept (NULL: nothing) does not have. */
void slots_release(struct slots *slots, const struct tenant_conf *gone,
		   const struct tenant_conf *kept);

#endif
