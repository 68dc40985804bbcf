/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel made what is wanted, in one go or in steps. Here as much as works is done, because
 * what an operator broke in one place is no reason to leave another broken. In steps a change may
 * come between: then what was not done yet is forgotten, and looked at again.
 */
#include <errno.h>
#include <stdlib.h>

#include "gateway/kernel/reconcile_internal.h"
#include "gateway/kernel/survey.h"

#define GUARD_SLICES (SLICE(OBJECT_RULESET) | SLICES_ELEMENTS | SLICE(OBJECT_ROUTE))

/* What a link takes with it, and what hangs on those. */
#define LINK_SLICES                                                             \
	(SLICE(OBJECT_LINK) | SLICE(OBJECT_WG_DEVICE) | SLICE(OBJECT_WG_PEER) | \
	 SLICE(OBJECT_ADDRESS) | SLICE(OBJECT_ROUTE) | SLICE(OBJECT_PROXY_NEIGHBOUR))

#define STEPS_A_TURN 256 /* of the plan: a few ms */
#define DROPS_MAX    3   /* then it is done in one go, or changes could hold it up for ever */

struct mending {
	struct reconcile *r;
	uint64_t slices;
	struct survey survey;
	size_t at;    /* step of the plan */
	bool *failed; /* owned; by step; NULL: there is no plan yet */
	bool guard_failed;
	struct err guard_err;
	int rc; /* why it could not even be read, with err */
	struct err err;
};

static void mending_init(struct mending *m, struct reconcile *r, uint64_t slices)
{
	*m = (struct mending){.r = r, .slices = slices};
	survey_init(&m->survey, r, slices);
}

static void mending_fini(struct mending *m)
{
	survey_fini(&m->survey);
	free(m->failed);
}

static void note_result(struct mending *m, const struct step *step, bool failed)
{
	struct want *want = step->to ? wants_find(&m->r->wants, step->to) : NULL;

	if (want) {
		want->failed = failed;
	}
}

