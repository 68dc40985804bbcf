/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keeps what control wants to be in the kernel, and puts it there in the order that never leaves
 * client_prefix open: the table before the route, the route gone before the table. No I/O of its
 * own: all goes through struct kernel_ops.
 */
#include "gateway/kernel/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "gateway/kernel/internal.h"
#include "gateway/kernel/route.h"
#include "gateway/kernel/table.h"

int kernel_new(const struct kernel_ops *ops, struct kernel **ret_kernel, struct err *err)
{
	struct kernel *k = calloc(1, sizeof(*k));
	int rc;

	if (!k) {
		return err_set(err, -ENOMEM, "kernel: out of memory");
	}
	if (ops) {
		k->ops = *ops;
	} else {
		rc = netlink_new(&k->netlink, err);
		if (rc < 0) {
			free(k);
			return rc;
		}
		k->ops = netlink_ops(k->netlink);
	}
	hash_key_init(&k->key);
	table_init(&k->tenants);
	elements_init(&k->elements);
	*ret_kernel = k;
	return 0;
}

static void guard_fini(struct guard *guard)
{
	free(guard->resolvers);
	free(guard->routed);
	guard->resolvers = NULL;
	guard->routed = NULL;
}

void kernel_free(struct kernel *k)
{
	struct table_iter it = {0};
	struct table_node *node;

	if (!k) {
		return;
	}
	while ((node = table_next(&k->tenants, &it))) {
		table_remove(&k->tenants, node);
		ktenant_free(container_of(node, struct ktenant, node));
	}
	table_fini(&k->tenants);
	elements_fini(&k->elements);
	guard_fini(&k->guard);
	netlink_free(k->netlink);
	free(k);
}

bool kernel_applied(const struct kernel *k)
{
	return k->applied;
}

static int guard_copy_lists(struct guard *guard, const struct node_conf *node)
{
	guard->resolvers = calloc(node->n_resolvers + 1, sizeof(*guard->resolvers));
	guard->routed = calloc(node->n_pool + 1, sizeof(*guard->routed));
	if (!guard->resolvers || !guard->routed) {
		guard_fini(guard);
		return -ENOMEM;
	}
	while (guard->n_resolvers < node->n_resolvers) {
		guard->resolvers[guard->n_resolvers] = node->resolvers[guard->n_resolvers];
		guard->n_resolvers++;
	}
	for (size_t i = 0; i < node->n_pool; i++) {
		if (node->pool[i].delivery == DELIVERY_ROUTED) {
			guard->routed[guard->n_routed++] = node->pool[i].range;
		}
	}
	return 0;
}

static int guard_init(struct guard *guard, const struct node_conf *node,
		      const struct kernel_uids *uids, struct err *err)
{
	*guard = (struct guard){.uids = *uids,
				.has_prefix = node->has_client_prefix,
				.client_prefix = node->client_prefix};
	if (guard->has_prefix &&
	    (guard->client_prefix.len != 96 || prefix_is_v4(&guard->client_prefix))) {
		return err_set(err, -EINVAL, "client_prefix is not an IPv6 /96");
	}
	if (uids->proxy == 0 || uids->proxy == uids->agent) {
		return err_set(
			err, -EINVAL,
			"the workers' uids %u and %u: each needs one of its own, and not root's",
			uids->proxy, uids->agent);
	}
	if (guard_copy_lists(guard, node) < 0) {
		return err_set(err, -ENOMEM, "kernel: out of memory");
	}
	return 0;
}

static bool prefix_eq(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && addr_eq(&a->addr, &b->addr);
}

/* The i-th route that guard wants; NULL behind the last one. client_prefix comes last. */
static const struct prefix *guard_route(const struct guard *guard, size_t i)
{
	if (i < guard->n_routed) {
		return &guard->routed[i];
	}
	return i == guard->n_routed && guard->has_prefix ? &guard->client_prefix : NULL;
}

static bool guard_wants_route(const struct guard *guard, const struct prefix *p)
{
	const struct prefix *route;

	for (size_t i = 0; (route = guard_route(guard, i)); i++) {
		if (prefix_eq(route, p)) {
			return true;
		}
	}
	return false;
}

int kernel_install_table(struct kernel *k, const struct guard *guard, struct err *err)
{
	struct kernel_counters start = {0};
	struct table_iter it = {0};
	struct table_node *node;
	struct batch b;
	int rc;

	if (table_counters(&k->ops, &start, NULL) < 0) {
		memset(&start, 0, sizeof(start)); /* the batch will say why, if that matters */
	}
	rc = batch_init(&b);
	if (rc == 0) {
		rc = table_put(&b, guard, &k->elements, &start);
	}
	rc = rc < 0 ? err_set(err, rc, "nftables: out of memory") : batch_commit(&b, &k->ops, err);
	batch_fini(&b);
	if (rc == 0) {
		k->n_rules = b.n_rules;
	}
	if (rc < 0) {
		return rc == -ENOENT ? -EOPNOTSUPP : rc; /* what a rule needs is not there */
	}
	while ((node = table_next(&k->elements.table, &it))) {
		struct element_node *en = container_of(node, struct element_node, node);

		en->state = en->refs > 0 ? ELEMENT_PRESENT : ELEMENT_ABSENT;
	}
	return 0;
}

