/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rules of meaning for the node config: the port plan of each public address, the prefixes that
 * must not meet, the number of listening sockets. Pure; called by conf/text after reading.
 */
#include "conf/model/check.h"

#include <string.h>

#include "conf/model/internal.h"

size_t node_conf_sockets(const struct node_conf *node)
{
	uint64_t pool = node_conf_pool_size(node);
	uint64_t n = 0;

	for (size_t i = 0; i < node->n_listeners; i++) {
		n += node->listeners[i].any ? pool : 1;
	}
	return n;
}

uint64_t node_conf_pool_size(const struct node_conf *node)
{
	uint64_t n = 0;

	for (size_t i = 0; i < node->n_pool; i++) {
		unsigned int len = node->pool[i].range.len;

		if (len >= 96 && len <= 128) {
			n += (uint64_t)1 << (128 - len);
		}
	}
	return n;
}

bool node_conf_in_pool(const struct node_conf *node, const struct addr *a)
{
	for (size_t i = 0; i < node->n_pool; i++) {
		if (prefix_contains(&node->pool[i].range, a)) {
			return true;
		}
	}
	return false;
}

static bool ports_meet(struct port_range a, struct port_range b)
{
	return a.last > 0 && b.last > 0 && a.first <= b.last && b.first <= a.last;
}

static bool in_nat64_pool(const struct node_conf *node, const struct addr *a)
{
	for (size_t i = 0; i < node->nat64.n_pool; i++) {
		if (addr_eq(&node->nat64.pool[i], a)) {
			return true;
		}
	}
	return false;
}

/* The ports the translators take on nat64.pool: nothing else may have them. */
struct translated {
	const char *path;
	struct port_range ports;
};

static void check_listener_ports(const struct node_conf *node, const struct translated *t,
				 struct issues *issues)
{
	for (size_t i = 0; i < node->n_listeners; i++) {
		const struct listener_conf *listener = &node->listeners[i];
		struct port_range port = {listener->port, listener->port};

		if (ports_meet(t->ports, port) &&
		    (listener->any || in_nat64_pool(node, &listener->address))) {
			issues_add(issues, issue_path("/listeners/%zu/port", i).text,
				   "%u meets %u-%u of %s", listener->port, t->ports.first,
				   t->ports.last, t->path);
		}
	}
}

static void check_meeting(const struct translated *t, const char *path, struct port_range ports,
			  struct issues *issues)
{
	if (!ports_meet(t->ports, ports)) {
		return;
	}
	if (ports.first == ports.last) {
		issues_add(issues, path, "%u meets %u-%u of %s", ports.first, t->ports.first,
			   t->ports.last, t->path);
	} else {
		issues_add(issues, path, "%u-%u meets %u-%u of %s", ports.first, ports.last,
			   t->ports.first, t->ports.last, t->path);
	}
}

/* Bound ports may lie in local_ports: the kernel passes them over. */
static void check_port_plan(const struct node_conf *node, struct issues *issues)
{
	const struct translated nat64 = {"/nat64/ports", node->nat64.ports};
	const struct translated nat44 = {"/nat44/ports", node->nat44_ports};
	struct port_range wireguard = {node->wireguard.listen_port, node->wireguard.listen_port};
	struct port_range exit = {node->exit.listen_port, node->exit.listen_port};

	check_meeting(&nat64, "/nat44/ports", node->nat44_ports, issues);
	check_meeting(&nat64, "/local_ports", node->local_ports, issues);
	check_meeting(&nat44, "/local_ports", node->local_ports, issues);
	check_meeting(&nat64, "/wireguard/listen_port", wireguard, issues);
	check_meeting(&nat44, "/wireguard/listen_port", wireguard, issues);
	check_meeting(&nat64, "/uplink/wireguard/listen_port", exit, issues);
	check_meeting(&nat44, "/uplink/wireguard/listen_port", exit, issues);
	check_listener_ports(node, &nat64, issues);
	check_listener_ports(node, &nat44, issues);
}

static bool same_listener(const struct listener_conf *a, const struct listener_conf *b,
			  const struct node_conf *node)
{
	if (a->port != b->port || a->port == 0) {
		return false;
	}
	if (a->any && b->any) {
		return true;
	}
	if (a->any || b->any) {
		return node_conf_in_pool(node, a->any ? &b->address : &a->address);
	}
	return !addr_is_any(&a->address) && addr_eq(&a->address, &b->address);
}

static void check_listeners(const struct node_conf *node, struct issues *issues)
{
	size_t n_sockets = node_conf_sockets(node);

	for (size_t i = 0; i < node->n_listeners; i++) {
		for (size_t j = 0; j < i; j++) {
			if (same_listener(&node->listeners[i], &node->listeners[j], node)) {
				issues_add(issues, issue_path("/listeners/%zu", i).text,
					   "has the address and port of /listeners/%zu", j);
				break;
			}
		}
		if (node->listeners[i].any && node->n_pool == 0) {
			issues_add(issues, issue_path("/listeners/%zu/address", i).text,
				   "any is each address of uplink.ipv4, which has none");
		}
	}
	if (n_sockets > LISTEN_SOCKETS_MAX) {
		issues_add(issues, "/listeners",
			   "need %zu listening sockets a worker, more than %d", n_sockets,
			   LISTEN_SOCKETS_MAX);
	}
}

