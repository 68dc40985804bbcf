/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_DRIVER_H
#define SIXGATE_GATEWAY_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
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

#endif