/* Removes our routes that guard does not want (all of them without a guard). */
static int remove_routes(struct kernel *k, const struct route_set *routes,
			 const struct guard *guard, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < routes->n; i++) {
		int one;

		if (guard && guard_wants_route(guard, &routes->prefix[i])) {
			continue;
		}
		one = route_delete(&k->ops, &routes->prefix[i], rc == 0 ? err : NULL);
		if (rc == 0) {
			rc = one;
		}
	}
	return rc;
}

static bool routes_have(const struct route_set *routes, const struct prefix *p)
{
	for (size_t i = 0; i < routes->n; i++) {
		if (prefix_eq(&routes->prefix[i], p)) {
			return true;
		}
	}
	return false;
}

/* Adds what guard wants and routes, what there is, lacks. */
static int add_routes(struct kernel *k, const struct route_set *routes, const struct guard *guard,
		      struct err *err)
{
	const struct prefix *route;
	int rc = 0;

	for (size_t i = 0; rc == 0 && (route = guard_route(guard, i)); i++) {
		if (!routes_have(routes, route)) {
			rc = route_add(&k->ops, route, err);
		}
	}
	return rc;
}

/*
 * After a failed change: what this run had in force comes back. Where that fails too, or when
 * nothing was in force, no route stays, because an unknown table may not guard it; then no table
 * either, because its sets no longer follow the tenants and would cut the workers off.
 */
static void restore(struct kernel *k, bool table_replaced)
{
	struct route_set routes = {0};
	int rc;

	if (k->applied && table_replaced && kernel_install_table(k, &k->guard, NULL) < 0) {
		k->applied = false;
	}
	if (route_list(&k->ops, &routes, NULL) < 0) {
		return; /* netlink itself fails; the first error is the one to tell */
	}
	if (k->applied && add_routes(k, &routes, &k->guard, NULL) < 0) {
		k->applied = false;
	}
	if (route_list(&k->ops, &routes, NULL) < 0) { /* with those of the failed change */
		return;
	}
	/* best effort, but never the table from under a route */
	rc = remove_routes(k, &routes, k->applied ? &k->guard : NULL, NULL);
	if (rc == 0 && !k->applied) {
		rc = table_delete(&k->ops, NULL);
	}
	(void)rc; /* best effort: the first error is the one to tell */
}

int kernel_apply_node(struct kernel *k, const struct node_conf *node,
		      const struct kernel_uids *uids, struct err *err)
{
	struct route_set routes = {0};
	struct guard next;
	bool table_replaced = false;
	int rc = guard_init(&next, node, uids, err);

	if (rc < 0) {
		return rc;
	}
	rc = route_list(&k->ops, &routes, err);
	if (rc < 0) {
		goto out;
	}
	rc = remove_routes(k, &routes, &next, err);
	if (rc < 0) {
		goto out;
	}
	rc = kernel_install_table(k, &next, err);
	if (rc < 0) {
		goto out;
	}
	table_replaced = true;
	rc = add_routes(k, &routes, &next, err);
out:
	if (rc < 0) {
		restore(k, table_replaced);
		guard_fini(&next);
		return rc;
	}
	guard_fini(&k->guard);
	k->guard = next;
	k->applied = true;
	return 0;
}

int kernel_watch(struct kernel *k, struct err *err)
{
	int fd = k->ops.watch(k->ops.ctx);

	return fd < 0 ? err_set_errno(err, fd, "watching nftables") : fd;
}

int kernel_check(struct kernel *k, struct err *err)
{
	unsigned int n_rules;
	int rc;

	if (!k->ops.watch_read(k->ops.ctx) || !k->applied) {
		return 0;
	}
	rc = table_count_rules(&k->ops, &n_rules, err);
	if (rc == 0 && n_rules == k->n_rules) {
		return 0;
	}
	if (rc == 0) {
		rc = kernel_install_table(k, &k->guard, err);
	}
	if (rc < 0) {
		k->applied = false;
		restore(k, false);
		return rc;
	}
	return 1;
}

int kernel_counters(struct kernel *k, struct kernel_counters *ret_counters, struct err *err)
{
	return table_counters(&k->ops, ret_counters, err);
}

static void element_forget(struct kernel *k)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&k->elements.table, &it))) {
		container_of(node, struct element_node, node)->state = ELEMENT_ABSENT;
	}
}

int kernel_down(struct kernel *k, struct err *err)
{
	struct route_set routes = {0};
	int rc = route_list(&k->ops, &routes, err);

	if (rc == 0) {
		rc = remove_routes(k, &routes, NULL, err);
	}
	if (rc == 0) {
		rc = table_delete(&k->ops, err);
	}
	if (rc == 0) {
		k->applied = false;
		element_forget(k);
	}
	return rc;
}
