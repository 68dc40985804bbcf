/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Observed and desired side by side. Slices come in the order in which object_cmp() has their
 * objects, so that what is sorted by slice is sorted as a whole.
 */
#include "gateway/kernel/survey.h"

#include <errno.h>
#include <stdlib.h>

#include "gateway/kernel/reconcile_internal.h"

void survey_init(struct survey *s, struct reconcile *r, uint64_t slices)
{
	*s = (struct survey){.r = r, .slices = slices};
}

void survey_fini(struct survey *s)
{
	plan_fini(&s->plan);
	object_set_fini(&s->observed);
	object_set_fini(&s->extra);
	object_set_fini(&s->desired);
	for (unsigned int i = 0; s->given && i < N_SLICES; i++) {
		object_set_fini(&s->given[i]);
	}
	free(s->given);
	s->given = NULL;
}

int survey_give(struct survey *s, struct object_set *set, struct err *err)
{
	int rc = set->bad ? -ENOMEM : 0;

	if (rc == 0 && !s->given) {
		s->given = calloc(N_SLICES, sizeof(*s->given));
		rc = s->given ? 0 : -ENOMEM;
	}
	if (rc < 0) {
		(void)err_set(err, rc, "out of memory"); /* its code is rc */
	} else {
		rc = reconcile_prepare(s->r, set, err);
	}
	for (size_t i = 0; rc == 0 && i < set->n; i++) {
		(void)object_set_add(&s->given[slice_of(&set->items[i])],
				     &set->items[i]); /* bad is sticky, and told when sorted */
	}
	object_set_fini(set);
	return rc;
}

/* What r wants of the slice. */
static void desired_slice(struct reconcile *r, unsigned int slice, struct object_set *set)
{
	for (const struct want *want = r->wants.slice[slice]; want; want = want->next) {
		const struct object *o = want_value(want, !r->former_wanted);

		if (o && reconcile_can(r, o)) {
			(void)object_set_add(set, o); /* set->bad says it */
		}
	}
}

/* Of n that have one key: as it is wanted now, if any is; else any. */
static const struct object *one_of(struct reconcile *r, const struct object *items, size_t n)
{
	const struct want *want = n > 1 ? wants_find(&r->wants, items) : NULL;
	const struct object *now = want ? want_value(want, true) : NULL;

	for (size_t i = 0; now && i < n; i++) {
		if (object_same(&items[i], now)) {
			return &items[i];
		}
	}
	return items;
}

static int item_cmp(const void *a, const void *b)
{
	return object_cmp(a, b);
}

static void sort(struct object_set *set)
{
	if (set->n > 1) {
		qsort(set->items, set->n, sizeof(*set->items), item_cmp);
	}
}

/* How many from the i-th on have its key. */
static size_t run_of(const struct object_set *set, size_t i)
{
	size_t n = 1;

	while (i + n < set->n && item_cmp(&set->items[i], &set->items[i + n]) == 0) {
		n++;
	}
	return n;
}

/* What was given of the slice, each thing once. Frees it. */
static void given_slice(struct survey *s, unsigned int slice, struct object_set *set)
{
	struct object_set *given = &s->given[slice];
	size_t n;

	set->bad |= given->bad;
	sort(given);
	for (size_t i = 0; i < given->n; i += n) {
		const struct object *o;

		n = run_of(given, i);
		o = one_of(s->r, &given->items[i], n);
		if (reconcile_can(s->r, o)) {
			(void)object_set_add(set, o); /* set->bad says it */
		}
	}
	object_set_fini(given);
}

static int desired_read(struct survey *s, uint64_t slices, struct err *err)
{
	struct object_set set;
	int rc;

	object_set_init(&set);
	for (unsigned int i = 0; i < N_SLICES && !s->nothing_wanted; i++) {
		if (!(slices & SLICE(i))) {
			continue;
		}
		if (s->given) {
			given_slice(s, i, &set);
		} else {
			desired_slice(s->r, i, &set);
		}
	}
	rc = object_set_sort(&set, err);
	object_set_add_all(&s->desired, &set);
	object_set_fini(&set);
	return rc;
}

/* Of several with one key, which "ip route append" makes, one counts and the others are extra. */
static void observed_add(struct survey *s, struct object_set *set)
{
	size_t n;

	s->observed.bad |= set->bad;
	sort(set);
	for (size_t i = 0; i < set->n; i += n) {
		const struct object *one;

		n = run_of(set, i);
		one = one_of(s->r, &set->items[i], n);
		for (size_t j = i; j < i + n; j++) {
			/* bad says it */
			(void)object_set_add(&set->items[j] == one ? &s->observed : &s->extra,
					     &set->items[j]);
		}
	}
}

static int survey_read(struct survey *s, uint64_t slices, struct err *err)
{
	struct object_set set;
	int rc;

	object_set_init(&set);
	object_set_reserve(&s->observed, s->r->wants.table.count);
	object_set_reserve(&s->desired, s->r->wants.table.count);
	rc = parts_observe(&s->r->parts, slices, &set, err);
	observed_add(s, &set);
	object_set_fini(&set);
	s->slices &= ~slices;
	return rc < 0 ? rc : desired_read(s, slices, err);
}

static int survey_plan(struct survey *s, struct err *err)
{
	int rc;

	if (s->observed.bad || s->desired.bad || s->extra.bad) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	rc = plan_diff(&s->observed, &s->desired, &s->plan, err);
	return rc < 0 ? rc : plan_remove_first(&s->plan, &s->extra, err);
}

int survey_all(struct survey *s, struct err *err)
{
	int rc = survey_read(s, s->slices, err);

	return rc < 0 ? rc : survey_plan(s, err);
}

/* Elements' slices have the last numbers, and their place is behind the ruleset. */
static uint64_t next_slice(const struct survey *s)
{
	static const uint64_t before = SLICE(OBJECT_ELEMENT) - 1;
	uint64_t left = s->slices & before;

	left = left != 0 ? left : s->slices & SLICES_ELEMENTS;
	left = left != 0 ? left : s->slices;
	return left & -left;
}

int survey_step(struct survey *s, struct err *err)
{
	int rc;

	if (s->slices == 0) {
		return survey_plan(s, err);
	}
	rc = survey_read(s, next_slice(s), err);
	return rc < 0 ? rc : 1;
}
