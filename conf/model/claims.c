/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The claims of all tenants: who there is, and the indexes of what they hold.
 */
#include "conf/model/claims.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/model/check.h"
#include "conf/model/claims_internal.h"

static bool claimant_eq(const struct table_node *node, const void *key)
{
	return strcmp(((const struct claimant *)node)->name, key) == 0;
}

static struct claimant *claimant_find(const struct claims *claims, const char *name)
{
	return (struct claimant *)table_find(&claims->claimants,
					     hash_bytes(&claims->key, name, strlen(name)),
					     claimant_eq, name);
}

static struct claimant *claimant_get(struct claims *claims, const char *name)
{
	struct claimant *claimant = claimant_find(claims, name);

	if (claimant) {
		return claimant;
	}
	claimant = calloc(1, sizeof(*claimant));
	if (!claimant) {
		return NULL;
	}
	(void)snprintf(claimant->name, sizeof(claimant->name), "%s", name); /* name_is_id() */
	if (table_insert(&claims->claimants, &claimant->node,
			 hash_bytes(&claims->key, name, strlen(name))) < 0) {
		free(claimant);
		return NULL;
	}
	return claimant;
}

static void claimant_release(struct claims *claims, struct claimant *claimant)
{
	if (claimant && claimant->n_claims == 0 && !claimant->swaps) {
		table_remove(&claims->claimants, &claimant->node);
		free(claimant);
	}
}

int claims_add_version(struct claims *claims, const struct node_conf *node,
		       const struct tenant_conf *tenant, struct issues *issues)
{
	struct claimant *claimant = claimant_get(claims, tenant->name);
	int rc = claimant ? units_take(claims, node, tenant, claimant, issues) : -ENOMEM;

	if (rc == -ENOMEM) {
		issues_add(issues, "", "out of memory");
	}
	claimant_release(claims, claimant);
	return rc;
}

int claims_add(struct claims *claims, const struct node_conf *node,
	       const struct tenant_conf *tenant, struct issues *issues)
{
	if (claimant_find(claims, tenant->name)) {
		issues_add(issues, "/tenant", "there is a tenant %s already", tenant->name);
		return -EEXIST;
	}
	return claims_add_version(claims, node, tenant, issues);
}

void claims_remove(struct claims *claims, const struct tenant_conf *tenant)
{
	units_drop(claims, tenant);
	claimant_release(claims, claimant_find(claims, tenant->name));
}

int claims_replace(struct claims *claims, const struct node_conf *node,
		   const struct tenant_conf *before, const struct tenant_conf *after,
		   struct issues *issues)
{
	/* a tenant's own claims never stand against it, so the new ones go on top of the old */
	int rc = claims_add_version(claims, node, after, issues);

	if (rc == 0) {
		claims_remove(claims, before);
	}
	return rc;
}

const char *claims_refused_by(const struct claims *claims)
{
	return claims->refused_by;
}

/* Whether they could all be in force beside one another. */
static int swap_check(const struct node_conf *node, const struct tenant_conf *const *wanted,
		      size_t n, struct issues *issues)
{
	struct claims *alone = claims_new();
	int rc = alone ? 0 : -ENOMEM;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = claims_add(alone, node, wanted[i], issues);
	}
	claims_free(alone);
	return rc == -EEXIST ? -EBUSY : rc;
}

void claims_swap_end(struct claims *claims, const struct tenant_conf *const *keep, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		units_own(claims, keep[i], claimant_find(claims, keep[i]->name));
	}
	for (size_t i = 0; i < n; i++) {
		struct claimant *claimant = claimant_find(claims, keep[i]->name);

		claimant->swaps = false;
		claimant_release(claims, claimant);
	}
}

int claims_swap(struct claims *claims, const struct node_conf *node,
		const struct tenant_conf *const *wanted, const struct tenant_conf *const *former,
		size_t n, struct issues *issues)
{
	int rc = swap_check(node, wanted, n, issues);
	size_t n_marked = 0, n_taken = 0;

	for (; rc == 0 && n_marked < n; n_marked++) {
		struct claimant *claimant = claimant_get(claims, former[n_marked]->name);

		if (!claimant) {
			rc = -ENOMEM;
			break;
		}
		claimant->swaps = true;
	}
	for (; rc == 0 && n_taken < n; n_taken++) {
		rc = units_take(claims, node, wanted[n_taken],
				claimant_find(claims, wanted[n_taken]->name), issues);
		if (rc < 0) {
			break;
		}
	}
	if (rc < 0) {
		while (n_taken-- > 0) {
			units_drop(claims, wanted[n_taken]);
		}
		claims_swap_end(claims, former, n_marked);
	}
	return rc;
}

bool claims_port_spreads(const struct node_conf *node, uint16_t port)
{
	for (size_t i = 0; node && i < node->n_listeners; i++) {
		if (node->listeners[i].port == port) {
			return false;
		}
	}
	return true;
}

size_t claims_sockets(const struct claims *claims, const struct node_conf *node)
{
	size_t n = node_conf_sockets(node), pool = (size_t)node_conf_pool_size(node);

	for (size_t i = 0; i < KEY_PORT_BUCKETS; i++) {
		const struct key_claim *claim = claims->keys.by_port[i];

		for (; claim; claim = claim->next_port) {
			n += claim->kind == KEY_KIND_TCP && claims_port_spreads(node, claim->port);
		}
	}
	for (const struct label *port = claims->names.first_port; port; port = port->next) {
		n += label_port(port) != NAME_PORT_ZONE &&
				     claims_port_spreads(node, label_port(port))
			     ? pool
			     : 0;
	}
	return n;
}

struct claims *claims_new(void)
{
	struct claims *claims = calloc(1, sizeof(*claims));

	if (claims) {
		table_init(&claims->claimants);
		hash_key_init(&claims->key);
		name_index_init(&claims->names);
		key_index_init(&claims->keys);
	}
	return claims;
}

void claims_free(struct claims *claims)
{
	struct table_iter it = {0};
	struct table_node *node;

	if (!claims) {
		return;
	}
	name_index_fini(&claims->names);
	prefix_index_fini(&claims->prefixes);
	key_index_fini(&claims->keys);
	while ((node = table_next(&claims->claimants, &it))) {
		table_remove(&claims->claimants, node);
		free(node);
	}
	table_fini(&claims->claimants);
	free(claims);
}
