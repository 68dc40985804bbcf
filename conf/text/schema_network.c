/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The node config's schema, second part: what concerns the network around the proxy. All of it
 * fills members of struct node_conf.
 */
#include "conf/text/schema.h"

#define NODE(member) offsetof(struct node_conf, member)

static const char *const drivers[] = {"jool", NULL};

static const struct key nat64_keys[] = {
	{.name = "driver", .type = KEY_WORD, .words = drivers, .offset = NODE(nat64.driver)},
	{.name = "prefix",
	 .type = KEY_PREFIX6,
	 .mandatory = true,
	 .min = 32,
	 .max = 96,
	 .offset = NODE(nat64.prefix)},
	{.name = "pool",
	 .type = KEY_ADDR4,
	 .mandatory = true,
	 .n_max = 1024,
	 .offset = NODE(nat64.pool),
	 .aux = NODE(nat64.n_pool)},
	{.name = "ports", .type = KEY_PORTS, .mandatory = true, .offset = NODE(nat64.ports)},
	{.name = "ports_per_tenant",
	 .type = KEY_U32,
	 .min = 64,
	 .max = 65535,
	 .dflt = 1024,
	 .offset = NODE(nat64.ports_per_tenant)},
	{.name = "permit",
	 .type = KEY_PREFIX4,
	 .n_max = NODE_PERMIT_MAX,
	 .offset = NODE(nat64.permit),
	 .aux = NODE(nat64.n_permit)},
	{0},
};
const struct schema schema_nat64 = {.name = "prefix, pool, ports, ...", .keys = nat64_keys};

static const struct key nat44_keys[] = {
	{.name = "ports", .type = KEY_PORTS, .mandatory = true, .offset = NODE(nat44_ports)},
	{0},
};
const struct schema schema_nat44 = {.name = "ports", .keys = nat44_keys};

static const struct key siit_keys[] = {
	{.name = "prefix",
	 .type = KEY_PREFIX6,
	 .mandatory = true,
	 .min = 96,
	 .max = 96,
	 .offset = NODE(siit_prefix),
	 .aux = NODE(has_siit_prefix)},
	{0},
};
const struct schema schema_siit = {.name = "prefix", .keys = siit_keys};

static const char *const tenants[] = {"tenants", NULL};
static const char *const off[] = {"off", NULL};

static const struct key dns64_keys[] = {
	{.name = "listen",
	 .type = KEY_ADDR6,
	 .mandatory = true,
	 .n_max = NODE_DNS64_MAX,
	 .words = tenants,
	 .offset = NODE(dns64.listen),
	 .aux = NODE(dns64.n_listen)},
	{.name = "upstream",
	 .type = KEY_ADDR,
	 .mandatory = true,
	 .n_max = NODE_RESOLVERS_MAX,
	 .offset = NODE(dns64.upstream),
	 .aux = NODE(dns64.n_upstream)},
	{.name = "cache",
	 .type = KEY_BYTES,
	 .min = NODE_DNS64_CACHE_MIN,
	 .max = NODE_DNS64_CACHE_MAX,
	 .dflt = NODE_DNS64_CACHE_DEFAULT,
	 .offset = NODE(dns64.cache_bytes)},
	{.name = "queries_per_second",
	 .type = KEY_U32,
	 .min = 1,
	 .max = 10000000,
	 .offset = NODE(dns64.queries_per_second)},
	{.name = "query_log",
	 .type = KEY_MAP,
	 .words = off,
	 .sub = &schema_query_log,
	 .offset = NODE(dns64.query_log)},
	{.name = "zone", .type = KEY_HOST, .offset = NODE(dns64.zone)},
	{.name = "zone_listen",
	 .type = KEY_ADDR,
	 .n_max = NODE_ZONE_MAX,
	 .offset = NODE(dns64.zone_listen),
	 .aux = NODE(dns64.n_zone_listen)},
	{0},
};

