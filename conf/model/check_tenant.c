/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rules of meaning for one tenant object. Above all: a backend is an address of its own tenant,
 * and what it wants of the gateway's addresses is there to be had. Pure; called by conf/text.
 */
#include "conf/model/check.h"

#include <string.h>

#include "conf/model/internal.h"

/* Where in the object a check is. */
struct place {
	struct issues *issues;
	const struct node_conf *node; /* may be NULL */
	const struct tenant_conf *tenant;
	size_t service, expose;
	uint8_t tls_ports[(UINT16_MAX + 1) / 8]; /* a bit each: has a tls exposure */
};

static struct issue_path expose_path(const struct place *p, const char *key)
{
	return issue_path("/services/%zu/expose/%zu%s%s", p->service, p->expose, key ? "/" : "",
			  key ? key : "");
}

/* The packet filter and the numbers of tenants know prefixes of the node's kind only. */
static bool prefix_length_fits(const struct place *p, const struct prefix *prefix, const char *path,
			       const char *text)
{
	bool slices = node_conf_unit(p->node) > 64;

	if (!slices && prefix->len > 64) {
		issues_add(p->issues, path,
			   "%s is longer than a /64: only a node whose uplink.ipv6 is one on-link "
			   "/64 has such tenants",
			   text);
	} else if (slices && prefix->len <= 64) {
		issues_add(p->issues, path,
			   "%s cannot be one tenant's: this machine and its router are in the one "
			   "on-link /64 of uplink.ipv6. Give each tenant a part of it, as a /%d, or "
			   "get a prefix that is routed here",
			   text, NODE_SLICE_LEN);
	}
	return slices == (prefix->len > 64);
}

static void check_prefix_on_node(const struct place *p, size_t i)
{
	const struct prefix *prefix = &p->tenant->prefixes[i];
	const struct node_conf *node = p->node;
	const struct prefix *own[] = {&node->client_prefix, &node->nat64.prefix,
				      &node->siit_prefix};
	const char *names[] = {"client_prefix", "nat64.prefix", "siit.prefix"};
	struct issue_path path = issue_path("/prefixes/%zu", i);
	char text[ADDR_TEXT_MAX], farm[ADDR_TEXT_MAX];

	prefix_format(prefix, text);
	for (size_t o = 0; o < sizeof(own) / sizeof(own[0]); o++) {
		if (own[o]->len > 0 && prefix_overlaps(own[o], prefix)) {
			issues_add(p->issues, path.text, "%s overlaps the node's %s", text,
				   names[o]);
		}
	}
	if (!prefix_length_fits(p, prefix, path.text, text) || node->ipv6_prefix.len == 0) {
		return;
	}
	prefix_format(&node->ipv6_prefix, farm);
	if (prefix->len < node->ipv6_prefix.len ||
	    !prefix_contains(&node->ipv6_prefix, &prefix->addr)) {
		issues_add(p->issues, path.text, "%s is not inside %s of uplink.ipv6", text, farm);
	} else if (node->ipv6_reserved > 0 &&
		   node_conf_reserves(node, &(struct prefix){prefix->addr,
							     (uint8_t)node_conf_unit(node)})) {
		issues_add(p->issues, path.text, "%s is in the first %u /%us of %s, the farm's own",
			   text, node->ipv6_reserved, node_conf_unit(node), farm);
	}
}

static void check_prefixes(const struct place *p)
{
	const struct tenant_conf *tenant = p->tenant;
	char text[ADDR_TEXT_MAX], other[ADDR_TEXT_MAX];

	for (size_t i = 0; i < tenant->n_prefixes; i++) {
		const struct prefix *prefix = &tenant->prefixes[i];
		struct issue_path path = issue_path("/prefixes/%zu", i);

		if (prefix->len == 0) {
			continue;
		}
		if (!tenant_may_have(prefix)) {
			issues_add(p->issues, path.text, "%s is not unicast that a tenant may have",
				   prefix_format(prefix, text));
			continue;
		}
		for (size_t j = 0; j < i; j++) {
			if (tenant->prefixes[j].len > 0 &&
			    prefix_overlaps(prefix, &tenant->prefixes[j])) {
				issues_add(p->issues, path.text, "%s overlaps %s",
					   prefix_format(prefix, text),
					   prefix_format(&tenant->prefixes[j], other));
				break;
			}
		}
		if (p->node) {
			check_prefix_on_node(p, i);
		}
	}
}

