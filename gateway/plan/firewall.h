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

/* IPv6 prefixes whose hosts are on one link: sorted, none inside another. */
#define FIREWALL_ON_LINK_MAX 32
struct on_link {
	struct prefix prefix[FIREWALL_ON_LINK_MAX];
	size_t n;
};

struct firewall {
	uint32_t proxy_uid, agent_uid;
	bool has_dns64;
	bool dns64_in_tenants; /* it is asked at an address in each tenant's network, too */
	uint32_t dns64_uid;
	struct addr zone[NODE_ZONE_MAX]; /* where it answers everybody */
	size_t n_zone;
	bool has_client_prefix;
	struct prefix client_prefix; /* a /96 */
	/*
	 * More bits than the sets of prefixes have in their names: 0, or 16 where tenants have
	 * slices of one /64 (node_conf_unit()).
	 */
	unsigned int slice_bits;
	bool has_tunnels;   /* tenants may have tunnels: all below, which else is not used */
	bool has_wireguard; /* a device whose outer packets leave here: not in an underlay_netns */
	bool has_6in4;
	struct addr local_6in4; /* outer address of 6in4 tunnels */
	/* The tunnel to the exit that our IPv6 comes from: tenants' leaves by it alone. */
	char exit_link[IFNAMSIZ]; /* empty: the uplink is none */
	bool has_exit_6in4;
	struct addr exit_local, exit_remote; /* its outer addresses, of 6in4 */
	struct on_link on_link;              /* of the uplink's own link */
	struct prefix pool[NODE_POOL_MAX];   /* uplink.ipv4 */
	size_t n_pool;
	bool has_nat64;
	struct prefix pref64;          /* RFC 6052 2.2 */
	struct port_range nat64_ports; /* of the pool's addresses, all tenants' blocks */
	bool has_nat44;
	struct prefix permit[NODE_PERMIT_MAX]; /* special-use IPv4 that is open all the same */
	size_t n_permit;
	bool has_siit;
	struct prefix siit_prefix; /* a /96 */
	struct addr error_source;  /* IPv4, of the translator's ICMP errors; unspecified: none */
};

/* The devices of the stateless translator and of this gateway's way out are foreign to tenants. */
#define FIREWALL_SIIT_LINK "sg-siit"

/*
 * Hash sets and maps. An address is masked to the bits in the set's name, where there are some:
 * prefixes /56 to /64 are elements of 64 bits, shorter ones of 56; slices /72 to /80 of 80, and
 * shorter ones of 72, in the same sets. A mark is a tenant's
 * (derive_mark()), in host order; ports are in network order, filled up to four bytes, as is a
 * protocol.
 */
enum firewall_set {
	FIREWALL_TENANTS_64,  /* ipv6_addr: what workers may reach */
	FIREWALL_TENANTS_56,  /* ipv6_addr */
	FIREWALL_RESOLVERS_4, /* ipv4_addr */
	FIREWALL_RESOLVERS_6, /* ipv6_addr */
	FIREWALL_UPLINKS,     /* ifname: by which tenants may leave */
	FIREWALL_TUNNELS,     /* ifname: behind it are tenants alone */
	FIREWALL_SOURCES_64,  /* ifname . ipv6_addr: who may send from there */
	FIREWALL_SOURCES_56,  /* ifname . ipv6_addr */
	FIREWALL_SOURCES_4,   /* ifname . ipv4_addr: addresses inside tunnels */
	FIREWALL_MARKS_64,    /* ipv6_addr : mark */
	FIREWALL_MARKS_56,    /* ipv6_addr : mark */
	FIREWALL_MARKS_4,     /* ipv4_addr : mark */
	FIREWALL_PAIRS_64,    /* mark . ipv6_addr: a tenant and its own prefixes */
	FIREWALL_PAIRS_56,    /* mark . ipv6_addr */
	FIREWALL_MAIL,        /* mark: may send to port 25 */
	FIREWALL_REMOTES,     /* ipv4_addr: outer addresses of 6in4 tunnels */
	FIREWALL_WG_PORTS,    /* inet_service: of WireGuard devices of ours */
	FIREWALL_MSS,         /* ifname : MSS, network order */
	FIREWALL_MSS_TENANTS, /* ifname . mark : MSS, where it is less than the device's */
	FIREWALL_NAT44,       /* ipv4_addr : ipv4_addr . inet_service, first and last */
	FIREWALL_POOL_4,      /* ipv4_addr: of NAT64 */
	FIREWALL_POOL_6,      /* ipv6_addr: the same inside Pref64 */
	FIREWALL_OCTETS,      /* first bytes of IPv4 addresses, some of which are special-use */
	FIREWALL_MAPPED_6,    /* ipv6_addr: hosts with an IPv4 address of their own */
	FIREWALL_SERVICES_4,  /* inet_proto . inet_service: ours, at each address of uplink.ipv4 */
	FIREWALL_OPEN_4,      /* ipv4_addr . inet_proto . inet_service: ours */
	FIREWALL_OPEN_6,      /* ipv6_addr . inet_proto . inet_service: ours */
	FIREWALL_INBOUND_64,  /* ipv6_addr: open to everybody */
	FIREWALL_INBOUND_56,  /* ipv6_addr */
	FIREWALL_ALLOW_128,   /* ipv6_addr . inet_proto . inet_service: some source may */
	FIREWALL_ALLOW_64,
	FIREWALL_ALLOW_56,
	FIREWALL_FROM_128, /* the same . bits of the source . the source, masked to them */
	FIREWALL_FROM_64,
	FIREWALL_FROM_56,
	/* Filled by rules, while packets pass: */
	FIREWALL_FLOWS, /* ipv6_addr . ipv6_addr . inet_proto . inet_service: UDP sent into Pref64
			 */
	FIREWALL_FLOWS_NEW,    /* those whose time began anew a moment ago */
	FIREWALL_FLOW_RATE,    /* mark: with the rate of elements of FIREWALL_FLOWS, new or again */
	FIREWALL_ECHO_TO,      /* mark: with the rate of echo requests to the tenant's hosts */
	FIREWALL_ECHO_FROM,    /* mark: the same of its requests to this machine */
	FIREWALL_DENIED,       /* mark . enum denial: with how many were refused */
	FIREWALL_DENIED_LINKS, /* ifname . enum denial: the same where there is no mark yet */
	/* By the config: */
	FIREWALL_UPSTREAMS_4, /* ipv4_addr: whom DNS64 asks */
	FIREWALL_UPSTREAMS_6, /* ipv6_addr */
	N_FIREWALL_SETS,
};

