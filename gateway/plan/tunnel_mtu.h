/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_TUNNEL_MTU_H
#define SIXGATE_GATEWAY_TUNNEL_MTU_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"

/*
 * The MTU of tunnels, in bytes of the packets inside: what the way of the outer packets carries
 * less their headers, at most what the config says or what fits into 1500 bytes, and at least
 * IPv6's 1280 (RFC 4213 3.2); over a narrower way the outer packets go in fragments. Pure: what
 * the ways carry is in struct desired_facts.
 */
struct desired_facts;

#define TUNNEL_MTU_MIN 1280 /* RFC 8200 5 */

/*
 * The way of outer packets, as far as it is known: to an address, or out of a link. Unused bytes
 * are 0, so that memcmp(3) tells two apart.
 */
struct outer {
	struct addr local, remote; /* remote unspecified: the link counts; local unspecified: any */
	char link[IFNAMSIZ];       /* empty: not known */
};

enum tunnel_mtu_from {
	TUNNEL_MTU_DEFAULT, /* what fits into 1500 bytes: the way carries that, or is not known */
	TUNNEL_MTU_CONFIG,  /* `mtu` */
	TUNNEL_MTU_PATH,    /* the way carries no more */
};

struct tunnel_mtu {
	uint32_t mtu;  /* 0: not known (of a link that is not there) */
	uint32_t path; /* what the way carries, of outer packets; 0: not known */
	enum tunnel_mtu_from from;
};

/* Of a tenant's tunnel; on the shared WireGuard device it may differ from the device's. */
struct tunnel_mtu tunnel_mtu(const struct node_conf *node, const struct desired_facts *facts,
			     const struct tunnel_conf *tunnel);
/* Of the WireGuard device that tenants share. */
struct tunnel_mtu tunnel_mtu_shared(const struct node_conf *node,
				    const struct desired_facts *facts);
/* Of the tunnel to another exit that the uplink is. */
struct tunnel_mtu tunnel_mtu_exit(const struct node_conf *node, const struct desired_facts *facts);

/* Which way they follow. False: none that can be looked at, as one in another namespace. */
bool tunnel_outer(const struct node_conf *node, const struct tunnel_conf *tunnel,
		  struct outer *ret_outer);
bool tunnel_outer_shared(const struct node_conf *node, struct outer *ret_outer);
bool tunnel_outer_exit(const struct node_conf *node, struct outer *ret_outer);

#endif
