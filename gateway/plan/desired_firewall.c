/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the config asks of the table `inet sixgate`: its rules, by their parameters, and elements
 * of its sets. What two tenants share, as the device of route tunnels, is in the elements of both.
 * Pure. Called by desired.c alone; a tenant's inbound policy is in desired_inbound.c.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "conf/model/ports.h"
#include "conf/model/special.h"
#include "gateway/plan/derive.h"
#include "gateway/plan/desired.h"
#include "gateway/plan/firewall_elements.h"

#define MSS_HEADERS 60  /* IPv6 and TCP */
#define OWN_MAX     256 /* addresses of one range of uplink.ipv4 */

void element_add(struct object_set *set, enum firewall_set id, const void *key, const void *data)
{
	const struct firewall_set_type *type = firewall_set_type(id);
	struct object o = {.kind = OBJECT_ELEMENT,
			   .element = {.set = (uint8_t)id,
				       .key_len = type->key_len,
				       .data_len = type->data_len}};

	memcpy(o.element.key, key, type->key_len);
	if (data) {
		memcpy(o.element.data, data, type->data_len);
	}
	(void)object_set_add(set, &o); /* out of memory is sticky */
}

void element_put_port(uint8_t *key, enum protocol protocol, uint16_t port)
{
	const uint16_t port_be = htons(port);

	memset(key, 0, 8);
	key[0] = protocol == PROTOCOL_UDP ? IPPROTO_UDP : IPPROTO_TCP;
	memcpy(key + 4, &port_be, sizeof(port_be));
}

/* A service of ours at an address; NULL: at each of uplink.ipv4. */
static void add_service(struct object_set *set, const struct addr *address, enum protocol protocol,
			uint16_t port)
{
	uint8_t key[24];

	if (!address) {
		element_put_port(key, protocol, port);
		element_add(set, FIREWALL_SERVICES_4, key, NULL);
	} else if (addr_is_v4(address)) {
		memcpy(key, address->b + 12, 4);
		element_put_port(key + 4, protocol, port);
		element_add(set, FIREWALL_OPEN_4, key, NULL);
	} else {
		memcpy(key, address->b, 16);
		element_put_port(key + 16, protocol, port);
		element_add(set, FIREWALL_OPEN_6, key, NULL);
	}
}

/* In network order. */
static uint16_t mss_of(uint32_t mtu)
{
	return htons((uint16_t)(mtu - MSS_HEADERS));
}

static void add_device(struct object_set *set, enum firewall_set id, const char *name, uint32_t mtu)
{
	char key[IFNAMSIZ] = "";
	const uint16_t mss_be = mss_of(mtu);

	memcpy(key, name, strnlen(name, sizeof(key) - 1));
	element_add(set, id, key, NULL);
	if (mtu > MSS_HEADERS) {
		element_add(set, FIREWALL_MSS, key, &mss_be);
	}
}

static void add_servers(const struct addr *servers, size_t n, enum firewall_set v4,
			enum firewall_set v6, struct object_set *set)
{
	for (size_t i = 0; i < n; i++) {
		if (addr_is_v4(&servers[i])) {
			element_add(set, v4, servers[i].b + 12, NULL);
		} else {
			element_add(set, v6, servers[i].b, NULL);
		}
	}
}

/* Tenants may ask there. */
static void add_dns(struct object_set *set, const struct addr *addrs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		add_service(set, &addrs[i], PROTOCOL_UDP, DNS_PORT);
		add_service(set, &addrs[i], PROTOCOL_TCP, DNS_PORT);
	}
}

static void add_dns64(const struct node_conf *node, struct object_set *set)
{
	struct addr own;

	if (!node->dns64.on) {
		return;
	}
	add_servers(node->dns64.upstream, node->dns64.n_upstream, FIREWALL_UPSTREAMS_4,
		    FIREWALL_UPSTREAMS_6, set);
	if (node->dns64.n_listen == 0) {
		own = node_conf_dns64_addr(node);
		add_dns(set, &own, 1);
	}
	add_dns(set, node->dns64.listen, node->dns64.n_listen);
	add_dns(set, node->dns64.zone_listen, node->dns64.n_zone_listen);
}

