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
