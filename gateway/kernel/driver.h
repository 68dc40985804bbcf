/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_DRIVER_H
#define SIXGATE_GATEWAY_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "gateway/plan/firewall.h"
#include "gateway/plan/object_set.h"
#include "gateway/plan/plan.h"

/* The seam between reconciler and kernel: one driver for some kinds of objects. */
struct driver {
	const char *name;
	uint32_t kinds;    /* bits 1 << enum object_kind */
	enum object_ns ns; /* of its objects: observe sets it, apply gets no other */
	void *ctx;
	/*
	 * Adds our objects of the given kinds (a subset of the driver's) to set, unsorted. Never a
	 * foreign one, except where the kind says so. -EINTR from the kernel is tried again inside.
	 */
	int (*observe)(void *ctx, uint32_t kinds, struct object_set *set, struct err *err);
	/*
	 * Of the driver of nftables: the same for the elements of one set (enum firewall_set),
	 * which may be read at a time of its own. NULL: none.
	 */
	int (*observe_set)(void *ctx, unsigned int id, struct object_set *set, struct err *err);
	/* Completes a desired object with what only the driver knows. NULL: nothing. */
	int (*prepare)(void *ctx, struct object *desired, struct err *err);
	/*
	 * Carries out steps of the driver's kinds, in order, as few transactions as it can.
	 * Removing what is gone already is success; adding what is there as wanted, too. ret_done:
	 * how many are in force, also on failure; err says what the kernel said, and how to mend
	 * it.
	 */
	int (*apply)(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
		     struct err *err);
};

#define DRIVER_KIND(kind) (UINT32_C(1) << (kind))

/*
 * A slice is what is looked at in one go, so that no look takes long: the objects of a kind, or,
 * as there are most of them, the elements of one set. Several are bits of a uint64_t, those of
 * kinds as DRIVER_KIND().
 */
#define N_SLICES (N_OBJECT_KINDS + N_FIREWALL_SETS)
#define SLICE(n) (UINT64_C(1) << (n))
_Static_assert(N_SLICES < 64, "slices are bits");
#define SLICES_ALL      ((SLICE(N_SLICES) - 1) & ~SLICE(OBJECT_ELEMENT))
#define SLICES_KINDS    ((SLICE(N_OBJECT_KINDS) - 1) & ~SLICE(OBJECT_ELEMENT))
#define SLICES_ELEMENTS (SLICES_ALL & ~SLICES_KINDS)

static inline unsigned int slice_of(const struct object *o)
{
	return o->kind == OBJECT_ELEMENT ? N_OBJECT_KINDS + 0u + o->element.set
					 : (unsigned int)o->kind;
}

/* Of bits of DRIVER_KIND(). */
static inline uint64_t slices_of_kinds(uint32_t kinds)
{
	return (kinds & SLICES_KINDS) | (kinds & DRIVER_KIND(OBJECT_ELEMENT) ? SLICES_ELEMENTS : 0);
}

#endif