static void add_listeners(const struct node_conf *node, struct object_set *set)
{
	for (size_t i = 0; i < node->n_listeners; i++) {
		const struct listener_conf *l = &node->listeners[i];

		add_service(set, l->any ? NULL : &l->address, l->protocol, l->port);
	}
}

/* First bytes of special-use IPv4 addresses. */
static void add_octets(struct object_set *set)
{
	for (size_t i = 0; i < n_special_ranges; i++) {
		const struct prefix *p = &special_ranges[i].range;
		unsigned int first = p->addr.b[12], bits = p->len - 96u;

		for (unsigned int n = bits < 8 ? 1u << (8 - bits) : 1; n > 0; n--, first++) {
			const uint8_t key = (uint8_t)first;

			element_add(set, FIREWALL_OCTETS, &key, NULL); /* twice is once */
		}
	}
}

static void add_own(const struct node_conf *node, const struct addr *v4, struct object_set *set)
{
	struct addr a = firewall_embed(&node->nat64.prefix, v4);

	element_add(set, FIREWALL_POOL_6, a.b, NULL);
	if (node->has_siit_prefix) {
		a = firewall_embed(&node->siit_prefix, v4);
		element_add(set, FIREWALL_POOL_6, a.b, NULL);
	}
}

static void add_pool(const struct node_conf *node, struct object_set *set)
{
	for (size_t i = 0; i < node->nat64.n_pool; i++) {
		element_add(set, FIREWALL_POOL_4, node->nat64.pool[i].b + 12, NULL);
		add_own(node, &node->nat64.pool[i], set);
	}
	for (size_t i = 0; i < node->n_pool; i++) {
		const struct prefix *range = &node->pool[i].range;
		struct addr a = range->addr;

		for (unsigned int j = 0; j < OWN_MAX && j >> (128 - range->len) == 0; j++) {
			a.b[15] = (uint8_t)(range->addr.b[15] | j);
			add_own(node, &a, set);
		}
	}
}

/* Their ports are taken here: with an underlay, or without the module, a worker could take them. */
static bool wireguard_is_here(const struct node_conf *node, const struct desired_facts *facts)
{
	return facts->has_wireguard && node->wireguard.on && !node->wireguard.underlay_netns;
}

static bool exit_is_here(const struct node_conf *node, const struct desired_facts *facts)
{
	return facts->has_wireguard && node->uplink_kind == UPLINK_WIREGUARD &&
	       !node->exit.underlay_netns;
}

static void add_wg_port(uint16_t port, struct object_set *set)
{
	const uint16_t port_be = htons(port);

	element_add(set, FIREWALL_WG_PORTS, &port_be, NULL);
}

/*
 * The tunnel that the uplink is. Its MTU decides the MSS of what comes out of it here: the route
 * back, which decides it for other devices, depends on who sends.
 */
static void add_exit(const struct node_conf *node, const struct desired_facts *facts,
		     struct object_set *set)
{
	if (node->uplink_kind == UPLINK_DIRECT) {
		return;
	}
	add_device(set, FIREWALL_UPLINKS, DERIVE_EXIT_LINK, tunnel_mtu_exit(node, facts).mtu);
	if (exit_is_here(node, facts)) {
		add_wg_port(node->exit.listen_port, set);
	} else if (node->uplink_kind == UPLINK_6IN4 && node->six_in_four.on &&
		   addr_eq(&node->six_in_four.local, &node->exit.local)) {
		element_add(set, FIREWALL_REMOTES, node->exit.remote.b + 12, NULL);
	}
}

static bool may_have_tunnels(const struct node_conf *node, const struct desired_facts *facts)
{
	return node->has_ipv6_prefix &&
	       (!facts->has_tunnels || facts->has_tunnels(facts->mapped_ctx));
}

/*
 * Whose the ICMP errors of the stateless translator are: an address that the machine has anyway.
 */
