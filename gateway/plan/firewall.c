/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sets of the table, and a tenant's prefixes as their elements. Hash sets only: an interval
 * set of tenants would cost each packet, and 200 ms for each tenant that goes.
 */
#include "gateway/plan/firewall.h"

#include <string.h>

#define CONCAT FIREWALL_CONCAT
#define IPV4   FIREWALL_TYPE_IPV4
#define IPV6   FIREWALL_TYPE_IPV6
#define IFNAME FIREWALL_TYPE_IFNAME
#define MARK   FIREWALL_TYPE_MARK
#define PORT   CONCAT(FIREWALL_TYPE_PROTOCOL, FIREWALL_TYPE_SERVICE)
#define TO_6   CONCAT(CONCAT(IPV6, FIREWALL_TYPE_PROTOCOL), FIREWALL_TYPE_SERVICE)
#define FLOW   CONCAT(CONCAT(CONCAT(IPV6, IPV6), FIREWALL_TYPE_PROTOCOL), FIREWALL_TYPE_SERVICE)
/* Bits and reasons go by for a mark: the nft program knows no length of a plain integer. */
#define FROM_6 CONCAT(CONCAT(TO_6, MARK), IPV6)

#define TENANTS_MAX 65536 /* of one gateway that are ever counted or limited apart */
#define ECHO_MS     60000
#define DENIED_MS   2592000000 /* 30 days: longer than anybody looks for the cause */

