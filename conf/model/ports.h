/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_PORTS_H
#define SIXGATE_CONF_PORTS_H

#include <stddef.h>
#include <stdint.h>

#include "conf/model/issue.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"

/*
 * The port plan of NAT64's public addresses (DESIGN.md section 3): a block of ports a tenant, its
 * number derived from the tenant's first prefix, so that "who used this port" is arithmetic.
 */
struct port_block {
	size_t number;           /* 0 .. ports_n_blocks() - 1 */
	struct addr address;     /* of nat64.pool */
	struct port_range ports; /* NAT64's, TCP, UDP and ICMP identifiers */
	struct port_range nat44; /* first 0: no nat44 configured */
};

/* Blocks of all addresses of nat64.pool; 0 without nat64. */
size_t ports_n_blocks(const struct node_conf *node);
/* The block of a number. */
struct port_block ports_block(const struct node_conf *node, size_t number);
/*
 * The tenant's: the number of its first /64 (node_conf_unit()) in the farm's prefix, counted from
 * the reserved ones, modulo the number of blocks. -ENOENT: it takes none (no nat64, no tunnel,
 * suspended).
 */
int ports_tenant(const struct node_conf *node, const struct tenant_conf *tenant,
		 struct port_block *ret_block) CHECKED;

#endif
