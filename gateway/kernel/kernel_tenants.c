/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tenants' objects as far as the kernel has them, and their change: of one, or of several that
 * take from one another.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "gateway/kernel/denied.h"
#include "gateway/kernel/internal.h"
#include "gateway/plan/firewall.h"

void ktenant_free(struct ktenant *t)
{
	if (t) {
		tenant_conf_unref(t->conf);
		free(t);
	}
}

/* The tenant has the whole address (`protocol: address`). */
static bool tenant_maps(const struct tenant_conf *conf, const struct addr *a)
{
	for (size_t i = 0; conf->state == TENANT_ACTIVE && i < conf->n_services; i++) {
		const struct service_conf *service = &conf->services[i];

		for (size_t n = 0; n < service->n_exposes; n++) {
			const struct expose_conf *expose = &service->exposes[n];

			if (expose->protocol == PROTOCOL_ADDRESS && expose->has_ipv4 &&
			    (!a || addr_eq(&expose->ipv4, a))) {
				return true;
			}
		}
	}
	return false;
}

/* desired_facts.is_mapped */
bool kernel_is_mapped(void *ctx, const struct addr *a)
{
	const struct kernel *k = ctx;
	struct table_iter it = {0};
	const struct table_node *node;

	while ((node = table_next(&k->tenants, &it))) {
		if (tenant_maps(container_of(node, const struct ktenant, node)->conf, a)) {
			return true;
		}
	}
	return false;
}

static bool tenant_tunnels(const struct tenant_conf *conf)
{
	return conf->state == TENANT_ACTIVE && conf->n_tunnels > 0;
}

/* Once there they stay: a tunnel never outlives the chains that guard it. */
bool kernel_has_tunnels(void *ctx)
{
	const struct kernel *k = ctx;
	struct table_iter it = {0};
	const struct table_node *node;

	if (k->firewall && k->firewall->has_tunnels) {
		return true;
	}
	while ((node = table_next(&k->tenants, &it))) {
		if (tenant_tunnels(container_of(node, const struct ktenant, node)->conf)) {
			return true;
		}
	}
	return false;
}

static bool tenant_eq(const struct table_node *node, const void *key)
{
	return strcmp(container_of(node, const struct ktenant, node)->conf->name, key) == 0;
}

static struct ktenant *tenant_find(const struct kernel *k, const char *name, uint64_t *ret_hash)
{
	struct table_node *node;

	*ret_hash = hash_bytes(&k->key, name, strlen(name));
	node = table_find(&k->tenants, *ret_hash, tenant_eq, name);
	return node ? container_of(node, struct ktenant, node) : NULL;
}

/* A tenant that is being set: it has its new version already, and the former one in hand. */
struct tenant_place {
	struct ktenant *t;
	struct tenant_conf *former; /* a reference; NULL: it is new */
};

static int place_init(struct kernel *k, struct tenant_conf *conf, struct tenant_place *p)
{
	uint64_t hash;

	p->t = tenant_find(k, conf->name, &hash);
	if (p->t) {
		p->former = p->t->conf;
	} else {
		p->t = calloc(1, sizeof(*p->t));
		if (!p->t || table_insert(&k->tenants, &p->t->node, hash) < 0) {
			free(p->t);
			p->t = NULL;
			return -ENOMEM;
		}
	}
	p->t->conf = tenant_conf_ref(conf);
	return 0;
}

/* kept: the new version is in force, else the former one is. */
static void place_settle(struct kernel *k, struct tenant_place *p, bool kept)
{
	if (!p->t) {
		return;
	}
	if (kept) {
		if (p->former && k->node && kernel_tenant_fits(k->node, p->former)) {
			denied_forget(&k->ops, k->node, p->former, p->t->conf);
		}
		kernel_sweep_note(k, p->t, p->former);
		tenant_conf_unref(p->former);
	} else if (p->former) {
		tenant_conf_unref(p->t->conf);
		p->t->conf = p->former;
	} else {
		table_remove(&k->tenants, &p->t->node);
		ktenant_free(p->t);
	}
}

/*
 * The node's objects follow the tenant's: its own addresses when one or the other version has a
 * whole one, its ruleset when this is the first tenant with a tunnel.
 */
static bool place_moves_node(const struct kernel *k, const struct tenant_place *p)
{
	return tenant_maps(p->t->conf, NULL) || (p->former && tenant_maps(p->former, NULL)) ||
	       (k->firewall && !k->firewall->has_tunnels && tenant_tunnels(p->t->conf));
}

void kernel_keep_peers(const struct reconcile *r, const char *tenant, bool keys,
		       struct object_set *set)
{
	const struct object_set *wanted = reconcile_wanted(r, tenant);
	const size_t n = set->n;

