/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_MODEL_NODE_H
#define SIXGATE_CONF_MODEL_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/arena.h"
#include "base/cursor.h"

/* The node config, /etc/sixgate/sixgate.yaml. Everything lies in one arena, freed whole. */

#define NODE_ARENA_MAX      ((size_t)8 << 20) /* bytes */
#define NODE_POOL_MAX       64                /* ranges of uplink.ipv4 */
#define NODE_LISTENERS_MAX  256
#define NODE_RESOLVERS_MAX  16
#define NODE_PERMIT_MAX     32
#define NODE_SLICE_LEN      80
#define NODE_PREFIX_LEN_MIN 36           /* of uplink.ipv6: a /64 in it has a number of 28 bits */
#define NODE_EXIT_PORT      51821        /* of uplink.wireguard */
#define NODE_WORKERS_MAX    63           /* as many segments of counters go with one message */
#define NODE_DNS64_WORKERS  31           /* of each kind, with DNS64: a bit each of all of them */
#define NODE_DNS64_MAX      16           /* addresses it listens at */
#define NODE_ZONE_MAX       8            /* addresses that dns64.zone is asked at */
#define NODE_ZONE_HOST      "hostmaster" /* the zone's mailbox, its longest name of its own */
#define DNS_PORT            53

#define NODE_DNS64_CACHE_MIN     (UINT64_C(4) << 20) /* bytes, of all workers together */
#define NODE_DNS64_CACHE_MAX     (UINT64_C(64) << 30)
#define NODE_DNS64_CACHE_DEFAULT (UINT64_C(256) << 20)

enum uplink_kind {
	UPLINK_DIRECT,
	UPLINK_WIREGUARD,
	UPLINK_6IN4,
};

enum delivery {
	DELIVERY_PRESENT, /* already configured on the machine */
	DELIVERY_ONLINK,  /* we add the address */
	DELIVERY_ROUTED,  /* routed to us: AnyIP */
};

enum protocol {
	PROTOCOL_TCP,
	PROTOCOL_UDP,
	PROTOCOL_TLS,
	PROTOCOL_HTTP,
	PROTOCOL_ADDRESS,
	PROTOCOL_DETECT,
};

/* 0 in a member: not given here, the next wider setting holds. */
struct timeouts {
	uint32_t hello_ms;      /* all of the ClientHello, from accept */
	uint32_t connect_ms;    /* one try */
	uint32_t idle_ms;       /* no byte in either direction */
	uint32_t half_close_ms; /* after one side has closed */
	uint32_t connect_tries;
};

#define TIMEOUT_HELLO_MS      5000
#define TIMEOUT_CONNECT_MS    5000
#define TIMEOUT_IDLE_MS       600000
#define TIMEOUT_HALF_CLOSE_MS 60000
#define CONNECT_TRIES         2

struct pool_range {
	struct prefix range; /* IPv4 */
	enum delivery delivery;
};

struct listener_conf {
	bool any; /* each address of uplink.ipv4 */
	struct addr address;
	uint16_t port;
	enum protocol protocol;
	struct timeouts timeouts;
	bool zone;                  /* of dns64.zone: answers everybody, of that alone */
	const char *default_tenant; /* "tenant/service" for what no rule matches; NULL: refuse */
	const char *default_service;
};

struct port_range {
	uint16_t first, last; /* 0, 0: not given */
};

enum nat64_driver {
	NAT64_JOOL,
};

enum log_format {
	LOG_FORMAT_JSON,
	LOG_FORMAT_TEXT,
};

struct access_log_conf {
	bool on;
	enum log_format format;
	const char *file, *syslog; /* absolute paths, one of them; NULL: standard error */
};

struct query_log_conf {
	struct access_log_conf to;
	uint32_t one_in; /* of so many queries one is logged */
};

/* What one source (an IPv4 address, an IPv6 /64) may do. */
struct source_limits {
	uint32_t connections; /* sessions at a time */
	uint32_t new_per_second;
};

struct node_conf {
	struct arena *arena; /* owned: everything below, and this struct */
	const char *text;    /* it was read from; NULL: it was not */

