/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_DESIRED_H
#define SIXGATE_GATEWAY_DESIRED_H

#include "conf/model/node.h"
#include "conf/model/tenant.h"
#include "gateway/plan/firewall.h"
#include "gateway/plan/object_set.h"
#include "gateway/plan/tunnel_mtu.h"

/*
 * What node config and tenant objects ask of the kernel, as objects. Pure: no I/O; secrets and
 * uids come in struct desired_facts. One file an area: desired_link.c (links, addresses, routes,
 * sysctls), desired_uplink.c (a tunnel to another exit), desired_wireguard.c, desired_nat64.c,
 * desired_siit.c, desired_firewall.c. Each adds to a set; out of memory is sticky there.
 */

/* What is needed and is not in the config. */
struct desired_facts {
	uint32_t proxy_uid, agent_uid, dns64_uid;
	uint8_t wg_private_key[WG_KEY_BYTES]; /* read from wireguard.private_key_file */
	/* Those of uplink.wireguard. */
	uint8_t exit_private_key[WG_KEY_BYTES], exit_preshared_key[WG_KEY_BYTES];
	bool has_siit;                         /* a namespace and jool_siit */
	bool has_wireguard, has_sit, has_jool; /* the kernel can; else their objects are left out */
	bool uplink_ra; /* the uplink's default route comes by router advertisements */
	/*
	 * Whether a tenant has the whole address (`protocol: address`): then it must not be one of
	 * the machine's own, also in an on-link range. The node's objects change with the answer.
	 * NULL: nobody has one.
	 */
	bool (*is_mapped)(void *ctx, const struct addr *a);
	/*
	 * Whether a tenant has a tunnel, or had one since the start. Without one the chains of
	 * their traffic are left out: they need connection tracking, which costs each proxied
	 * connection. NULL: one has.
	 */
	bool (*has_tunnels)(void *ctx);
	void *mapped_ctx; /* of both */
	/* What the way of outer packets carries, in bytes; 0: not known. May be NULL. */
	uint32_t (*path_mtu)(void *ctx, const struct outer *outer);
	void *path_ctx;
	struct on_link on_link; /* who is beside us on a direct uplink */
	/*
	 * The preshared key in a tunnel's preshared_key_file, read before. False when it could not
	 * be read: the peer is left out, because one without its key would be weaker than asked
	 * for; who asked is told by preshared_ctx. NULL: no tunnel has one.
	 */
	bool (*preshared_key)(void *ctx, const char *file, uint8_t ret_key[WG_KEY_BYTES]);
	void *preshared_ctx;
};

/* The node's own objects. firewall is filled and borrowed by the ruleset's object. */
void desired_node(const struct node_conf *node, const struct desired_facts *facts,
		  struct firewall *firewall, struct object_set *set);
/* One tenant's objects; none for a suspended tenant. */
void desired_tenant(const struct node_conf *node, const struct desired_facts *facts,
		    const struct tenant_conf *tenant, struct object_set *set);

#define DESIRED_LAST_METRIC 0x7fffffff /* any other route to the prefix wins */

/* The areas, for desired.c alone. */
void desired_link_node(const struct node_conf *node, const struct desired_facts *facts,
		       struct object_set *set);
void desired_link_tenant(const struct node_conf *node, const struct desired_facts *facts,
			 const struct tenant_conf *tenant, struct object_set *set);
void desired_uplink_node(const struct node_conf *node, const struct desired_facts *facts,
			 struct object_set *set);
void desired_wireguard_node(const struct node_conf *node, const struct desired_facts *facts,
			    struct object_set *set);
void desired_wireguard_tenant(const struct node_conf *node, const struct desired_facts *facts,
			      const struct tenant_conf *tenant, struct object_set *set);
/* A WireGuard link with its port and key; all is borrowed. */
struct wireguard_device {
	const char *link, *alias;
	const char *underlay_netns; /* NULL: here */
	uint32_t mtu;
	uint16_t port;
	const uint8_t *private_key; /* WG_KEY_BYTES */
};
void desired_wireguard_device(const struct wireguard_device *device, struct object_set *set);
void desired_nat64_node(const struct node_conf *node, const struct desired_facts *facts,
			struct object_set *set);
void desired_nat64_tenant(const struct node_conf *node, const struct desired_facts *facts,
			  const struct tenant_conf *tenant, struct object_set *set);
void desired_siit_node(const struct node_conf *node, const struct desired_facts *facts,
		       struct object_set *set);
void desired_siit_tenant(const struct node_conf *node, const struct desired_facts *facts,
			 const struct tenant_conf *tenant, struct object_set *set);
void desired_firewall_node(const struct node_conf *node, const struct desired_facts *facts,
			   struct firewall *firewall, struct object_set *set);
void desired_firewall_tenant(const struct node_conf *node, const struct desired_facts *facts,
			     const struct tenant_conf *tenant, struct object_set *set);

#endif
