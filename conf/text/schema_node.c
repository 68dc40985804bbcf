/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The node config's schema. Maps that belong to the node itself (uplink, nat64, ...) fill the
 * members of struct node_conf, so their offsets count from its start.
 */
#include "conf/text/schema.h"

#define NODE(member) offsetof(struct node_conf, member)

#define SECOND 1000u
#define MINUTE (60u * SECOND)
#define HOUR   (60u * MINUTE)

static const char *const kinds[] = {"direct", "wireguard", "6in4", NULL};
static const char *const deliveries[] = {"present", "onlink", "routed", NULL};
static const char *const protocols[] = {"tcp", "udp", "tls", "http", "address", "detect", NULL};
static const char *const off[] = {"off", NULL};

static const struct key name_keys[] = {
	{.name = "name", .type = KEY_HOST, .mandatory = true, .offset = NODE(name)},
	{.name = "farm", .type = KEY_ID, .offset = NODE(farm)},
	{0},
};
static const struct schema schema_name = {.name = "name and farm", .keys = name_keys};

static const struct key pool_range_keys[] = {
	{.name = "range",
	 .type = KEY_PREFIX4,
	 .mandatory = true,
	 .offset = offsetof(struct pool_range, range)},
	{.name = "delivery",
	 .type = KEY_WORD,
	 .mandatory = true,
	 .words = deliveries,
	 .offset = offsetof(struct pool_range, delivery)},
	{0},
};
const struct schema schema_pool_range = {
	.name = "range and delivery",
	.keys = pool_range_keys,
	.size = sizeof(struct pool_range),
};

static const struct key ipv6_keys[] = {
	{.name = "prefix",
	 .type = KEY_PREFIX6,
	 .mandatory = true,
	 .min = NODE_PREFIX_LEN_MIN,
	 .max = 64,
	 .offset = NODE(ipv6_prefix),
	 .aux = NODE(has_ipv6_prefix)},
	{.name = "reserved", .type = KEY_U32, .max = 1u << 24, .offset = NODE(ipv6_reserved)},
	{.name = "on_link", .type = KEY_BOOL, .offset = NODE(ipv6_on_link)},
	{0},
};
static const struct schema schema_ipv6 = {.name = "prefix, reserved and on_link",
					  .keys = ipv6_keys};

static const struct key uplink_keys[] = {
	{.name = "kind", .type = KEY_WORD, .words = kinds, .offset = NODE(uplink_kind)},
	{.name = "interface", .type = KEY_TEXT, .min = 1, .max = 15, .offset = NODE(interface)},
	{.name = "ipv4",
	 .type = KEY_MAP,
	 .n_max = NODE_POOL_MAX,
	 .sub = &schema_pool_range,
	 .offset = NODE(pool),
	 .aux = NODE(n_pool)},
	{.name = "ipv6", .type = KEY_MAP, .sub = &schema_ipv6},
	{.name = "wireguard",
	 .type = KEY_MAP,
	 .sub = &schema_exit_wireguard,
	 .aux = NODE(exit.has_wireguard)},
	{.name = "six_in_four",
	 .type = KEY_MAP,
	 .sub = &schema_exit_6in4,
	 .aux = NODE(exit.has_six_in_four)},
	{0},
};

/* The kinds that are a tunnel have a map each, which says how. */
static void finish_uplink(struct reader *r, const struct tree_node *map, void *object)
{
	static const struct {
		const char *key;
		enum uplink_kind kind;
		const char *keys;
	} own[] = {
		{"wireguard", UPLINK_WIREGUARD, "private_key_file, public_key and endpoint"},
		{"six_in_four", UPLINK_6IN4, "local and remote"},
	};
	const struct node_conf *node = object;
	const struct tree_node *kind = tree_get(map, "kind");

	if (kind && (kind->kind != TREE_SCALAR ||
		     !str_eq(kind->text, str_from(kinds[node->uplink_kind])))) {
		return; /* which one it is is not known: nothing follows from it */
	}
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		const struct tree_node *tunnel = tree_get(map, own[i].key);

		if (tunnel && own[i].kind != node->uplink_kind) {
			reader_issue(r, tunnel,
				     "is for an uplink of kind %s only, and this one's is %s",
				     kinds[own[i].kind], kinds[node->uplink_kind]);
		} else if (!tunnel && own[i].kind == node->uplink_kind) {
			reader_issue(r, kind, "an uplink of kind %s needs %s: a map with %s",
				     kinds[node->uplink_kind], own[i].key, own[i].keys);
		}
	}
}

