/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rules of meaning for an uplink that is a tunnel to another exit. Pure; called by check_node.c
 * alone. Which map goes with which kind is the schema's; the port plan is check_node.c's.
 */
#include <string.h>

#include "base/base64.h"
#include "conf/model/check.h"
#include "conf/model/internal.h"
#include "conf/model/special.h"

#define KEY_BYTES     32
#define MTU_OVER_IPV4 1440 /* WireGuard's headers in a frame of 1500 bytes: 60, or 80 over IPv6 */
#define MTU_OVER_IPV6 1420

/* IPv6 addresses that no host of the Internet or of a network beside it has. */
static const struct {
	struct prefix range;
	const char *what;
} nobodys[] = {
	{{.len = 8}, "reserved (RFC 4291)"},
	{{.addr = {.b = {0xfe, 0x80}}, .len = 10}, "link-local (RFC 4291)"},
	{{.addr = {.b = {0xfe}}, .len = 8}, "reserved (RFC 4291)"},
	{{.addr = {.b = {0xff}}, .len = 8}, "multicast (RFC 4291)"},
	{{.addr = {.b = {0x20, 0x02}}, .len = 16}, "of 6to4 (RFC 3056)"},
	{{.addr = {.b = {0x20, 0x01}}, .len = 32}, "of Teredo (RFC 4380)"},
};

static const char *nobodys_find(const struct addr *a)
{
	for (size_t i = 0; i < sizeof(nobodys) / sizeof(nobodys[0]); i++) {
		if (prefix_contains(&nobodys[i].range, a)) {
			return nobodys[i].what;
		}
	}
	return NULL;
}

static bool is_own(const struct node_conf *node, const struct addr *a)
{
	return node_conf_in_pool(node, a) || addr_eq(&node->six_in_four.local, a) ||
	       addr_eq(&node->exit.local, a) ||
	       (node->exit.has_address && addr_eq(&node->exit.address, a));
}

static void check_key(const struct node_conf *node, struct issues *issues)
{
	static const uint8_t zero[KEY_BYTES];
	uint8_t key[KEY_BYTES];

	if (!node->exit.public_key) {
		return;
	}
	if (base64_decode(str_from(node->exit.public_key), key, sizeof(key)) < 0) {
		issues_add(issues, "/uplink/wireguard/public_key",
			   "is not %d bytes in base64, as `wg pubkey` prints them", KEY_BYTES);
	} else if (memcmp(key, zero, sizeof(key)) == 0) {
		issues_add(issues, "/uplink/wireguard/public_key",
			   "is all zeros, which is nobody's key");
	}
}

/* A private address may be the exit's: WireGuard passes NAT, and an exit may be in the house. */
static const char *not_an_endpoint(const struct addr *a)
{
	static const struct prefix nobodys_4[] = {
		{.addr = {.b = {[10] = 0xff, 0xff, 0}}, .len = 96 + 8},
		{.addr = {.b = {[10] = 0xff, 0xff, 127}}, .len = 96 + 8},
		{.addr = {.b = {[10] = 0xff, 0xff, 224}}, .len = 96 + 3},
	};

	if (!addr_is_v4(a)) {
		return nobodys_find(a);
	}
	for (size_t i = 0; i < sizeof(nobodys_4) / sizeof(nobodys_4[0]); i++) {
		if (prefix_contains(&nobodys_4[i], a)) {
			return special_find(a)->what;
		}
	}
	return NULL;
}

static void check_endpoint(const struct node_conf *node, struct issues *issues)
{
	const struct addr *a = &node->exit.endpoint.addr;
	const char *what = not_an_endpoint(a);
	char text[ADDR_TEXT_MAX], prefix[ADDR_TEXT_MAX];

	if (node->exit.endpoint.port == 0) {
		return; /* has an issue already */
	}
	addr_format(a, text);
	if (is_own(node, a)) {
		issues_add(issues, "/uplink/wireguard/endpoint", "%s is the gateway's own address",
			   text);
	} else if (what) {
		issues_add(issues, "/uplink/wireguard/endpoint",
			   "%s is %s: give the exit's address as this machine reaches it", text,
			   what);
	} else if (node->has_ipv6_prefix && prefix_contains(&node->ipv6_prefix, a)) {
		issues_add(issues, "/uplink/wireguard/endpoint",
			   "%s lies in %s of uplink.ipv6.prefix, which comes out of this tunnel",
			   text, prefix_format(&node->ipv6_prefix, prefix));
	}
}