	const char *name, *farm;
	enum uplink_kind uplink_kind;
	const char *interface;
	struct pool_range *pool;
	size_t n_pool;
	bool has_ipv6_prefix;
	struct prefix ipv6_prefix; /* tenants' units come from here: node_conf_unit() */
	uint32_t ipv6_reserved;    /* units at its start that are the farm's own */
	bool ipv6_on_link;         /* not routed to us: the router asks for each address */
	/* The tunnel to the exit that this gateway's IPv6 comes from; for kinds other than direct.
	 */
	struct {
		bool has_wireguard, has_six_in_four; /* which of the two maps was given */
		bool has_address;
		struct addr address;        /* our own inside the tunnel */
		uint32_t mtu;               /* 0: the most that fits */
		const char *underlay_netns; /* where the public socket lives; NULL: here */
		const char *private_key_file, *public_key, *preshared_key_file;
		struct endpoint endpoint;
		uint16_t listen_port, keepalive_s;
		struct addr local, remote; /* of 6in4 */
	} exit;

	struct listener_conf *listeners;
	size_t n_listeners;
	bool has_client_prefix;
	struct prefix client_prefix; /* a /96 */
	struct addr *resolvers;
	size_t n_resolvers;
	struct timeouts timeouts; /* filled with the defaults */
	struct source_limits source_limits;
	struct access_log_conf access_log;
	uint32_t workers; /* 0: one a core */

	struct {
		bool on;
		enum nat64_driver driver;
		struct prefix prefix;
		struct addr *pool;
		size_t n_pool;
		struct port_range ports;
		uint32_t ports_per_tenant;
		struct prefix *permit; /* special-use IPv4 that tenants may reach all the same */
		size_t n_permit;
	} nat64;
	struct port_range local_ports;
	struct port_range nat44_ports;
	bool has_siit_prefix;
	struct prefix siit_prefix;
	struct {
		bool on;
		struct addr *listen; /* IPv6; n_listen 0: node_conf_dns64_addr() for all tenants */
		size_t n_listen;
		struct addr *upstream;
		size_t n_upstream;
		uint64_t cache_bytes;        /* for all workers together */
		uint32_t queries_per_second; /* of a tenant that has no other rate; 0: no limit */
		struct query_log_conf query_log;
		const char *zone;         /* NULL: none */
		struct addr *zone_listen; /* where that is asked */
		size_t n_zone_listen;
		struct listener_conf *listeners; /* what all that makes */
		size_t n_listeners;
	} dns64;
	struct {
		bool on;
		uint16_t listen_port;
		const char *private_key_file;
		const char *underlay_netns; /* where its public socket lives; NULL: here */
	} wireguard;
	struct {
		bool on;
		struct addr local;
		const char *underlay_netns; /* where local is; NULL: here */
	} six_in_four;
	struct bgp_neighbor {
		struct addr address;
		uint32_t as;
	} * bgp_neighbors;
	size_t n_bgp_neighbors;
	uint32_t bgp_as; /* 0: no BGP */
	struct {
		const char *dir;
		const char **etcd_endpoints;
		size_t n_etcd_endpoints;
		const char *etcd_user, *etcd_password_file;
	} registry;
};

void node_conf_free(struct node_conf *node);

/*
 * The length of the smallest prefix that a tenant gets: /64; or /80, a slice, where all there is is
 * one on-link /64, in which hosts then have to be configured, as SLAAC needs a whole one.
 */
unsigned int node_conf_unit(const struct node_conf *node);
/* The number of the unit that a is in, of at most 28 bits, and back. a lies in uplink.ipv6.prefix.
 */
uint32_t node_conf_number(const struct node_conf *node, const struct addr *a);
struct addr node_conf_nth(const struct node_conf *node, uint32_t number);

#define NODE_DNS64_HOST 0x53
/* Where tenants ask DNS64: <uplink.ipv6.prefix>::53. */
struct addr node_conf_dns64_addr(const struct node_conf *node);
/* Where dns64.zone is asked if nothing else is said: <uplink.ipv6.prefix>::54. */
struct addr node_conf_zone_addr(const struct node_conf *node);
/* Whether dns64.zone is asked at a. */
bool node_conf_zone_at(const struct node_conf *node, const struct addr *a);
/*
 * Of where DNS64 listens, for its zone too, the i-th address that is of uplink.ipv6.prefix, and so
 * ours to have; false: there are not so many.
 */
bool node_conf_dns64_own(const struct node_conf *node, size_t i, struct addr *ret_addr);

/* What workers need of the node config; wire form of message NODE. */
void node_conf_pack(const struct node_conf *node, struct buf *out);
/* On 0 ret_node is owned by the caller: node_conf_free(). -EPROTO on a bad form, or -ENOMEM. */
int node_conf_unpack(struct cursor in, struct node_conf **ret_node, struct err *err) CHECKED;

#endif
