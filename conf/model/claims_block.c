/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A way out for a tenant whose block of NAT64's ports is another's: the number of a block follows
 * from the tenant's first prefix, so the nearest free prefix with a free block is looked for. Used
 * by claims_unit.c for its message alone.
 */
#include "conf/model/claims_internal.h"
#include "conf/model/ports.h"

#define TRIES_MAX 65536 /* prefixes looked at */

static uint64_t upper_half(const struct addr *a)
{
	uint64_t v = 0;

	for (size_t i = 0; i < 8; i++) {
		v = v << 8 | a->b[i];
	}
	return v;
}

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
	const struct prefix *farm = &node->ipv6_prefix;
	struct prefix p = tenant->prefixes[0];
	uint64_t first = upper_half(&farm->addr), last = first, at = upper_half(&p.addr);
	uint64_t step = UINT64_C(1) << (64 - p.len);

	last |= farm->len >= 64 ? 0 : UINT64_MAX >> farm->len;
	for (size_t tries = 0; tries < TRIES_MAX; tries++) {
		/* The reserved ones have no block, so round the end they are passed over. */
		at = last - at >= 2 * step - 1 ? at + step : first;
		for (int i = 0; i < 8; i++) {
			p.addr.b[i] = (uint8_t)(at >> (56 - 8 * i));
		}
		if (block_is_free(claims, node, tenant, &p) &&
		    prefix_is_free(claims, tenant, &p, by)) {
			*ret_prefix = p;
			return true;
		}
	}
	return false;
}