static struct addr error_source(const struct node_conf *node)
{
	for (size_t i = 0; i < node->n_pool; i++) {
		if (node->pool[i].delivery == DELIVERY_PRESENT) {
			return node->pool[i].range.addr;
		}
	}
	return node->nat64.on ? node->nat64.pool[0] : (struct addr){{0}};
}

void desired_firewall_node(const struct node_conf *node, const struct desired_facts *facts,
			   struct firewall *firewall, struct object_set *set)
{
	const struct object o = {.kind = OBJECT_RULESET, .ruleset = {.firewall = firewall}};
	size_t first;

	*firewall =
		(struct firewall){.proxy_uid = facts->proxy_uid,
				  .agent_uid = facts->agent_uid,
				  .has_dns64 = node->dns64.on,
				  .dns64_in_tenants = node->dns64.on && node->dns64.n_listen == 0,
				  .dns64_uid = facts->dns64_uid,
				  .has_client_prefix = node->has_client_prefix,
				  .client_prefix = node->client_prefix,
				  .slice_bits = node_conf_unit(node) - 64,
				  .has_tunnels = may_have_tunnels(node, facts),
				  .has_wireguard = wireguard_is_here(node, facts) ||
						   exit_is_here(node, facts),
				  .has_6in4 = node->six_in_four.on,
				  .local_6in4 = node->six_in_four.local,
				  .has_nat64 = node->nat64.on,
				  .pref64 = node->nat64.prefix,
				  .nat64_ports = node->nat64.ports,
				  .has_exit_6in4 = node->uplink_kind == UPLINK_6IN4,
				  .exit_local = node->exit.local,
				  .exit_remote = node->exit.remote,
				  .has_nat44 = node->nat64.on && node->nat44_ports.first != 0,
				  .has_siit = node->has_siit_prefix,
				  .siit_prefix = node->siit_prefix,
				  .error_source = error_source(node),
				  .on_link = facts->on_link};
	while (firewall->n_permit < node->nat64.n_permit && firewall->n_permit < NODE_PERMIT_MAX) {
		firewall->permit[firewall->n_permit] = node->nat64.permit[firewall->n_permit];
		firewall->n_permit++;
	}
	while (firewall->n_zone < node->dns64.n_zone_listen && firewall->n_zone < NODE_ZONE_MAX) {
		firewall->zone[firewall->n_zone] = node->dns64.zone_listen[firewall->n_zone];
		firewall->n_zone++;
	}
	for (size_t i = 0; i < node->n_pool && i < NODE_POOL_MAX; i++) {
		firewall->pool[firewall->n_pool++] = node->pool[i].range;
	}
	if (node->uplink_kind != UPLINK_DIRECT) {
		memcpy(firewall->exit_link, DERIVE_EXIT_LINK, sizeof(DERIVE_EXIT_LINK));
	}
	(void)object_set_add(set, &o); /* out of memory is sticky */
	first = set->n;
	add_servers(node->resolvers, node->n_resolvers, FIREWALL_RESOLVERS_4, FIREWALL_RESOLVERS_6,
		    set);
	add_dns64(node, set);
	add_listeners(node, set);
	add_octets(set);
	if (node->interface) {
		add_device(set, FIREWALL_UPLINKS, node->interface, 0);
	}
	if (node->wireguard.on) {
		add_device(set, FIREWALL_TUNNELS, DERIVE_WG_LINK,
			   tunnel_mtu_shared(node, facts).mtu);
	}
	if (wireguard_is_here(node, facts)) {
		add_wg_port(node->wireguard.listen_port, set);
	}
	add_exit(node, facts, set);
	if (node->nat64.on) {
		add_pool(node, set);
	}
	object_set_unique(set, first);
}

