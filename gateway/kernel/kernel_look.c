/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What becomes of the kernel's state while we run: notifications are heard, what is altered is
 * looked for and mended in small steps, and what is wanted follows what comes and goes beside us.
 */
#include <errno.h>

#include "gateway/kernel/internal.h"

#define POLLS_A_FULL_ONE 15 /* the watch may have missed something */

/* What was notified of until now may be our own doing. */
void kernel_settle_watch(struct kernel *k)
{
	k->heard |= k->watch && watch_settle(k->watch);
}

static bool route_replaced(void *ctx, const struct object_route *route)
{
	const struct object o = {.kind = OBJECT_ROUTE, .route = *route};
	struct kernel *k = ctx;

	if (!reconcile_has(k->reconcile, &o)) {
		return false;
	}
	rt_route_replaced(&k->drivers.rt, route);
	return true;
}

int kernel_watch(struct kernel *k, struct err *err)
{
	int rc = 0;

	if (!k->watch) {
		rc = watch_new(k->netlink, &k->watch, err);
		k->on_link_due = true; /* what was not heard of yet */
	}
	if (rc < 0) {
		return rc;
	}
	watch_on_replaced(k->watch, route_replaced, k);
	return watch_fd(k->watch);
}

bool kernel_heard(const struct kernel *k)
{
	return k->heard;
}

void kernel_hear(struct kernel *k)
{
	char cause[WATCH_CAUSE_MAX];
	uint32_t kinds = k->watch ? watch_read(k->watch, cause) : 0;

	k->heard = false;
	if (kinds == 0) {
		return;
	}
	if (kernel_failures(k) || !kernel_applied(k)) {
		kinds = RECONCILE_ALL; /* what was in the way may be gone */
	}
	reconcile_look(k->reconcile, kinds, cause);
}

void kernel_poll(struct kernel *k)
{
	bool all = kernel_failures(k) || !kernel_applied(k) || !k->watch ||
		   k->n_polls++ % POLLS_A_FULL_ONE == POLLS_A_FULL_ONE - 1;
	uint32_t kinds = WATCH_SILENT;

	if (k->node && k->node->has_siit_prefix) {
		kinds |= WATCH_SILENT_INSIDE;
	}
	k->on_link_due |= all;
	k->fq_due = true;
	k->sweep.waits = false;
	paths_look(&k->paths); /* the kernel tells nobody what it learns of them */
	reconcile_look(k->reconcile, all ? RECONCILE_ALL : kinds, NULL);
}

/* A module has come or gone: more or less is wanted of the kernel now. */
static int follow_parts(struct kernel *k, int rc, struct err *err)
{
	struct err later;
	int rc_node;

	if (!k->node || kernel_parts_there(k) == k->parts) {
		return rc;
	}
	rc_node = kernel_apply_node(k, k->node, &k->uids, &later);
	k->parts = kernel_parts_there(k);
	return rc_node < 0 && rc >= 0 ? err_set(err, rc_node, "%s", later.msg) : rc;
}

static int look_end(struct kernel *k, struct buf *drift, struct err *err)
{
	int rc = reconcile_look_end(k->reconcile, drift, err);

	kernel_failures_settle(k);
	kernel_settle_watch(k);
	if (!reconcile_looking(k->reconcile)) { /* else they may still be to come */
		rt_route_settle(&k->drivers.rt);
	}
	return follow_parts(k, kernel_failures_anyip(k, rc, err), err);
}

bool kernel_looking(const struct kernel *k)
{
	return reconcile_looking(k->reconcile);
}

int kernel_look(struct kernel *k, bool *ret_ended, struct buf *drift, struct err *err)
{
	const bool mending = reconcile_mending(k->reconcile);

	if (mending) {
		kernel_hear(k); /* of changes until now, before we make some ourselves */
	} else {
		kernel_failures_clear(k); /* of a mending that a change has ended */
	}
	*ret_ended = !reconcile_look_step(k->reconcile);
	if (*ret_ended) {
		if (!mending) {
			kernel_hear(k); /* the same: it may be mended in one go now */
		}
		return look_end(k, drift, err);
	}
	if (mending) {
		kernel_settle_watch(k);
	}
	return 0;
}

/* The uplink's link has other prefixes than the rules in force know. */
static bool link_moved(struct kernel *k)
{
	const struct on_link *known = &k->facts.on_link;
	struct on_link now;

	/* With a full table of BGP a look takes long: it is not for each of its changes. */
	if (k->watch && !k->on_link_due) {
		return false;
	}
	kernel_on_link(k, k->node, &now, &k->on_link_why);
	k->on_link_due = k->on_link_why.code != 0 && k->on_link_why.code != -ENOBUFS;
	for (size_t i = 0; i < now.n && now.n == known->n; i++) {
		if (!addr_eq(&now.prefix[i].addr, &known->prefix[i].addr) ||
		    now.prefix[i].len != known->prefix[i].len) {
			return true;
		}
	}
	return now.n != known->n;
}

int kernel_look_around(struct kernel *k, struct err *err)
{
	if (!reconcile_started(k->reconcile)) {
		return 0;
	}
	if (k->watch && watch_on_link(k->watch)) {
		k->on_link_due = true;
		paths_look(&k->paths);
	}
	kernel_look_at_foreign(k);
	if (k->fq_due) { /* nobody tells of such changes */
		kernel_look_at_fq(k);
		kernel_look_at_underlay(k);
	}
	return k->node && link_moved(k) ? kernel_apply_node(k, k->node, &k->uids, err) : 0;
}
