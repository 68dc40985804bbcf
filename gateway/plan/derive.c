/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names and marks of a tenant's objects. Pure arithmetic on its prefixes.
 */
#include "gateway/plan/derive.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

uint32_t derive_index(const struct node_conf *node, const struct prefix *p)
{
	assert(node->has_ipv6_prefix && node->ipv6_prefix.len >= NODE_PREFIX_LEN_MIN);
	return node_conf_number(node, &p->addr);
}

uint32_t derive_mark(const struct node_conf *node, const struct tenant_conf *tenant)
{
	assert(tenant->n_prefixes > 0);
	return DERIVE_MARK | derive_index(node, &tenant->prefixes[0]);
}

struct addr derive_ipv4(const struct node_conf *node, const struct tunnel_conf *tunnel)
{
	uint32_t v4 = DERIVE_IPV4 | (derive_index(node, &tunnel->prefixes[0]) & 0x3fffffu);
	struct addr a = {.b = {[10] = 0xff, [11] = 0xff}};

	for (int i = 0; i < 4; i++) {
		a.b[12 + i] = (uint8_t)(v4 >> (24 - 8 * i));
	}
	return a;
}

char *derive_link(const struct node_conf *node, const struct tunnel_conf *tunnel,
		  char dst[IFNAMSIZ])
{
	if (tunnel->kind == TUNNEL_ROUTE) {
		(void)snprintf(dst, IFNAMSIZ, "%s", tunnel->interface); /* checked */
	} else if (tunnel->kind == TUNNEL_WIREGUARD && !tunnel->own_device) {
		(void)snprintf(dst, IFNAMSIZ, "%s", DERIVE_WG_LINK); /* fits */
	} else {
		(void)snprintf(dst, IFNAMSIZ, "sg-%04x",
			       derive_index(node, &tunnel->prefixes[0])); /* fits */
	}
	return dst;
}

char *derive_alias(const struct tenant_conf *tenant, const struct tunnel_conf *tunnel,
		   char dst[OBJECT_ALIAS_MAX])
{
	(void)snprintf(dst, OBJECT_ALIAS_MAX, OBJECT_ALIAS_PREFIX "%s/%s", tenant->name,
		       tunnel->name); /* two names of 63 at most */
	return dst;
}

static bool has_backend(const struct tenant_conf *tenant, const struct addr *a)
{
	for (size_t i = 0; i < tenant->n_services; i++) {
		const struct service_conf *service = &tenant->services[i];

		for (size_t j = 0; j < service->n_backends; j++) {
			if (!service->backends[j].is_name &&
			    addr_eq(&service->backends[j].address, a)) {
				return true;
			}
		}
	}
	return false;
}

static bool has_record(const struct tenant_conf *tenant, const struct addr *a)
{
	for (size_t i = 0; i < tenant->dns64.n_records; i++) {
		const struct dns64_record *record = &tenant->dns64.records[i];

		for (size_t j = 0; j < record->n_addresses; j++) {
			if (addr_eq(&record->addresses[j], a)) {
				return true;
			}
		}
	}
	return false;
}

bool derive_dns64(const struct node_conf *node, const struct tenant_conf *tenant,
		  const struct prefix *p, struct addr *ret_addr)
{
	*ret_addr = p->addr;
	ret_addr->b[15] = NODE_DNS64_HOST;
	return node->dns64.on && node->dns64.n_listen == 0 &&
	       tenant->dns64.address == DNS64_ADDRESS_ON && !has_backend(tenant, ret_addr) &&
	       !has_record(tenant, ret_addr);
}