/* A prefix behind a device: who may send from there, as whom, and from where it is reached. */
static void add_prefix(const char *link, uint32_t mark, const struct prefix *p,
		       struct object_set *set)
{
	for (uint32_t i = 0; i < firewall_prefix_elements(p); i++) {
		uint8_t source[IFNAMSIZ + 16] = {0}, pair[4 + 16];
		struct addr a;
		bool is_56 = firewall_prefix_element(p, i, &a);

		memcpy(source, link, strlen(link));
		memcpy(source + IFNAMSIZ, a.b, 16);
		memcpy(pair, &mark, 4);
		memcpy(pair + 4, a.b, 16);
		element_add(set, is_56 ? FIREWALL_SOURCES_56 : FIREWALL_SOURCES_64, source, NULL);
		element_add(set, is_56 ? FIREWALL_MARKS_56 : FIREWALL_MARKS_64, a.b, &mark);
		element_add(set, is_56 ? FIREWALL_PAIRS_56 : FIREWALL_PAIRS_64, pair, NULL);
	}
}

/* The IPv4 address inside a tunnel, and the block of ports it leaves by. */
static void add_ipv4(const struct node_conf *node, const struct tenant_conf *tenant,
		     const struct tunnel_conf *tunnel, const char *link, struct object_set *set)
{
	const struct addr a = derive_ipv4(node, tunnel);
	const uint32_t mark = derive_mark(node, tenant);
	uint8_t source[IFNAMSIZ + 4] = {0}, block[16] = {0};
	struct port_block ports;
	uint16_t first_be, last_be;

	memcpy(source, link, strlen(link));
	memcpy(source + IFNAMSIZ, a.b + 12, 4);
	element_add(set, FIREWALL_SOURCES_4, source, NULL);
	element_add(set, FIREWALL_MARKS_4, a.b + 12, &mark);
	if (ports_tenant(node, tenant, &ports) < 0 || ports.nat44.first == 0) {
		return;
	}
	first_be = htons(ports.nat44.first);
	last_be = htons(ports.nat44.last);
	memcpy(block, ports.address.b + 12, 4);
	memcpy(block + 4, &first_be, sizeof(first_be));
	memcpy(block + 8, ports.address.b + 12, 4);
	memcpy(block + 12, &last_be, sizeof(last_be));
	element_add(set, FIREWALL_NAT44, a.b + 12, block);
}

/* Of what all packets of a device have in common. 0: not known. */
static uint32_t device_mtu(const struct node_conf *node, const struct desired_facts *facts,
			   const struct tunnel_conf *tunnel)
{
	struct tunnel_mtu m = tunnel_mtu(node, facts, tunnel);

	if (tunnel->kind == TUNNEL_ROUTE) {
		return m.path; /* others may be behind the same link */
	}
	return tunnel->kind == TUNNEL_WIREGUARD && !tunnel->own_device
		       ? tunnel_mtu_shared(node, facts).mtu
		       : m.mtu;
}

/* The MTU of a tunnel that carries less than the device it shares with others; 0: it does not. */
static uint32_t narrow_mtu(const struct node_conf *node, const struct desired_facts *facts,
			   const struct tunnel_conf *tunnel)
{
	uint32_t mtu = tunnel_mtu(node, facts, tunnel).mtu;
	uint32_t most = device_mtu(node, facts, tunnel);

	return most == 0 || mtu < most ? mtu : 0;
}

/* What a tenant's narrow tunnels on a device ask for; the narrowest counts there. */
static void add_narrow_mss(const struct node_conf *node, const struct desired_facts *facts,
			   const struct tenant_conf *tenant, const char *link,
			   struct object_set *set)
{
	const uint32_t mark = derive_mark(node, tenant);
	uint8_t key[IFNAMSIZ + sizeof(mark)] = {0};
	uint32_t least = UINT32_MAX;
	char other[IFNAMSIZ];
	uint16_t mss_be;

	for (size_t i = 0; i < tenant->n_tunnels; i++) {
		uint32_t mtu = narrow_mtu(node, facts, &tenant->tunnels[i]);

		derive_link(node, &tenant->tunnels[i], other);
		least = strcmp(other, link) == 0 && mtu != 0 && mtu < least ? mtu : least;
	}
	if (least != UINT32_MAX) {
		mss_be = mss_of(least);
		memcpy(key, link, strlen(link));
		memcpy(key + IFNAMSIZ, &mark, sizeof(mark));
		element_add(set, FIREWALL_MSS_TENANTS, key, &mss_be);
	}
}

