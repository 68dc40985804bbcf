/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_FIREWALL_H
#define SIXGATE_GATEWAY_FIREWALL_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "conf/model/node.h"

/*
 * The table `inet sixgate`: what its static rules are made from, and its sets. Rules follow the
 * node config alone; whatever follows tenants, resolvers or addresses is an element of a set, so
 * that one tenant's change is a few elements and no rule. Plain data, nothing is owned.
 */
struct firewall {
	uint32_t proxy_uid, agent_uid;
	bool has_client_prefix;
	struct prefix client_prefix; /* a /96 */
};

/* Hash sets and maps. An address is masked to the bits in the set's name, where there are some. */
enum firewall_set {
	FIREWALL_TENANTS_64,  /* ipv6_addr: what the proxy may reach; prefixes /56 to /64 */
	FIREWALL_TENANTS_56,  /* ipv6_addr: the same of prefixes /40 to /55 */
	FIREWALL_RESOLVERS_4, /* ipv4_addr */
	FIREWALL_RESOLVERS_6, /* ipv6_addr */
	N_FIREWALL_SETS,
};

/* What the nft program calls the types; concatenations are 6 bits each. */
enum firewall_type {
	FIREWALL_TYPE_IPV4 = 7,
	FIREWALL_TYPE_IPV6 = 8,
	FIREWALL_TYPE_PROTOCOL = 12,
	FIREWALL_TYPE_SERVICE = 13,
	FIREWALL_TYPE_MARK = 19,
	FIREWALL_TYPE_IFNAME = 41,
};
#define FIREWALL_CONCAT(a, b) ((a) << 6 | (b))

struct firewall_set_type {
	const char *name;
	uint32_t key_type, data_type; /* data_type 0: a set, not a map */
	uint8_t key_len, data_len;    /* bytes */
};

const struct firewall_set_type *firewall_set_type(enum firewall_set set);
/* The set of that name, or N_FIREWALL_SETS. */
enum firewall_set firewall_set_find(const char *name);

/* How many elements of 64 or 56 bits a tenant's prefix makes. */
#define FIREWALL_ELEMENTS_MAX 65536 /* of a /40 */
uint32_t firewall_prefix_elements(const struct prefix *p);
/* The i-th of them, masked; true when it belongs to the sets of 56 bits. */
bool firewall_prefix_element(const struct prefix *p, uint32_t i, struct addr *ret_addr);

#endif
