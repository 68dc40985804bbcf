/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A tenant's inbound policy as elements; chains_inbound.c of gateway/kernel tells how they are
 * looked up. A rule is the product of its destinations, ports and sources.
 */
#include <string.h>

#include "gateway/plan/firewall_elements.h"

#define SOURCE_OFFSET 28 /* address, protocol, port, bits */

struct target {
	enum firewall_set allow, from;
	struct addr address;
	enum protocol protocol;
	uint16_t port;
};

/* A prefix between two steps is split into those of the longer one. */
static void add_source(struct object_set *set, const struct target *to, const struct prefix *from)
{
	const uint32_t bits =
		(from->len + FIREWALL_FROM_STEP - 1u) / FIREWALL_FROM_STEP * FIREWALL_FROM_STEP;
	const uint32_t n = UINT32_C(1) << (bits - from->len);
	uint8_t key[OBJECT_KEY_MAX];

	memcpy(key, to->address.b, 16);
	element_put_port(key + 16, to->protocol, to->port);
	element_add(set, to->allow, key, NULL);
	memcpy(key + 24, &bits, sizeof(bits));
	for (uint32_t i = 0; i < n; i++) {
		memcpy(key + SOURCE_OFFSET, from->addr.b, 16);
		if (bits > 0) {
			key[SOURCE_OFFSET + bits / 8 - 1] |= (uint8_t)i;
		}
		element_add(set, to->from, key, NULL);
		if (set->n > FIREWALL_ELEMENTS_MAX) {
			set->bad = true; /* rather none of the object than a part of it */
			return;
		}
	}
}

static void add_sources(struct object_set *set, const struct target *to,
			const struct inbound_rule *rule)
{
	static const struct prefix all;

	if (rule->n_from == 0) {
		add_source(set, to, &all);
	}
	for (size_t i = 0; i < rule->n_from; i++) {
		add_source(set, to, &rule->from[i]);
	}
}

static void add_tenant_targets(const struct tenant_conf *tenant, const struct inbound_rule *rule,
			       struct target *to, struct object_set *set)
{
	for (size_t i = 0; i < tenant->n_prefixes; i++) {
		const struct prefix *p = &tenant->prefixes[i];

		for (uint32_t j = 0; j < firewall_prefix_elements(p) && !set->bad; j++) {
			bool is_56 = firewall_prefix_element(p, j, &to->address);

			to->allow = is_56 ? FIREWALL_ALLOW_56 : FIREWALL_ALLOW_64;
			to->from = is_56 ? FIREWALL_FROM_56 : FIREWALL_FROM_64;
			add_sources(set, to, rule);
		}
	}
}

static void add_service_targets(const struct tenant_conf *tenant, const struct inbound_rule *rule,
				struct target *to, struct object_set *set)
{
	to->allow = FIREWALL_ALLOW_128;
	to->from = FIREWALL_FROM_128;
	for (size_t i = 0; i < tenant->n_services; i++) {
		const struct service_conf *s = &tenant->services[i];

		if (strcmp(s->name, rule->to) != 0) {
			continue;
		}
		for (size_t j = 0; j < s->n_backends; j++) {
			if (!s->backends[j].is_name) {
				to->address = s->backends[j].address;
				add_sources(set, to, rule);
			}
		}
	}
}

static void add_rule(const struct tenant_conf *tenant, const struct inbound_rule *rule,
		     struct object_set *set)
{
	for (size_t i = 0; i < rule->n_ports && !set->bad; i++) {
		struct target to = {.protocol = rule->protocol, .port = rule->ports[i]};

		if (rule->to) {
			add_service_targets(tenant, rule, &to, set);
		} else {
			add_tenant_targets(tenant, rule, &to, set);
		}
	}
}

static void add_open(const struct tenant_conf *tenant, struct object_set *set)
{
	for (size_t i = 0; i < tenant->n_prefixes; i++) {
		const struct prefix *p = &tenant->prefixes[i];

		for (uint32_t j = 0; j < firewall_prefix_elements(p); j++) {
			struct addr a;
			bool is_56 = firewall_prefix_element(p, j, &a);

			element_add(set, is_56 ? FIREWALL_INBOUND_56 : FIREWALL_INBOUND_64, a.b,
				    NULL);
		}
	}
}

/* Clients of a port that the translator passes in: all of them come from inside Pref64. */
static void add_translated(const struct node_conf *node, const struct service_conf *service,
			   struct object_set *set)
{
	for (size_t i = 0; i < service->n_exposes; i++) {
		const struct expose_conf *e = &service->exposes[i];
		struct target to = {.allow = FIREWALL_ALLOW_128,
				    .from = FIREWALL_FROM_128,
				    .protocol = e->protocol,
				    .port = e->to};

		if (e->via != VIA_NAT64 ||
		    (e->protocol != PROTOCOL_TCP && e->protocol != PROTOCOL_UDP)) {
			continue;
		}
		for (size_t j = 0; j < service->n_backends; j++) {
			if (!service->backends[j].is_name) {
				to.address = service->backends[j].address;
				add_source(set, &to, &node->nat64.prefix);
			}
		}
	}
}

void desired_inbound(const struct node_conf *node, const struct tenant_conf *tenant,
		     struct object_set *set)
{
	if (tenant->inbound_policy == INBOUND_OPEN) {
		add_open(tenant, set);
	}
	for (size_t i = 0; i < tenant->n_inbound; i++) {
		add_rule(tenant, &tenant->inbound[i], set);
	}
	for (size_t i = 0; node->nat64.on && i < tenant->n_services; i++) {
		add_translated(node, &tenant->services[i], set);
	}
}