static void check_backends(const struct place *p)
{
	const struct service_conf *service = &p->tenant->services[p->service];
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < service->n_backends; i++) {
		const struct backend_conf *backend = &service->backends[i];
		struct issue_path path = issue_path("/services/%zu/backends/%zu", p->service, i);

		if (backend->is_name || addr_is_any(&backend->address)) {
			continue;
		}
		addr_format(&backend->address, text);
		if (!tenant_conf_owns(p->tenant, &backend->address)) {
			issues_add(p->issues, path.text, "%s is not in the tenant's prefixes",
				   text);
		}
		for (size_t j = 0; j < i; j++) {
			if (addr_eq(&backend->address, &service->backends[j].address)) {
				issues_add(p->issues, path.text, "%s is given twice", text);
				break;
			}
		}
	}
}

/* The node's listeners on the exposure's port are all of another protocol. */
static bool listener_in_the_way(const struct node_conf *node, const struct expose_conf *e)
{
	bool found = false;

	for (size_t i = 0; i < node->n_listeners; i++) {
		const struct listener_conf *listener = &node->listeners[i];
		bool here = e->protocol == PROTOCOL_TLS || listener->any ||
			    addr_eq(&listener->address, &e->ipv4);

		if (here && listener->port == e->port) {
			if (listener->protocol == e->protocol) {
				return false;
			}
			found = true;
		}
	}
	return found;
}

static void note_tls_ports(struct place *p)
{
	for (size_t s = 0; s < p->tenant->n_services; s++) {
		for (size_t e = 0; e < p->tenant->services[s].n_exposes; e++) {
			const struct expose_conf *expose = &p->tenant->services[s].exposes[e];

			if (expose->protocol == PROTOCOL_TLS) {
				p->tls_ports[expose->port / 8] |= (uint8_t)(1 << expose->port % 8);
			}
		}
	}
}

/* Without a listener configured for it, a tls exposure takes its port on each pool address. */
static bool meets_own_tls(const struct place *p, const struct expose_conf *e)
{
	for (size_t i = 0; i < p->node->n_listeners; i++) {
		if (p->node->listeners[i].port == e->port) {
			return false;
		}
	}
	return p->tls_ports[e->port / 8] & 1 << e->port % 8;
}

static bool takes_port(const struct node_conf *node, struct port_range ports,
		       const struct expose_conf *e)
{
	if (ports.last == 0 || e->port < ports.first || e->port > ports.last) {
		return false;
	}
	for (size_t i = 0; i < node->nat64.n_pool; i++) {
		if (!e->has_ipv4 || addr_eq(&node->nat64.pool[i], &e->ipv4)) {
			return true;
		}
	}
	return false;
}

static void check_expose_port(const struct place *p, const struct expose_conf *e)
{
	const struct node_conf *node = p->node;
	struct issue_path path = expose_path(p, "port");

	if (e->port == 0 || e->protocol == PROTOCOL_ADDRESS) {
		return;
	}
	if ((e->protocol == PROTOCOL_TLS || e->protocol == PROTOCOL_TCP) &&
	    listener_in_the_way(node, e)) {
		issues_add(p->issues, path.text,
			   "the node's listener on port %u is of another protocol", e->port);
	}
	if (e->protocol == PROTOCOL_TCP && meets_own_tls(p, e)) {
		issues_add(p->issues, path.text, "a tls exposure takes port %u of each address",
			   e->port);
	}
	if (check_zone_takes(node, e)) {
		issues_add(p->issues, path.text, "%u is where dns64 answers for its zone", e->port);
	}
	if (e->via == VIA_NAT64) {
		return; /* check_nat64.c */
	}
	if (takes_port(node, node->nat64.ports, e)) {
		issues_add(p->issues, path.text, "%u meets %u-%u of nat64.ports", e->port,
			   node->nat64.ports.first, node->nat64.ports.last);
	}
	if (takes_port(node, node->nat44_ports, e)) {
		issues_add(p->issues, path.text, "%u meets %u-%u of nat44.ports", e->port,
			   node->nat44_ports.first, node->nat44_ports.last);
	}
}