static void check_wireguard(const struct node_conf *node, struct issues *issues)
{
	bool v4 = addr_is_v4(&node->exit.endpoint.addr);
	uint32_t most = v4 ? MTU_OVER_IPV4 : MTU_OVER_IPV6;

	check_key(node, issues);
	check_endpoint(node, issues);
	if (node->exit.listen_port == node->wireguard.listen_port) {
		issues_add(issues, "/uplink/wireguard/listen_port",
			   "%u is wireguard.listen_port, where the tenants come in",
			   node->exit.listen_port);
	}
	if (node->exit.mtu > most) {
		issues_add(issues, "/uplink/wireguard/mtu",
			   "%u is more than the %u that WireGuard carries over %s", node->exit.mtu,
			   most, v4 ? "IPv4" : "IPv6");
	}
	check_netns_name("/uplink/wireguard/underlay_netns", node->exit.underlay_netns, issues);
}

/* Without ports and keys: each end is known by its address alone. */
static void check_6in4(const struct node_conf *node, struct issues *issues)
{
	const struct addr *remote = &node->exit.remote, *local = &node->exit.local;
	const struct special_range *special = special_find(remote);
	char text[ADDR_TEXT_MAX];

	if (!addr_is_any(remote) && is_own(node, remote)) {
		issues_add(issues, "/uplink/six_in_four/remote", "%s is the gateway's own address",
			   addr_format(remote, text));
	} else if (!addr_is_any(remote) && special && !special->example) {
		issues_add(issues, "/uplink/six_in_four/remote",
			   "%s is %s: give the exit's address on the Internet; through NAT goes "
			   "kind: wireguard",
			   addr_format(remote, text), special->what);
	}
	if (!addr_is_any(local) && not_an_endpoint(local)) {
		issues_add(issues, "/uplink/six_in_four/local", "%s is %s, not this machine's",
			   addr_format(local, text), not_an_endpoint(local));
	}
	check_netns_name("/uplink/six_in_four/underlay_netns", node->exit.underlay_netns, issues);
}

static void check_address(const struct node_conf *node, const char *path, struct issues *issues)
{
	const struct prefix own = {.addr = node->exit.address, .len = 128};
	const struct {
		const char *key;
		const struct prefix *prefix;
	} others[] = {{"client_prefix", &node->client_prefix},
		      {"nat64.prefix", &node->nat64.prefix},
		      {"siit.prefix", &node->siit_prefix}};
	const char *what = nobodys_find(&own.addr);
	char text[ADDR_TEXT_MAX];

	if (what) {
		issues_add(issues, path, "%s is %s: give an address that the exit sends here",
			   addr_format(&own.addr, text), what);
		return;
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (others[i].prefix->len > 0 && prefix_contains(others[i].prefix, &own.addr)) {
			issues_add(issues, path, "lies in %s of %s",
				   prefix_format(others[i].prefix, text), others[i].key);
			return;
		}
	}
	if (!node_conf_reserves(node, &own)) {
		issues_add(issues, path,
			   "lies in uplink.ipv6.prefix, but not in its first %u /64s, which are "
			   "reserved",
			   node->ipv6_reserved);
	}
}

/* The firewall asks for a tenant's source before it asks for special ones. */
static void check_prefix(const struct node_conf *node, struct issues *issues)
{
	const char *what = node->ipv6_prefix.len > 0 ? nobodys_find(&node->ipv6_prefix.addr) : NULL;
	char text[ADDR_TEXT_MAX];

	if (what) {
		issues_add(issues, "/uplink/ipv6/prefix",
			   "%s is %s: give the prefix that is routed to this machine",
			   prefix_format(&node->ipv6_prefix, text), what);
	}
}

void check_uplink(const struct node_conf *node, struct issues *issues)
{
	bool wireguard = node->uplink_kind == UPLINK_WIREGUARD;

	check_prefix(node, issues);
	if (node->uplink_kind == UPLINK_DIRECT) {
		return;
	}
	if (wireguard && node->exit.has_wireguard) {
		check_wireguard(node, issues);
	}
	if (!wireguard && node->exit.has_six_in_four) {
		check_6in4(node, issues);
	}
	if (node->exit.has_address) {
		check_address(node,
			      wireguard ? "/uplink/wireguard/address"
					: "/uplink/six_in_four/address",
			      issues);
	}
	if (node->ipv6_on_link) {
		issues_add(issues, "/uplink/ipv6/on_link",
			   "is for an uplink of kind direct: through a tunnel nobody asks for "
			   "addresses");
	}
}
