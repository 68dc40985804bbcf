/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_SURVEY_H
#define SIXGATE_GATEWAY_KERNEL_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "gateway/plan/object_set.h"
#include "gateway/plan/plan.h"

struct reconcile;

/*
 * What is there of some slices beside what is wanted of them, and the plan between: read in one go
 * (one picture), or a slice a step. What is there of parts that are absent, or of kinds nobody
 * asked for, is not compared.
 */
struct survey {
	struct reconcile *r; /* borrowed */
	uint64_t slices;     /* still to be read */
	bool nothing_wanted;
	struct object_set *given;            /* owned, by slice: wanted; NULL: what r wants */
	struct object_set observed, desired; /* sorted, once all is read */
	struct object_set extra;             /* observed beside another of the same key: to go */
	struct plan plan;
};

void survey_init(struct survey *s, struct reconcile *r, uint64_t slices);
void survey_fini(struct survey *s);
/*
 * Adds to what is wanted in the place of what r wants; takes set, also on failure. Objects that are
 * wanted twice count once. Returns 0 or a negative errno.
 */
int survey_give(struct survey *s, struct object_set *set, struct err *err) CHECKED;
/* All that is left, and the plan. Returns 0 or a negative errno; survey_fini() is due. */
int survey_all(struct survey *s, struct err *err) CHECKED;
/* A slice, or at last the plan. Returns 1 when there is more, 0 when all is done, or as above. */
int survey_step(struct survey *s, struct err *err) CHECKED;

#endif
