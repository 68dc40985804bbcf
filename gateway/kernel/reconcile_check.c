/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel as a whole: read, compared with all that is wanted, and mended. Here as much as works
 * is done, because what an operator broke in one place is no reason to leave another broken.
 */
#include "gateway/kernel/reconcile.h"

#include <errno.h>
#include <stdlib.h>

#include "base/container.h"
#include "gateway/kernel/reconcile_internal.h"

#define GUARD_SLICES (SLICE(OBJECT_RULESET) | SLICES_ELEMENTS | SLICE(OBJECT_ROUTE))

/* What a link takes with it, and what hangs on those. */
#define LINK_SLICES                                                             \
	(SLICE(OBJECT_LINK) | SLICE(OBJECT_WG_DEVICE) | SLICE(OBJECT_WG_PEER) | \
	 SLICE(OBJECT_ADDRESS) | SLICE(OBJECT_ROUTE) | SLICE(OBJECT_PROXY_NEIGHBOUR))

/* The state that is there and the one that is wanted, of some slices, and the way between. */
struct look {
	struct object_set observed, desired;
	struct plan plan;
};

static void look_fini(struct look *l)
{
	plan_fini(&l->plan);
	object_set_fini(&l->observed);
	object_set_fini(&l->desired);
}

/* All that is wanted and can be made, each thing once. */
static void desired_all(struct reconcile *r, uint64_t slices, struct object_set *set)
{
	for (unsigned int slice = 0; slice < N_SLICES; slice++) {
		const struct want *want = slices & SLICE(slice) ? r->wants.slice[slice] : NULL;

		for (; want; want = want->next) {
			const struct object *o = want_value(want, !r->former_wanted);

			if (o && reconcile_can(r, o)) {
				(void)object_set_add(set, o); /* set->bad says it */
			}
		}
	}
}

/* What is there of parts that are absent, or of kinds nobody asked for, is not compared. */
static int look_init(struct reconcile *r, uint64_t slices, bool nothing_wanted, struct look *l,
		     struct err *err)
{
	int rc;

	*l = (struct look){0};
	rc = parts_observe(&r->parts, slices, &l->observed, err);
	if (rc == 0) {
		rc = object_set_sort(&l->observed, err);
	}
	if (rc == 0 && !nothing_wanted) {
		desired_all(r, slices, &l->desired);
		rc = object_set_sort(&l->desired, err);
	}
	if (rc == 0) {
		rc = plan_diff(&l->observed, &l->desired, &l->plan, err);
	}
	if (rc < 0) {
		look_fini(l);
	}
	return rc;
}

/* How a look goes, for step_failed. */
struct mending {
	struct reconcile *r;
	const struct plan *plan;
	bool *failed; /* owned; by step */
	bool guard_failed;
	struct err guard_err;
};

static void step_failed(void *ctx, const struct step *step, const struct err *err)
{
	struct mending *m = ctx;
	const struct object *o = step->to ? step->to : step->from;

	m->failed[step - m->plan->steps] = true;
	if (o->kind == OBJECT_RULESET || o->kind == OBJECT_ELEMENT) {
		if (!m->guard_failed) {
			m->guard_err = *err;
		}
		m->guard_failed = true;
	}
	if (m->r->failed) {
		m->r->failed(m->r->failed_ctx, o, err->msg);
	}
}

static void step_ignored(void *ctx, const struct step *step, const struct err *err)
{
	(void)ctx, (void)step, (void)err;
}

/*
 * The ruleset is not as it has to be and cannot be mended: no AnyIP route stays, because nothing
 * may guard it. What there is of the ruleset stays: it keeps tenants apart. Best effort: the error
 * that led here is the one to tell.
 */
static void lose_guard(struct reconcile *r)
{
	struct look l;

	r->unguarded = true;
	if (look_init(r, SLICE(OBJECT_ROUTE), false, &l, NULL) < 0) {
		return;
	}
	(void)steps_apply_most(&r->parts, &l.plan, step_ignored,
			       NULL); /* reconcile_guarded() tells */
	look_fini(&l);
}