static const struct firewall_set_type types[N_FIREWALL_SETS] = {
	[FIREWALL_TENANTS_64] = {"tenants64", IPV6, 0, 16, 0, false, 0, 0},
	[FIREWALL_TENANTS_56] = {"tenants56", IPV6, 0, 16, 0, false, 0, 0},
	[FIREWALL_RESOLVERS_4] = {"resolvers4", IPV4, 0, 4, 0, false, 0, 0},
	[FIREWALL_RESOLVERS_6] = {"resolvers6", IPV6, 0, 16, 0, false, 0, 0},
	[FIREWALL_UPSTREAMS_4] = {"upstreams4", IPV4, 0, 4, 0, false, 0, 0},
	[FIREWALL_UPSTREAMS_6] = {"upstreams6", IPV6, 0, 16, 0, false, 0, 0},
	[FIREWALL_UPLINKS] = {"uplinks", IFNAME, 0, 16, 0, false, 0, 0},
	[FIREWALL_TUNNELS] = {"tunnels", IFNAME, 0, 16, 0, false, 0, 0},
	[FIREWALL_SOURCES_64] = {"sources64", CONCAT(IFNAME, IPV6), 0, 32, 0, false, 0, 0},
	[FIREWALL_SOURCES_56] = {"sources56", CONCAT(IFNAME, IPV6), 0, 32, 0, false, 0, 0},
	[FIREWALL_SOURCES_4] = {"sources4", CONCAT(IFNAME, IPV4), 0, 20, 0, false, 0, 0},
	[FIREWALL_MARKS_64] = {"marks64", IPV6, MARK, 16, 4, false, 0, 0},
	[FIREWALL_MARKS_56] = {"marks56", IPV6, MARK, 16, 4, false, 0, 0},
	[FIREWALL_MARKS_4] = {"marks4", IPV4, MARK, 4, 4, false, 0, 0},
	[FIREWALL_PAIRS_64] = {"pairs64", CONCAT(MARK, IPV6), 0, 20, 0, false, 0, 0},
	[FIREWALL_PAIRS_56] = {"pairs56", CONCAT(MARK, IPV6), 0, 20, 0, false, 0, 0},
	[FIREWALL_MAIL] = {"mail", MARK, 0, 4, 0, false, 0, 0},
	[FIREWALL_REMOTES] = {"remotes", IPV4, 0, 4, 0, false, 0, 0},
	[FIREWALL_WG_PORTS] = {"wgports", FIREWALL_TYPE_SERVICE, 0, 2, 0, false, 0, 0},
	[FIREWALL_MSS] = {"mss", IFNAME, FIREWALL_TYPE_SERVICE, 16, 2, false, 0, 0},
	[FIREWALL_MSS_TENANTS] = {"mss_tenants", CONCAT(IFNAME, MARK), FIREWALL_TYPE_SERVICE, 20, 2,
				  false, 0, 0},
	[FIREWALL_NAT44] = {"nat44", IPV4, CONCAT(IPV4, FIREWALL_TYPE_SERVICE), 4, 16, true, 0, 0},
	[FIREWALL_POOL_4] = {"pool4", IPV4, 0, 4, 0, false, 0, 0},
	[FIREWALL_POOL_6] = {"pool6", IPV6, 0, 16, 0, false, 0, 0},
	[FIREWALL_OCTETS] = {"special_octets", FIREWALL_TYPE_PROTOCOL, 0, 1, 0, false, 0, 0},
	[FIREWALL_MAPPED_6] = {"mapped6", IPV6, 0, 16, 0, false, 0, 0},
	[FIREWALL_SERVICES_4] = {"services4", PORT, 0, 8, 0, false, 0, 0},
	[FIREWALL_OPEN_4] = {"open4",
			     CONCAT(CONCAT(IPV4, FIREWALL_TYPE_PROTOCOL), FIREWALL_TYPE_SERVICE), 0,
			     12, 0, false, 0, 0},
	[FIREWALL_OPEN_6] = {"open6", TO_6, 0, 24, 0, false, 0, 0},
	[FIREWALL_INBOUND_64] = {"inbound64", IPV6, 0, 16, 0, false, 0, 0},
	[FIREWALL_INBOUND_56] = {"inbound56", IPV6, 0, 16, 0, false, 0, 0},
	[FIREWALL_ALLOW_128] = {"allow128", TO_6, 0, 24, 0, false, 0, 0},
	[FIREWALL_ALLOW_64] = {"allow64", TO_6, 0, 24, 0, false, 0, 0},
	[FIREWALL_ALLOW_56] = {"allow56", TO_6, 0, 24, 0, false, 0, 0},
	[FIREWALL_FROM_128] = {"from128", FROM_6, 0, 44, 0, false, 0, 0},
	[FIREWALL_FROM_64] = {"from64", FROM_6, 0, 44, 0, false, 0, 0},
	[FIREWALL_FROM_56] = {"from56", FROM_6, 0, 44, 0, false, 0, 0},
	[FIREWALL_FLOWS] = {"flows64", FLOW, 0, 40, 0, false, FIREWALL_FLOWS_MAX, FIREWALL_FLOW_MS},
	[FIREWALL_FLOWS_NEW] = {"flows64_new", FLOW, 0, 40, 0, false, FIREWALL_FLOWS_MAX,
				FIREWALL_FLOW_NEW_MS},
	[FIREWALL_FLOW_RATE] = {"flow_rate", MARK, 0, 4, 0, false, TENANTS_MAX, FIREWALL_FLOW_MS},
	[FIREWALL_ECHO_TO] = {"echo_to", MARK, 0, 4, 0, false, TENANTS_MAX, ECHO_MS},
	[FIREWALL_ECHO_FROM] = {"echo_from", MARK, 0, 4, 0, false, TENANTS_MAX, ECHO_MS},
	[FIREWALL_DENIED] = {"denied", CONCAT(MARK, MARK), 0, 8, 0, false, 4 * TENANTS_MAX,
			     DENIED_MS},
	[FIREWALL_DENIED_LINKS] = {"denied_links", CONCAT(IFNAME, MARK), 0, 20, 0, false,
				   TENANTS_MAX, DENIED_MS},
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
	unsigned int slice = p->len > 64 ? FIREWALL_SLICE_BITS : 0;

	return p->len >= 56 + slice ? 64 + slice : 56 + slice;
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
	return n_bytes % 2 != 0; /* 56 or 72 bits */
}

struct addr firewall_embed(const struct prefix *p, const struct addr *v4)
{
	struct addr a = p->addr;

	for (unsigned int i = 0, at = p->len / 8; i < 4; i++, at++) {
		at += at == 8 ? 1 : 0; /* bits 64 to 71 are zero */
		a.b[at] = v4->b[12 + i];
	}
	return a;
}
