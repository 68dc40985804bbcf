/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel looked at in steps. Nearly always all is as wanted: that is found out slice by slice,
 * without copies and without sorting. Only what is not is read again, with all that it takes to
 * mend it, by reconcile_mend.c.
 */
#include "gateway/kernel/reconcile.h"

#include <stdio.h>
#include <string.h>

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
	return r->look.todo != 0 || r->look.at != 0 || r->mending;
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
	want->failed = false;
	return true;
}

/* None of a slice is wanted that was not met. */
static bool slice_is_whole(struct reconcile *r, unsigned int slice)
{
	for (const struct want *want = r->wants.slice[slice]; want; want = want->next) {
		const struct object *desired = want_value(want, true);

		if (want->round != r->round && desired && reconcile_can(r, desired)) {
			return false;
		}
	}
	return true;
}

static bool slice_is_as_wanted(struct reconcile *r, unsigned int slice)
{
	struct object_set observed;
	bool right;

	object_set_init(&observed);
	r->round++;
	right = parts_observe(&r->parts, SLICE(slice), &observed, NULL) == 0 && !observed.bad;
	for (size_t i = 0; right && i < observed.n; i++) {
		right = is_as_wanted(r, &observed.items[i]);
	}
	object_set_fini(&observed);
	return right && slice_is_whole(r, slice);
}

void reconcile_look_at_probed(struct reconcile *r)
{
	struct look_place *look = &r->look;

	r->round++;
	for (size_t i = 0; i < r->probed.n; i++) {
		if (!is_as_wanted(r, &r->probed.items[i])) {
			look->wrong |= SLICE(slice_of(&r->probed.items[i]));
		}
	}
	for (unsigned int i = 0; i < N_SLICES; i++) {
		look->wrong |= slice_is_whole(r, i) ? 0 : SLICE(i);
	}
	look->at = N_SLICES;
	object_set_fini(&r->probed);
	r->has_probed = false;
}

bool reconcile_look_step(struct reconcile *r)
{
	struct look_place *look = &r->look;

	if (r->mending) {
		return reconcile_mending_step(r);
	}
	while (look->at < N_SLICES && !(look->todo & SLICE(look->at))) {
		look->at++;
	}
	if (look->at == N_SLICES) {
		if (look->wrong != 0) {
			reconcile_mending_begin(r, look->wrong);
		}
		return r->mending;
	}
	look->todo &= ~SLICE(look->at);
	if (!slice_is_as_wanted(r, look->at)) {
		look->wrong |= SLICE(look->at);
	}
	look->at++;
	return true;
}

/* Nothing was in the way of steps, or all is done in one. */
static int mend_rest(struct reconcile *r, uint64_t wrong, struct err *err)
{
	char culprit[CULPRIT_MAX];
	int rc;

	if (r->mending) {
		return reconcile_mending_end(r, err);
	}
	if (wrong == 0 && !r->unguarded) {
		return reconcile_guard_absent(r, err);
	}
	memcpy(culprit, r->look.culprit, sizeof(culprit)); /* that one may be cleared on the way */
	rc = reconcile_mend(r, wrong, culprit[0] != '\0' ? culprit : NULL, &r->look.drift, err);
	r->look.n_drops = 0;
	r->look.n_mended += rc > 0 ? rc : 0;
	return rc;
}

int reconcile_look_end(struct reconcile *r, struct buf *drift, struct err *err)
{
	struct look_place *look = &r->look;
	uint64_t wrong = look->wrong;
	int rc, n;

	look->at = 0;
	look->wrong = 0;
	rc = mend_rest(r, wrong, err);
	n = look->n_mended;
	buf_bytes(drift, look->drift.data, look->drift.len);
	drift->bad |= look->drift.bad;
	buf_fini(&look->drift);
	buf_init(&look->drift, DRIFT_TEXT_MAX);
	look->n_mended = 0;
	look->culprit[0] = '\0';
	return rc < 0 ? rc : n;
}