static void check_expose_names(const struct place *p, const struct expose_conf *e)
{
	for (size_t i = 0; i < e->n_names; i++) {
		if (check_zone_covered(p->node, &e->names[i])) {
			issues_add(p->issues,
				   issue_path("/services/%zu/expose/%zu/names/%zu", p->service,
					      p->expose, i)
					   .text,
				   "*.%s covers %s (dns64.zone), where each tenant has its names",
				   e->names[i].text, p->node->dns64.zone);
		}
	}
}

static void check_expose(const struct place *p, const struct expose_conf *e)
{
	char text[ADDR_TEXT_MAX];

	if (!p->node) {
		return;
	}
	if (e->has_ipv4 && !addr_is_any(&e->ipv4) && !node_conf_in_pool(p->node, &e->ipv4)) {
		issues_add(p->issues, expose_path(p, "ipv4").text,
			   "%s is not in the node's uplink.ipv4", addr_format(&e->ipv4, text));
	}
	if (e->client_address == CLIENT_ADDRESS_EMBED && !p->node->has_client_prefix) {
		issues_add(p->issues, expose_path(p, "client_address").text,
			   "embed needs the node's client_prefix, which is not given");
	}
	check_expose_names(p, e);
	check_expose_port(p, e);
}

static void check_services(const struct tenant_conf *tenant, const struct node_conf *node,
			   struct issues *issues)
{
	struct place p = {.issues = issues, .node = node, .tenant = tenant};

	note_tls_ports(&p);
	for (p.service = 0; p.service < tenant->n_services; p.service++) {
		const struct service_conf *service = &tenant->services[p.service];

		check_backends(&p);
		for (p.expose = 0; p.expose < service->n_exposes; p.expose++) {
			check_expose(&p, &service->exposes[p.expose]);
		}
		for (size_t j = 0; j < p.service && service->name; j++) {
			const char *other = tenant->services[j].name;

			if (other && strcmp(other, service->name) == 0) {
				issues_add(issues, issue_path("/services/%zu/name", p.service).text,
					   "'%s' is the name of /services/%zu as well", other, j);
				break;
			}
		}
	}
}

static void check_names_total(const struct tenant_conf *tenant, struct issues *issues)
{
	size_t n = 0;

	for (size_t i = 0; i < tenant->n_services; i++) {
		const struct service_conf *service = &tenant->services[i];

		for (size_t k = 0; k < service->n_exposes; k++) {
			n += service->exposes[k].n_names;
		}
	}
	if (n > TENANT_NAMES_TOTAL) {
		issues_add(issues, "/services", "%zu names in all, more than the %d of a tenant", n,
			   TENANT_NAMES_TOTAL);
	}
}

static void check_inbound(const struct tenant_conf *tenant, struct issues *issues)
{
	for (size_t i = 0; i < tenant->n_inbound; i++) {
		bool found = tenant->inbound[i].to == NULL;

		for (size_t j = 0; j < tenant->n_services && !found; j++) {
			found = tenant->services[j].name &&
				strcmp(tenant->services[j].name, tenant->inbound[i].to) == 0;
		}
		if (!found) {
			issues_add(issues, issue_path("/inbound/allow/%zu/to", i).text,
				   "the tenant has no service '%s'", tenant->inbound[i].to);
		}
	}
}

void tenant_conf_check(const struct tenant_conf *tenant, const struct node_conf *node,
		       struct issues *issues)
{
	struct place p = {.issues = issues, .node = node, .tenant = tenant};

	check_prefixes(&p);
	check_tunnels(tenant, node, issues);
	check_nat64(tenant, node, issues);
	check_addresses(tenant, node, issues);
	check_services(tenant, node, issues);
	check_names_total(tenant, issues);
	check_inbound(tenant, issues);
	check_rules(tenant, issues);
	check_tenant_dns64(tenant, issues);
}
