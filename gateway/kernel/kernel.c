/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Joins config, plan, reconciler and drivers: keeps the tenants' objects, asks gateway/plan what
 * they want, and hands that to the reconciler.
 */
#include "gateway/kernel/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "gateway/kernel/denied.h"
#include "gateway/kernel/internal.h"
#include "gateway/kernel/table.h"
#include "gateway/plan/firewall.h"

#define TENANT_OBJECTS 8 /* of one with one tunnel, about */

const char *kernel_on_link_problem(const struct kernel *k)
{
	return k->on_link_why.code != 0 ? k->on_link_why.msg : NULL;
}

const char *kernel_offload_problem(const struct kernel *k)
{
	const struct err *kept = &k->drivers.offloads.kept;

	return kept->code != 0 ? kept->msg : NULL;
}

const char *kernel_psk_problem(const struct kernel *k)
{
	return k->no_psk.code != 0 ? k->no_psk.msg : NULL;
}

const char *kernel_foreign(const struct kernel *k)
{
	return k->foreign.len > 0 && !k->foreign.bad ? (const char *)k->foreign.data : NULL;
}

int kernel_new(const struct kernel_ops *ops, const char *run_dir, struct kernel **ret_kernel,
	       struct err *err)
{
	struct kernel *k = calloc(1, sizeof(*k));
	int rc = 0;

	if (!k) {
		return err_set(err, -ENOMEM, "kernel: out of memory");
	}
	hash_key_init(&k->key);
	table_init(&k->tenants);
	TAILQ_INIT(&k->sweep.due);
	TAILQ_INIT(&k->follow.due);
	paths_init(&k->paths, &k->drivers.rt);
	kernel_failures_init(k);
	if (ops) {
		k->ops = *ops;
	} else {
		rc = netlink_new(&k->netlink, err);
		if (rc == 0) {
			k->ops = netlink_ops(k->netlink);
		}
	}
	if (rc == 0) {
		rc = kernel_drivers_init(&k->drivers, &k->ops, run_dir, err);
	}
	if (rc == 0) {
		rc = reconcile_new(k->drivers.driver, k->drivers.n, kernel_object_failed, k,
				   &k->reconcile, err);
	}
	if (rc < 0) {
		kernel_free(k);
		return rc;
	}
	*ret_kernel = k;
	return 0;
}

void kernel_free(struct kernel *k)
{
	struct table_iter it = {0};
	struct table_node *node;

	if (!k) {
		return;
	}
	reconcile_free(k->reconcile);
	kernel_drivers_fini(&k->drivers);
	watch_free(k->watch);
	while ((node = table_next(&k->tenants, &it))) {
		table_remove(&k->tenants, node);
		ktenant_free(container_of(node, struct ktenant, node));
	}
	table_fini(&k->tenants);
	paths_fini(&k->paths);
	kernel_failures_fini(k);
	netlink_free(k->netlink);
	free(k->firewall);
	explicit_bzero(&k->facts, sizeof(k->facts));
	free(k);
}

bool kernel_applied(const struct kernel *k)
{
	return reconcile_guarded(k->reconcile) && k->failures.no_anyip.code == 0 &&
	       !reconcile_absent(k->reconcile, OBJECT_ROUTE, NS_MAIN);
}

const char *kernel_part_name(enum kernel_part part)
{
	static const char *const names[N_KERNEL_PARTS] = {
		[KERNEL_WIREGUARD] = "wireguard",
		[KERNEL_NAT64] = "nat64",
		[KERNEL_SIIT] = "siit",
	};

	return names[part];
}

static const char *part_absent(const struct kernel *k, enum kernel_part part)
{
	switch (part) {
	case KERNEL_WIREGUARD:
		return k->no_key.code != 0
			       ? k->no_key.msg
			       : reconcile_absent(k->reconcile, OBJECT_WG_DEVICE, NS_MAIN);
	case KERNEL_NAT64:
		return reconcile_absent(k->reconcile, OBJECT_INSTANCE, NS_MAIN);
	case KERNEL_SIIT:
		return reconcile_absent(k->reconcile, OBJECT_INSTANCE, NS_SIIT);
	case N_KERNEL_PARTS:
		break;
	}
	return NULL;
}

static bool part_needed(const struct node_conf *node, enum kernel_part part)
{
	switch (part) {
	case KERNEL_WIREGUARD:
		return node->wireguard.on || node->uplink_kind == UPLINK_WIREGUARD;
	case KERNEL_NAT64:
		return node->nat64.on;
	case KERNEL_SIIT:
		return node->has_siit_prefix;
	case N_KERNEL_PARTS:
		break;
	}
	return false;
}