static void describe(const struct step *step, const char *culprit, struct buf *out)
{
	const struct object *o = step->to ? step->to : step->from;

	switch (step->verb) {
	case STEP_ADD:
		object_format(o, out);
		buf_printf(out, " was missing");
		break;
	case STEP_CHANGE:
		object_format_key(o, out);
		buf_printf(out, " was");
		object_format_value(step->from, out);
		buf_printf(out, ", not");
		object_format_value(step->to, out);
		break;
	case STEP_REMOVE:
		object_format(o, out);
		buf_printf(out, " was too much");
		break;
	}
	if (o->owner) {
		buf_printf(out, " (%s)", o->owner);
	}
	if (culprit) {
		buf_printf(out, ", by %s", culprit);
	}
	buf_printf(out, "\n");
}

static int mend_once(struct reconcile *r, uint64_t slices, const char *culprit, struct buf *drift,
		     struct err *err)
{
	struct mending m = {.r = r};
	struct look l;
	int n, rc = look_init(r, slices, false, &l, err);

	if (rc < 0) {
		return rc;
	}
	m.plan = &l.plan;
	m.failed = calloc(l.plan.n + 1, sizeof(*m.failed)); /* never of size 0 */
	if (!m.failed) {
		look_fini(&l);
		return err_set(err, -ENOMEM, "out of memory");
	}
	n = (int)(l.plan.n - steps_apply_most(&r->parts, &l.plan, step_failed, &m));
	for (size_t i = 0; i < l.plan.n; i++) {
		if (!m.failed[i]) {
			describe(&l.plan.steps[i], culprit, drift);
		}
	}
	free(m.failed);
	look_fini(&l);
	if (m.guard_failed) {
		lose_guard(r);
		return err_set(err, m.guard_err.code, "%s", m.guard_err.msg);
	}
	return n;
}

int reconcile_guard_absent(struct reconcile *r, struct err *err)
{
	const struct part *part = parts_find(&r->parts, OBJECT_RULESET, NS_MAIN);

	if (!part || !part->absent) {
		return 0;
	}
	if (!r->unguarded) {
		lose_guard(r);
	}
	return err_set(err, -EOPNOTSUPP, "%s", part->why);
}

int reconcile_mend(struct reconcile *r, uint64_t slices, const char *culprit, struct buf *drift,
		   struct err *err)
{
	int rc, absent;

	if (r->unguarded) {
		slices |= GUARD_SLICES; /* it may work by now */
		r->unguarded = false;
	}
	if (slices & SLICE(OBJECT_LINK)) {
		slices |= LINK_SLICES;
	}
	if (slices == SLICES_ALL) {
		r->look = (struct look_place){0}; /* what it was about to see is seen now */
	}
	rc = mend_once(r, slices, culprit, drift, err);
	if (rc < 0 && rc != -ENOMEM && !r->unguarded) {
		lose_guard(r); /* it could not even be read */
	}
	absent = rc < 0 ? 0 : reconcile_guard_absent(r, err);
	return absent < 0 ? absent : rc;
}

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

int reconcile_look_format(struct reconcile *r, struct buf *out, struct err *err)
{
	struct look l;
	int rc = look_init(r, SLICES_ALL, false, &l, err);

	if (rc < 0) {
		return rc;
	}
	plan_format(&l.plan, out);
	look_fini(&l);
	return out->bad ? err_set(err, -ENOMEM, "out of memory") : 0;
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
	struct look l;
	int rc = look_init(r, SLICES_ALL, true, &l, err);

	if (rc < 0) {
		return rc;
	}
	r->started = false;
	if (steps_apply_most(&r->parts, &l.plan, down_failed, &first) > 0) {
		rc = err_set(err, first.code, "%s", first.msg);
	}
	look_fini(&l);
	return rc;
}
