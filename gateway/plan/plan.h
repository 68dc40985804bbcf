/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_PLAN_H
#define SIXGATE_GATEWAY_PLAN_H

#include <stddef.h>

#include "base/cursor.h"
#include "base/err.h"
#include "gateway/plan/object_set.h"

enum step_verb {
	STEP_ADD,
	STEP_CHANGE,
	STEP_REMOVE,
};

/* Carried out, it makes from (NULL: nothing) into to (NULL: nothing). Swapped, it is undone. */
struct step {
	enum step_verb verb;
	const struct object *from; /* borrowed from the observed set */
	const struct object *to;   /* borrowed from the desired set */
};

struct plan {
	struct step *steps; /* owned */
	size_t n, size;
};

void plan_init(struct plan *plan);
void plan_fini(struct plan *plan);
/*
 * The steps that make observed into desired, both sorted, in the order in which nothing is open
 * or lost on the way: first what would stand in the way of something new is removed (links, peers,
 * routes, BIB entries, in reverse order of kinds), then additions and changes in order of kinds,
 * then the rest is removed (elements before rules). What cannot change while it is there is removed
 * and added: a link of another kind with what hangs on it, and what gets a value another one still
 * has, as two tunnels that swap their remote ends. A row of pool4 that meets a new one goes first,
 * too, with the BIB entries in it, because removing it later would cut the new one. The steps
 * borrow from both sets. Pure: no I/O, no log. Returns 0, or -ENOMEM with plan empty.
 */
int plan_diff(const struct object_set *observed, const struct object_set *desired,
	      struct plan *plan, struct err *err) CHECKED;
/* Removes all of extra, which the steps borrow from, before anything else. Returns 0 or -ENOMEM. */
int plan_remove_first(struct plan *plan, const struct object_set *extra, struct err *err) CHECKED;
/* The steps that undo the first n_done of plan, in reverse order. Returns 0 or -ENOMEM. */
int plan_undo(const struct plan *plan, size_t n_done, struct plan *ret_undo,
	      struct err *err) CHECKED;
/* One line a step: "+ route ...", "~ link ... was ...", "- bib ...", with the tenant behind. */
void plan_format(const struct plan *plan, struct buf *out);
/* One such line, without its end. */
void step_format(const struct step *step, struct buf *out);

#endif
