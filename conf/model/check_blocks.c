/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rules of meaning for the blocks of ports that tenants get of NAT64's public addresses: that there
 * are some, that each is one tenant's, and that this machine's own connections stay out of them.
 * Pure; called by check_node.c alone.
 */
#include "conf/model/check.h"
#include "conf/model/internal.h"

#define NAT44_PORTS_MIN 16 /* a tenant; fewer carry no web page */

/* net.ipv4.ip_local_port_range as the kernel has it. */
static const struct port_range usual_local_ports = {32768, 60999};

static uint32_t ports_of(struct port_range range)
{
	return range.last > 0 ? (uint32_t)(range.last - range.first + 1) : 0;
}

static void check_pool_twice(const struct node_conf *node, struct issues *issues)
{
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < node->nat64.n_pool; i++) {
		for (size_t j = 0; j < i; j++) {
			if (!addr_is_any(&node->nat64.pool[i]) &&
			    addr_eq(&node->nat64.pool[i], &node->nat64.pool[j])) {
				issues_add(issues, issue_path("/nat64/pool/%zu", i).text,
					   "%s is given twice: two tenants would get one block",
					   addr_format(&node->nat64.pool[i], text));
				break;
			}
		}
	}
}

/* How many blocks an address has; 0 with an issue, or when there is nothing to say. */
static uint32_t check_block_size(const struct node_conf *node, struct issues *issues)
{
	uint32_t ports = ports_of(node->nat64.ports), size = node->nat64.ports_per_tenant;

	if (ports == 0 || size == 0) {
		return 0;
	}
	if (size > ports) {
		issues_add(issues, "/nat64/ports_per_tenant",
			   "%u ports a tenant are more than the %u of %u-%u (nat64.ports)", size,
			   ports, node->nat64.ports.first, node->nat64.ports.last);
		return 0;
	}
	return ports / size;
}

static void check_nat44(const struct node_conf *node, uint32_t n_blocks, struct issues *issues)
{
	uint32_t ports = ports_of(node->nat44_ports);

	if (ports == 0) {
		return;
	}
	if (!node->nat64.on) {
		issues_add(issues, "/nat44/ports",
			   "are shared out as NAT64's blocks are, on its addresses: give nat64");
	} else if (n_blocks > 0 && ports / n_blocks < NAT44_PORTS_MIN) {
		issues_add(issues, "/nat44/ports",
			   "%u ports for %u tenants an address, as nat64.ports has blocks, are %u "
			   "each, fewer than %d: take %u ports or more, or a larger "
			   "nat64.ports_per_tenant",
			   ports, n_blocks, ports / n_blocks, NAT44_PORTS_MIN,
			   n_blocks * NAT44_PORTS_MIN);
	}
}

bool check_is_machines(const struct node_conf *node, const struct addr *a)
{
	for (size_t i = 0; i < node->n_pool; i++) {
		if (node->pool[i].delivery != DELIVERY_ROUTED &&
		    prefix_contains(&node->pool[i].range, a)) {
			return true;
		}
	}
	return false;
}

struct port_range check_local_range(const struct node_conf *node)
{
	return node->local_ports.last > 0 ? node->local_ports : usual_local_ports;
}

static void check_unset(const char *path, struct port_range ports, struct port_range local,
			struct issues *issues)
{
	if (ports.last > 0 && ports.first <= local.last && local.first <= ports.last) {
		issues_add(issues, path,
			   "%u-%u meets the %u-%u that connections of this machine come from: give "
			   "them a range of their own by local_ports",
			   ports.first, ports.last, local.first, local.last);
	}
}

void check_unset_local_ports(const struct node_conf *node, struct port_range local,
			     struct issues *issues)
{
	bool shared = false;

	for (size_t i = 0; i < node->nat64.n_pool; i++) {
		shared |= check_is_machines(node, &node->nat64.pool[i]);
	}
	if (node->nat64.on && shared && node->local_ports.last == 0) {
		check_unset("/nat64/ports", node->nat64.ports, local, issues);
		check_unset("/nat44/ports", node->nat44_ports, local, issues);
	}
}

void check_blocks(const struct node_conf *node, struct issues *issues)
{
	check_pool_twice(node, issues);
	check_nat44(node, check_block_size(node, issues), issues);
	check_unset_local_ports(node, usual_local_ports, issues);
}
