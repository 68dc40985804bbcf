/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_OBJECT_H
#define SIXGATE_GATEWAY_OBJECT_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/cursor.h"

/*
 * One thing of ours in the kernel, as desired or as observed. An object has a key, which says
 * which thing it is, and a value, which says how it is; both are plain data, so that a set of
 * desired and one of observed objects can be compared without I/O. What a key does not hold and
 * object_same() does not compare is marked below.
 */

/* In the order in which they are added; drivers rely on it, diff.h tells the order of removal. */
enum object_kind {
	OBJECT_RULESET,   /* chains, rules, empty sets and counters of table inet sixgate */
	OBJECT_ELEMENT,   /* of a set or map of that table */
	OBJECT_SYSCTL,    /* observed: only what a record says is ours */
	OBJECT_LINK_DOWN, /* a foreign link that has to be down, or absent: sit0 */
	OBJECT_OFFLOAD,   /* an ethtool feature of a foreign link that has to be off */
	OBJECT_LINK,      /* ours by its alias */
	OBJECT_WG_DEVICE, /* port and key of a WireGuard link of ours */
	OBJECT_WG_PEER,
	OBJECT_ADDRESS, /* ours by IFA_PROTO */
	OBJECT_RULE,    /* policy rule, ours by FRA_PROTOCOL */
	OBJECT_ROUTE,   /* ours by rtm_protocol */
	OBJECT_PROXY_NEIGHBOUR,
	OBJECT_PROXY_PREFIX, /* not the kernel's: see proxy_prefix.h */
	OBJECT_INSTANCE,     /* of Jool; ours by its name */
	OBJECT_GLOBAL,       /* of the instance */
	OBJECT_POOL4,
	OBJECT_BIB, /* static entries */
	OBJECT_EAM,
	N_OBJECT_KINDS,
};

#define OBJECT_OWNER_MARK   206 /* rtm_protocol, FRA_PROTOCOL, IFA_PROTO */
#define OBJECT_ALIAS_PREFIX "sixgate:"
#define OBJECT_ALIAS_MAX    160 /* "sixgate:<tenant>/<tunnel>" */
#define OBJECT_KEY_MAX      44  /* bytes of an element's key */
#define OBJECT_DATA_MAX     20  /* bytes of an element's data */
#define OBJECT_SYSCTL_MAX   64
#define WG_KEY_BYTES        32
#define WG_SESSION_S        180 /* a session's life without a new handshake: Reject-After-Time */

enum link_kind {
	LINK_WIREGUARD,
	LINK_SIT,
	LINK_VETH,
};

struct object_ruleset {
	uint64_t digest;                 /* of the rules' text; filled by the nftables driver */
	const struct firewall *firewall; /* borrowed; only desired; not compared */
};

struct object_element {
	uint8_t set; /* key; enum firewall_set */
	uint8_t key_len, data_len;
	uint8_t key[OBJECT_KEY_MAX]; /* key */
	uint8_t data[OBJECT_DATA_MAX];
};

struct object_sysctl {
	uint8_t order;                /* key; lower ones are written first */
	char path[OBJECT_SYSCTL_MAX]; /* key; below /proc/sys, "net/ipv6/conf/all/forwarding" */
	char value[OBJECT_SYSCTL_MAX];
};

struct object_offload {
	char link[IFNAMSIZ]; /* key */
	char feature[32];    /* key; as ethtool names it, "rx-gro-list" */
};

struct object_link {
	char name[IFNAMSIZ]; /* key */
	enum link_kind kind;
	char alias[OBJECT_ALIAS_MAX];
	uint32_t mtu;
	struct addr local, remote;     /* LINK_SIT; IPv4 */
	char peer[IFNAMSIZ];           /* LINK_VETH: the other end, in NS_SIIT */
	char underlay_netns[IFNAMSIZ]; /* where its public socket lives; empty: here */
	bool down;                     /* observed; desired ones are up */
	bool odd;                      /* observed: it has settings that none of ours has */
	uint64_t rx_bytes, tx_bytes;   /* observed; not compared */
};

struct object_wg_device {
	char link[IFNAMSIZ]; /* key */
	uint16_t port;
	uint8_t private_key[WG_KEY_BYTES]; /* secret */
	uint8_t public_key[WG_KEY_BYTES];  /* observed; not compared */
};

