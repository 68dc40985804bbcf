/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Links, addresses, routes, proxy neighbours and sysctls: what the machine needs to be a router
 * for the tenants, and the way to each of them. WireGuard's links are desired_wireguard.c's, the
 * translator's are desired_siit.c's. Called by desired.c alone.
 */
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/plan/derive.h"
#include "gateway/plan/desired.h"

/* In the order in which they are written. */
enum sysctl_order {
	SYSCTL_ACCEPT_RA, /* with forwarding on, 1 would end the default route at once */
	SYSCTL_FORWARDING,
	SYSCTL_PLAIN,
};

static void add_sysctl(struct object_set *set, enum sysctl_order order, const char *path,
		       const char *value)
{
	struct object o = {.kind = OBJECT_SYSCTL, .sysctl = {.order = (uint8_t)order}};

	(void)snprintf(o.sysctl.path, sizeof(o.sysctl.path), "%s", path);    /* fits */
	(void)snprintf(o.sysctl.value, sizeof(o.sysctl.value), "%s", value); /* fits */
	(void)object_set_add(set, &o); /* out of memory is sticky */
}

/* format has one %s, for the uplink. */
static void add_uplink_sysctl(struct object_set *set, const struct node_conf *node,
			      enum sysctl_order order, const char *before, const char *after,
			      const char *value)
{
	char path[OBJECT_SYSCTL_MAX];

	(void)snprintf(path, sizeof(path), "%s%s%s", before, node->interface, after); /* fits */
	add_sysctl(set, order, path, value);
}

static void add_sysctls(const struct node_conf *node, const struct desired_facts *facts,
			struct object_set *set)
{
	char text[OBJECT_SYSCTL_MAX];

	if (node->has_ipv6_prefix) {
		if (facts->uplink_ra && node->interface) {
			add_uplink_sysctl(set, node, SYSCTL_ACCEPT_RA, "net/ipv6/conf/",
					  "/accept_ra", "2");
		}
		add_sysctl(set, SYSCTL_FORWARDING, "net/ipv6/conf/all/forwarding", "1");
	}
	if (node->nat64.on || node->nat44_ports.first != 0 || node->has_siit_prefix) {
		add_sysctl(set, SYSCTL_FORWARDING, "net/ipv4/ip_forward", "1");
	}
	if (node->local_ports.first != 0) {
		(void)snprintf(text, sizeof(text), "%u %u", node->local_ports.first,
			       node->local_ports.last); /* fits */
		add_sysctl(set, SYSCTL_PLAIN, "net/ipv4/ip_local_port_range", text);
	}
	if (node->n_listeners > 0) {
		/* connections just being made survive a listener's end */
		add_sysctl(set, SYSCTL_PLAIN, "net/ipv4/tcp_migrate_req", "1");
		/* ports towards backends are used again after a second, not after a minute */
		add_sysctl(set, SYSCTL_PLAIN, "net/ipv4/tcp_tw_reuse", "1");
	}
	if (node->has_ipv6_prefix && node->ipv6_on_link && node->interface) {
		add_uplink_sysctl(set, node, SYSCTL_PLAIN, "net/ipv6/conf/", "/proxy_ndp", "1");
		/* Else the first answers wait up to 0.8 s. */
		add_uplink_sysctl(set, node, SYSCTL_PLAIN, "net/ipv6/neigh/", "/proxy_delay", "0");
	}
}

/* Jool drops what the card has merged, or takes long over it. */
static void add_offloads(const struct node_conf *node, const struct desired_facts *facts,
			 const char *link, struct object_set *set)
{
	static const char *const features[] = {"rx-gro-list", "rx-lro"};
	struct object o = {.kind = OBJECT_OFFLOAD};

	for (size_t i = 0; i < 2 && node->nat64.on && facts->has_jool; i++) {
		(void)snprintf(o.offload.link, sizeof(o.offload.link), "%s", link); /* checked */
		(void)snprintf(o.offload.feature, sizeof(o.offload.feature), "%s",
			       features[i]); /* fits */
		(void)object_set_add(set, &o);
	}
}

static void add_route(struct object_set *set, const struct prefix *to, uint32_t table,
		      enum route_type type, const char *link)
{
	struct object o = {.kind = OBJECT_ROUTE,
			   .route = {.to = *to, .table = table, .type = type}};

	if (type == ROUTE_BLACKHOLE || type == ROUTE_UNREACHABLE) {
		o.route.metric = DESIRED_LAST_METRIC;
	}
	(void)snprintf(o.route.link, sizeof(o.route.link), "%s", link); /* checked */
	(void)object_set_add(set, &o);
}