/* The first public address, and one of the farm's own that is reached from outside. */
static void default_zone_listen(struct reader *r, struct node_conf *node)
{
	struct addr *listen = arena_array(r->arena, 2, sizeof(*listen));
	size_t n = 0;

	if (!listen) {
		r->no_memory = true;
		return;
	}
	if (node->n_pool > 0 && prefix_is_v4(&node->pool[0].range)) {
		listen[n++] = node->pool[0].range.addr;
	}
	if (node->has_ipv6_prefix && node->ipv6_reserved > 0 && !node->ipv6_on_link) {
		listen[n++] = node_conf_zone_addr(node);
	}
	node->dns64.zone_listen = listen;
	node->dns64.n_zone_listen = n;
}

/* Two sockets for each address; for all tenants' one that has any address of this machine. */
void schema_finish_dns64(struct reader *r, struct node_conf *node)
{
	static const enum protocol protocols[] = {PROTOCOL_UDP, PROTOCOL_TCP};
	static const struct addr any;
	struct listener_conf *listeners;
	size_t n = node->dns64.n_listen ? node->dns64.n_listen : 1, n_all;

	if (node->dns64.zone && node->dns64.n_zone_listen == 0) {
		default_zone_listen(r, node);
	}
	n_all = n + (node->dns64.zone ? node->dns64.n_zone_listen : 0);
	listeners = arena_array(r->arena, n_all * 2, sizeof(*listeners));
	if (!listeners) {
		r->no_memory = true;
		return;
	}
	for (size_t i = 0; i < n_all * 2; i++) {
		const struct addr *of = node->dns64.n_listen ? node->dns64.listen : &any;

		listeners[i] =
			(struct listener_conf){.address =
						       i / 2 < n
							       ? of[i / 2]
							       : node->dns64.zone_listen[i / 2 - n],
					       .port = DNS_PORT,
					       .protocol = protocols[i % 2],
					       .zone = i / 2 >= n};
	}
	node->dns64.listeners = listeners;
	node->dns64.n_listeners = n_all * 2;
}

const struct schema schema_dns64 = {
	.name = "listen, upstream, cache, zone, ...",
	.keys = dns64_keys,
};

static const struct key wireguard_keys[] = {
	{.name = "listen_port",
	 .type = KEY_U16,
	 .mandatory = true,
	 .min = 1,
	 .max = 65535,
	 .offset = NODE(wireguard.listen_port)},
	{.name = "private_key_file",
	 .type = KEY_PATH,
	 .mandatory = true,
	 .offset = NODE(wireguard.private_key_file)},
	{.name = "underlay_netns",
	 .type = KEY_TEXT,
	 .min = 1,
	 .max = 15,
	 .offset = NODE(wireguard.underlay_netns)},
	{0},
};
const struct schema schema_wireguard = {
	.name = "listen_port, private_key_file, underlay_netns",
	.keys = wireguard_keys,
};

static const struct key six_in_four_keys[] = {
	{.name = "local", .type = KEY_ADDR4, .mandatory = true, .offset = NODE(six_in_four.local)},
	{.name = "underlay_netns",
	 .type = KEY_TEXT,
	 .min = 1,
	 .max = 15,
	 .offset = NODE(six_in_four.underlay_netns)},
	{0},
};
const struct schema schema_six_in_four = {.name = "local", .keys = six_in_four_keys};

/* What both kinds of tunnel to an exit have. */
#define EXIT_COMMON                                                              \
	{.name = "address",                                                      \
	 .type = KEY_ADDR6,                                                      \
	 .offset = NODE(exit.address),                                           \
	 .aux = NODE(exit.has_address)},                                         \
		{.name = "mtu",                                                  \
		 .type = KEY_U32,                                                \
		 .min = 1280,                                                    \
		 .max = 1480,                                                    \
		 .offset = NODE(exit.mtu)},                                      \
	{                                                                        \
		.name = "underlay_netns", .type = KEY_TEXT, .min = 1, .max = 15, \
		.offset = NODE(exit.underlay_netns)                              \
	}

