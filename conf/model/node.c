/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The node config's life and the part of it that travels to the proxy workers.
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

void node_conf_pack(const struct node_conf *node, struct buf *out)
{
	pack_text(out, node->name);
	pack_text(out, node->farm);
	pack_bool(out, node->has_client_prefix);
	pack_prefix(out, &node->client_prefix);
	buf_u32(out, (uint32_t)node->n_resolvers);
	for (size_t i = 0; i < node->n_resolvers; i++) {
		pack_addr(out, &node->resolvers[i]);
	}
	pack_timeouts(out, &node->timeouts);
	buf_u32(out, node->source_limits.connections);
	buf_u32(out, node->source_limits.new_per_second);
	pack_bool(out, node->access_log.on);
	buf_u8(out, (uint8_t)node->access_log.format);
	buf_u32(out, node->workers);
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
	node->resolvers = unpack_array(u, NODE_RESOLVERS_MAX, sizeof(*node->resolvers),
				       &node->n_resolvers, "resolvers");
	for (size_t i = 0; i < node->n_resolvers; i++) {
		node->resolvers[i] = unpack_addr(u);
	}
	node->timeouts = unpack_timeouts(u);
	node->source_limits.connections = cursor_u32(&u->in);
	node->source_limits.new_per_second = cursor_u32(&u->in);
	node->access_log.on = unpack_bool(u, "access log");
	node->access_log.format = unpack_enum(u, LOG_FORMAT_TEXT + 1, "access log format");
	node->workers = cursor_u32(&u->in);
	if (node->workers > NODE_WORKERS_MAX) {
		unpack_fail(u, "workers");
	}
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