/* Bits of a source in FIREWALL_FROM_*: each multiple of this up to 128; longer ones are split. */
#define FIREWALL_FROM_STEP 8

/*
 * A tenant's UDP flow is known for FLOW_MS from its first packet, and from the first one of each
 * FLOW_NEW_MS: so two minutes at least after its last packet, the least that RFC 4787 4.3 permits
 * and what Linux has (nf_conntrack_udp_timeout_stream). Each time is one of the tenant's
 * FLOW_BURST and FLOW_RATE a second; what did not get one is forgotten after FLOW_MS. So one tenant
 * has FIREWALL_FLOWS_OF_ONE flows at most, however it sends, and 3,840 that go on at once.
 *
 * One flow a second, all day, is 180 of the set: 5,800 such tenants fit in, and the most that one
 * can have is a seventy-seventh of it. Full, with its companion, it takes 280 MB at most.
 */
#define FIREWALL_FLOW_MS      180000
#define FIREWALL_FLOW_NEW_MS  60000
#define FIREWALL_FLOW_RATE_S  64
#define FIREWALL_FLOW_BURST   2048
#define FIREWALL_FLOWS_MAX    (1u << 20)
#define FIREWALL_FLOWS_OF_ONE (FIREWALL_FLOW_RATE_S * FIREWALL_FLOW_MS / 1000 + FIREWALL_FLOW_BURST)
_Static_assert(FIREWALL_FLOWS_OF_ONE < FIREWALL_FLOWS_MAX / 64, "nobody fills it for the others");

/* What the nft program calls the types, to show them; concatenations are 6 bits each. */
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
	bool is_range;                /* the data is a first and a last */
	uint32_t max;                 /* elements, as rules fill it; 0: all elements are ours */
	uint32_t timeout_ms;          /* of those, since they were last hit */
};

const struct firewall_set_type *firewall_set_type(enum firewall_set set);
/* The set of that name, or N_FIREWALL_SETS. */
enum firewall_set firewall_set_find(const char *name);

/* RFC 6052 2.2: v4 inside p, whose length is one of 32, 40, 48, 56, 64, 96. */
struct addr firewall_embed(const struct prefix *p, const struct addr *v4);

#define FIREWALL_SLICE_BITS 16
/* How many elements of 64 or 56 bits (a slice: of 80 or 72) a tenant's prefix makes. */
#define FIREWALL_ELEMENTS_MAX 400000 /* of one tenant, all its sets; a /40 makes 65536 in each */
uint32_t firewall_prefix_elements(const struct prefix *p);
/* The i-th of them, masked; true when it belongs to the sets of fewer bits. */
bool firewall_prefix_element(const struct prefix *p, uint32_t i, struct addr *ret_addr);

#endif
