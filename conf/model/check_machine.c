/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A node config against the addresses that the machine has. Pure: who calls it found them out.
 */
#include "conf/model/check.h"
#include "conf/model/internal.h"

/* Said to be configured on the machine, by somebody else than us. */
static bool should_be_there(const struct node_conf *node, const struct addr *a)
{
	for (size_t i = 0; i < node->n_pool; i++) {
		if (prefix_contains(&node->pool[i].range, a)) {
			return node->pool[i].delivery == DELIVERY_PRESENT;
		}
	}
	return false;
}

void node_conf_check_machine(const struct node_conf *node, const struct addr *addresses, size_t n,
			     struct port_range local, struct issues *issues)
{
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < node->nat64.n_pool; i++) {
		const struct addr *a = &node->nat64.pool[i];
		bool found = !should_be_there(node, a);

		for (size_t j = 0; j < n && !found; j++) {
			found = addr_eq(&addresses[j], a);
		}
		if (!found) {
			issues_add(issues, issue_path("/nat64/pool/%zu", i).text,
				   "%s is on no interface of this machine: configure it there, or "
				   "let its range in uplink.ipv4 have delivery: onlink or routed",
				   addr_format(a, text));
		}
	}
	if (local.last > 0) {
		check_unset_local_ports(node, local, issues);
	}
}
