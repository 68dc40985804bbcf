/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which way the outer packets of a tunnel take, and what is left for those inside. Called by the
 * desired_*.c, and by gateway/kernel, which looks at the ways.
 */
#include "gateway/plan/tunnel_mtu.h"

#include <stdio.h>
#include <string.h>

#include "gateway/plan/desired.h"

#define SIT_HEADERS     20 /* IPv4 */
#define WG_HEADERS_4    60 /* IPv4, UDP and WireGuard's own */
#define WG_HEADERS_6    80
#define SIT_DEFAULT     1480
#define WG_DEFAULT      1420 /* fits the outer IPv6 and IPv4 of a 1500 byte path */
#define ROUTE_UNLIMITED 65535

static bool to_address(const struct addr *local, const struct addr *remote, struct outer *ret_outer)
{
	*ret_outer = (struct outer){.local = *local, .remote = *remote};
	return true;
}

static bool by_link(const char *link, struct outer *ret_outer)
{
	*ret_outer = (struct outer){.link = ""};
	(void)snprintf(ret_outer->link, sizeof(ret_outer->link), "%s", link ? link : ""); /* fits */
	return ret_outer->link[0] != '\0';
}

bool tunnel_outer_exit(const struct node_conf *node, struct outer *ret_outer)
{
	static const struct addr any;

	if (node->exit.underlay_netns) {
		return false;
	}
	switch (node->uplink_kind) {
	case UPLINK_DIRECT:
		return false;
	case UPLINK_WIREGUARD:
		return to_address(&any, &node->exit.endpoint.addr, ret_outer);
	case UPLINK_6IN4:
		return to_address(&node->exit.local, &node->exit.remote, ret_outer);
	}
	return false;
}

bool tunnel_outer_shared(const struct node_conf *node, struct outer *ret_outer)
{
	return !node->wireguard.underlay_netns &&
	       (by_link(node->interface, ret_outer) || tunnel_outer_exit(node, ret_outer));
}

bool tunnel_outer(const struct node_conf *node, const struct tunnel_conf *tunnel,
		  struct outer *ret_outer)
{
	static const struct addr any;

	switch (tunnel->kind) {
	case TUNNEL_WIREGUARD:
		return tunnel->has_endpoint && !node->wireguard.underlay_netns
			       ? to_address(&any, &tunnel->endpoint.addr, ret_outer)
			       : tunnel_outer_shared(node, ret_outer);
	case TUNNEL_6IN4:
		return tunnel->has_remote && !node->six_in_four.underlay_netns &&
		       to_address(&node->six_in_four.local, &tunnel->remote, ret_outer);
	case TUNNEL_ROUTE:
		return by_link(tunnel->interface, ret_outer);
	}
	return false;
}

static uint32_t path_of(const struct desired_facts *facts, bool known, const struct outer *outer)
{
	return known && facts->path_mtu ? facts->path_mtu(facts->path_ctx, outer) : 0;
}

/* written: `mtu`; 0: not given. */
static struct tunnel_mtu make(uint32_t path, uint32_t headers, uint32_t written, uint32_t most)
{
	struct tunnel_mtu m = {.mtu = written ? written : most,
			       .path = path,
			       .from = written ? TUNNEL_MTU_CONFIG : TUNNEL_MTU_DEFAULT};
	uint32_t fits = path > TUNNEL_MTU_MIN + headers ? path - headers : TUNNEL_MTU_MIN;

	if (path != 0 && fits < m.mtu) {
		m.mtu = fits;
		m.from = TUNNEL_MTU_PATH;
	}
	return m;
}

/* Who writes an `mtu` for a peer that may come from anywhere knows that it comes over IPv4. */
static uint32_t wireguard_headers(const struct endpoint *endpoint, bool has_endpoint,
				  uint32_t written)
{
	bool v4 = has_endpoint ? addr_is_v4(&endpoint->addr) : written != 0;

	return v4 ? WG_HEADERS_4 : WG_HEADERS_6;
}

struct tunnel_mtu tunnel_mtu_shared(const struct node_conf *node, const struct desired_facts *facts)
{
	struct outer outer;
	bool known = tunnel_outer_shared(node, &outer);

	return make(path_of(facts, known, &outer), WG_HEADERS_6, 0, WG_DEFAULT);
}

struct tunnel_mtu tunnel_mtu_exit(const struct node_conf *node, const struct desired_facts *facts)
{
	struct outer outer;
	bool known = tunnel_outer_exit(node, &outer);
	uint32_t path = path_of(facts, known, &outer);

	return node->uplink_kind == UPLINK_6IN4
		       ? make(path, SIT_HEADERS, node->exit.mtu, SIT_DEFAULT)
		       : make(path, wireguard_headers(&node->exit.endpoint, true, node->exit.mtu),
			      node->exit.mtu, WG_DEFAULT);
}

struct tunnel_mtu tunnel_mtu(const struct node_conf *node, const struct desired_facts *facts,
			     const struct tunnel_conf *tunnel)
{
	struct outer outer;
	bool known = tunnel_outer(node, tunnel, &outer);
	uint32_t path = path_of(facts, known, &outer);

	switch (tunnel->kind) {
	case TUNNEL_WIREGUARD:
		return make(path,
			    wireguard_headers(&tunnel->endpoint, tunnel->has_endpoint, tunnel->mtu),
			    tunnel->mtu, WG_DEFAULT);
	case TUNNEL_6IN4:
		return make(path, SIT_HEADERS, tunnel->mtu, SIT_DEFAULT);
	case TUNNEL_ROUTE:
		return path == 0 && tunnel->mtu == 0
			       ? (struct tunnel_mtu){.from = TUNNEL_MTU_DEFAULT}
			       : make(path, 0, tunnel->mtu, ROUTE_UNLIMITED);
	}
	return (struct tunnel_mtu){0};
}
