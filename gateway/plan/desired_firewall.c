/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the config asks of the table `inet sixgate`: its rules, by their parameters, and a tenant's
 * elements. Pure.
 */
#include <assert.h>
#include <string.h>

#include "gateway/plan/desired.h"
#include "gateway/plan/firewall.h"

static void add_element(struct object_set *set, enum firewall_set id, const void *key,
			const void *data)
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
	object_set_add(set, &o);
}

static void add_resolvers(const struct node_conf *node, struct object_set *set)
{
	for (size_t i = 0; i < node->n_resolvers; i++) {
		const struct addr *a = &node->resolvers[i];

		if (addr_is_v4(a)) {
			add_element(set, FIREWALL_RESOLVERS_4, a->b + 12, NULL);
		} else {
			add_element(set, FIREWALL_RESOLVERS_6, a->b, NULL);
		}
	}
}

void desired_firewall_node(const struct node_conf *node, const struct desired_facts *facts,
			   struct firewall *firewall, struct object_set *set)
{
	const struct object o = {.kind = OBJECT_RULESET, .ruleset = {.firewall = firewall}};

	*firewall = (struct firewall){.proxy_uid = facts->proxy_uid,
				      .agent_uid = facts->agent_uid,
				      .has_client_prefix = node->has_client_prefix,
				      .client_prefix = node->client_prefix};
	object_set_add(set, &o);
	add_resolvers(node, set);
}

void desired_firewall_tenant(const struct node_conf *node, const struct desired_facts *facts,
			     const struct tenant_conf *tenant, struct object_set *set)
{
	(void)node, (void)facts;
	for (size_t i = 0; i < tenant->n_prefixes; i++) {
		const struct prefix *p = &tenant->prefixes[i];

		for (uint32_t j = 0; j < firewall_prefix_elements(p); j++) {
			struct addr a;
			bool is_56 = firewall_prefix_element(p, j, &a);

			add_element(set, is_56 ? FIREWALL_TENANTS_56 : FIREWALL_TENANTS_64, a.b,
				    NULL);
		}
	}
}
