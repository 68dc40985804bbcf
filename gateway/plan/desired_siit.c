/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whole addresses (`protocol: address`): a stateless translator (RFC 7915) with explicit mappings
 * (RFC 7757) in a network namespace of its own, because Jool serves one translator a namespace. A
 * veth pair joins it to ours. Its prefix is never NAT64's: the NAT64 hook drops what comes from
 * inside its own. Called by desired.c alone.
 */
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "gateway/plan/desired.h"
#include "gateway/plan/firewall.h"

#define LINK_MAIN  "sg-siit"  /* our end */
#define LINK_INNER "sg-inner" /* the translator's end */
#define LINK_MTU   2000       /* the tunnels decide, not this link */

static struct addr addr_of(const char *text)
{
	struct addr a = {{0}};
	int rc = addr_parse(str_from(text), &a);

	(void)rc; /* constants of this file, each in a test */
	return a;
}

#define MAIN_4  "169.254.64.0" /* RFC 3021: a /31 */
#define INNER_4 "169.254.64.1"
#define MAIN_6  "fe80::64:0"
#define INNER_6 "fe80::64:1"

static void add_address(struct object_set *set, enum object_ns ns, const char *address, uint8_t len)
{
	struct object o = {.kind = OBJECT_ADDRESS, .ns = ns};

	(void)snprintf(o.address.link, sizeof(o.address.link), "%s",
		       ns == NS_MAIN ? LINK_MAIN : LINK_INNER); /* fits */
	o.address.address = (struct prefix){.addr = addr_of(address), .len = len};
	(void)object_set_add(set, &o); /* out of memory is sticky */
}

/* What its ICMPv6 errors come from: from a link-local address they would not be forwarded. */
static void add_error_source(struct object_set *set, const struct prefix *prefix)
{
	const struct addr inner = addr_of(INNER_4);
	struct object o = {.kind = OBJECT_ADDRESS, .ns = NS_SIIT};

	(void)snprintf(o.address.link, sizeof(o.address.link), "%s", LINK_INNER); /* fits */
	o.address.address = (struct prefix){.addr = firewall_embed(prefix, &inner), .len = 128};
	(void)object_set_add(set, &o);
}

static struct object route_to(enum object_ns ns, const struct prefix *to)
{
	return (struct object){
		.kind = OBJECT_ROUTE,
		.ns = ns,
		.route = {.to = *to, .table = RT_TABLE_MAIN, .type = ROUTE_UNICAST},
	};
}

/* By the other end of the link. */
static void add_route_via(struct object_set *set, enum object_ns ns, const struct prefix *to,
			  const char *via)
{
	struct object o = route_to(ns, to);

	(void)snprintf(o.route.link, sizeof(o.route.link), "%s",
		       ns == NS_MAIN ? LINK_MAIN : LINK_INNER); /* fits */
	o.route.has_via = true;
	o.route.via = addr_of(via);
	(void)object_set_add(set, &o);
}

/* What the translator refuses goes no further: else it would loop until its hop limit is used up.
 */
static void add_route_unreachable(struct object_set *set, const struct prefix *to)
{
	struct object o = route_to(NS_SIIT, to);

	o.route.type = ROUTE_UNREACHABLE;
	(void)object_set_add(set, &o);
}

static void add_forwarding(struct object_set *set, const char *path)
{
	struct object o = {.kind = OBJECT_SYSCTL, .ns = NS_SIIT};

	(void)snprintf(o.sysctl.path, sizeof(o.sysctl.path), "%s", path);  /* fits */
	(void)snprintf(o.sysctl.value, sizeof(o.sysctl.value), "%s", "1"); /* fits */
	(void)object_set_add(set, &o);
}

/* Else the first answers for a mapped address on the uplink wait up to 0.8 s. */
static void add_proxy_delay(const struct node_conf *node, struct object_set *set)
{
	struct object o = {.kind = OBJECT_SYSCTL, .sysctl.value = "0"};
	bool onlink = false;

	for (size_t i = 0; i < node->n_pool; i++) {
		onlink |= node->pool[i].delivery == DELIVERY_ONLINK;
	}
	if (onlink && node->interface) {
		(void)snprintf(o.sysctl.path, sizeof(o.sysctl.path),
			       "net/ipv4/neigh/%s/proxy_delay", node->interface); /* checked */
		(void)object_set_add(set, &o);
	}
}

static void add_link(struct object_set *set)
{
	struct object o = {.kind = OBJECT_LINK, .link = {.kind = LINK_VETH, .mtu = LINK_MTU}};

	(void)snprintf(o.link.name, sizeof(o.link.name), "%s", LINK_MAIN);  /* fits */
	(void)snprintf(o.link.peer, sizeof(o.link.peer), "%s", LINK_INNER); /* fits */
	(void)snprintf(o.link.alias, sizeof(o.link.alias), "%s", OBJECT_ALIAS_PREFIX "siit");
	(void)object_set_add(set, &o);
}