const char *kernel_part_missing(const struct kernel *k, enum kernel_part part)
{
	return k->node && part_needed(k->node, part) ? part_absent(k, part) : NULL;
}

unsigned int kernel_parts_there(const struct kernel *k)
{
	unsigned int parts = 0;

	for (int i = 0; i < N_KERNEL_PARTS; i++) {
		parts |= part_absent(k, (enum kernel_part)i) ? 0 : 1u << i;
	}
	return parts;
}

bool kernel_tenant_fits(const struct node_conf *node, const struct tenant_conf *tenant)
{
	if (!node->has_ipv6_prefix) {
		return tenant->n_tunnels == 0;
	}
	for (size_t i = 0; i < tenant->n_prefixes; i++) {
		if (!prefix_contains(&node->ipv6_prefix, &tenant->prefixes[i].addr)) {
			return tenant->n_tunnels == 0;
		}
	}
	return !node->interface || !tenant_conf_routes_by(tenant, node->interface);
}

/* All that node and tenants want of the kernel, as a change of everything. */
struct everything {
	struct reconcile_change *changes; /* owned */
	size_t n;
	struct firewall *firewall; /* owned; the node's set borrows from it */
	struct desired_facts facts;
	struct err on_link_why; /* of facts.on_link */
	struct err no_psk;      /* a tenant's preshared key that cannot be read; code 0: none */
};

static void everything_fini(struct everything *all)
{
	for (size_t i = 0; i < all->n; i++) {
		object_set_fini(&all->changes[i].set);
	}
	free(all->changes);
	free(all->firewall);
	explicit_bzero(&all->facts, sizeof(all->facts));
}

static int uids_check(const struct kernel_uids *uids, const struct node_conf *node, struct err *err)
{
	if (node->has_client_prefix &&
	    (node->client_prefix.len != 96 || prefix_is_v4(&node->client_prefix))) {
		return err_set(err, -EINVAL, "client_prefix is not an IPv6 /96");
	}
	if (uids->proxy == 0 || uids->proxy == uids->agent) {
		return err_set(
			err, -EINVAL,
			"the workers' uids %u and %u: each needs one of its own, and not root's",
			uids->proxy, uids->agent);
	}
	if (node->dns64.on &&
	    (uids->dns64 == 0 || uids->dns64 == uids->proxy || uids->dns64 == uids->agent)) {
		return err_set(err, -EINVAL,
			       "the uid %u of DNS64's workers: they need one of their own, and not "
			       "root's",
			       uids->dns64);
	}
	return 0;
}

/* Uids, keys and what the kernel can. */
int kernel_facts_init(struct kernel *k, const struct node_conf *node,
		      const struct kernel_uids *uids, struct desired_facts *facts, struct err *err)
{
	unsigned int parts;
	struct err why;
	int rc = uids_check(uids, node, err);

	if (rc < 0) {
		return rc;
	}
	*facts = (struct desired_facts){
		.proxy_uid = uids->proxy,
		.agent_uid = uids->agent,
		.dns64_uid = uids->dns64,
		.has_sit = true,
		.uplink_ra = node->interface &&
			     sysctl_learns_routes(&k->drivers.sysctls, node->interface),
		.is_mapped = kernel_is_mapped,
		.has_tunnels = kernel_has_tunnels,
		.mapped_ctx = k,
		.path_mtu = paths_mtu,
		.path_ctx = &k->paths,
		.preshared_key = kernel_preshared_key,
		.preshared_ctx = &k->key_failed,
	};
	rc = kernel_facts_read(node, facts, &why);
	if (rc < 0 && reconcile_started(k->reconcile) && k->no_key.code == 0) {
		*err = why;
		return rc; /* what runs goes on with the key it has */
	}
	k->no_key = rc < 0 ? why : (struct err){0};
	parts = kernel_parts_there(k);
	facts->has_wireguard = parts & 1u << KERNEL_WIREGUARD;
	facts->has_jool = parts & 1u << KERNEL_NAT64;
	facts->has_siit = parts & 1u << KERNEL_SIIT;
	return 0;
}

/* What one tenant wants. A preshared key that cannot be read changes nothing of what is there. */
static void want_tenant(struct kernel *k, const struct node_conf *node,
			const struct tenant_conf *conf, struct everything *all)
{
	struct reconcile_change *change = &all->changes[all->n++];

	change->name = conf->name;
	k->key_failed = (struct err){0};
	if (kernel_tenant_fits(node, conf)) {
		desired_tenant(node, &all->facts, conf, &change->set);
	}
	if (k->key_failed.code != 0) {
		kernel_keep_peers(k->reconcile, conf->name, false, &change->set);
		(void)err_set(&all->no_psk, k->key_failed.code,
			      "%s: %.160s; the tunnel has the key it had, or is not there: mend "
			      "that, then 'sixgate reload'",
			      conf->name, k->key_failed.msg); /* told of later */
	}
}

