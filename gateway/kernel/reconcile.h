/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_RECONCILE_H
#define SIXGATE_GATEWAY_RECONCILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"
#include "gateway/kernel/driver.h"

/*
 * Keeps what the node and each tenant want of the kernel, and makes the kernel that, by drivers:
 * observe -> diff -> plan -> apply.
 *
 * - Nothing is touched before reconcile_start(), which first reads all there is. What an earlier
 *   run left is adopted: what is there as wanted costs no step.
 * - A change is all or nothing: a step that fails undoes the ones before it.
 * - An object that two want, as in the moment in which it changes hands, goes with the last one.
 * - A driver that cannot observe has its part of the kernel missing: its objects are left out until
 *   it can, the rest works.
 * - AnyIP routes (ROUTE_LOCAL) are there only while the ruleset is: it guards client_prefix.
 */
struct reconcile;

#define RECONCILE_ALL (DRIVER_KIND(N_OBJECT_KINDS) - 1)

/* Called for each object that could not be made as wanted, where the rest goes on without it. */
typedef void (*reconcile_failed_fn)(void *ctx, const struct object *o, const char *text);

/* drivers are copied, their ctx borrowed. failed may be NULL. Returns 0 or -ENOMEM. */
int reconcile_new(const struct driver *drivers, size_t n_drivers, reconcile_failed_fn failed,
		  void *failed_ctx, struct reconcile **ret_reconcile, struct err *err) CHECKED;
/* Leaves the kernel as it is. NULL allowed. */
void reconcile_free(struct reconcile *r);

/* What the node (name NULL) or a tenant wants from now on. */
struct reconcile_change {
	const char *name;
	struct object_set set; /* unsorted; empty: nothing any more */
};

/*
 * Puts all changes in force, or none; before reconcile_start() they are only kept. Takes the sets,
 * also on failure. A step that meets something other than we left it has everything repaired, and
 * is tried once more.
 */
int reconcile_change(struct reconcile *r, struct reconcile_change *changes, size_t n_changes,
		     struct err *err) CHECKED;
/* The same for one. */
int reconcile_node(struct reconcile *r, struct object_set *set, struct err *err) CHECKED;
int reconcile_tenant(struct reconcile *r, const char *name, struct object_set *set,
		     struct err *err) CHECKED;
/* Unknown names are fine. */
int reconcile_remove_tenant(struct reconcile *r, const char *name, struct err *err) CHECKED;
/* An object with this key is wanted, and the last that is known is that it was there as ours. */
bool reconcile_has(struct reconcile *r, const struct object *o);
/* What name (NULL: the node) wants; NULL: nothing is known of it. */
const struct object_set *reconcile_wanted(const struct reconcile *r, const char *name);

/*
 * Reads all there is, about n_expected objects, so that reconcile_absent() is right;
 * reconcile_start(), which is to follow at once, goes by it. Returns 0 or a negative errno.
 */
int reconcile_probe(struct reconcile *r, size_t n_expected, struct err *err) CHECKED;
/*
 * Reads all there is, unless reconcile_probe() just did, and makes it what is wanted; what fails is
 * told and left out. Returns 0, or a negative errno: what could not be read, with nothing touched,
 * or why the ruleset cannot be in force; then no AnyIP route is there.
 */
int reconcile_start(struct reconcile *r, struct err *err) CHECKED;
bool reconcile_started(const struct reconcile *r);
/* The ruleset is in force, or none is wanted. */
bool reconcile_guarded(const struct reconcile *r);

/*
 * Looks whether the objects of these kinds are as wanted and mends what is not. Appends a line for
 * each that was not to drift, with culprit, the program that did it, when that is known. Returns
 * how many were mended, or a negative errno: why the ruleset is not in force. Nothing before
 * reconcile_start().
 */
int reconcile_check(struct reconcile *r, uint32_t kinds, const char *culprit, struct buf *drift,
		    struct err *err) CHECKED;
/*
 * The same without holding anybody up: notes that there is something to look at. A step is a slice
 * (driver.h), which is read and compared at once, so that no change comes between; what is wrong is
 * only noted. When all slices were seen those are read again, a slice a step, and what is wrong is
 * mended in one plan, some of it a step. A change that comes between makes it begin anew.
 */
void reconcile_look(struct reconcile *r, uint32_t kinds, const char *culprit);
bool reconcile_looking(const struct reconcile *r);
/* The next step is one of mending. */
bool reconcile_mending(const struct reconcile *r);
/* The next step. False: all was seen and mended, and reconcile_look_end() has to follow. */
bool reconcile_look_step(struct reconcile *r);
/* Returns as reconcile_check(). */
int reconcile_look_end(struct reconcile *r, struct buf *drift, struct err *err) CHECKED;
/* Takes all of ours away, also what an earlier run left; what is wanted stays known. */
int reconcile_down(struct reconcile *r, struct err *err) CHECKED;

/* Why objects of this kind cannot be made: the driver's words, or NULL when they can. */
const char *reconcile_absent(const struct reconcile *r, enum object_kind kind, enum object_ns ns);

#endif
