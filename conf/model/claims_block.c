/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A way out for a tenant whose block of NAT64's ports is another's: the number of a block follows
 * from the tenant's first prefix, so the nearest free prefix with a free block is looked for. Used
 * by claims_unit.c for its message alone.
 */
#include "conf/model/claims_internal.h"
#include "conf/model/ports.h"

#define TRIES_MAX 65536 /* prefixes looked at */

static bool block_is_free(const struct claims *claims, const struct node_conf *node,
			  const struct tenant_conf *tenant, struct prefix *p)
{
	struct tenant_conf moved = {.state = tenant->state,
				    .prefixes = p,
				    .n_prefixes = 1,
				    .n_tunnels = 1};
	struct port_block block;
	uint32_t number;

	if (ports_tenant(node, &moved, &block) < 0) {
		return false;
	}
	number = (uint32_t)block.number + 1;
	return !key_index_taken(&claims->keys, KEY_KIND_BLOCK, &number, sizeof(number));
}

static bool prefix_is_free(struct claims *claims, const struct tenant_conf *tenant,
			   const struct prefix *p, struct claimant *by)
{
	const struct prefix_claim *other;

	for (size_t i = 0; i < tenant->n_prefixes; i++) {
		if (prefix_overlaps(&tenant->prefixes[i], p)) {
			return false;
		}
	}
	if (prefix_index_take(&claims->prefixes, p, by, &other) < 0) {
		return false;
	}
	prefix_index_drop(&claims->prefixes, p);
	return true;
}

bool claims_free_block(struct claims *claims, const struct node_conf *node,
		       const struct tenant_conf *tenant, struct claimant *by,
		       struct prefix *ret_prefix)
{
	struct prefix p = tenant->prefixes[0];
	uint32_t last = (UINT32_C(1) << (node_conf_unit(node) - node->ipv6_prefix.len)) - 1;
	uint32_t step = UINT32_C(1) << (node_conf_unit(node) - p.len);
	uint32_t at = node_conf_number(node, &p.addr);

	for (size_t tries = 0; tries < TRIES_MAX; tries++) {
		/* The reserved ones have no block, so round the end they are passed over. */
		at = last - at >= 2 * step - 1 ? at + step : 0;
		p.addr = node_conf_nth(node, at);
		if (block_is_free(claims, node, tenant, &p) &&
		    prefix_is_free(claims, tenant, &p, by)) {
			*ret_prefix = p;
			return true;
		}
	}
	return false;
}
