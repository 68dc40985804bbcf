/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Blocks of ports: arithmetic on the node config and a tenant's first prefix.
 */
#include "conf/model/ports.h"

#include <errno.h>

/* Blocks of one address. */
static size_t blocks_of_address(const struct node_conf *node)
{
	const struct port_range *ports = &node->nat64.ports;

	if (ports->last < ports->first || node->nat64.ports_per_tenant == 0) {
		return 0;
	}
	return (size_t)(ports->last - ports->first + 1) / node->nat64.ports_per_tenant;
}

size_t ports_n_blocks(const struct node_conf *node)
{
	return node->nat64.on ? blocks_of_address(node) * node->nat64.n_pool : 0;
}

struct port_block ports_block(const struct node_conf *node, size_t number)
{
	size_t n = blocks_of_address(node), i = number % n;
	uint32_t size = node->nat64.ports_per_tenant;
	struct port_block block = {.number = number, .address = node->nat64.pool[number / n]};

	block.ports.first = (uint16_t)(node->nat64.ports.first + i * size);
	block.ports.last = (uint16_t)(block.ports.first + size - 1);
	if (node->nat44_ports.first != 0) {
		size = (uint32_t)(node->nat44_ports.last - node->nat44_ports.first + 1) /
		       (uint32_t)n;
		if (size > 0) {
			block.nat44.first = (uint16_t)(node->nat44_ports.first + i * size);
			block.nat44.last = (uint16_t)(block.nat44.first + size - 1);
		}
	}
	return block;
}

int ports_tenant(const struct node_conf *node, const struct tenant_conf *tenant,
		 struct port_block *ret_block)
{
	size_t n = ports_n_blocks(node);
	uint32_t number;

	if (n == 0 || tenant->state != TENANT_ACTIVE || tenant->n_tunnels == 0 ||
	    tenant->n_prefixes == 0 || !node->has_ipv6_prefix ||
	    !prefix_contains(&node->ipv6_prefix, &tenant->prefixes[0].addr)) {
		return -ENOENT;
	}
	number = node_conf_number(node, &tenant->prefixes[0].addr);
	if (number < node->ipv6_reserved) {
		return -ENOENT;
	}
	*ret_block = ports_block(node, (size_t)((number - node->ipv6_reserved) % n));
	return 0;
}
