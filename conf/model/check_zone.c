/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rules of meaning for the farm's zone: its name, and that what answers for it has its addresses
 * for itself. Pure; called by check_dns64.c, and for exposures by check_tenant.c.
 */
#include <string.h>

#include "conf/model/check.h"
#include "conf/model/internal.h"
#include "conf/model/name.h"

#define LISTEN "/dns64/zone_listen"

static void check_name(const char *zone, struct issues *issues)
{
	size_t max = NAME_TEXT_MAX - strlen(NODE_ZONE_HOST ".");

	if (strlen(zone) > max) {
		issues_add(issues, "/dns64/zone",
			   "is longer than the %zu characters that leave room for names in it",
			   max);
	}
}

static bool is_listen(const struct node_conf *node, const struct addr *a)
{
	struct addr own = node_conf_dns64_addr(node);

	if (node->dns64.n_listen == 0) {
		return node->has_ipv6_prefix && addr_eq(&own, a);
	}
	for (size_t i = 0; i < node->dns64.n_listen; i++) {
		if (addr_eq(&node->dns64.listen[i], a)) {
			return true;
		}
	}
	return false;
}

static void check_address(const struct node_conf *node, size_t i, struct issues *issues)
{
	const struct prefix host = {.addr = node->dns64.zone_listen[i], .len = 128};
	const struct issue_path path = issue_path(LISTEN "/%zu", i);

	for (size_t j = 0; j < i; j++) {
		if (addr_eq(&node->dns64.zone_listen[j], &host.addr)) {
			issues_add(issues, path.text, "is that of " LISTEN "/%zu, too", j);
			return;
		}
	}
	if (addr_is_link_local(&host.addr)) {
		issues_add(issues, path.text, "is no address that is reached from outside");
	} else if (is_listen(node, &host.addr)) {
		issues_add(issues, path.text,
			   "is where tenants ask: the zone is answered at addresses of its own");
	} else if (!addr_is_v4(&host.addr) && !node_conf_reserves(node, &host)) {
		issues_add(issues, path.text,
			   "lies in uplink.ipv6.prefix, but not in its first %u /%us, "
			   "which are reserved",
			   node->ipv6_reserved, node_conf_unit(node));
	}
}

/* Listeners are of TCP alone, but the port is said to be theirs. */
static void check_listeners(const struct node_conf *node, struct issues *issues)
{
	for (size_t i = 0; i < node->n_listeners; i++) {
		const struct listener_conf *l = &node->listeners[i];
		bool meets = !l->any && node_conf_zone_at(node, &l->address);

		for (size_t k = 0; l->any && k < node->dns64.n_zone_listen; k++) {
			meets |= node_conf_in_pool(node, &node->dns64.zone_listen[k]);
		}
		if (meets && l->port == DNS_PORT) {
			issues_add(issues, issue_path("/listeners/%zu/port", i).text,
				   "%u is where dns64 answers for its zone", DNS_PORT);
		}
	}
}

/* Translators take what is sent to their ports of the pool before any socket has it. */
static void check_translated(const struct node_conf *node, const char *path,
			     const struct port_range *ports, struct issues *issues)
{
	for (size_t i = 0; i < node->nat64.n_pool; i++) {
		if (ports->first <= DNS_PORT && ports->last >= DNS_PORT &&
		    node_conf_zone_at(node, &node->nat64.pool[i])) {
			issues_add(issues, path, "%u-%u meets %u, where dns64 answers for its zone",
				   ports->first, ports->last, DNS_PORT);
			return;
		}
	}
}

void check_zone(const struct node_conf *node, struct issues *issues)
{
	if (!node->dns64.zone) {
		if (node->dns64.n_zone_listen > 0) {
			issues_add(issues, LISTEN, "is for dns64.zone, which is not given");
		}
		return;
	}
	check_name(node->dns64.zone, issues);
	if (node->dns64.n_zone_listen == 0) {
		issues_add(issues, "/dns64/zone",
			   "needs zone_listen: the addresses it is answered at, as there is no "
			   "uplink.ipv4");
	}
	for (size_t i = 0; i < node->dns64.n_zone_listen; i++) {
		if (!addr_is_any(&node->dns64.zone_listen[i])) {
			check_address(node, i, issues);
		}
	}
	check_listeners(node, issues);
	check_translated(node, "/nat64/ports", &node->nat64.ports, issues);
	check_translated(node, "/nat44/ports", &node->nat44_ports, issues);
}

bool check_zone_takes(const struct node_conf *node, const struct expose_conf *e)
{
	if (e->port != DNS_PORT || !node->dns64.zone) {
		return false;
	}
	if (e->has_ipv4) {
		return node_conf_zone_at(node, &e->ipv4);
	}
	for (size_t i = 0; i < node->dns64.n_zone_listen; i++) {
		if (node_conf_in_pool(node, &node->dns64.zone_listen[i])) {
			return true;
		}
	}
	return false;
}

bool check_zone_covered(const struct node_conf *node, const struct name_pattern *name)
{
	const char *zone = node->dns64.zone;
	size_t len, above;

	if (!zone || !name->wildcard || !name->text) { /* what is no name was told */
		return false;
	}
	len = strlen(name->text);
	if (strlen(zone) < len) {
		return false;
	}
	above = strlen(zone) - len;
	return strcmp(zone + above, name->text) == 0 && (above == 0 || zone[above - 1] == '.');
}