static void step_failed(void *ctx, const struct step *step, const struct err *err)
{
	struct mending *m = ctx;
	const struct object *o = step->to ? step->to : step->from;

	m->failed[step - m->survey.plan.steps] = true;
	note_result(m, step, true);
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

/* The plan is there. */
static int mending_ready(struct mending *m)
{
	m->failed = calloc(m->survey.plan.n + 1, sizeof(*m->failed)); /* never of size 0 */
	return m->failed ? 0 : err_set(&m->err, -ENOMEM, "out of memory");
}

/* At most max of its steps, in order. What was put right is told to drift. Returns how many. */
static int mending_apply(struct mending *m, size_t max, const char *culprit, struct buf *drift)
{
	const struct plan *plan = &m->survey.plan;
	struct plan part = {.steps = plan->steps + m->at, .n = plan->n - m->at};
	size_t n_failed;

	part.n = part.n < max ? part.n : max;
	n_failed = steps_apply_most(&m->r->parts, &part, step_failed, m);
	for (size_t i = m->at; i < m->at + part.n; i++) {
		if (!m->failed[i]) {
			note_result(m, &plan->steps[i], false);
			describe(&plan->steps[i], culprit, drift);
		}
	}
	m->at += part.n;
	return (int)(part.n - n_failed);
}

static enum object_kind kind_of(const struct step *step)
{
	return step->to ? step->to->kind : step->from->kind;
}

/*
 * How many steps may be done in one turn. A ruleset comes with all its elements, or tenants would
 * for a while be neither kept apart nor let through.
 */
static size_t turn_length(const struct mending *m)
{
	const struct plan *plan = &m->survey.plan;
	size_t n = 0;

	while (m->at + n < plan->n &&
	       (kind_of(&plan->steps[m->at + n]) == OBJECT_RULESET ||
		(n > 0 && kind_of(&plan->steps[m->at + n]) == OBJECT_ELEMENT))) {
		n++;
	}
	return n > 0 ? n : STEPS_A_TURN;
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
	struct survey s;

	r->unguarded = true;
	survey_init(&s, r, SLICE(OBJECT_ROUTE));
	if (survey_all(&s, NULL) == 0) {
		(void)steps_apply_most(&r->parts, &s.plan, step_ignored,
				       NULL); /* reconcile_guarded() tells */
	}
	survey_fini(&s);
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

/* Returns 0, or why the ruleset is not in force. */
static int mending_result(const struct mending *m, struct err *err)
{
	struct reconcile *r = m->r;

	if (m->guard_failed) {
		lose_guard(r);
		return err_set(err, m->guard_err.code, "%s", m->guard_err.msg);
	}
	if (m->rc < 0) {
		if (m->rc != -ENOMEM && !r->unguarded) {
			lose_guard(r); /* it could not even be read */
		}
		return err_set(err, m->rc, "%s", m->err.msg);
	}
	return reconcile_guard_absent(r, err);
}

static uint64_t with_hanging(uint64_t slices)
{
	return slices & SLICE(OBJECT_LINK) ? slices | LINK_SLICES : slices;
}

int reconcile_mend(struct reconcile *r, uint64_t slices, const char *culprit, struct buf *drift,
		   struct err *err)
{
	struct mending m;
	int rc, n = 0;

	reconcile_mending_drop(r);
	if (r->unguarded) {
		slices |= GUARD_SLICES; /* it may work by now */
		r->unguarded = false;
	}
	slices = with_hanging(slices);
	if (slices == SLICES_ALL) {
		r->look.todo = r->look.wrong = 0; /* what it was about to see is seen now */
		r->look.at = 0;
		r->look.culprit[0] = '\0';
	}
	mending_init(&m, r, slices);
	m.rc = survey_all(&m.survey, &m.err);
	m.rc = m.rc < 0 ? m.rc : mending_ready(&m);
	if (m.rc == 0) {
		n = mending_apply(&m, SIZE_MAX, culprit, drift);
	}
	rc = mending_result(&m, err);
	mending_fini(&m);
	return rc < 0 ? rc : n;
}

void reconcile_mending_free(struct reconcile *r)
{
	if (r->mending) {
		mending_fini(r->mending);
		free(r->mending);
		r->mending = NULL;
	}
}

void reconcile_mending_drop(struct reconcile *r)
{
	if (r->mending) {
		if (r->mending->guard_failed) {
			lose_guard(r);
		}
		r->look.todo |= r->mending->slices;
		r->look.n_drops++;
		r->look.at = 0;
		r->look.wrong = 0;
		reconcile_mending_free(r);
	}
}

bool reconcile_mending(const struct reconcile *r)
{
	return r->mending;
}

void reconcile_mending_begin(struct reconcile *r, uint64_t slices)
{
	if (r->unguarded || r->look.n_drops >= DROPS_MAX) {
		return;
	}
	r->mending = malloc(sizeof(*r->mending));
	if (r->mending) { /* else in one go, if that works */
		mending_init(r->mending, r, with_hanging(slices));
	}
}

bool reconcile_mending_step(struct reconcile *r)
{
	struct mending *m = r->mending;
	const char *culprit = r->look.culprit[0] != '\0' ? r->look.culprit : NULL;

	if (!m->failed) { /* there is no plan yet */
		m->rc = survey_step(&m->survey, &m->err);
		m->rc = m->rc != 0 ? m->rc : mending_ready(m);
		return m->rc >= 0;
	}
	r->look.n_mended += mending_apply(m, turn_length(m), culprit, &r->look.drift);
	return !m->guard_failed && m->at < m->survey.plan.n;
}

int reconcile_mending_end(struct reconcile *r, struct err *err)
{
	int rc = mending_result(r->mending, err);

	r->look.n_drops = 0;
	reconcile_mending_free(r);
	return rc;
}