static int everything_init(struct kernel *k, const struct node_conf *node,
			   const struct kernel_uids *uids, struct everything *all, struct err *err)
{
	struct table_iter it = {0};
	struct table_node *at;
	int rc;

	*all = (struct everything){0};
	rc = kernel_facts_init(k, node, uids, &all->facts, err);
	if (rc < 0) {
		return rc;
	}
	kernel_on_link(k, node, &all->facts.on_link, &all->on_link_why);
	all->changes = calloc(k->tenants.count + 1, sizeof(*all->changes));
	all->firewall = calloc(1, sizeof(*all->firewall));
	if (!all->changes || !all->firewall) {
		everything_fini(all);
		return err_set(err, -ENOMEM, "kernel: out of memory");
	}
	desired_node(node, &all->facts, all->firewall, &all->changes[all->n++].set);
	while ((at = table_next(&k->tenants, &it))) {
		const struct tenant_conf *conf = container_of(at, struct ktenant, node)->conf;

		want_tenant(k, node, conf, all);
	}
	return 0;
}

/* What is in force from now on; takes what all has. */
static void settle(struct kernel *k, const struct node_conf *node, const struct kernel_uids *uids,
		   struct everything *all)
{
	free(k->firewall);
	k->firewall = all->firewall;
	all->firewall = NULL;
	k->facts = all->facts;
	k->on_link_why = all->on_link_why;
	k->no_psk = all->no_psk;
	k->node = node;
	k->uids = *uids;
	k->parts = kernel_parts_there(k);
}

/* What could not be made before is tried again. */
static int mend_again(struct kernel *k, struct err *err)
{
	struct buf drift;
	int rc;

	buf_init(&drift, 1 << 20);
	rc = reconcile_check(k->reconcile, RECONCILE_ALL, NULL, &drift, err);
	buf_fini(&drift);
	return rc < 0 ? rc : 0;
}

int kernel_apply_node(struct kernel *k, const struct node_conf *node,
		      const struct kernel_uids *uids, struct err *err)
{
	bool first = !reconcile_started(k->reconcile);
	bool again = !kernel_applied(k) || kernel_failures(k);
	struct everything all;
	int rc;

	if (first) {
		struct err why;

		rc = reconcile_probe(k->reconcile, TENANT_OBJECTS * k->tenants.count, &why);
		if (rc < 0) {
			return err_set(err, rc, "%s%s", why.msg,
				       rc == -EPERM ? "; sixgated needs CAP_NET_ADMIN" : "");
		}
	}
	rc = everything_init(k, node, uids, &all, err);
	if (rc < 0) {
		return rc;
	}
	rc = reconcile_change(k->reconcile, all.changes, all.n, err);
	if (rc == 0) {
		settle(k, node, uids, &all);
		kernel_failures_clear(k);
		rc = first ? reconcile_start(k->reconcile, err) : again ? mend_again(k, err) : 0;
		kernel_failures_settle(k);
		rc = kernel_failures_anyip(k, rc, err);
	}
	everything_fini(&all);
	kernel_settle_watch(k);
	kernel_look_at_foreign(k);
	kernel_look_at_fq(k);
	kernel_look_at_underlay(k);
	return rc;
}

const struct node_conf *kernel_node(const struct kernel *k)
{
	return k->node;
}

void kernel_borrow_node(struct kernel *k, const struct node_conf *node)
{
	if (k->node) {
		k->node = node;
	}
}

void kernel_on_prefix(struct kernel *k, kernel_prefix_fn fn, void *ctx)
{
	k->drivers.proxy_prefixes.changed = fn;
	k->drivers.proxy_prefixes.ctx = ctx;
}

void kernel_each_prefix(const struct kernel *k, kernel_prefix_fn fn, void *ctx)
{
	proxy_prefixes_each(&k->drivers.proxy_prefixes, fn, ctx);
}

int kernel_counters(struct kernel *k, struct kernel_counters *ret_counters, struct err *err)
{
	return table_counters(&k->ops, ret_counters, err);
}

int kernel_denied(struct kernel *k, struct denied_counts *ret_counts, struct err *err)
{
	return denied_read(&k->ops, ret_counts, err);
}

int kernel_down(struct kernel *k, struct err *err)
{
	int rc = reconcile_down(k->reconcile, err);

	if (rc == 0 && k->drivers.has_siit) {
		rc = netns_remove(&k->drivers.siit, err);
	}
	return rc;
}
