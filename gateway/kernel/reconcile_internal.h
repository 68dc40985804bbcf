/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_RECONCILE_INTERNAL_H
#define SIXGATE_GATEWAY_RECONCILE_INTERNAL_H

#include "base/hash.h"
#include "gateway/kernel/reconcile.h"
#include "gateway/kernel/steps.h"
#include "gateway/kernel/wants.h"

/* What the files reconcile*.c and survey.c share. */

#define CULPRIT_MAX    96                /* bytes; as WATCH_CAUSE_MAX */
#define DRIFT_TEXT_MAX ((size_t)4 << 20) /* bytes */

/* Where a look is that goes on over several steps: from slice to slice, round and round. */
struct look_place {
	uint64_t todo;             /* slices to look at; those before at: in the next round */
	unsigned int at;           /* slice */
	uint64_t wrong;            /* slices of this round that are not as wanted */
	char culprit[CULPRIT_MAX]; /* terminated; "": not known */
	/* What was mended and not told yet: reconcile_look_end() does. */
	struct buf drift;
	int n_mended;
	unsigned int n_drops; /* mendings that a change put an end to, since the last that ended */
};

struct reconcile {
	struct parts parts;
	struct hash_key key;
	struct table holdings; /* of struct holding, owned; two of one name during its change */
	struct wants wants;
	unsigned int round; /* numbers the walks over wants */
	struct look_place look;
	struct mending *mending;  /* owned: under way in steps; NULL: none */
	struct object_set probed; /* all there was; with has_probed */
	bool has_probed;
	bool started;
	bool unguarded; /* the ruleset could not be put in force: nothing that needs it is made */
	bool former_wanted; /* a change has failed: what was wanted before it holds */
	reconcile_failed_fn failed;
	void *failed_ctx;
};

/* A route that may not be without the ruleset. */
bool reconcile_needs_guard(const struct object *o);
/* Has the drivers complete the objects. */
int reconcile_prepare(struct reconcile *r, struct object_set *set, struct err *err) CHECKED;
/*
 * When the ruleset's part of the kernel is missing, what needs it is taken away. Returns 0, or why
 * it is missing.
 */
int reconcile_guard_absent(struct reconcile *r, struct err *err) CHECKED;
/* It can be made at present. */
bool reconcile_can(const struct reconcile *r, const struct object *o);
/* reconcile_look.c: a look at everything, of which probed is what was seen; it is freed. */
void reconcile_look_at_probed(struct reconcile *r);
/*
 * reconcile_check() without its look at whether the run has started: as much as works. Returns how
 * many objects were not as wanted, or a negative errno.
 */
int reconcile_mend(struct reconcile *r, uint64_t slices, const char *culprit, struct buf *drift,
		   struct err *err) CHECKED;
/*
 * The same in steps, of what a look found: reconcile_mending_step() until it is false, then
 * reconcile_mending_end(), which returns 0 or why the ruleset is not in force. What was mended is
 * in look. Where it cannot be done in steps nothing begins. Whatever else changes the kernel drops
 * it first: it is looked at again.
 */
void reconcile_mending_begin(struct reconcile *r, uint64_t slices);
bool reconcile_mending_step(struct reconcile *r);
int reconcile_mending_end(struct reconcile *r, struct err *err) CHECKED;
void reconcile_mending_drop(struct reconcile *r);
void reconcile_mending_free(struct reconcile *r);

#endif