const struct schema schema_uplink = {
	.name = "kind, interface, ipv4, ipv6, ...",
	.keys = uplink_keys,
	.finish = finish_uplink,
};

static const struct key timeouts_keys[] = {
	{.name = "hello",
	 .type = KEY_DURATION,
	 .min = 100,
	 .max = 5 * MINUTE,
	 .offset = offsetof(struct timeouts, hello_ms)},
	{.name = "connect",
	 .type = KEY_DURATION,
	 .min = 100,
	 .max = 5 * MINUTE,
	 .offset = offsetof(struct timeouts, connect_ms)},
	{.name = "idle",
	 .type = KEY_DURATION,
	 .min = 1 * SECOND,
	 .max = 168 * HOUR,
	 .offset = offsetof(struct timeouts, idle_ms)},
	{.name = "half_close",
	 .type = KEY_DURATION,
	 .min = 1 * SECOND,
	 .max = 24 * HOUR,
	 .offset = offsetof(struct timeouts, half_close_ms)},
	{.name = "connect_tries",
	 .type = KEY_U32,
	 .min = 1,
	 .max = 10,
	 .offset = offsetof(struct timeouts, connect_tries)},
	{0},
};
const struct schema schema_timeouts = {.name = "hello, connect, idle, ...", .keys = timeouts_keys};

static const struct key listener_keys[] = {
	{.name = "address",
	 .type = KEY_ADDR_ANY,
	 .mandatory = true,
	 .offset = offsetof(struct listener_conf, address),
	 .aux = offsetof(struct listener_conf, any)},
	{.name = "port",
	 .type = KEY_U16,
	 .mandatory = true,
	 .min = 1,
	 .max = 65535,
	 .offset = offsetof(struct listener_conf, port)},
	{.name = "protocol",
	 .type = KEY_WORD,
	 .mandatory = true,
	 .words = protocols,
	 .offset = offsetof(struct listener_conf, protocol)},
	{.name = "timeouts",
	 .type = KEY_MAP,
	 .sub = &schema_timeouts,
	 .offset = offsetof(struct listener_conf, timeouts)},
	{.name = "default",
	 .type = KEY_SERVICE,
	 .offset = offsetof(struct listener_conf, default_tenant),
	 .aux = offsetof(struct listener_conf, default_service)},
	{0},
};

/* A listener carries sessions; whole addresses are for exposures only. */
static void finish_listener(struct reader *r, const struct tree_node *map, void *object)
{
	const struct listener_conf *listener = object;

	if (listener->protocol == PROTOCOL_ADDRESS) {
		reader_issue(r, tree_get(map, "protocol"),
			     "a listener cannot take a whole address");
	}
}

const struct schema schema_listener = {
	.name = "address, port, protocol",
	.keys = listener_keys,
	.size = sizeof(struct listener_conf),
	.finish = finish_listener,
};

static const struct key source_limits_keys[] = {
	{.name = "connections",
	 .type = KEY_U32,
	 .min = 1,
	 .max = 1000000,
	 .offset = offsetof(struct source_limits, connections)},
	{.name = "new_per_second",
	 .type = KEY_U32,
	 .min = 1,
	 .max = 1000000,
	 .offset = offsetof(struct source_limits, new_per_second)},
	{0},
};
static const struct schema schema_source_limits = {
	.name = "connections, new_per_second",
	.keys = source_limits_keys,
};

