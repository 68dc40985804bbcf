/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tenants that lost a prefix wait here until what the translator has for its sockets is gone:
 * after the change, in steps. Those that the start finds wait as well, as an earlier run may have
 * ended before it was through.
 */
#include "gateway/kernel/internal.h"

#define QUICK_MAX 1024 /* tenants without anything to look for, a step */

static bool has_prefix(const struct tenant_conf *conf, const struct prefix *p)
{
	for (size_t i = 0; i < conf->n_prefixes; i++) {
		if (prefix_cmp(&conf->prefixes[i], p) == 0) {
			return true;
		}
	}
	return false;
}

static bool lost_prefix(const struct tenant_conf *former, const struct tenant_conf *now)
{
	for (size_t i = 0; i < former->n_prefixes; i++) {
		if (!has_prefix(now, &former->prefixes[i])) {
			return true;
		}
	}
	return false;
}

void kernel_sweep_forget(struct kernel *k, struct ktenant *t)
{
	if (!t->sweep_due) {
		return;
	}
	if (t == TAILQ_FIRST(&k->sweep.due)) {
		k->sweep.at = (struct jool_sweep){0};
	}
	TAILQ_REMOVE(&k->sweep.due, t, due);
	t->sweep_due = false;
}

void kernel_sweep_note(struct kernel *k, struct ktenant *t, const struct tenant_conf *former)
{
	if (reconcile_started(k->reconcile) && (!former || !lost_prefix(former, t->conf))) {
		return;
	}
	kernel_sweep_forget(k, t); /* it begins anew */
	TAILQ_INSERT_TAIL(&k->sweep.due, t, due);
	t->sweep_due = true;
}

bool kernel_sweeping(const struct kernel *k)
{
	return !k->sweep.waits && !TAILQ_EMPTY(&k->sweep.due) && k->node &&
	       reconcile_started(k->reconcile);
}

/* The translator may have something for the tenant, in that block. */
static bool is_translated(const struct kernel *k, const struct ktenant *t,
			  struct port_block *ret_block)
{
	return !reconcile_absent(k->reconcile, OBJECT_INSTANCE, NS_MAIN) &&
	       kernel_tenant_fits(k->node, t->conf) &&
	       ports_tenant(k->node, t->conf, ret_block) == 0;
}

int kernel_sweep(struct kernel *k, struct err *err)
{
	struct ktenant *t = TAILQ_FIRST(&k->sweep.due);
	struct port_block block;
	int rc;

	for (int n = 0; t && !is_translated(k, t, &block); n++) {
		kernel_sweep_forget(k, t);
		t = n < QUICK_MAX ? TAILQ_FIRST(&k->sweep.due) : NULL;
	}
	if (!t) {
		return 0;
	}
	rc = jool_sweep_step(&k->drivers.jool, t->conf, &block, &k->sweep.at, err);
	if (rc == 0) {
		kernel_sweep_forget(k, t);
	}
	if (rc < 0) {
		k->sweep.at = (struct jool_sweep){0};
		k->sweep.waits = true;
		TAILQ_REMOVE(&k->sweep.due, t, due); /* what is wrong may be in its block alone */
		TAILQ_INSERT_TAIL(&k->sweep.due, t, due);
	}
	return rc < 0 ? rc : 0;
}
