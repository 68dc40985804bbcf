/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Plans carried out by drivers, all of a plan or as much of it as works.
 */
#include "gateway/kernel/steps.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct part *parts_find(const struct parts *parts, enum object_kind kind, enum object_ns ns)
{
	for (size_t i = 0; i < parts->n; i++) {
		const struct driver *d = &parts->part[i].driver;

		if ((d->kinds & DRIVER_KIND(kind)) && d->ns == ns) {
			return &parts->part[i];
		}
	}
	return NULL;
}

/* What a part that could not be read to its end has added is nobody's business. */
static void set_cut(struct object_set *set, size_t n)
{
	if (set->n > n) {
		explicit_bzero(&set->items[n], (set->n - n) * sizeof(*set->items));
		set->n = n;
	}
}

/* All elements in one go are one picture; some sets are read one by one. */
static int part_observe(const struct driver *d, uint64_t slices, struct object_set *set,
			struct err *err)
{
	const uint64_t elements = slices & SLICES_ELEMENTS;
	const bool in_one = elements == SLICES_ELEMENTS || !d->observe_set;
	uint32_t kinds = (uint32_t)(slices & SLICES_KINDS);
	int rc = 0;

	kinds |= elements != 0 && in_one ? DRIVER_KIND(OBJECT_ELEMENT) : 0;
	kinds &= d->kinds;
	if (kinds != 0) {
		rc = d->observe(d->ctx, kinds, set, err);
	}
	for (unsigned int id = 0; rc == 0 && !in_one && id < N_FIREWALL_SETS; id++) {
		if (elements & SLICE(N_OBJECT_KINDS + id)) {
			rc = d->observe_set(d->ctx, id, set, err);
		}
	}
	return rc;
}

int parts_observe(struct parts *parts, uint64_t slices, struct object_set *set, struct err *err)
{
	for (size_t i = 0; i < parts->n; i++) {
		struct part *part = &parts->part[i];
		const struct driver *d = &part->driver;
		struct err why = {0};
		size_t n = set->n;
		int rc;

		if ((slices_of_kinds(d->kinds) & slices) == 0) {
			continue;
		}
		rc = part_observe(d, slices, set, &why);
		part->absent = rc < 0;
		if (rc < 0) {
			(void)snprintf(part->why, sizeof(part->why), "%s", why.msg); /* fits */
			set_cut(set, n);
		}
		if (rc < 0 && rc != -EOPNOTSUPP && (d->kinds & DRIVER_KIND(OBJECT_RULESET))) {
			return err_set(err, rc, "%s", why.msg);
		}
	}
	return 0;
}

static const struct driver *step_driver(const struct parts *parts, const struct step *step)
{
	const struct object *o = step->to ? step->to : step->from;
	const struct part *part = parts_find(parts, o->kind, o->ns);

	assert(part); /* what nobody does was left out of both sets */
	return &part->driver;
}

/* How many steps from the i-th on, up to max, are the same driver's. */
static size_t run_length(const struct parts *parts, const struct plan *plan, size_t i, size_t max)
{
	const struct driver *d = step_driver(parts, &plan->steps[i]);
	size_t n = 1;

	while (n < max && i + n < plan->n && step_driver(parts, &plan->steps[i + n]) == d) {
		n++;
	}
	return n;
}

static int apply_run(const struct parts *parts, const struct plan *plan, size_t i, size_t n,
		     size_t *ret_done, struct err *err)
{
	const struct driver *d = step_driver(parts, &plan->steps[i]);
	int rc;

	*ret_done = 0;
	rc = d->apply(d->ctx, &plan->steps[i], n, ret_done, err);
	assert(*ret_done <= n);
	if (rc == 0) {
		*ret_done = n;
	}
	return rc;
}

static int apply_until(const struct parts *parts, const struct plan *plan, size_t *ret_done,
		       struct err *err)
{
	size_t done;
	int rc = 0;

	for (*ret_done = 0; rc == 0 && *ret_done < plan->n; *ret_done += done) {
		size_t n = run_length(parts, plan, *ret_done, plan->n);

		rc = apply_run(parts, plan, *ret_done, n, &done, err);
	}
	return rc;
}

int steps_apply(const struct parts *parts, const struct plan *plan, struct err *err)
{
	struct plan undo;
	size_t done, undone;
	int rc = apply_until(parts, plan, &done, err);

	if (rc == 0) {
		return 0;
	}
	if (plan_undo(plan, done, &undo, NULL) < 0) {
		return -EUCLEAN;
	}
	if (apply_until(parts, &undo, &undone, NULL) < 0) {
		rc = -EUCLEAN; /* err tells why the change failed, which is what matters */
	}
	plan_fini(&undo);
	return rc;
}

/*
 * A driver may take a run as one transaction and not know which step is at fault: runs are halved
 * until a single step fails.
 */
size_t steps_apply_most(const struct parts *parts, const struct plan *plan, step_failed_fn failed,
			void *ctx)
{
	size_t max = plan->n, n_failed = 0, done;

	for (size_t i = 0; i < plan->n; i += done) {
		size_t n = run_length(parts, plan, i, max);
		struct err err = {0};

		if (apply_run(parts, plan, i, n, &done, &err) == 0) {
			max = max > plan->n / 2 ? plan->n : 2 * max;
		} else if (n > 1) {
			max = n / 2;
		} else {
			done = 1;
			n_failed++;
			failed(ctx, &plan->steps[i], &err);
		}
	}
	return n_failed;
}