static void add_tunnel(const struct node_conf *node, const struct desired_facts *facts,
		       const struct tenant_conf *tenant, const struct tunnel_conf *tunnel,
		       struct object_set *set)
{
	char link[IFNAMSIZ];

	derive_link(node, tunnel, link);
	if (strcmp(link, DERIVE_WG_LINK) != 0) { /* that one is the node's */
		add_device(set, FIREWALL_TUNNELS, link, device_mtu(node, facts, tunnel));
	}
	add_narrow_mss(node, facts, tenant, link, set); /* the same for all that share it */
	for (size_t i = 0; i < tunnel->n_prefixes; i++) {
		const struct prefix *p = &tunnel->prefixes[i];
		struct addr dns64;

		add_prefix(link, derive_mark(node, tenant), p, set);
		if (derive_dns64(node, tenant, p, &dns64)) {
			add_dns(set, &dns64, 1);
		}
	}
	if (tunnel->ipv4) {
		add_ipv4(node, tenant, tunnel, link, set);
	}
	if (tunnel->own_device && wireguard_is_here(node, facts)) {
		add_wg_port(tunnel->listen_port, set);
	}
	if (tunnel->kind == TUNNEL_6IN4 && tunnel->has_remote) {
		element_add(set, FIREWALL_REMOTES, tunnel->remote.b + 12, NULL);
	}
}

/* What the proxy may reach for the tenant, and DNS64 answer. */
static void add_proxy_targets(const struct tenant_conf *tenant, struct object_set *set)
{
	for (size_t i = 0; i < tenant->n_prefixes; i++) {
		const struct prefix *p = &tenant->prefixes[i];

		for (uint32_t j = 0; j < firewall_prefix_elements(p); j++) {
			struct addr a;
			bool is_56 = firewall_prefix_element(p, j, &a);

			element_add(set, is_56 ? FIREWALL_TENANTS_56 : FIREWALL_TENANTS_64, a.b,
				    NULL);
		}
	}
}

/* Public addresses and ports of ours that other tenants may reach, too. */
static void add_exposures(const struct desired_facts *facts, const struct service_conf *service,
			  struct object_set *set)
{
	for (size_t i = 0; i < service->n_exposes; i++) {
		const struct expose_conf *e = &service->exposes[i];

		if (e->protocol == PROTOCOL_ADDRESS) {
			/* without the translator such a host is as all others: NAT64's */
			for (size_t j = 0; facts->has_siit && j < service->n_backends; j++) {
				element_add(set, FIREWALL_MAPPED_6, service->backends[j].address.b,
					    NULL);
			}
		} else if (e->via == VIA_PROXY &&
			   (e->protocol == PROTOCOL_TCP || e->protocol == PROTOCOL_UDP ||
			    e->protocol == PROTOCOL_TLS)) {
			add_service(set, e->has_ipv4 ? &e->ipv4 : NULL, e->protocol, e->port);
		}
	}
}

void desired_firewall_tenant(const struct node_conf *node, const struct desired_facts *facts,
			     const struct tenant_conf *tenant, struct object_set *set)
{
	const size_t first = set->n;

	add_proxy_targets(tenant, set);
	if (tenant->mail && tenant->n_tunnels > 0) {
		const uint32_t mark = derive_mark(node, tenant);

		element_add(set, FIREWALL_MAIL, &mark, NULL);
	}
	for (size_t i = 0; i < tenant->n_tunnels; i++) {
		add_tunnel(node, facts, tenant, &tenant->tunnels[i], set);
	}
	for (size_t i = 0; i < tenant->n_services; i++) {
		add_exposures(facts, &tenant->services[i], set);
	}
	desired_inbound(node, tenant, set);
	object_set_unique(set, first);
}