static const struct key node_keys[] = {
	{.name = "node", .type = KEY_MAP, .mandatory = true, .sub = &schema_name},
	{.name = "uplink", .type = KEY_MAP, .sub = &schema_uplink},
	{.name = "listeners",
	 .type = KEY_MAP,
	 .n_max = NODE_LISTENERS_MAX,
	 .sub = &schema_listener,
	 .offset = NODE(listeners),
	 .aux = NODE(n_listeners)},
	{.name = "client_prefix",
	 .type = KEY_PREFIX6,
	 .min = 96,
	 .max = 96,
	 .offset = NODE(client_prefix),
	 .aux = NODE(has_client_prefix)},
	{.name = "resolvers",
	 .type = KEY_ADDR,
	 .n_max = NODE_RESOLVERS_MAX,
	 .offset = NODE(resolvers),
	 .aux = NODE(n_resolvers)},
	{.name = "timeouts", .type = KEY_MAP, .sub = &schema_timeouts, .offset = NODE(timeouts)},
	{.name = "source_limits",
	 .type = KEY_MAP,
	 .sub = &schema_source_limits,
	 .offset = NODE(source_limits)},
	{.name = "access_log",
	 .type = KEY_MAP,
	 .words = off,
	 .sub = &schema_access_log,
	 .offset = NODE(access_log)},
	{.name = "workers",
	 .type = KEY_U32,
	 .min = 1,
	 .max = NODE_WORKERS_MAX,
	 .offset = NODE(workers)},
	{.name = "nat64", .type = KEY_MAP, .sub = &schema_nat64, .aux = NODE(nat64.on)},
	{.name = "local_ports", .type = KEY_PORTS, .offset = NODE(local_ports)},
	{.name = "nat44", .type = KEY_MAP, .sub = &schema_nat44},
	{.name = "siit", .type = KEY_MAP, .sub = &schema_siit},
	{.name = "dns64", .type = KEY_MAP, .sub = &schema_dns64, .aux = NODE(dns64.on)},
	{.name = "wireguard", .type = KEY_MAP, .sub = &schema_wireguard, .aux = NODE(wireguard.on)},
	{.name = "six_in_four",
	 .type = KEY_MAP,
	 .sub = &schema_six_in_four,
	 .aux = NODE(six_in_four.on)},
	{.name = "bgp", .type = KEY_MAP, .sub = &schema_bgp},
	{.name = "registry", .type = KEY_MAP, .sub = &schema_registry},
	{0},
};

static void default_timeouts(struct timeouts *t)
{
	t->hello_ms = t->hello_ms ? t->hello_ms : TIMEOUT_HELLO_MS;
	t->connect_ms = t->connect_ms ? t->connect_ms : TIMEOUT_CONNECT_MS;
	t->idle_ms = t->idle_ms ? t->idle_ms : TIMEOUT_IDLE_MS;
	t->half_close_ms = t->half_close_ms ? t->half_close_ms : TIMEOUT_HALF_CLOSE_MS;
	t->connect_tries = t->connect_tries ? t->connect_tries : CONNECT_TRIES;
}

static void finish_node(struct reader *r, const struct tree_node *map, void *object)
{
	const struct tree_node *log = tree_get(map, "access_log");
	struct node_conf *node = object;

	default_timeouts(&node->timeouts);
	node->access_log.on = !log || log->kind == TREE_MAP;
	if (node->dns64.on) {
		schema_finish_dns64(r, node);
	}
	if (!node->registry.dir && !node->registry.n_etcd_endpoints) {
		node->registry.dir = SIXGATE_STATEDIR "/registry";
	}
}

const struct schema schema_node = {
	.name = "the node config",
	.keys = node_keys,
	.size = sizeof(struct node_conf),
	.finish = finish_node,
};