/* Each address of a range alone, but those that a tenant has as a whole. */
static void add_addresses(const struct node_conf *node, const struct desired_facts *facts,
			  const struct prefix *range, struct object_set *set)
{
	struct object o = {.kind = OBJECT_ADDRESS, .address = {.address = *range}};
	uint32_t n = range->len <= 96 ? 0 : UINT32_C(1) << (128 - range->len), v4;
	uint8_t *low = &o.address.address.addr.b[12];

	v4 = (uint32_t)low[0] << 24 | (uint32_t)low[1] << 16 | (uint32_t)low[2] << 8 | low[3];
	o.address.address.len = 128;
	(void)snprintf(o.address.link, sizeof(o.address.link), "%s", node->interface); /* checked */
	for (; n > 0 && !set->bad; n--, v4++) {
		for (int i = 0; i < 4; i++) {
			low[i] = (uint8_t)(v4 >> (24 - 8 * i));
		}
		if (!facts->is_mapped ||
		    !facts->is_mapped(facts->mapped_ctx, &o.address.address.addr)) {
			(void)object_set_add(set, &o);
		}
	}
}

static void add_pool(const struct node_conf *node, const struct desired_facts *facts,
		     struct object_set *set)
{
	for (size_t i = 0; i < node->n_pool; i++) {
		const struct pool_range *range = &node->pool[i];

		switch (range->delivery) {
		case DELIVERY_PRESENT:
			break;
		case DELIVERY_ONLINK:
			if (node->interface) {
				add_addresses(node, facts, &range->range, set);
			}
			break;
		case DELIVERY_ROUTED:
			add_route(set, &range->range, RT_TABLE_LOCAL, ROUTE_LOCAL, "lo");
			break;
		}
	}
}

void desired_link_node(const struct node_conf *node, const struct desired_facts *facts,
		       struct object_set *set)
{
	struct object down = {.kind = OBJECT_LINK_DOWN, .link_down = "sit0"};
	struct prefix dns64 = {.len = 128};

	add_sysctls(node, facts, set);
	if (node->interface) {
		add_offloads(node, facts, node->interface, set);
	}
	add_pool(node, facts, set);
	if (node->six_in_four.on || node->uplink_kind == UPLINK_6IN4) {
		/* Up, it would take protocol 41 from everybody. */
		(void)object_set_add(set, &down);
	}
	if (node->has_ipv6_prefix) {
		add_route(set, &node->ipv6_prefix, RT_TABLE_MAIN, ROUTE_BLACKHOLE, "");
	}
	if (node->nat64.on) {
		/* What the translator leaves would go back to the Internet, round and round. */
		add_route(set, &node->nat64.prefix, RT_TABLE_MAIN, ROUTE_UNREACHABLE, "");
	}
	if (node->has_client_prefix) {
		add_route(set, &node->client_prefix, RT_TABLE_LOCAL, ROUTE_LOCAL, "lo");
	}
	for (size_t i = 0; node_conf_dns64_own(node, i, &dns64.addr); i++) {
		add_route(set, &dns64, RT_TABLE_LOCAL, ROUTE_LOCAL, "lo");
	}
}

static void add_sit(const struct node_conf *node, const struct desired_facts *facts,
		    const struct tenant_conf *tenant, const struct tunnel_conf *tunnel,
		    struct object_set *set)
{
	struct object o = {
		.kind = OBJECT_LINK,
		.link = {.kind = LINK_SIT,
			 .mtu = tunnel_mtu(node, facts, tunnel).mtu,
			 .local = node->six_in_four.local,
			 .remote = tunnel->remote},
	};

	if (node->six_in_four.underlay_netns) {
		(void)snprintf(o.link.underlay_netns, sizeof(o.link.underlay_netns), "%s",
			       node->six_in_four.underlay_netns); /* checked */
	}
	(void)derive_link(node, tunnel, o.link.name);
	(void)derive_alias(tenant, tunnel, o.link.alias);
	(void)object_set_add(set, &o);
}

/* Can its link be there? Without it there is no way. */
static bool tunnel_is_up(const struct node_conf *node, const struct desired_facts *facts,
			 const struct tunnel_conf *tunnel)
{
	switch (tunnel->kind) {
	case TUNNEL_WIREGUARD:
		return node->wireguard.on && facts->has_wireguard;
	case TUNNEL_6IN4:
		return node->six_in_four.on && facts->has_sit && tunnel->has_remote;
	case TUNNEL_ROUTE:
		return tunnel->interface != NULL;
	}
	return false;
}

/* What the route has to say: 0 where its link says it. */
static uint32_t route_mtu(const struct node_conf *node, const struct desired_facts *facts,
			  const struct tunnel_conf *tunnel)
{
	struct tunnel_mtu m = tunnel_mtu(node, facts, tunnel);

	if (tunnel->kind == TUNNEL_ROUTE) {
		return m.from == TUNNEL_MTU_CONFIG ? m.mtu : 0;
	}
	return tunnel->kind == TUNNEL_WIREGUARD && !tunnel->own_device &&
			       m.mtu != tunnel_mtu_shared(node, facts).mtu
		       ? m.mtu
		       : 0;
}

