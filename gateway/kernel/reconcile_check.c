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

int reconcile_probe(struct reconcile *r, struct err *err)
{
	struct object_set observed;
	int rc;

	object_set_init(&observed);
	rc = parts_observe(&r->parts, SLICES_KINDS, &observed, err);
	object_set_fini(&observed);
	return rc;
}

int reconcile_start(struct reconcile *r, struct err *err)
{
	struct buf drift;
	int rc;

	r->started = true;
	reconcile_look(r, RECONCILE_ALL, NULL);
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

/* The first failure is the one to tell. */
static void down_failed(void *ctx, const struct step *step, const struct err *err)
{
	struct err *first = ctx;

	(void)step;
	if (first->code == 0) {
		*first = *err;
	}
}

int reconcile_down(struct reconcile *r, struct err *err)
{
	struct err first = {0};
	struct survey s;
	int rc;

	reconcile_mending_drop(r);
	survey_init(&s, r, SLICES_ALL);
	s.nothing_wanted = true;
	rc = survey_all(&s, err);
	if (rc == 0) {
		r->started = false;
		if (steps_apply_most(&r->parts, &s.plan, down_failed, &first) > 0) {
			rc = err_set(err, first.code, "%s", first.msg);
		}
	}
	survey_fini(&s);
	return rc;
}
