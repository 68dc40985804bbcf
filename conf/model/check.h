/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_MODEL_CHECK_H
#define SIXGATE_CONF_MODEL_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/model/issue.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"

/*
 * The rules of meaning for one object by itself (what two tenants may not share is claims.h).
 * A value that could not be read is zero and is passed over: its issue is there already.
 */

#define LISTEN_SOCKETS_MAX 4000 /* listening sockets a worker */

/* How many sockets a worker needs for the listeners of the node config. */
size_t node_conf_sockets(const struct node_conf *node);

/* IPv4 addresses of uplink.ipv4. */
uint64_t node_conf_pool_size(const struct node_conf *node);
/* True when a is an address of uplink.ipv4. */
bool node_conf_in_pool(const struct node_conf *node, const struct addr *a);

/* True when p lies outside uplink.ipv6.prefix or whole in its reserved part. */
bool node_conf_reserves(const struct node_conf *node, const struct prefix *p);

void node_conf_check(const struct node_conf *node, struct issues *issues);
/*
 * What is to be on the machine already, against the n addresses that are; and local, the range of
 * its own connections now (last 0: not known), against those of the translators.
 */
void node_conf_check_machine(const struct node_conf *node, const struct addr *addresses, size_t n,
			     struct port_range local, struct issues *issues);

/* node NULL: what depends on the node is not checked. */
void tenant_conf_check(const struct tenant_conf *tenant, const struct node_conf *node,
		       struct issues *issues);

#endif
