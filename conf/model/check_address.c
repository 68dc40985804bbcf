/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rules of meaning for whole addresses (`protocol: address`), which the stateless translator maps
 * to a backend. Pure; called by check_tenant.c alone.
 */
#include "conf/model/check.h"
#include "conf/model/internal.h"

struct place {
	struct issues *issues;
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

/* What else on this machine lives on the address; NULL: nothing. */
static const char *user_of(const struct node_conf *node, const struct addr *a)
{
	for (size_t i = 0; i < node->nat64.n_pool; i++) {
		if (addr_eq(&node->nat64.pool[i], a)) {
			return "is of nat64.pool";
		}
	}
	for (size_t i = 0; i < node->n_listeners; i++) {
		if (!node->listeners[i].any && addr_eq(&node->listeners[i].address, a)) {
			return "has a listener of the node's";
		}
	}
	if (node->dns64.zone && node_conf_zone_at(node, a)) {
		return "is of dns64.zone_listen";
	}
	if (node->six_in_four.on && addr_eq(&node->six_in_four.local, a)) {
		return "is six_in_four.local";
	}
	for (size_t i = 0; i < node->n_pool; i++) {
		if (node->pool[i].delivery == DELIVERY_PRESENT &&
		    prefix_contains(&node->pool[i].range, a)) {
			return "is this machine's own: take one of a range with delivery: routed "
			       "or onlink";
		}
	}
	return NULL;
}

static void check_with_node(const struct place *p, const struct node_conf *node)
{
	const struct addr *a = &expose_at(p)->ipv4;
	const char *user = expose_at(p)->has_ipv4 && !addr_is_any(a) ? user_of(node, a) : NULL;
	char text[ADDR_TEXT_MAX];

	if (!node->has_siit_prefix) {
		issues_add(p->issues, expose_path(p, "protocol").text,
			   "address needs the node's siit, which is not given");
	}
	if (user) {
		issues_add(p->issues, expose_path(p, "ipv4").text, "%s %s", addr_format(a, text),
			   user);
	}
}

/* A stateless mapping goes both ways: each end has one other. */
static void check_backend(const struct place *p)
{
	const struct service_conf *service = &p->tenant->services[p->service];

	if (service->n_backends != 1 || service->backends[0].is_name) {
		issues_add(p->issues, expose_path(p, "protocol").text,
			   "address maps to one address: the service has to have one backend, "
			   "given by address");
		return;
	}
	if (p->tenant->n_tunnels == 0) {
		issues_add(p->issues, expose_path(p, "protocol").text,
			   "address needs a tunnel that carries the backend's prefix: what it sends "
			   "has to come back by that");
	}
	for (size_t s = 0; s <= p->service; s++) {
		const struct service_conf *o = &p->tenant->services[s];
		size_t n = s < p->service ? o->n_exposes : p->expose;

		for (size_t e = 0; e < n && o->n_backends == 1 && !o->backends[0].is_name; e++) {
			if (o->exposes[e].protocol == PROTOCOL_ADDRESS &&
			    addr_eq(&o->backends[0].address, &service->backends[0].address)) {
				issues_add(p->issues, expose_path(p, "ipv4").text,
					   "the backend has an address already, of "
					   "/services/%zu/expose/%zu",
					   s, e);
				return;
			}
		}
	}
}

/* All of the address is the mapped host's, so the tenant's other exposures of it would be dead. */
static void check_alone(const struct place *p)
{
	const struct expose_conf *whole = expose_at(p);
	struct place o = *p;
	char text[ADDR_TEXT_MAX];

	if (!whole->has_ipv4 || addr_is_any(&whole->ipv4)) {
		return; /* has an issue already */
	}
	for (o.service = 0; o.service < p->tenant->n_services; o.service++) {
		for (o.expose = 0; o.expose < p->tenant->services[o.service].n_exposes;
		     o.expose++) {
			const struct expose_conf *e = expose_at(&o);
			bool before = o.service < p->service ||
				      (o.service == p->service && o.expose <= p->expose);

			if (e->has_ipv4 && addr_eq(&e->ipv4, &whole->ipv4) &&
			    !(e->protocol == PROTOCOL_ADDRESS && before)) {
				issues_add(p->issues, expose_path(&o, "ipv4").text,
					   "%s is mapped as a whole by /services/%zu/expose/%zu",
					   addr_format(&e->ipv4, text), p->service, p->expose);
			}
		}
	}
}

void check_addresses(const struct tenant_conf *tenant, const struct node_conf *node,
		     struct issues *issues)
{
	struct place p = {.issues = issues, .tenant = tenant};

	for (p.service = 0; p.service < tenant->n_services; p.service++) {
		for (p.expose = 0; p.expose < tenant->services[p.service].n_exposes; p.expose++) {
			const struct expose_conf *e = expose_at(&p);

			if (e->protocol != PROTOCOL_ADDRESS) {
				continue;
			}
			check_backend(&p);
			check_alone(&p);
			if (e->n_allow > 0 || e->n_deny > 0) {
				issues_add(issues,
					   expose_path(&p, e->n_allow > 0 ? "allow" : "deny").text,
					   "is for exposures through the proxy: a whole address is "
					   "open to everybody, and its host filters");
			}
			if (node) {
				check_with_node(&p, node);
			}
		}
	}
}
