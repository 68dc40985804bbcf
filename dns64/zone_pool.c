/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * At which addresses what is exposed at any of them is reached: those of uplink.ipv4 but the ones
 * that are a tenant's as a whole, as what is sent there meets that tenant's host. Called by zone.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/container.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"
#include "dns64/zone_internal.h"

struct whole {
	struct table_node node; /* zone.whole */
	struct addr addr;
	unsigned int n; /* exposures; a tenant's former object has one for a moment, too */
};

static bool whole_eq(const struct table_node *node, const void *key)
{
	return addr_eq(&container_of(node, struct whole, node)->addr, key);
}

static struct whole *whole_find(const struct zone *z, const struct addr *a)
{
	uint64_t hash = hash_bytes(&z->key, a->b, sizeof(a->b));
	struct table_node *node = table_find(&z->whole, hash, whole_eq, a);

	return node ? container_of(node, struct whole, node) : NULL;
}

static int whole_hold(struct zone *z, const struct addr *a)
{
	struct whole *w = whole_find(z, a);

	if (w) {
		w->n++;
		return 0;
	}
	w = calloc(1, sizeof(*w));
	if (!w || table_insert(&z->whole, &w->node, hash_bytes(&z->key, a->b, sizeof(a->b))) < 0) {
		free(w);
		return -ENOMEM;
	}
	w->addr = *a;
	w->n = 1;
	return 0;
}

static void whole_drop(struct zone *z, const struct addr *a)
{
	struct whole *w = whole_find(z, a);

	if (--w->n == 0) {
		table_remove(&z->whole, &w->node);
		free(w);
	}
}

/* The i-th whole address of an object; NULL: it has not so many. A suspended one keeps its own. */
static const struct addr *whole_of(const struct tenant_conf *tenant, size_t i)
{
	for (size_t s = 0; s < tenant->n_services; s++) {
		const struct service_conf *service = &tenant->services[s];

		for (size_t e = 0; e < service->n_exposes; e++) {
			if (service->exposes[e].protocol == PROTOCOL_ADDRESS && i-- == 0) {
				return &service->exposes[e].ipv4;
			}
		}
	}
	return NULL;
}

static void drop_first(struct zone *z, const struct tenant_conf *tenant, size_t n)
{
	while (n-- > 0) {
		whole_drop(z, whole_of(tenant, n));
	}
}

int zone_pool_hold(struct zone *z, const struct tenant_conf *tenant)
{
	const struct addr *a;

	for (size_t i = 0; (a = whole_of(tenant, i)); i++) {
		if (whole_hold(z, a) < 0) {
			drop_first(z, tenant, i);
			return -ENOMEM;
		}
	}
	return 0;
}

void zone_pool_drop(struct zone *z, const struct tenant_conf *tenant)
{
	size_t n = 0;

	while (whole_of(tenant, n)) {
		n++;
	}
	drop_first(z, tenant, n);
}

static void add_range(struct zone *z, const struct prefix *range)
{
	struct addr a = range->addr;

	while (z->n_pool < ZONE_ADDRESSES_MAX && prefix_contains(range, &a)) {
		if (!whole_find(z, &a)) {
			z->pool[z->n_pool++] = a;
		}
		for (size_t i = sizeof(a.b); i > 0 && ++a.b[i - 1] == 0; i--) {
		}
	}
}

void zone_pool_update(struct zone *z)
{
	z->n_pool = 0;
	for (size_t i = 0; i < z->node->n_pool; i++) {
		add_range(z, &z->node->pool[i].range);
	}
}
