/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sets of the table, and a tenant's prefixes as their elements. Hash sets only: an interval
 * set of tenants would cost each packet, and 200 ms for each tenant that goes.
 */
#include "gateway/plan/firewall.h"

#include <string.h>

#define SET_IPV4 .key_type = FIREWALL_TYPE_IPV4, .key_len = 4
#define SET_IPV6 .key_type = FIREWALL_TYPE_IPV6, .key_len = 16

static const struct firewall_set_type types[N_FIREWALL_SETS] = {
	[FIREWALL_TENANTS_64] = {"tenants64", SET_IPV6},
	[FIREWALL_TENANTS_56] = {"tenants56", SET_IPV6},
	[FIREWALL_RESOLVERS_4] = {"resolvers4", SET_IPV4},
	[FIREWALL_RESOLVERS_6] = {"resolvers6", SET_IPV6},
};

const struct firewall_set_type *firewall_set_type(enum firewall_set set)
{
	return &types[set];
}

enum firewall_set firewall_set_find(const char *name)
{
	int set = 0;

	while (set < N_FIREWALL_SETS && strcmp(types[set].name, name) != 0) {
		set++;
	}
	return (enum firewall_set)set;
}

static unsigned int prefix_bits(const struct prefix *p)
{
	return p->len >= 56 ? 64 : 56;
}

uint32_t firewall_prefix_elements(const struct prefix *p)
{
	return UINT32_C(1) << (prefix_bits(p) - p->len);
}

bool firewall_prefix_element(const struct prefix *p, uint32_t i, struct addr *ret_addr)
{
	unsigned int n_bytes = prefix_bits(p) / 8;

	*ret_addr = p->addr;
	for (unsigned int at = n_bytes; i != 0; i >>= 8) {
		ret_addr->b[--at] |= i & 0xff;
	}
	return n_bytes == 7;
}