struct object_wg_peer {
	char link[IFNAMSIZ];              /* key */
	uint8_t public_key[WG_KEY_BYTES]; /* key */
	uint8_t preshared_key[WG_KEY_BYTES];
	uint16_t keepalive_s;
	const struct prefix *allowed; /* borrowed from the set's arena; sorted */
	size_t n_allowed;
	/* port 0: none known; compared only when desired has one, and the peer is not live */
	struct endpoint endpoint;
	bool live;            /* observed: has a session, by which it may move; not compared */
	uint64_t handshake_s; /* observed, since the epoch; not compared */
	uint64_t rx_bytes, tx_bytes; /* observed; not compared */
};

struct object_address {
	char link[IFNAMSIZ];   /* key */
	struct prefix address; /* key; host bits may be set */
};

/* All is key: the kernel has several that differ in nothing but their table. */
struct object_rule {
	uint32_t priority;
	struct prefix from; /* len 0 with an unspecified address: any */
	char iif[IFNAMSIZ]; /* empty: any */
	uint32_t table;
	uint8_t ignore_below; /* the table's routes to prefixes shorter than this do not count */
};

enum route_type {
	ROUTE_UNICAST,
	ROUTE_LOCAL, /* AnyIP */
	ROUTE_BLACKHOLE,
	ROUTE_UNREACHABLE,
};

struct object_route {
	struct prefix to; /* key */
	uint32_t table;   /* key; RT_TABLE_MAIN, RT_TABLE_LOCAL or one of ours */
	uint32_t metric;  /* key */
	enum route_type type;
	char link[IFNAMSIZ]; /* empty for blackhole and unreachable */
	bool has_via;
	struct addr via;
	struct addr source; /* preferred; unspecified: none */
	uint32_t mtu;       /* 0: the link's */
};

struct object_proxy_neighbour {
	char link[IFNAMSIZ]; /* key */
	struct addr address; /* key */
};

enum translator {
	TRANSLATOR_NAT64,
	TRANSLATOR_SIIT,
};

struct object_instance {
	enum translator translator; /* key */
	struct prefix pool6;
};

struct object_global {
	enum translator translator; /* key */
	uint8_t id;                 /* key; Jool's number */
	uint32_t value;
};

struct object_pool4 {
	struct addr address; /* key */
	uint8_t protocol;    /* key; IPPROTO_TCP, _UDP, _ICMP */
	uint32_t mark;       /* key */
	uint16_t first,
		last; /* key: a tenant may have several rows, and one moves by add, remove */
};

struct object_bib {
	uint8_t protocol;        /* key */
	struct endpoint inside;  /* key; IPv6 */
	struct endpoint outside; /* IPv4 */
};

struct object_eam {
	struct prefix outside; /* key; IPv4 */
	struct prefix inside;  /* IPv6 */
};

/* The network namespace an object is in: ours, or the one of the stateless translator. */
enum object_ns {
	NS_MAIN,
	NS_SIIT,
};

struct object {
	enum object_kind kind; /* key */
	enum object_ns ns;     /* key */
	const char *owner;     /* tenant; NULL: the node, or not known; borrowed; not compared */
	union {
		struct object_ruleset ruleset;
		struct object_element element;
		struct object_sysctl sysctl;
		char link_down[IFNAMSIZ]; /* key */
		struct object_offload offload;
		struct object_link link;
		struct object_wg_device wg_device;
		struct object_wg_peer wg_peer;
		struct object_address address;
		struct object_rule rule;
		struct object_route route;
		struct object_proxy_neighbour proxy_neighbour;
		struct prefix proxy_prefix; /* key */
		struct object_instance instance;
		struct object_global global;
		struct object_pool4 pool4;
		struct object_bib bib;
		struct object_eam eam;
	};
};

/* Orders by kind, then namespace, then key. 0: the same thing. */
int object_cmp(const struct object *a, const struct object *b);
/* Two objects with the same key have the same value, as far as desired asks for one. */
bool object_same(const struct object *desired, const struct object *observed);
/* Its kind and key, and then (with a space before, if there is any) its value: object_format(). */
void object_format_key(const struct object *o, struct buf *out);
void object_format_value(const struct object *o, struct buf *out);
/* "link sg-1001 sit local 203.0.113.10 remote 198.51.100.9 mtu 1480"; never a secret key. */
void object_format(const struct object *o, struct buf *out);
const char *object_kind_name(enum object_kind kind);

#endif
