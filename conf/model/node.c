/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The node config's life and the part of it that travels to the workers.
 */
#include "conf/model/node.h"

#include <errno.h>

#include "conf/model/internal.h"
#include "conf/model/tenant.h"

void node_conf_free(struct node_conf *node)
{
	if (node) {
		arena_free(node->arena);
	}
}

unsigned int node_conf_unit(const struct node_conf *node)
{
	return node->ipv6_on_link && node->ipv6_prefix.len == 64 ? NODE_SLICE_LEN : 64;
}

uint32_t node_conf_number(const struct node_conf *node, const struct addr *a)
{
	uint32_t number = 0;

	for (unsigned int bit = node->ipv6_prefix.len; bit < node_conf_unit(node); bit++) {
		number = number << 1 | (a->b[bit / 8] >> (7 - bit % 8) & 1u);
	}
	return number;
}

struct addr node_conf_nth(const struct node_conf *node, uint32_t number)
{
	struct addr a = node->ipv6_prefix.addr;

	for (unsigned int bit = node_conf_unit(node); bit > node->ipv6_prefix.len; number >>= 1) {
		bit--;
		a.b[bit / 8] |= (uint8_t)((number & 1) << (7 - bit % 8));
	}
	return a;
}

struct addr node_conf_dns64_addr(const struct node_conf *node)
{
	struct addr a = node->ipv6_prefix.addr;

	a.b[15] = NODE_DNS64_HOST;
	return a;
}

struct addr node_conf_zone_addr(const struct node_conf *node)
{
	struct addr a = node->ipv6_prefix.addr;

	a.b[15] = 0x54;
	return a;
}

bool node_conf_zone_at(const struct node_conf *node, const struct addr *a)
{
	for (size_t i = 0; i < node->dns64.n_zone_listen; i++) {
		if (addr_eq(&node->dns64.zone_listen[i], a)) {
			return true;
		}
	}
	return false;
}

/* Of addrs those in uplink.ipv6.prefix, counting *i down; false: there are not so many. */
static bool find_own(const struct node_conf *node, const struct addr *addrs, size_t n, size_t *i,
		     struct addr *ret_addr)
{
	for (size_t k = 0; node->has_ipv6_prefix && k < n; k++) {
		if (prefix_contains(&node->ipv6_prefix, &addrs[k]) && (*i)-- == 0) {
			*ret_addr = addrs[k];
			return true;
		}
	}
	return false;
}

bool node_conf_dns64_own(const struct node_conf *node, size_t i, struct addr *ret_addr)
{
	if (!node->dns64.on) {
		return false;
	}
	if (node->dns64.n_listen == 0 && i-- == 0) {
		*ret_addr = node_conf_dns64_addr(node);
		return true;
	}
	return find_own(node, node->dns64.listen, node->dns64.n_listen, &i, ret_addr) ||
	       find_own(node, node->dns64.zone_listen, node->dns64.n_zone_listen, &i, ret_addr);
}

static void pack_addrs(struct buf *out, const struct addr *addrs, size_t n)
{
	buf_u32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		pack_addr(out, &addrs[i]);
	}
}

static struct addr *unpack_addrs(struct unpack *u, size_t max, size_t *ret_n, const char *what)
{
	struct addr *addrs = unpack_array(u, max, sizeof(*addrs), ret_n, what);

	for (size_t i = 0; i < *ret_n; i++) {
		addrs[i] = unpack_addr(u);
	}
	return addrs;
}

/* The zone, and where what tenants expose is reached. */
static void pack_zone(const struct node_conf *node, struct buf *out)
{
	pack_bool(out, node->dns64.zone != NULL);
	if (!node->dns64.zone) {
		return;
	}
	pack_text(out, node->dns64.zone);
	pack_addrs(out, node->dns64.zone_listen, node->dns64.n_zone_listen);
	buf_u32(out, (uint32_t)node->n_pool);
	for (size_t i = 0; i < node->n_pool; i++) {
		pack_prefix(out, &node->pool[i].range);
	}
	buf_u32(out, (uint32_t)node->n_listeners);
	for (size_t i = 0; i < node->n_listeners; i++) {
		const struct listener_conf *l = &node->listeners[i];

		pack_bool(out, l->any);
		pack_addr(out, &l->address);
		buf_u16(out, l->port);
		buf_u8(out, (uint8_t)l->protocol);
	}
}

static void pack_dns64(const struct node_conf *node, struct buf *out)
{
	pack_bool(out, node->nat64.on);
	pack_prefix(out, &node->nat64.prefix);
	pack_prefixes(out, node->nat64.permit, node->nat64.n_permit);
	pack_bool(out, node->has_siit_prefix);
	pack_prefix(out, &node->siit_prefix);
	pack_bool(out, node->dns64.on);
	pack_addrs(out, node->dns64.upstream, node->dns64.n_upstream);
	pack_zone(node, out);
	buf_u64(out, node->dns64.cache_bytes);
	buf_u32(out, node->dns64.queries_per_second);
	pack_bool(out, node->dns64.query_log.to.on);
	buf_u8(out, (uint8_t)node->dns64.query_log.to.format);
	buf_u32(out, node->dns64.query_log.one_in);
}

/* RFC 6052 2.2; none where there is no translator. */
static struct prefix unpack_pref64(struct unpack *u, bool there, const char *what)
{
	struct prefix p = unpack_prefix(u, what);
	bool good = p.len == 96 || (p.len >= 32 && p.len <= 64 && p.len % 8 == 0);

