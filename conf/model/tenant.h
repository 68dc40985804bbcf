/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_MODEL_TENANT_H
#define SIXGATE_CONF_MODEL_TENANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/arena.h"
#include "base/cursor.h"
#include "conf/model/node.h"

/* A tenant object of the registry. Everything lies in one arena, freed whole. */

#define NAME_MAX_BYTES  255 /* a DNS name, without the last dot */
#define TENANT_NAME_MAX 63  /* tenant, service and tunnel names: [a-z0-9-] */

/* What one object may hold, in text and on the channel. */
#define TENANT_ARENA_MAX      ((size_t)64 << 20) /* bytes */
#define TENANT_PREFIX_LEN_MIN 40
#define TENANT_PREFIX_LEN_MAX NODE_SLICE_LEN
#define TENANT_PREFIXES_MAX   256
#define TENANT_SERVICES_MAX   4096
#define SERVICE_BACKENDS_MAX  64
#define SERVICE_EXPOSES_MAX   1024
#define EXPOSE_NAMES_MAX      16384
#define TENANT_NAMES_TOTAL    16384 /* of all exposures: a change is one step in a worker */
#define EXPOSE_ALPN_MAX       16
#define EXPOSE_ALPN_BYTES_MAX 255  /* RFC 7301 3.1 */
#define EXPOSE_ACL_MAX        1024 /* allow, deny: each */
#define TENANT_INBOUND_MAX    256  /* rules */
#define INBOUND_PORTS_MAX     64
#define DNS64_PREFIXES_MAX    8
#define DNS64_MAPPED_MAX      64 /* of each of them */
#define DNS64_EXCLUDE_MAX     64
#define DNS64_NAMES_MAX       256 /* never, always: each */
#define DNS64_RECORDS_MAX     64  /* names */
#define DNS64_ADDRESSES_MAX   4   /* of each of them */
#define TUNNEL_KEY_MAX        44  /* bytes of public_key, in base64 */
#define TUNNEL_INTERFACE_MAX  15  /* bytes; a link's name */
#define TUNNEL_HASH_MAX       255 /* bytes of update_key_hash */

enum tunnel_kind {
	TUNNEL_WIREGUARD,
	TUNNEL_6IN4,
	TUNNEL_ROUTE,
};

struct tunnel_conf {
	const char *name;
	enum tunnel_kind kind;
	const char *public_key;         /* wireguard; base64 of 32 bytes */
	const char *preshared_key_file; /* wireguard; NULL: none */
	bool own_device;                /* wireguard: a device and port for this tunnel alone */
	uint16_t listen_port;           /* wireguard with own_device */
	uint16_t keepalive_s;           /* wireguard; 0: off */
	bool has_endpoint;              /* wireguard: where the peer is; else it comes to us */
	struct endpoint endpoint;
	uint32_t mtu; /* 0: the most that fits */
	bool has_remote;
	struct addr remote;          /* 6in4 */
	const char *update_key_hash; /* 6in4 */
	bool has_via;
	struct addr via;       /* route */
	const char *interface; /* route */
	struct prefix *prefixes;
	size_t n_prefixes;
	bool ipv4;
};

/* "shop.example", or with wildcard "*.shop.example" (text is without the "*."). Lower case. */
struct name_pattern {
	const char *text;
	bool wildcard;
};

enum client_address {
	CLIENT_ADDRESS_HIDE,
	CLIENT_ADDRESS_EMBED,
	CLIENT_ADDRESS_PROXY_V1,
	CLIENT_ADDRESS_PROXY_V2,
};

enum via {
	VIA_PROXY,
	VIA_NAT64,
};

struct expose_conf {
	enum protocol protocol;
	struct name_pattern *names; /* tls, http */
	size_t n_names;
	const char **alpn; /* tls: this rule only for clients that offer one of these */
	size_t n_alpn;
	bool has_ipv4;
	struct addr ipv4; /* tcp, udp, address */
	uint16_t port;    /* public port */
	uint16_t to;      /* port of the backends */
	enum client_address client_address;
	struct prefix *allow, *deny; /* of client addresses; deny wins, an empty allow allows all */
	size_t n_allow, n_deny;
	enum via via;
	bool redirect_https;
	const char *certificate_chain, *certificate_key;
	bool backend_tls;
};

struct backend_conf {
	bool is_name;
	struct addr address;
	const char *name;
	uint32_t slot; /* counters; given by control */
	bool drained;  /* by an operator: no new sessions. Control's, as that of a service */
};

enum balance {
	BALANCE_ROUND_ROBIN,
	BALANCE_LEAST_CONNECTIONS,
	BALANCE_SOURCE_HASH,
};

enum check_type {
	CHECK_NONE,
	CHECK_TCP,
	CHECK_HTTP,
};

struct limits {
	uint32_t connections;    /* 0: no limit */
	uint32_t new_per_second; /* 0: no limit */
	uint32_t megabits;       /* 0: no limit */
};

