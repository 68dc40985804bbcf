/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel as a whole, in one go: at the start, at the end, and when a change asks for it.
 */
#include "gateway/kernel/reconcile.h"

#include <errno.h>

#include "gateway/kernel/reconcile_internal.h"
#include "gateway/kernel/survey.h"

int reconcile_check(struct reconcile *r, uint32_t kinds, const char *culprit, struct buf *drift,
		    struct err *err)
{
	return r->started ? reconcile_mend(r, slices_of_kinds(kinds), culprit, drift, err) : 0;
}

int reconcile_probe(struct reconcile *r, size_t n_expected, struct err *err)
{
	int rc;

	object_set_fini(&r->probed);
	object_set_reserve(&r->probed, n_expected);
	rc = parts_observe(&r->parts, SLICES_ALL, &r->probed, err);
	r->has_probed = rc == 0 && !r->probed.bad;
	return rc;
}

int reconcile_start(struct reconcile *r, struct err *err)
{
	struct buf drift;
	int rc;

	r->started = true;
	if (r->has_probed) {
		reconcile_look_at_probed(r);
	} else {
		reconcile_look(r, RECONCILE_ALL, NULL);
	}
	while (reconcile_look_step(r)) {
		/* in one go: nothing else runs before the kernel is right */
	}
	buf_init(&drift, 1);
	rc = reconcile_look_end(r, &drift, err);
	buf_fini(&drift);
	return rc < 0 ? rc : 0;
}

bool reconcile_guarded(const struct reconcile *r)
{
	return r->started && !r->unguarded;
}

struct down {
	struct err first; /* the failure to tell */
	bool guarded;     /* a route stays that needs the ruleset */
};

static void down_failed(void *ctx, const struct step *step, const struct err *err)
{
	struct down *down = ctx;

	if (down->first.code == 0) {
		down->first = *err;
	}
	down->guarded |= reconcile_needs_guard(step->from);
}

/* The ruleset and its elements go last, and not before what they guard. */
static void down_apply(struct reconcile *r, const struct plan *plan, struct down *down)
{
	struct plan part = {.steps = plan->steps}, rest;

	while (part.n < plan->n && plan->steps[part.n].from->kind != OBJECT_ELEMENT &&
	       plan->steps[part.n].from->kind != OBJECT_RULESET) {
		part.n++;
	}
	rest = (struct plan){.steps = plan->steps + part.n, .n = plan->n - part.n};
	(void)steps_apply_most(&r->parts, &part, down_failed, down); /* down says it */
	if (!down->guarded) {
		(void)steps_apply_most(&r->parts, &rest, down_failed, down); /* same */
	}
}

int reconcile_down(struct reconcile *r, struct err *err)
{
	struct down down = {0};
	struct survey s;
	int rc;

	reconcile_mending_drop(r);
	survey_init(&s, r, SLICES_ALL);
	s.nothing_wanted = true;
	rc = survey_all(&s, err);
	if (rc == 0) {
		r->started = false;
		down_apply(r, &s.plan, &down);
		rc = down.first.code == 0 ? 0 : err_set(err, down.first.code, "%s", down.first.msg);
	}
	survey_fini(&s);
	return rc;
}