	if (there && (!good || prefix_is_v4(&p))) {
		unpack_fail(u, what);
	}
	return p;
}

static void unpack_listeners(struct unpack *u, struct node_conf *node)
{
	node->listeners = unpack_array(u, NODE_LISTENERS_MAX, sizeof(*node->listeners),
				       &node->n_listeners, "listeners");
	for (size_t i = 0; i < node->n_listeners; i++) {
		struct listener_conf *l = &node->listeners[i];

		l->any = unpack_bool(u, "listener");
		l->address = unpack_addr(u);
		l->port = cursor_u16(&u->in);
		l->protocol = unpack_enum(u, PROTOCOL_DETECT + 1, "listener");
	}
}

static void unpack_zone(struct unpack *u, struct node_conf *node)
{
	if (!unpack_bool(u, "zone")) {
		return;
	}
	node->dns64.zone = unpack_host(u, "zone");
	node->dns64.zone_listen =
		unpack_addrs(u, NODE_ZONE_MAX, &node->dns64.n_zone_listen, "zone listen");
	node->pool = unpack_array(u, NODE_POOL_MAX, sizeof(*node->pool), &node->n_pool, "pool");
	for (size_t i = 0; i < node->n_pool; i++) {
		node->pool[i].range = unpack_prefix(u, "pool");
		if (!prefix_is_v4(&node->pool[i].range)) {
			unpack_fail(u, "pool");
		}
	}
	unpack_listeners(u, node);
}

static void unpack_dns64(struct unpack *u, struct node_conf *node)
{
	node->nat64.on = unpack_bool(u, "nat64");
	node->nat64.prefix = unpack_pref64(u, node->nat64.on, "nat64 prefix");
	node->nat64.permit =
		unpack_prefixes(u, NODE_PERMIT_MAX, &node->nat64.n_permit, "nat64 permit");
	node->has_siit_prefix = unpack_bool(u, "siit");
	node->siit_prefix = unpack_pref64(u, node->has_siit_prefix, "siit prefix");
	node->dns64.on = unpack_bool(u, "dns64");
	node->dns64.upstream =
		unpack_addrs(u, NODE_RESOLVERS_MAX, &node->dns64.n_upstream, "upstream");
	unpack_zone(u, node);
	node->dns64.cache_bytes = cursor_u64(&u->in);
	if (node->dns64.on && (node->dns64.cache_bytes < NODE_DNS64_CACHE_MIN ||
			       node->dns64.cache_bytes > NODE_DNS64_CACHE_MAX)) {
		unpack_fail(u, "cache");
	}
	node->dns64.queries_per_second = cursor_u32(&u->in);
	node->dns64.query_log.to.on = unpack_bool(u, "query log");
	node->dns64.query_log.to.format = unpack_enum(u, LOG_FORMAT_TEXT + 1, "query log format");
	node->dns64.query_log.one_in = cursor_u32(&u->in);
}

void node_conf_pack(const struct node_conf *node, struct buf *out)
{
	pack_text(out, node->name);
	pack_text(out, node->farm);
	pack_bool(out, node->has_client_prefix);
	pack_prefix(out, &node->client_prefix);
	pack_addrs(out, node->resolvers, node->n_resolvers);
	pack_timeouts(out, &node->timeouts);
	buf_u32(out, node->source_limits.connections);
	buf_u32(out, node->source_limits.new_per_second);
	pack_bool(out, node->access_log.on);
	buf_u8(out, (uint8_t)node->access_log.format);
	buf_u32(out, node->workers);
	pack_dns64(node, out);
}

static void node_read(struct unpack *u, struct node_conf *node)
{
	node->name = unpack_text(u, 1, NAME_MAX_BYTES, "node name");
	node->farm = unpack_text(u, 0, NAME_MAX_BYTES, "farm");
	node->has_client_prefix = unpack_bool(u, "client prefix");
	node->client_prefix = unpack_prefix(u, "client prefix");
	if (node->has_client_prefix && node->client_prefix.len != 96) {
		unpack_fail(u, "client prefix");
	}
	node->resolvers = unpack_addrs(u, NODE_RESOLVERS_MAX, &node->n_resolvers, "resolvers");
	node->timeouts = unpack_timeouts(u);
	node->source_limits.connections = cursor_u32(&u->in);
	node->source_limits.new_per_second = cursor_u32(&u->in);
	node->access_log.on = unpack_bool(u, "access log");
	node->access_log.format = unpack_enum(u, LOG_FORMAT_TEXT + 1, "access log format");
	node->workers = cursor_u32(&u->in);
	if (node->workers > NODE_WORKERS_MAX) {
		unpack_fail(u, "workers");
	}
	unpack_dns64(u, node);
}

int node_conf_unpack(struct cursor in, struct node_conf **ret_node, struct err *err)
{
	struct unpack u = {.in = in, .err = err};
	struct node_conf *node;

	u.arena = arena_new(NODE_ARENA_MAX);
	node = u.arena ? arena_alloc(u.arena, sizeof(*node)) : NULL;
	if (!node) {
		arena_free(u.arena);
		return err_set(err, -ENOMEM, "node: out of memory");
	}
	node->arena = u.arena;
	node_read(&u, node);
	if (unpack_end(&u) < 0) {
		node_conf_free(node);
		(void)err_prefix(err, "node: "); /* the code is u.rc */
		return u.rc;
	}
	*ret_node = node;
	return 0;
}
