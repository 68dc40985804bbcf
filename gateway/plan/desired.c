/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All areas together; each has its own file.
 */
#include "gateway/plan/desired.h"

void desired_node(const struct node_conf *node, const struct desired_facts *facts,
		  struct firewall *firewall, struct object_set *set)
{
	desired_firewall_node(node, facts, firewall, set);
	desired_link_node(node, facts, set);
	desired_uplink_node(node, facts, set);
	desired_wireguard_node(node, facts, set);
	desired_nat64_node(node, facts, set);
	desired_siit_node(node, facts, set);
}

void desired_tenant(const struct node_conf *node, const struct desired_facts *facts,
		    const struct tenant_conf *tenant, struct object_set *set)
{
	size_t first = set->n;

	if (tenant->state != TENANT_ACTIVE) {
		return;
	}
	desired_firewall_tenant(node, facts, tenant, set);
	desired_link_tenant(node, facts, tenant, set);
	desired_wireguard_tenant(node, facts, tenant, set);
	desired_nat64_tenant(node, facts, tenant, set);
	desired_siit_tenant(node, facts, tenant, set);
	object_set_own(set, first, tenant->name);
}