static const struct key exit_wireguard_keys[] = {
	{.name = "private_key_file",
	 .type = KEY_PATH,
	 .mandatory = true,
	 .offset = NODE(exit.private_key_file)},
	{.name = "public_key",
	 .type = KEY_TEXT,
	 .mandatory = true,
	 .min = 44,
	 .max = 44,
	 .offset = NODE(exit.public_key)},
	{.name = "endpoint",
	 .type = KEY_ENDPOINT,
	 .mandatory = true,
	 .offset = NODE(exit.endpoint)},
	{.name = "preshared_key_file", .type = KEY_PATH, .offset = NODE(exit.preshared_key_file)},
	{.name = "listen_port",
	 .type = KEY_U16,
	 .min = 1,
	 .max = 65535,
	 .dflt = NODE_EXIT_PORT,
	 .offset = NODE(exit.listen_port)},
	{.name = "keepalive",
	 .type = KEY_U16,
	 .min = 1,
	 .max = 65535,
	 .dflt = 25,
	 .offset = NODE(exit.keepalive_s)},
	EXIT_COMMON,
	{0},
};
const struct schema schema_exit_wireguard = {
	.name = "private_key_file, public_key, endpoint, ...",
	.keys = exit_wireguard_keys,
};

static const struct key exit_6in4_keys[] = {
	{.name = "local", .type = KEY_ADDR4, .mandatory = true, .offset = NODE(exit.local)},
	{.name = "remote", .type = KEY_ADDR4, .mandatory = true, .offset = NODE(exit.remote)},
	EXIT_COMMON,
	{0},
};
const struct schema schema_exit_6in4 = {.name = "local, remote, ...", .keys = exit_6in4_keys};

static const struct key neighbor_keys[] = {
	{.name = "address",
	 .type = KEY_ADDR,
	 .mandatory = true,
	 .offset = offsetof(struct bgp_neighbor, address)},
	{.name = "as",
	 .type = KEY_U32,
	 .mandatory = true,
	 .min = 1,
	 .max = UINT32_MAX,
	 .offset = offsetof(struct bgp_neighbor, as)},
	{0},
};
static const struct schema schema_neighbor = {
	.name = "address and as",
	.keys = neighbor_keys,
	.size = sizeof(struct bgp_neighbor),
};

static const struct key bgp_keys[] = {
	{.name = "as",
	 .type = KEY_U32,
	 .mandatory = true,
	 .min = 1,
	 .max = UINT32_MAX,
	 .offset = NODE(bgp_as)},
	{.name = "neighbors",
	 .type = KEY_MAP,
	 .mandatory = true,
	 .n_max = 64,
	 .sub = &schema_neighbor,
	 .offset = NODE(bgp_neighbors),
	 .aux = NODE(n_bgp_neighbors)},
	{0},
};
const struct schema schema_bgp = {.name = "as and neighbors", .keys = bgp_keys};

static const struct key etcd_keys[] = {
	{.name = "endpoints",
	 .type = KEY_TEXT,
	 .mandatory = true,
	 .n_max = 16,
	 .min = 1,
	 .max = 255,
	 .offset = NODE(registry.etcd_endpoints),
	 .aux = NODE(registry.n_etcd_endpoints)},
	{.name = "user",
	 .type = KEY_TEXT,
	 .min = 1,
	 .max = 255,
	 .offset = NODE(registry.etcd_user)},
	{.name = "password_file", .type = KEY_PATH, .offset = NODE(registry.etcd_password_file)},
	{0},
};
static const struct schema schema_etcd = {
	.name = "endpoints, user, password_file",
	.keys = etcd_keys,
};

static const struct key registry_keys[] = {
	{.name = "dir", .type = KEY_PATH, .offset = NODE(registry.dir)},
	{.name = "etcd", .type = KEY_MAP, .sub = &schema_etcd},
	{0},
};

static void finish_registry(struct reader *r, const struct tree_node *map, void *object)
{
	(void)object;
	if (tree_get(map, "dir") && tree_get(map, "etcd")) {
		reader_issue(r, tree_get(map, "etcd"), "the registry is dir or etcd, not both");
	}
}

const struct schema schema_registry = {
	.name = "dir or etcd",
	.keys = registry_keys,
	.finish = finish_registry,
};