void desired_siit_node(const struct node_conf *node, const struct desired_facts *facts,
		       struct object_set *set)
{
	const struct prefix any_4 = {.addr = addr_of("0.0.0.0"), .len = 96}, any_6 = {.len = 0};
	struct object instance = {.kind = OBJECT_INSTANCE,
				  .ns = NS_SIIT,
				  .instance = {.translator = TRANSLATOR_SIIT,
					       .pool6 = node->siit_prefix}};

	if (!node->has_siit_prefix || !facts->has_siit) {
		return;
	}
	add_link(set);
	add_address(set, NS_MAIN, MAIN_4, 96 + 31);
	add_address(set, NS_MAIN, MAIN_6, 64);
	add_address(set, NS_SIIT, INNER_4, 96 + 31);
	add_address(set, NS_SIIT, INNER_6, 64);
	add_error_source(set, &node->siit_prefix);
	add_proxy_delay(node, set);
	add_forwarding(set, "net/ipv4/ip_forward");
	add_forwarding(set, "net/ipv6/conf/all/forwarding");
	add_route_via(set, NS_MAIN, &node->siit_prefix, INNER_6);
	add_route_via(set, NS_SIIT, &any_4, MAIN_4);
	add_route_via(set, NS_SIIT, &any_6, MAIN_6);
	add_route_unreachable(set, &node->siit_prefix);
	(void)object_set_add(set, &instance);
}

/* The range of uplink.ipv4 that a lies in; NULL: none. */
static const struct pool_range *pool_range_of(const struct node_conf *node, const struct addr *a)
{
	for (size_t i = 0; i < node->n_pool; i++) {
		if (prefix_contains(&node->pool[i].range, a)) {
			return &node->pool[i];
		}
	}
	return NULL;
}

/*
 * The gateway's own packets to a mapped address need a source of ours that the tenant's answers
 * find back to: the first single address of the pool.
 */
static const struct addr *own_source(const struct node_conf *node)
{
	for (size_t i = 0; i < node->n_pool; i++) {
		if (node->pool[i].delivery == DELIVERY_PRESENT) {
			return &node->pool[i].range.addr;
		}
	}
	return NULL;
}

/*
 * A routed range is local as a whole (AnyIP), so that the way to one address of it has to stand in
 * the same table; elsewhere the address is nowhere on the uplink, where we answer for it.
 */
static void add_way_in(const struct node_conf *node, const struct prefix *outside,
		       struct object_set *set)
{
	const struct pool_range *range = pool_range_of(node, &outside->addr);
	const struct addr *source = own_source(node);
	struct object o = route_to(NS_MAIN, outside);

	o.route.table =
		range && range->delivery == DELIVERY_ROUTED ? RT_TABLE_LOCAL : RT_TABLE_MAIN;
	(void)snprintf(o.route.link, sizeof(o.route.link), "%s", LINK_MAIN); /* fits */
	o.route.has_via = true;
	o.route.via = addr_of(INNER_4);
	if (source) {
		o.route.source = *source;
	}
	(void)object_set_add(set, &o);
	if (range && range->delivery != DELIVERY_ROUTED && node->interface) {
		o = (struct object){.kind = OBJECT_PROXY_NEIGHBOUR,
				    .proxy_neighbour = {.address = outside->addr}};
		(void)snprintf(o.proxy_neighbour.link, sizeof(o.proxy_neighbour.link), "%s",
			       node->interface); /* checked */
		(void)object_set_add(set, &o);
	}
}

static void map_address(const struct node_conf *node, const struct backend_conf *backend,
			const struct addr *ipv4, struct object_set *set)
{
	const struct prefix outside = {.addr = *ipv4, .len = 128};
	const struct object eam = {
		.kind = OBJECT_EAM,
		.ns = NS_SIIT,
		.eam = {.outside = outside, .inside = {.addr = backend->address, .len = 128}},
	};

	(void)object_set_add(set, &eam);
	add_route_unreachable(set, &outside);
	add_way_in(node, &outside, set);
}

void desired_siit_tenant(const struct node_conf *node, const struct desired_facts *facts,
			 const struct tenant_conf *tenant, struct object_set *set)
{
	if (!node->has_siit_prefix || !facts->has_siit) {
		return;
	}
	for (size_t i = 0; i < tenant->n_services; i++) {
		const struct service_conf *service = &tenant->services[i];

		for (size_t j = 0; j < service->n_exposes; j++) {
			const struct expose_conf *expose = &service->exposes[j];

			if (expose->protocol == PROTOCOL_ADDRESS && expose->has_ipv4 &&
			    service->n_backends == 1 && !service->backends[0].is_name) {
				map_address(node, &service->backends[0], &expose->ipv4, set);
			}
		}
	}
}
