/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rules of meaning for exposures by NAT64's static mappings (`via: nat64`). Pure; called by
 * check_tenant.c alone. A mapping is of one tenant socket to one public one, and its public port
 * must not be anybody else's: the translator takes what arrives there before any socket sees it.
 */
#include "conf/model/check.h"
#include "conf/model/internal.h"
#include "conf/model/ports.h"

struct place {
	struct issues *issues;
	const struct node_conf *node; /* may be NULL */
	const struct tenant_conf *tenant;
	size_t service, expose;
};

static const struct expose_conf *expose_at(const struct place *p)
{
	return &p->tenant->services[p->service].exposes[p->expose];
}

static struct issue_path expose_path(const struct place *p, const char *key)
{
	return issue_path("/services/%zu/expose/%zu/%s", p->service, p->expose, key);
}

static bool in_range(struct port_range range, uint16_t port)
{
	return range.last > 0 && port >= range.first && port <= range.last;
}

static bool is_shared_out(const struct node_conf *node, const struct addr *a)
{
	for (size_t i = 0; i < node->nat64.n_pool; i++) {
		if (addr_eq(&node->nat64.pool[i], a)) {
			return true;
		}
	}
	return false;
}

/* Inside NAT64's region only the tenant's own block; the others are taken. */
static void check_block(const struct place *p)
{
	const struct node_conf *node = p->node;
	const struct expose_conf *e = expose_at(p);
	struct port_block own;
	char text[ADDR_TEXT_MAX];

	if (in_range(node->nat44_ports, e->port)) {
		issues_add(p->issues, expose_path(p, "port").text, "%u is in nat44.ports, %u-%u",
			   e->port, node->nat44_ports.first, node->nat44_ports.last);
	}
	if (!in_range(node->nat64.ports, e->port)) {
		return;
	}
	if (ports_tenant(node, p->tenant, &own) < 0) {
		issues_add(p->issues, expose_path(p, "port").text,
			   "%u is in nat64.ports, and a tenant without a tunnel has no block there",
			   e->port);
	} else if (!addr_eq(&own.address, &e->ipv4) || !in_range(own.ports, e->port)) {
		issues_add(p->issues, expose_path(p, "port").text,
			   "%u is in another tenant's block of nat64.ports; this tenant's is %u-%u "
			   "of %s",
			   e->port, own.ports.first, own.ports.last,
			   addr_format(&own.address, text));
	}
}

/* A listener of another protocol is found by check_tenant.c. */
static void check_listeners(const struct place *p)
{
	const struct expose_conf *e = expose_at(p);

	for (size_t i = 0; e->protocol == PROTOCOL_TCP && i < p->node->n_listeners; i++) {
		const struct listener_conf *l = &p->node->listeners[i];

		if (l->protocol == PROTOCOL_TCP && l->port == e->port &&
		    (l->any || addr_eq(&l->address, &e->ipv4))) {
			issues_add(p->issues, expose_path(p, "port").text,
				   "%u is the port of /listeners/%zu of the node, which the "
				   "translator would leave nothing to",
				   e->port, i);
		}
	}
}