struct service_conf {
	const char *name;
	struct backend_conf *backends;
	size_t n_backends;
	enum balance balance;
	enum check_type check_type;
	uint32_t check_interval_ms;
	uint32_t drain_ms;
	struct timeouts timeouts; /* 0: the listener's or node's */
	struct limits limits;
	struct expose_conf *exposes;
	size_t n_exposes;
	uint32_t slot; /* counters; given by control */
	bool drained;  /* by an operator: no new sessions while this object is in force */
};

enum inbound_policy {
	INBOUND_CLOSED,
	INBOUND_OPEN,
};

struct inbound_rule {
	enum protocol protocol; /* tcp, udp */
	uint16_t *ports;
	size_t n_ports;
	const char *to; /* service, or NULL: all of the tenant */
	struct prefix *from;
	size_t n_from;
};

enum tenant_state {
	TENANT_ACTIVE,
	TENANT_SUSPENDED, /* nothing of it is exposed or routed */
};

/* A Pref64 of a translator, and the part of IPv4 that goes by it; n_ipv4 0: all. */
struct dns64_prefix {
	struct prefix prefix;
	struct prefix *ipv4;
	size_t n_ipv4;
};

/* A name of the tenant's own. */
struct dns64_record {
	const char *name;
	struct addr *addresses;
	size_t n_addresses;
};

enum dns64_synthesis {
	DNS64_SYNTHESIS_ON,
	DNS64_SYNTHESIS_OFF,
};

enum dns64_address {
	DNS64_ADDRESS_ON,
	DNS64_ADDRESS_OFF,
};

enum dns64_hint {
	DNS64_HINT_KEEP,
	DNS64_HINT_DROP,
};

/* What the tenant's queries are answered otherwise than others' (dns64/policy.h). */
struct tenant_dns64 {
	enum dns64_synthesis synthesis;
	enum dns64_hint ipv4hint;      /* of SVCB and HTTPS records */
	enum dns64_address address;    /* whether it is asked at <prefix>::53, too */
	uint32_t queries_per_second;   /* of all its hosts together; 0: as the node says */
	struct dns64_prefix *prefixes; /* n_prefixes 0: the node's */
	size_t n_prefixes;
	struct prefix *exclude; /* IPv6 addresses that count as none */
	size_t n_exclude;
	const char **never, **always; /* names, with all below them */
	size_t n_never, n_always;
	struct dns64_record *records;
	size_t n_records;
};

struct tenant_conf {
	struct arena *arena; /* owned: everything below, and this struct */
	unsigned int refs;   /* the holder of the object and, in a worker, each session on it */

	const char *name;
	uint64_t serial;
	struct prefix *prefixes;
	size_t n_prefixes;
	struct tunnel_conf *tunnels;
	size_t n_tunnels;
	struct service_conf *services;
	size_t n_services;
	enum inbound_policy inbound_policy;
	struct inbound_rule *inbound;
	size_t n_inbound;
	bool mail; /* may send to port 25 of others */
	struct tenant_dns64 dns64;
	struct limits limits;
	enum tenant_state state;
	uint32_t slot; /* counters; given by control */
	/* Number, counted from 1, of its block of NAT64's ports; 0: none. Set when read with its
	 * node. */
	uint32_t nat64_block;
	uint64_t text[2]; /* digest of the text it was read from; control's, not packed */
};

struct tenant_conf *tenant_conf_ref(struct tenant_conf *tenant);
/* Frees it with the last reference; NULL allowed. */
void tenant_conf_unref(struct tenant_conf *tenant);

/* Unicast that a tenant may have: not loopback, IPv4-mapped, all of ::/8, link-local, multicast. */
bool tenant_may_have(const struct prefix *p);
/* True when a lies in one of the tenant's own prefixes. */
bool tenant_conf_owns(const struct tenant_conf *tenant, const struct addr *a);
/* True when a tunnel of kind route goes by that link. */
bool tenant_conf_routes_by(const struct tenant_conf *tenant, const char *link);
/* True when the exposure's alpn list names the protocol. */
bool expose_has_alpn(const struct expose_conf *expose, struct str protocol);

/* Wire form of message TENANT: what a worker needs; keys and tunnels are left out. */
void tenant_conf_pack(const struct tenant_conf *tenant, struct buf *out);
/*
 * On 0 ret_tenant holds one reference. Checks lengths, enum values and that each backend address
 * is the tenant's own. -EPROTO on a bad form, or -ENOMEM.
 */
int tenant_conf_unpack(struct cursor in, struct tenant_conf **ret_tenant, struct err *err) CHECKED;

/* The whole object but for counter slots and the block of ports, as the snapshot keeps it. */
void tenant_conf_pack_whole(const struct tenant_conf *tenant, struct buf *out);
/*
 * As tenant_conf_unpack(). Checks form only: the object is to be checked against its node by
 * tenant_conf_check().
 */
int tenant_conf_unpack_whole(struct cursor in, struct tenant_conf **ret_tenant,
			     struct err *err) CHECKED;

#endif
