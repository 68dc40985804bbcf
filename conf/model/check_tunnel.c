/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rules of meaning for a tenant's tunnels. Pure; called by check_tenant.c alone. What belongs to
 * one tenant only is in claims.c.
 */
#include <string.h>

#include "base/base64.h"
#include "conf/model/check.h"
#include "conf/model/internal.h"
#include "conf/model/special.h"

#define KEY_BYTES           32
#define OWN_LINKS           "sg-" /* how the gateway's links are called */
#define IPV4_PREFIX_LEN_MIN 42    /* each /64 in it has an address of its own in 100.64/10 */

struct place {
	struct issues *issues;
	const struct node_conf *node; /* may be NULL */
	const struct tenant_conf *tenant;
	const struct tunnel_conf *tunnel;
	size_t index;
};

static struct issue_path tunnel_path(const struct place *p, const char *key)
{
	return issue_path("/tunnels/%zu%s%s", p->index, key ? "/" : "", key ? key : "");
}

static bool tenant_has(const struct tenant_conf *tenant, const struct prefix *prefix)
{
	for (size_t i = 0; i < tenant->n_prefixes; i++) {
		if (prefix_cmp(&tenant->prefixes[i], prefix) == 0) {
			return true;
		}
	}
	return false;
}

/* The first tunnel before the index-th that carries some of prefix. */
static bool carried_before(const struct place *p, const struct prefix *prefix, size_t *ret_other)
{
	for (size_t t = 0; t < p->index; t++) {
		const struct tunnel_conf *other = &p->tenant->tunnels[t];

		for (size_t i = 0; i < other->n_prefixes; i++) {
			if (other->prefixes[i].len > 0 &&
			    prefix_overlaps(prefix, &other->prefixes[i])) {
				*ret_other = t;
				return true;
			}
		}
	}
	return false;
}

static void check_prefixes(const struct place *p)
{
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < p->tunnel->n_prefixes; i++) {
		const struct prefix *prefix = &p->tunnel->prefixes[i];
		struct issue_path path = issue_path("/tunnels/%zu/prefixes/%zu", p->index, i);
		size_t other;

		if (prefix->len == 0) {
			continue; /* has an issue already */
		}
		if (!tenant_has(p->tenant, prefix)) {
			issues_add(p->issues, path.text, "%s is not one of the tenant's prefixes",
				   prefix_format(prefix, text));
		}
		if (carried_before(p, prefix, &other)) {
			issues_add(p->issues, path.text, "%s is carried by /tunnels/%zu as well",
				   prefix_format(prefix, text), other);
		}
	}
}

static void check_key(const struct place *p)
{
	static const uint8_t zero[KEY_BYTES];
	uint8_t key[KEY_BYTES];

	if (!p->tunnel->public_key) {
		return;
	}
	if (base64_decode(str_from(p->tunnel->public_key), key, sizeof(key)) < 0) {
		issues_add(p->issues, tunnel_path(p, "public_key").text,
			   "is not %d bytes in base64, as `wg pubkey` prints them", KEY_BYTES);
	} else if (memcmp(key, zero, sizeof(key)) == 0) {
		issues_add(p->issues, tunnel_path(p, "public_key").text,
			   "is all zeros, which is nobody's key");
	}
}

/* Ports of one public address: see the port plan in check_node.c. */
static void check_port(const struct place *p)
{
	const struct node_conf *node = p->node;
	uint16_t port = p->tunnel->listen_port;

	if (!node || port == 0) {
		return;
	}
	if (port == node->wireguard.listen_port) {
		issues_add(p->issues, tunnel_path(p, "listen_port").text,
			   "%u is wireguard.listen_port, of the device that tenants share", port);
	}
	if (port == node->exit.listen_port) {
		issues_add(p->issues, tunnel_path(p, "listen_port").text,
			   "%u is uplink.wireguard.listen_port, of the tunnel to the exit", port);
	}
	if (node->dns64.on && port == DNS_PORT) {
		issues_add(p->issues, tunnel_path(p, "listen_port").text,
			   "%u is where dns64 listens", port);
	}
	if (node->nat64.on && port >= node->nat64.ports.first && port <= node->nat64.ports.last) {
		issues_add(p->issues, tunnel_path(p, "listen_port").text,
			   "%u meets %u-%u of nat64.ports", port, node->nat64.ports.first,
			   node->nat64.ports.last);
	}
	if (port >= node->nat44_ports.first && port <= node->nat44_ports.last) {
		issues_add(p->issues, tunnel_path(p, "listen_port").text,
			   "%u meets %u-%u of nat44.ports", port, node->nat44_ports.first,
			   node->nat44_ports.last);
	}
}

