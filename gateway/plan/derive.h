/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_DERIVE_H
#define SIXGATE_GATEWAY_DERIVE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/model/node.h"
#include "conf/model/tenant.h"
#include "gateway/plan/object.h"

/*
 * Names and marks of a tenant's objects, from its prefixes alone, so that two machines with the
 * same object and the same farm prefix derive the same.
 */

#define DERIVE_MARK      0x10000000u /* a tenant's mark: this and the number of its first /64 */
#define DERIVE_MARK_MASK 0xf0000000u
#define DERIVE_IPV4      0x64400000u /* 100.64.0.0/10; the numbers of reserved /64s are ours */
#define DERIVE_WG_LINK   "sg-wg"     /* the WireGuard device that tenants share */
#define DERIVE_EXIT_LINK "sg-up"     /* the tunnel to the exit that our own IPv6 comes from */

/* The number of the first /64 (node_conf_unit()) of p; the check made sure that it is inside. */
uint32_t derive_index(const struct node_conf *node, const struct prefix *p);
/* The tenant has at least one prefix. */
uint32_t derive_mark(const struct node_conf *node, const struct tenant_conf *tenant);
/* The address inside a WireGuard tunnel with ipv4: of 100.64.0.0/10, by its first /64's number. */
struct addr derive_ipv4(const struct node_conf *node, const struct tunnel_conf *tunnel);
/* The device of a tunnel: the shared one, "sg-1001" for one of its own, or of a route tunnel its
 * interface. Returns dst. */
char *derive_link(const struct node_conf *node, const struct tunnel_conf *tunnel,
		  char dst[IFNAMSIZ]);
/* "sixgate:acme/home". Returns dst. */
char *derive_alias(const struct tenant_conf *tenant, const struct tunnel_conf *tunnel,
		   char dst[OBJECT_ALIAS_MAX]);
/*
 * Where the hosts of one of the tenant's prefixes ask DNS64, besides where all do: <prefix>::53.
 * False: nowhere, as the node's listens elsewhere, the tenant does not want it, or has that address
 * for a backend or in a record of its own.
 */
bool derive_dns64(const struct node_conf *node, const struct tenant_conf *tenant,
		  const struct prefix *p, struct addr *ret_addr);

#endif
