/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rules of meaning for DNS64: what IPv4 addresses are put into, where it listens, whom it asks.
 * Pure; called by check_node.c and
 * check_tenant.c.
 */
#include <string.h>

#include "conf/model/check.h"
#include "conf/model/internal.h"

#define LISTEN      "/dns64/listen"
#define LISTEN_ZONE "/dns64/zone_listen"

/* The one address for all tenants is the farm's own. */
static void check_for_tenants(const struct node_conf *node, struct issues *issues)
{
	if (!node->has_ipv6_prefix) {
		issues_add(issues, LISTEN,
			   "tenants ask an address of uplink.ipv6.prefix, which is not given");
	} else if (node->ipv6_reserved == 0) {
		issues_add(issues, LISTEN,
			   "tenants ask an address of the first /%u of uplink.ipv6.prefix: reserve "
			   "at least that (uplink.ipv6.reserved)",
			   node_conf_unit(node));
	}
}

static void check_addresses_of(const struct node_conf *node, struct issues *issues)
{
	for (size_t i = 0; i < node->dns64.n_listen; i++) {
		const struct prefix host = {.addr = node->dns64.listen[i], .len = 128};

		for (size_t j = 0; j < i; j++) {
			if (addr_eq(&node->dns64.listen[j], &host.addr) &&
			    !addr_is_any(&host.addr)) {
				issues_add(issues, issue_path(LISTEN "/%zu", i).text,
					   "is that of " LISTEN "/%zu, too", j);
				break;
			}
		}
		if (addr_is_link_local(&host.addr)) {
			issues_add(issues, issue_path(LISTEN "/%zu", i).text,
				   "is no address that tenants can send to");
		} else if (!addr_is_any(&host.addr) && !node_conf_reserves(node, &host)) {
			issues_add(issues, issue_path(LISTEN "/%zu", i).text,
				   "lies in uplink.ipv6.prefix, but not in its first %u /%us, "
				   "which are reserved",
				   node->ipv6_reserved, node_conf_unit(node));
		}
	}
}

/* What is sent to those prefixes never gets to a socket of ours, or to the proxy's alone. */
static void check_apart(const struct node_conf *node, struct issues *issues)
{
	const struct {
		const struct prefix *prefix;
		const char *name;
	} others[] = {
		{&node->client_prefix, "client_prefix"},
		{&node->nat64.prefix, "nat64.prefix"},
		{&node->siit_prefix, "siit.prefix"},
	};
	struct addr own;
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; node_conf_dns64_own(node, i, &own); i++) {
		for (size_t j = 0; j < sizeof(others) / sizeof(others[0]); j++) {
			if (others[j].prefix->len > 0 && prefix_contains(others[j].prefix, &own)) {
				issues_add(issues,
					   node_conf_zone_at(node, &own) ? LISTEN_ZONE : LISTEN,
					   "%s lies in %s", addr_format(&own, text),
					   others[j].name);
			}
		}
	}
}

/* The proxy's sockets and these would get each other's clients. */
static void check_port(const struct node_conf *node, struct issues *issues)
{
	for (size_t i = 0; i < node->n_listeners; i++) {
		const struct listener_conf *l = &node->listeners[i];
		bool meets = l->port == DNS_PORT && !l->any && !addr_is_v4(&l->address);
		bool same = node->dns64.n_listen == 0;

		for (size_t j = 0; j < node->dns64.n_listen; j++) {
			same |= addr_is_any(&l->address) ||
				addr_eq(&node->dns64.listen[j], &l->address);
		}
		if (meets && same) {
			issues_add(issues, issue_path("/listeners/%zu/port", i).text,
				   "%u is where dns64 listens", DNS_PORT);
		}
	}
}

/* WireGuard's sockets have all addresses of the machine. */
static void check_wireguard(const struct node_conf *node, struct issues *issues)
{
	static const char text[] = "%u is where dns64 listens";

	if (node->wireguard.listen_port == DNS_PORT) {
		issues_add(issues, "/wireguard/listen_port", text, DNS_PORT);
	}
	if (node->exit.listen_port == DNS_PORT) {
		issues_add(issues, "/uplink/wireguard/listen_port", text, DNS_PORT);
	}
}

static bool asks_itself(const struct node_conf *node, const struct addr *a)
{
	struct addr own;

	for (size_t i = 0; node_conf_dns64_own(node, i, &own); i++) {
		if (addr_eq(&own, a)) {
			return true;
		}
	}
	for (size_t i = 0; i < node->dns64.n_listen; i++) {
		if (addr_eq(&node->dns64.listen[i], a)) {
			return true;
		}
	}
	return node_conf_zone_at(node, a);
}

static void check_upstreams(const struct node_conf *node, struct issues *issues)
{
	for (size_t i = 0; i < node->dns64.n_upstream; i++) {
		const struct addr *a = &node->dns64.upstream[i];
		const struct issue_path at = issue_path("/dns64/upstream/%zu", i);
		const char *path = at.text;

		for (size_t j = 0; j < i; j++) {
			if (addr_eq(&node->dns64.upstream[j], a) && !addr_is_any(a)) {
				issues_add(issues, path, "is that of /dns64/upstream/%zu, too", j);
				break;
			}
		}
		if (addr_is_link_local(a)) {
			issues_add(issues, path, "is no address that can be asked");
		} else if (asks_itself(node, a)) {
			issues_add(issues, path, "is where dns64 itself listens");
		}
	}
}

/* Two processes would write to it. */
static void check_query_log(const struct node_conf *node, struct issues *issues)
{
	const char *file = node->dns64.query_log.to.file;

	if (file && node->access_log.file && strcmp(file, node->access_log.file) == 0) {
		issues_add(issues, "/dns64/query_log/file", "is where the access log goes");
	}
}

void check_dns64(const struct node_conf *node, struct issues *issues)
{
	if (!node->dns64.on) {
		return;
	}
	check_query_log(node, issues);
	if (!node->nat64.on) {
		issues_add(issues, "/dns64",
			   "needs nat64: its prefix is what names' IPv4 addresses are put into");
	}
	if (node->dns64.n_listen == 0) {
		check_for_tenants(node, issues);
	}
	check_addresses_of(node, issues);
	check_apart(node, issues);
	check_port(node, issues);
	check_wireguard(node, issues);
	check_upstreams(node, issues);
	check_zone(node, issues);
	if (node->workers > NODE_DNS64_WORKERS) {
		issues_add(issues, "/workers", "%u is more than %d, which there may be with dns64",
			   node->workers, NODE_DNS64_WORKERS);
	}
}

void check_pref64(const char *path, const struct prefix *p, struct issues *issues)
{
	if (p->len == 0) {
		return;
	}
	if (p->len != 96 && (p->len < 32 || p->len > 64 || p->len % 8 != 0)) {
		issues_add(issues, path, "/%u is not /32, /40, /48, /56, /64 or /96", p->len);
	} else if (p->addr.b[8] != 0) {
		issues_add(issues, path, "bits 64 to 71 are not zero");
	}
}

void check_tenant_dns64(const struct tenant_conf *tenant, struct issues *issues)
{
	const struct tenant_dns64 *dns64 = &tenant->dns64;

	for (size_t i = 0; i < dns64->n_prefixes; i++) {
		check_pref64(issue_path("/dns64/prefixes/%zu/prefix", i).text,
			     &dns64->prefixes[i].prefix, issues);
	}
}
