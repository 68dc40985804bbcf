/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the config asks of the kernel in this area: nothing yet.
 */
#include "gateway/plan/desired.h"

void desired_wireguard_node(const struct node_conf *node, const struct desired_facts *facts,
			    struct object_set *set)
{
	(void)node, (void)facts, (void)set;
}

void desired_wireguard_tenant(const struct node_conf *node, const struct desired_facts *facts,
			      const struct tenant_conf *tenant, struct object_set *set)
{
	(void)node, (void)facts, (void)tenant, (void)set;
}