/* The other end of 6in4 is known by its address alone: it has to be one of the Internet's. */
static void check_remote(const struct place *p)
{
	const struct addr *remote = &p->tunnel->remote;
	const struct special_range *special = special_find(remote);
	char text[ADDR_TEXT_MAX];

	if (!p->tunnel->has_remote || addr_is_any(remote)) {
		return;
	}
	addr_format(remote, text);
	if (p->node &&
	    (node_conf_in_pool(p->node, remote) || addr_eq(&p->node->six_in_four.local, remote) ||
	     addr_eq(&p->node->exit.local, remote))) {
		issues_add(p->issues, tunnel_path(p, "remote").text,
			   "%s is the gateway's own address", text);
	} else if (p->node && p->node->uplink_kind == UPLINK_6IN4 &&
		   addr_eq(&p->node->exit.remote, remote)) {
		issues_add(p->issues, tunnel_path(p, "remote").text,
			   "%s is uplink.six_in_four.remote: the exit is no tenant", text);
	} else if (special && !special->example) {
		issues_add(p->issues, tunnel_path(p, "remote").text,
			   "%s is %s: give the address that the Internet sees; behind NAT use a "
			   "tunnel of kind wireguard",
			   text, special->what);
	}
}

/*
 * Behind a tunnel's link are tenants alone: the firewall drops what comes from there and is not
 * theirs. Were it the uplink, or a link of the machine's own, nobody would get through any more.
 */
static void check_interface(const struct place *p)
{
	const char *name = p->tunnel->interface;

	if (!name || p->tunnel->kind != TUNNEL_ROUTE) {
		return;
	}
	if (strpbrk(name, "/ \t\n")) {
		issues_add(p->issues, tunnel_path(p, "interface").text,
			   "is not the name of an interface");
	} else if (strcmp(name, "lo") == 0 || strcmp(name, "sit0") == 0 ||
		   strncmp(name, OWN_LINKS, sizeof(OWN_LINKS) - 1) == 0) {
		issues_add(p->issues, tunnel_path(p, "interface").text,
			   "lo, sit0 and " OWN_LINKS "... are the gateway's own: no tenant's "
			   "network is behind them");
	} else if (p->node && p->node->interface && strcmp(name, p->node->interface) == 0) {
		issues_add(p->issues, tunnel_path(p, "interface").text,
			   "is uplink.interface, with the Internet behind it, which a tunnel's "
			   "packet filter would shut out: give tenants a link of their own, as a "
			   "VLAN");
	}
}

/* The most that fits into an Ethernet frame of 1500 bytes, which the outer path may well have. */
static void check_mtu(const struct place *p)
{
	static const uint32_t most[] =
		{[TUNNEL_WIREGUARD] = 1440, [TUNNEL_6IN4] = 1480, [TUNNEL_ROUTE] = 65535};

	if (p->tunnel->mtu > most[p->tunnel->kind]) {
		issues_add(p->issues, tunnel_path(p, "mtu").text,
			   "%u is more than the %u that this kind of tunnel carries",
			   p->tunnel->mtu, most[p->tunnel->kind]);
	}
}