	for (size_t i = 0; wanted && i < wanted->n; i++) {
		const struct object *peer = &wanted->items[i];
		size_t j = 0;

		if (peer->kind != OBJECT_WG_PEER) {
			continue;
		}
		while (j < n && object_cmp(&set->items[j], peer) != 0) {
			j++;
		}
		if (j == n) {
			(void)object_set_add(set, peer); /* sticky */
		} else if (keys) {
			memcpy(set->items[j].wg_peer.preshared_key, peer->wg_peer.preshared_key,
			       WG_KEY_BYTES);
		}
	}
}

/* What a tenant wants; a preshared key that cannot be read is an error. */
static int want_tenant(struct kernel *k, const struct tenant_conf *conf, struct object_set *set,
		       struct err *err)
{
	k->key_failed = (struct err){0};
	if (k->node && kernel_tenant_fits(k->node, conf)) {
		desired_tenant(k->node, &k->facts, conf, set);
	}
	return k->key_failed.code != 0 ? err_set(err, k->key_failed.code, "preshared key: %.200s",
						 k->key_failed.msg)
				       : 0;
}

/* The node's objects as they are now wanted; firewall is for their ruleset to borrow. */
static void want_node(const struct kernel *k, struct firewall *firewall,
		      struct reconcile_change *change)
{
	desired_node(k->node, &k->facts, firewall, &change->set);
}

int kernel_set_tenants(struct kernel *k, struct tenant_conf *const *tenants, size_t n_tenants,
		       struct err *err)
{
	struct reconcile_change *changes = calloc(n_tenants + 1, sizeof(*changes));
	struct tenant_place *places = calloc(n_tenants, sizeof(*places));
	int rc = changes && places ? 0 : -ENOMEM;
	size_t n = n_tenants;
	struct firewall *firewall = NULL; /* the next one; the former one serves an undo */
	bool moves = false;

	for (size_t i = 0; rc == 0 && i < n_tenants; i++) {
		rc = place_init(k, tenants[i], &places[i]);
		moves |= rc == 0 && place_moves_node(k, &places[i]);
		changes[i].name = tenants[i]->name;
		rc = rc == 0 ? want_tenant(k, tenants[i], &changes[i].set, err) : rc;
	}
	if (rc == 0 && k->node && moves) {
		firewall = calloc(1, sizeof(*firewall));
		rc = firewall ? 0 : -ENOMEM;
	}
	if (firewall) {
		want_node(k, firewall, &changes[n++]);
	}
	if (rc == -ENOMEM) {
		(void)err_set(err, rc, "kernel: out of memory"); /* its code is rc */
	} else if (rc == 0 && k->node) {
		rc = reconcile_change(k->reconcile, changes, n, err);
	}
	if (rc == 0 && firewall) {
		struct firewall *former = k->firewall;

		k->firewall = firewall;
		firewall = former;
	}
	free(firewall);
	for (size_t i = 0; places && i < n_tenants; i++) {
		place_settle(k, &places[i], rc == 0);
	}
	for (size_t i = 0; changes && i < n; i++) {
		object_set_fini(&changes[i].set); /* those that were not taken */
	}
	free(changes);
	free(places);
	kernel_settle_watch(k);
	return rc;
}

int kernel_set_tenant(struct kernel *k, struct tenant_conf *tenant, struct err *err)
{
	return kernel_set_tenants(k, &tenant, 1, err);
}

static void ktenant_forget(struct kernel *k, struct ktenant *t)
{
	kernel_sweep_forget(k, t);
	kernel_paths_forget(k, t);
	ktenant_free(t);
}

int kernel_remove_tenant(struct kernel *k, const char *name, struct err *err)
{
	struct reconcile_change changes[2] = {{.name = name}};
	uint64_t hash;
	struct ktenant *t = tenant_find(k, name, &hash);
	bool maps = t && tenant_maps(t->conf, NULL);
	int rc = 0;

	if (!t) {
		return 0;
	}
	table_remove(&k->tenants, &t->node);
	if (k->node && maps) {
		want_node(k, k->firewall, &changes[1]); /* as it is: a tunnel's chains stay */
		rc = reconcile_change(k->reconcile, changes, 2, err);
	}
	if (rc == 0) {
		rc = reconcile_remove_tenant(k->reconcile, name, err);
	}
	if (rc == 0 && k->node && kernel_tenant_fits(k->node, t->conf)) {
		denied_forget(&k->ops, k->node, t->conf, NULL);
	}
	kernel_settle_watch(k);
	if (rc == 0) {
		ktenant_forget(k, t);
	} else if (table_insert(&k->tenants, &t->node, hash) < 0) {
		ktenant_forget(k, t); /* it is gone for us; what it has in the kernel goes at a
					 restart */
	}
	return rc;
}