static void add_ways(const struct node_conf *node, const struct desired_facts *facts,
		     const struct tunnel_conf *tunnel, struct object_set *set)
{
	struct object o = {.kind = OBJECT_ROUTE,
			   .route = {.table = RT_TABLE_MAIN, .type = ROUTE_UNICAST}};

	(void)derive_link(node, tunnel, o.route.link);
	o.route.mtu = route_mtu(node, facts, tunnel);
	for (size_t i = 0; i < tunnel->n_prefixes; i++) {
		o.route.to = tunnel->prefixes[i];
		o.route.has_via = tunnel->kind == TUNNEL_ROUTE && tunnel->has_via;
		if (o.route.has_via) {
			o.route.via = tunnel->via;
		}
		(void)object_set_add(set, &o);
	}
	if (tunnel->ipv4 && tunnel->kind == TUNNEL_WIREGUARD && tunnel->n_prefixes > 0) {
		o.route.to = (struct prefix){.addr = derive_ipv4(node, tunnel), .len = 128};
		o.route.has_via = false;
		(void)object_set_add(set, &o);
	}
}

/* Local, as each answer comes from where was asked (AnyIP). */
static void add_dns64(const struct node_conf *node, const struct tenant_conf *tenant,
		      const struct tunnel_conf *tunnel, struct object_set *set)
{
	struct prefix at = {.len = 128};

	for (size_t i = 0; i < tunnel->n_prefixes; i++) {
		if (derive_dns64(node, tenant, &tunnel->prefixes[i], &at.addr)) {
			add_route(set, &at, RT_TABLE_LOCAL, ROUTE_LOCAL, "lo");
		}
	}
}

static int addr_order(const void *a, const void *b)
{
	return addr_cmp(a, b);
}

static size_t backends_read(const struct tenant_conf *tenant, struct addr *ret_addresses)
{
	size_t n = 0;

	for (size_t i = 0; i < tenant->n_services; i++) {
		const struct service_conf *service = &tenant->services[i];

		for (size_t j = 0; j < service->n_backends; j++) {
			if (!service->backends[j].is_name) {
				ret_addresses[n++] = service->backends[j].address;
			}
		}
	}
	return n;
}

/*
 * On an on-link uplink the router asks for each address. The kernel answers for single ones, those
 * that are known: the services' backends, each once. It does so while sixgated is stopped, too,
 * and joins the group in which they are asked for, which switches may look at.
 */
static void add_neighbours(const struct node_conf *node, const struct tenant_conf *tenant,
			   struct object_set *set)
{
	struct object o = {.kind = OBJECT_PROXY_NEIGHBOUR};
	struct addr *addresses;
	size_t n = 1;

	for (size_t i = 0; i < tenant->n_services; i++) {
		n += tenant->services[i].n_backends;
	}
	addresses = calloc(n, sizeof(*addresses));
	if (!addresses) {
		set->bad = true;
		return;
	}
	n = backends_read(tenant, addresses);
	qsort(addresses, n, sizeof(*addresses), addr_order);
	(void)snprintf(o.proxy_neighbour.link, sizeof(o.proxy_neighbour.link), "%s",
		       node->interface); /* checked */
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || !addr_eq(&addresses[i], &addresses[i - 1])) {
			o.proxy_neighbour.address = addresses[i];
			(void)object_set_add(set, &o);
		}
	}
	free(addresses);
}

/* A process of ours answers for the others. */
static void add_proxy_prefixes(const struct tenant_conf *tenant, struct object_set *set)
{
	struct object o = {.kind = OBJECT_PROXY_PREFIX};

	for (size_t i = 0; i < tenant->n_prefixes; i++) {
		o.proxy_prefix = tenant->prefixes[i];
		(void)object_set_add(set, &o);
	}
}

/* Of the operator's links that its packets come in by, each once. */
static void add_tenant_offloads(const struct node_conf *node, const struct desired_facts *facts,
				const struct tenant_conf *tenant, struct object_set *set)
{
	for (size_t i = 0; i < tenant->n_tunnels; i++) {
		const char *link = tenant->tunnels[i].interface;
		size_t n = 0;

		while (link && n < i &&
		       (!tenant->tunnels[n].interface ||
			strcmp(tenant->tunnels[n].interface, link) != 0)) {
			n++;
		}
		if (link && n == i) {
			add_offloads(node, facts, link, set);
		}
	}
}

void desired_link_tenant(const struct node_conf *node, const struct desired_facts *facts,
			 const struct tenant_conf *tenant, struct object_set *set)
{
	for (size_t i = 0; i < tenant->n_tunnels; i++) {
		const struct tunnel_conf *tunnel = &tenant->tunnels[i];

		if (!tunnel_is_up(node, facts, tunnel)) {
			continue;
		}
		if (tunnel->kind == TUNNEL_6IN4) {
			add_sit(node, facts, tenant, tunnel, set);
		}
		add_ways(node, facts, tunnel, set);
		add_dns64(node, tenant, tunnel, set);
	}
	add_tenant_offloads(node, facts, tenant, set);
	if (node->has_ipv6_prefix && node->ipv6_on_link && node->interface) {
		add_neighbours(node, tenant, set);
		add_proxy_prefixes(tenant, set);
	}
}