static void check_port(const struct place *p)
{
	const struct node_conf *node = p->node;
	const struct expose_conf *e = expose_at(p);
	const struct port_range local = check_local_range(node);
	const bool given = node->local_ports.last > 0;

	if (check_is_machines(node, &e->ipv4) && in_range(local, e->port)) {
		issues_add(p->issues, expose_path(p, "port").text,
			   "%u is in %s%u-%u, which the gateway's own connections use%s: take "
			   "another port, or give local_ports a range without it",
			   e->port, given ? "local_ports, " : "", local.first, local.last,
			   given ? "" : " as local_ports is not given");
	}
	if (e->protocol == PROTOCOL_UDP && e->port == node->wireguard.listen_port &&
	    check_is_machines(node, &e->ipv4)) {
		issues_add(p->issues, expose_path(p, "port").text,
			   "%u is wireguard.listen_port: the tunnels' own packets would go to the "
			   "tenant",
			   e->port);
	}
	if (e->protocol == PROTOCOL_UDP && e->port == node->exit.listen_port &&
	    check_is_machines(node, &e->ipv4)) {
		issues_add(p->issues, expose_path(p, "port").text,
			   "%u is uplink.wireguard.listen_port: what the exit sends would go to the "
			   "tenant",
			   e->port);
	}
	for (size_t t = 0; e->protocol == PROTOCOL_UDP && t < p->tenant->n_tunnels; t++) {
		if (p->tenant->tunnels[t].listen_port == e->port &&
		    check_is_machines(node, &e->ipv4)) {
			issues_add(p->issues, expose_path(p, "port").text,
				   "%u is the port of /tunnels/%zu, whose packets would not arrive",
				   e->port, t);
		}
	}
	if (is_shared_out(node, &e->ipv4)) {
		check_block(p);
	}
}

static void check_with_node(const struct place *p)
{
	if (!p->node->nat64.on) {
		issues_add(p->issues, expose_path(p, "via").text, "the node has no nat64");
		return;
	}
	check_port(p);
	check_listeners(p);
}

static const struct addr *inside_of(const struct tenant_conf *tenant, size_t service)
{
	const struct service_conf *s = &tenant->services[service];

	return s->n_backends == 1 && !s->backends[0].is_name ? &s->backends[0].address : NULL;
}

/* The first exposure before this one of the same tenant socket. */
static bool mapped_before(const struct place *p, struct place *ret_other)
{
	const struct addr *inside = inside_of(p->tenant, p->service);
	const struct expose_conf *e = expose_at(p);
	struct place o = *p;

	for (o.service = 0; inside && o.service <= p->service; o.service++) {
		const struct addr *other = inside_of(p->tenant, o.service);
		size_t n = o.service < p->service ? p->tenant->services[o.service].n_exposes
						  : p->expose;

		for (o.expose = 0; other && addr_eq(inside, other) && o.expose < n; o.expose++) {
			const struct expose_conf *oe = expose_at(&o);

			if (oe->via == VIA_NAT64 && oe->protocol == e->protocol &&
			    oe->to == e->to) {
				*ret_other = o;
				return true;
			}
		}
	}
	return false;
}

static void check_expose(const struct place *p)
{
	const struct expose_conf *e = expose_at(p);
	struct place other;

	if (e->protocol != PROTOCOL_TCP && e->protocol != PROTOCOL_UDP) {
		issues_add(p->issues, expose_path(p, "via").text, "nat64 is for tcp and udp");
		return;
	}
	if (!inside_of(p->tenant, p->service)) {
		issues_add(p->issues, expose_path(p, "via").text,
			   "nat64 maps to one address: the service has to have one backend, given "
			   "by address");
	}
	if (e->n_allow > 0 || e->n_deny > 0) {
		issues_add(p->issues, expose_path(p, e->n_allow > 0 ? "allow" : "deny").text,
			   "is for exposures through the proxy; use inbound.allow with from");
	}
	if (mapped_before(p, &other)) {
		issues_add(p->issues, expose_path(p, "to").text,
			   "port %u of this backend is mapped by /services/%zu/expose/%zu already, "
			   "and NAT64 has one mapping for a tenant's socket",
			   e->to, other.service, other.expose);
	}
	if (p->node) {
		check_with_node(p);
	}
}

void check_nat64(const struct tenant_conf *tenant, const struct node_conf *node,
		 struct issues *issues)
{
	struct place p = {.issues = issues, .node = node, .tenant = tenant};

	for (p.service = 0; p.service < tenant->n_services; p.service++) {
		for (p.expose = 0; p.expose < tenant->services[p.service].n_exposes; p.expose++) {
			if (expose_at(&p)->via == VIA_NAT64) {
				check_expose(&p);
			}
		}
	}
}
