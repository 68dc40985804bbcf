/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An uplink that is a tunnel to another exit, where this gateway's IPv6 comes from. Called by
 * desired.c alone.
 *
 * What has one of our addresses as its source takes the tunnel, whatever default route the machine
 * has besides: another provider must not see it (BCP 38), and would not take it. So two rules look
 * first for the way to something in particular (a tenant, a network of the farmer's), then in a
 * table of ours, whose default is the tunnel, and nothing when the tunnel is not there. What has
 * another source, as the tunnel's own outer packets, goes as it went before.
 */
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "gateway/plan/derive.h"
#include "gateway/plan/desired.h"

#define EXIT_TABLE          206
#define PRIORITY_PARTICULAR 2060 /* between the local table's 0 and the main one's 32766 */
#define PRIORITY_EXIT       2061
#define PARTICULAR_MIN      4 /* ::/0, and halves and 2000::/3 that stand for it, are not */

static const struct prefix everywhere;

static void add_route(uint32_t table, enum route_type type, uint32_t metric,
		      const struct addr *source, struct object_set *set)
{
	struct object o = {.kind = OBJECT_ROUTE,
			   .route = {.to = everywhere,
				     .table = table,
				     .metric = metric,
				     .type = type,
				     .source = *source}};

	if (type == ROUTE_UNICAST) {
		(void)snprintf(o.route.link, sizeof(o.route.link), "%s", DERIVE_EXIT_LINK);
	}
	(void)object_set_add(set, &o); /* out of memory is sticky */
}

static void add_rules(const struct prefix *from, struct object_set *set)
{
	struct object o = {.kind = OBJECT_RULE,
			   .rule = {.priority = PRIORITY_PARTICULAR,
				    .from = *from,
				    .table = RT_TABLE_MAIN,
				    .ignore_below = PARTICULAR_MIN}};

	(void)object_set_add(set, &o);
	o.rule = (struct object_rule){
		.priority = PRIORITY_EXIT,
		.from = *from,
		.table = EXIT_TABLE,
	};
	(void)object_set_add(set, &o);
}

static bool is_of_farm(const struct node_conf *node, const struct addr *a)
{
	return node->has_ipv6_prefix && prefix_contains(&node->ipv6_prefix, a);
}

/* Our sources: the farm's prefix, and what of our own does not lie in it. */
static void add_sources(const struct node_conf *node, struct object_set *set)
{
	const struct prefix own = {.addr = node->exit.address, .len = 128};

	if (node->has_ipv6_prefix) {
		add_rules(&node->ipv6_prefix, set);
	}
	if (node->has_client_prefix && !is_of_farm(node, &node->client_prefix.addr)) {
		add_rules(&node->client_prefix, set);
	}
	if (node->exit.has_address && !is_of_farm(node, &own.addr)) {
		add_rules(&own, set);
	}
	add_route(EXIT_TABLE, ROUTE_UNREACHABLE, DESIRED_LAST_METRIC, &everywhere.addr, set);
}

static void add_wireguard(const struct node_conf *node, const struct desired_facts *facts,
			  struct object_set *set)
{
	const struct wireguard_device device = {
		.link = DERIVE_EXIT_LINK,
		.alias = OBJECT_ALIAS_PREFIX "uplink",
		.underlay_netns = node->exit.underlay_netns,
		.mtu = tunnel_mtu_exit(node, facts).mtu,
		.port = node->exit.listen_port,
		.private_key = facts->exit_private_key,
	};
	struct object o = {.kind = OBJECT_WG_PEER,
			   .wg_peer = {.keepalive_s = node->exit.keepalive_s,
				       .endpoint = node->exit.endpoint,
				       .allowed = &everywhere,
				       .n_allowed = 1}};

	desired_wireguard_device(&device, set);
	(void)snprintf(o.wg_peer.link, sizeof(o.wg_peer.link), "%s", DERIVE_EXIT_LINK);
	memcpy(o.wg_peer.preshared_key, facts->exit_preshared_key, WG_KEY_BYTES);
	/* The check of the config made sure of it. */
	if (base64_decode(str_from(node->exit.public_key), o.wg_peer.public_key, WG_KEY_BYTES) ==
	    0) {
		(void)object_set_add(set, &o);
	}
	explicit_bzero(&o, sizeof(o));
}

static void add_6in4(const struct node_conf *node, const struct desired_facts *facts,
		     struct object_set *set)
{
	struct object o = {.kind = OBJECT_LINK,
			   .link = {.kind = LINK_SIT,
				    .mtu = tunnel_mtu_exit(node, facts).mtu,
				    .local = node->exit.local,
				    .remote = node->exit.remote}};

	(void)snprintf(o.link.name, sizeof(o.link.name), "%s", DERIVE_EXIT_LINK); /* fits */
	(void)snprintf(o.link.alias, sizeof(o.link.alias), "%s", OBJECT_ALIAS_PREFIX "uplink");
	(void)snprintf(o.link.underlay_netns, sizeof(o.link.underlay_netns), "%s",
		       node->exit.underlay_netns ? node->exit.underlay_netns : ""); /* checked */
	(void)object_set_add(set, &o);
}

/*
 * The tunnel's own packets, which are IPv6 here, have to find another way than it: they would go
 * round in it, each inside the one before.
 */
static bool needs_other_way(const struct node_conf *node)
{
	return node->uplink_kind == UPLINK_WIREGUARD && !addr_is_v4(&node->exit.endpoint.addr) &&
	       !node->exit.underlay_netns;
}

/* Its address, and the way for what has no source yet, where the machine has no better one. */
static void add_own_address(const struct node_conf *node, struct object_set *set)
{
	struct object o = {.kind = OBJECT_ADDRESS,
			   .address = {.address = {.addr = node->exit.address, .len = 128}}};

	if (!node->exit.has_address) {
		return;
	}
	(void)snprintf(o.address.link, sizeof(o.address.link), "%s", DERIVE_EXIT_LINK); /* fits */
	(void)object_set_add(set, &o);
	if (!needs_other_way(node)) {
		add_route(RT_TABLE_MAIN, ROUTE_UNICAST, DESIRED_LAST_METRIC, &node->exit.address,
			  set);
	}
}

void desired_uplink_node(const struct node_conf *node, const struct desired_facts *facts,
			 struct object_set *set)
{
	switch (node->uplink_kind) {
	case UPLINK_DIRECT:
		return;
	case UPLINK_WIREGUARD:
		add_sources(node, set);
		if (!facts->has_wireguard) {
			return;
		}
		add_wireguard(node, facts, set);
		break;
	case UPLINK_6IN4:
		add_sources(node, set);
		if (!facts->has_sit) {
			return;
		}
		add_6in4(node, facts, set);
		break;
	}
	add_route(EXIT_TABLE, ROUTE_UNICAST, 0, &everywhere.addr, set);
	add_own_address(node, set);
}