static void check_pool(const struct node_conf *node, struct issues *issues)
{
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < node->n_pool; i++) {
		for (size_t j = 0; j < i; j++) {
			if (node->pool[i].range.len > 0 && node->pool[j].range.len > 0 &&
			    prefix_overlaps(&node->pool[i].range, &node->pool[j].range)) {
				issues_add(issues, issue_path("/uplink/ipv4/%zu/range", i).text,
					   "overlaps %s of /uplink/ipv4/%zu",
					   prefix_format(&node->pool[j].range, text), j);
				break;
			}
		}
	}
	for (size_t i = 0; i < node->nat64.n_pool; i++) {
		if (!addr_is_any(&node->nat64.pool[i]) &&
		    !node_conf_in_pool(node, &node->nat64.pool[i])) {
			issues_add(issues, issue_path("/nat64/pool/%zu", i).text,
				   "%s is not in uplink.ipv4",
				   addr_format(&node->nat64.pool[i], text));
		}
	}
}

/* RFC 6052 3.1: the well-known prefix never leads to addresses that are not global. */
static void check_permit(const struct node_conf *node, struct issues *issues)
{
	static const struct addr well_known = {.b = {0, 0x64, 0xff, 0x9b}};

	if (node->nat64.n_permit > 0 && node->nat64.prefix.len == 96 &&
	    addr_eq(&node->nat64.prefix.addr, &well_known)) {
		issues_add(issues, "/nat64/permit",
			   "needs a nat64.prefix of your own: RFC 6052 3.1 keeps 64:ff9b::/96 to "
			   "global addresses");
	}
}

struct own_prefix {
	const char *path;
	const struct prefix *prefix;
};

/* The prefixes that are the gateway's own: apart from each other, and from what tenants get. */
static void check_own_prefixes(const struct node_conf *node, struct issues *issues)
{
	const struct own_prefix own[] = {
		{"/client_prefix", &node->client_prefix},
		{"/nat64/prefix", &node->nat64.prefix},
		{"/siit/prefix", &node->siit_prefix},
	};
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (own[i].prefix->len == 0) {
			continue;
		}
		for (size_t j = 0; j < i; j++) {
			if (own[j].prefix->len > 0 &&
			    prefix_overlaps(own[i].prefix, own[j].prefix)) {
				issues_add(issues, own[i].path, "overlaps %s of %s",
					   prefix_format(own[j].prefix, text), own[j].path);
			}
		}
		if (!node_conf_reserves(node, own[i].prefix)) {
			issues_add(issues, own[i].path,
				   "lies in uplink.ipv6.prefix, but not in its first %u /%us, "
				   "which are reserved",
				   node->ipv6_reserved, node_conf_unit(node));
		}
	}
}

bool node_conf_reserves(const struct node_conf *node, const struct prefix *p)
{
	const struct prefix *farm = &node->ipv6_prefix;

	if (farm->len == 0 || !prefix_overlaps(farm, p)) {
		return true;
	}
	return p->len >= node_conf_unit(node) &&
	       node_conf_number(node, &p->addr) < node->ipv6_reserved;
}

void check_netns_name(const char *path, const char *name, struct issues *issues)
{
	if (name && strpbrk(name, "/. \t\n")) {
		issues_add(issues, path,
			   "is not the name of a network namespace, as `ip netns` shows it");
	}
}

/* What is done on the uplink needs its name. Names go into paths. */
static void check_names(const struct node_conf *node, struct issues *issues)
{
	if (node->interface && strpbrk(node->interface, "/ \t\n")) {
		issues_add(issues, "/uplink/interface", "is not the name of an interface");
	}
	check_netns_name("/wireguard/underlay_netns", node->wireguard.underlay_netns, issues);
	check_netns_name("/six_in_four/underlay_netns", node->six_in_four.underlay_netns, issues);
	for (size_t i = 0; i < node->n_pool && !node->interface; i++) {
		if (node->pool[i].delivery == DELIVERY_ONLINK) {
			issues_add(issues, issue_path("/uplink/ipv4/%zu/delivery", i).text,
				   "onlink adds the addresses to uplink.interface, which is not "
				   "given");
		}
	}
	if (node->ipv6_on_link && !node->interface) {
		issues_add(issues, "/uplink/ipv6/on_link",
			   "answers for addresses on uplink.interface, which is not given");
	}
	if (node_conf_unit(node) == NODE_SLICE_LEN && node->ipv6_reserved == 0) {
		issues_add(issues, "/uplink/ipv6/reserved",
			   "the link's router and this machine have addresses in an on-link /64: "
			   "reserve at least its first /%d, and give tenants other ones",
			   NODE_SLICE_LEN);
	}
}

void node_conf_check(const struct node_conf *node, struct issues *issues)
{
	check_pool(node, issues);
	check_listeners(node, issues);
	check_pref64("/nat64/prefix", &node->nat64.prefix, issues);
	check_permit(node, issues);
	check_own_prefixes(node, issues);
	check_port_plan(node, issues);
	check_blocks(node, issues);
	check_names(node, issues);
	check_uplink(node, issues);
	check_dns64(node, issues);
}
