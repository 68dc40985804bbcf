/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel looked at in steps. Nearly always all is as wanted: that is found out slice by slice,
 * without copies and without sorting. Only what is not is read again, with all that it takes to
 * mend it, by reconcile_check.c.
 */
#include "gateway/kernel/reconcile.h"

#include <stdio.h>

#include "gateway/kernel/reconcile_internal.h"

void reconcile_look(struct reconcile *r, uint32_t kinds, const char *culprit)
{
	struct look_place *look = &r->look;

	if (!r->started) {
		return;
	}
	look->todo |= slices_of_kinds(kinds);
	if (culprit && look->culprit[0] == '\0') {
		(void)snprintf(look->culprit, sizeof(look->culprit), "%s", culprit); /* cut */
	}
}

bool reconcile_looking(const struct reconcile *r)
{
	return r->look.todo != 0 || r->look.at != 0;
}

/* One of the observed is wanted, as it is, and was not met before. */
static bool is_as_wanted(struct reconcile *r, const struct object *observed)
{
	struct want *want = wants_find(&r->wants, observed);
	const struct object *desired = want ? want_value(want, true) : NULL;

	if (!desired || want->round == r->round || !reconcile_can(r, desired) ||
	    !object_same(desired, observed)) {
		return false;
	}
	want->round = r->round;
	return true;
}

static bool slice_is_as_wanted(struct reconcile *r, unsigned int slice)
{
	const struct want *want = r->wants.slice[slice];
	struct object_set observed;
	bool right;

	object_set_init(&observed);
	r->round++;
	right = parts_observe(&r->parts, SLICE(slice), &observed, NULL) == 0 && !observed.bad;
	for (size_t i = 0; right && i < observed.n; i++) {
		right = is_as_wanted(r, &observed.items[i]);
	}
	object_set_fini(&observed);
	for (; right && want; want = want->next) {
		const struct object *desired = want_value(want, true);

		right = want->round == r->round || !desired || !reconcile_can(r, desired);
	}
	return right;
}

bool reconcile_look_step(struct reconcile *r)
{
	struct look_place *look = &r->look;

	while (look->at < N_SLICES && !(look->todo & SLICE(look->at))) {
		look->at++;
	}
	if (look->at == N_SLICES) {
		return false;
	}
	look->todo &= ~SLICE(look->at);
	if (!slice_is_as_wanted(r, look->at)) {
		look->wrong |= SLICE(look->at);
	}
	look->at++;
	return true;
}

int reconcile_look_end(struct reconcile *r, struct buf *drift, struct err *err)
{
	const struct look_place seen = r->look;

	r->look.at = 0;
	r->look.wrong = 0;
	r->look.culprit[0] = '\0';
	if (seen.wrong == 0 && !r->unguarded) {
		return reconcile_guard_absent(r, err);
	}
	return reconcile_mend(r, seen.wrong, seen.culprit[0] != '\0' ? seen.culprit : NULL, drift,
			      err);
}
