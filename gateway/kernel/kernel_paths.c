/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tunnels' MTU, and what hangs on it, follow their ways: after a look at all of them the node's
 * own devices, if their way changed, then each tenant that has such a tunnel, a tenant a step.
 */
#include "gateway/kernel/internal.h"

#include <time.h>

#include "base/container.h"

static uint64_t now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* has no way to fail */
	return (uint64_t)now.tv_sec;
}

void kernel_paths_forget(struct kernel *k, struct ktenant *t)
{
	if (t->follow_due) {
		TAILQ_REMOVE(&k->follow.due, t, follow);
		t->follow_due = t->follow_failed = false;
	}
}

/* Each path is asked for, also where one that has changed is known: the others are forgotten. */
static bool tenant_moved(struct kernel *k, const struct tenant_conf *conf, bool shared_moved)
{
	bool moved = false;

	for (size_t i = 0; conf->state == TENANT_ACTIVE && i < conf->n_tunnels; i++) {
		const struct tunnel_conf *tunnel = &conf->tunnels[i];
		struct outer outer;

		moved |= tunnel_outer(k->node, tunnel, &outer) && paths_changed(&k->paths, &outer);
		moved |= shared_moved && tunnel->kind == TUNNEL_WIREGUARD && !tunnel->own_device;
	}
	return moved;
}

/* Who has to follow what the look has found. */
static void note_moved(struct kernel *k)
{
	struct table_iter it = {0};
	struct table_node *at;
	struct outer outer;
	struct ktenant *t;
	bool shared_moved =
		tunnel_outer_shared(k->node, &outer) && paths_changed(&k->paths, &outer);
	bool exit_moved = tunnel_outer_exit(k->node, &outer) && paths_changed(&k->paths, &outer);

	k->follow.node |= shared_moved || exit_moved;
	k->follow.node_failed = false;
	TAILQ_FOREACH(t, &k->follow.due, follow) {
		t->follow_failed = false;
	}
	while ((at = table_next(&k->tenants, &it))) {
		t = container_of(at, struct ktenant, node);
		if (tenant_moved(k, t->conf, shared_moved) && !t->follow_due) {
			TAILQ_INSERT_TAIL(&k->follow.due, t, follow);
			t->follow_due = true;
		}
	}
	paths_settle(&k->paths);
}

bool kernel_tunnel_mtu(struct kernel *k, const struct tunnel_conf *tunnel,
		       struct tunnel_mtu *ret_mtu)
{
	if (k->node) {
		*ret_mtu = tunnel ? tunnel_mtu(k->node, &k->facts, tunnel)
				  : tunnel_mtu_exit(k->node, &k->facts);
	}
	return k->node;
}

/* The kernel tells nobody that it alters the MTU of a link's routes along with the link's. */
static int routes_again(struct kernel *k, struct err *err)
{
	struct buf ours; /* not what others did */
	int rc;

	buf_init(&ours, 1);
	rc = reconcile_check(k->reconcile, DRIVER_KIND(OBJECT_ROUTE), NULL, &ours, err);
	buf_fini(&ours);
	return rc < 0 ? rc : 0;
}

static int follow_node(struct kernel *k, struct err *err)
{
	struct reconcile_change change = {0};
	int rc;

	desired_node(k->node, &k->facts, k->firewall, &change.set);
	rc = reconcile_change(k->reconcile, &change, 1, err);
	object_set_fini(&change.set);
	rc = rc < 0 ? rc : routes_again(k, err);
	kernel_settle_watch(k);
	k->follow.node = k->follow.node_failed = rc < 0;
	return rc;
}

/* Not as a new version: preshared keys are those that the tunnels have. */
static int derive_again(struct kernel *k, const struct tenant_conf *conf, struct err *err)
{
	struct reconcile_change change = {.name = conf->name};
	int rc;

	k->key_failed = (struct err){0};
	desired_tenant(k->node, &k->facts, conf, &change.set);
	kernel_keep_peers(k->reconcile, conf->name, true, &change.set);
	rc = reconcile_change(k->reconcile, &change, 1, err);
	object_set_fini(&change.set);
	kernel_settle_watch(k);
	return rc;
}

static int follow_tenant(struct kernel *k, struct ktenant *t, struct err *err)
{
	int rc = kernel_tenant_fits(k->node, t->conf) ? derive_again(k, t->conf, err) : 0;

	kernel_paths_forget(k, t);
	if (rc < 0) {
		TAILQ_INSERT_TAIL(&k->follow.due, t, follow); /* behind all others */
		t->follow_due = t->follow_failed = true;
	}
	return rc;
}

static bool node_follows(const struct kernel *k)
{
	return k->follow.node && !k->follow.node_failed;
}

static bool is_following(const struct kernel *k)
{
	const struct ktenant *t = TAILQ_FIRST(&k->follow.due);

	return node_follows(k) || (t && !t->follow_failed);
}

bool kernel_measuring(const struct kernel *k)
{
	return k->node && reconcile_started(k->reconcile) &&
	       (is_following(k) || paths_looking(&k->paths));
}

int kernel_measure(struct kernel *k, struct buf *told, struct err *err)
{
	int rc = 0;

	if (is_following(k)) {
		rc = node_follows(k) ? follow_node(k, err)
				     : follow_tenant(k, TAILQ_FIRST(&k->follow.due), err);
	} else if (!paths_look_step(&k->paths, now_s(), told)) {
		note_moved(k);
	}
	return rc;
}
