/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_STEPS_H
#define SIXGATE_GATEWAY_STEPS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "gateway/kernel/driver.h"
#include "gateway/plan/plan.h"

/* Plans carried out by drivers: runs of steps of one driver go in one call. */

struct part {
	struct driver driver;
	bool absent;           /* its part of the kernel is missing */
	char why[ERR_MSG_MAX]; /* when absent */
};

struct parts {
	struct part *part; /* owned */
	size_t n;
};

/* NULL: nobody does objects like this one. */
struct part *parts_find(const struct parts *parts, enum object_kind kind, enum object_ns ns);
/*
 * Adds what is there of the slices to set. A part that is missing or cannot be read is noted, and
 * no error; but of the ruleset it has to be known whether it is there.
 */
int parts_observe(struct parts *parts, uint64_t slices, struct object_set *set,
		  struct err *err) CHECKED;

/* Carries out the plan, or undoes what was done of it. -EUCLEAN: that failed too. */
int steps_apply(const struct parts *parts, const struct plan *plan, struct err *err) CHECKED;
/* Carries out what works; what does not is told to failed and left out. Returns the failures. */
typedef void (*step_failed_fn)(void *ctx, const struct step *step, const struct err *err);
size_t steps_apply_most(const struct parts *parts, const struct plan *plan, step_failed_fn failed,
			void *ctx);

#endif