static void check_node_has(const struct place *p)
{
	const struct node_conf *node = p->node;

	if (!node) {
		return;
	}
	if (!node->has_ipv6_prefix) {
		issues_add(p->issues, tunnel_path(p, NULL).text,
			   "the node has no uplink.ipv6.prefix to delegate from: a single IPv6 "
			   "address cannot be shared out (NAT66 is not done). Let another gateway "
			   "carry this prefix, or get one for uplink.ipv6.prefix");
	}
	if (p->tunnel->kind == TUNNEL_WIREGUARD && !node->wireguard.on) {
		issues_add(p->issues, tunnel_path(p, "kind").text,
			   "the node has no `wireguard`: give it listen_port and private_key_file");
	}
	if (p->tunnel->ipv4 && node->nat44_ports.last == 0) {
		issues_add(p->issues, tunnel_path(p, "ipv4").text,
			   "the node has no `nat44`: IPv4 inside the tunnel would lead nowhere");
	} else if (p->tunnel->ipv4 && node->has_ipv6_prefix &&
		   node->ipv6_prefix.len < IPV4_PREFIX_LEN_MIN) {
		issues_add(p->issues, tunnel_path(p, "ipv4").text,
			   "100.64.0.0/10 has an address for each /64 of a /%d, and "
			   "uplink.ipv6.prefix is a /%u: two tunnels could get the same",
			   IPV4_PREFIX_LEN_MIN, node->ipv6_prefix.len);
	}
	if (p->tunnel->kind == TUNNEL_6IN4 && !node->six_in_four.on) {
		issues_add(p->issues, tunnel_path(p, "kind").text,
			   "the node has no `six_in_four`: give it local");
	}
}

static void check_all_carried(const struct tenant_conf *tenant, struct issues *issues)
{
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; tenant->n_tunnels > 0 && i < tenant->n_prefixes; i++) {
		bool carried = tenant->prefixes[i].len == 0;

		for (size_t t = 0; t < tenant->n_tunnels; t++) {
			for (size_t j = 0; j < tenant->tunnels[t].n_prefixes; j++) {
				carried |= prefix_cmp(&tenant->tunnels[t].prefixes[j],
						      &tenant->prefixes[i]) == 0;
			}
		}
		if (!carried) {
			issues_add(issues, issue_path("/prefixes/%zu", i).text,
				   "%s is carried by no tunnel",
				   prefix_format(&tenant->prefixes[i], text));
		}
	}
}

/* Each would be one thing in the kernel. */
static void check_twice(const struct place *p)
{
	const struct tunnel_conf *tunnel = p->tunnel;

	for (size_t t = 0; t < p->index; t++) {
		const struct tunnel_conf *other = &p->tenant->tunnels[t];

		if (tunnel->listen_port > 0 && tunnel->listen_port == other->listen_port) {
			issues_add(p->issues, tunnel_path(p, "listen_port").text,
				   "%u is of /tunnels/%zu as well", tunnel->listen_port, t);
		}
		if (tunnel->public_key && other->public_key &&
		    strcmp(tunnel->public_key, other->public_key) == 0) {
			issues_add(p->issues, tunnel_path(p, "public_key").text,
				   "is the key of /tunnels/%zu as well: give that one both "
				   "prefixes, or each its own key",
				   t);
		}
		if (tunnel->has_remote && other->has_remote && !addr_is_any(&tunnel->remote) &&
		    addr_eq(&tunnel->remote, &other->remote)) {
			issues_add(p->issues, tunnel_path(p, "remote").text,
				   "is the other end of /tunnels/%zu as well: give that one both "
				   "prefixes",
				   t);
		}
	}
}

static void check_names(const struct place *p)
{
	for (size_t t = 0; t < p->index && p->tunnel->name; t++) {
		const char *other = p->tenant->tunnels[t].name;

		if (other && strcmp(other, p->tunnel->name) == 0) {
			issues_add(p->issues, tunnel_path(p, "name").text,
				   "is the name of /tunnels/%zu as well", t);
		}
	}
}

void check_tunnels(const struct tenant_conf *tenant, const struct node_conf *node,
		   struct issues *issues)
{
	struct place p = {.issues = issues, .node = node, .tenant = tenant};

	for (p.index = 0; p.index < tenant->n_tunnels; p.index++) {
		p.tunnel = &tenant->tunnels[p.index];
		check_names(&p);
		check_prefixes(&p);
		check_key(&p);
		check_port(&p);
		check_twice(&p);
		check_remote(&p);
		check_interface(&p);
		check_mtu(&p);
		check_node_has(&p);
	}
	check_all_carried(tenant, issues);
}
