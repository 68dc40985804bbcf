/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is left of a way's MTU for the packets inside a tunnel, and which way that is. */
#include "gateway/plan/tunnel_mtu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/plan/desired.h"

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(str_from(text), &a), 0);
	return a;
}

/* What the ways carry: that of the one link, and that to each address. */
struct ways {
	const char *link;
	uint32_t link_mtu;
	struct addr remote;
	uint32_t remote_mtu;
};

static uint32_t path_mtu(void *ctx, const struct outer *outer)
{
	const struct ways *ways = ctx;

	if (outer->link[0] != '\0') {
		assert_string_equal(outer->link, ways->link);
		assert_true(addr_is_any(&outer->remote));
		return ways->link_mtu;
	}
	assert_true(addr_eq(&outer->remote, &ways->remote));
	return ways->remote_mtu;
}

struct rig {
	struct ways ways;
	struct node_conf node;
	struct desired_facts facts;
};

static int setup(void **state)
{
	static struct rig r;

	r = (struct rig){.ways = {.link = "up0", .remote = addr_of("198.51.100.9")},
			 .node = {.interface = "up0",
				  .wireguard = {.on = true},
				  .six_in_four = {.on = true, .local = addr_of("203.0.113.10")}},
			 .facts = {.path_mtu = path_mtu, .path_ctx = &r.ways}};
	*state = &r;
	return 0;
}

static void assert_mtu(struct tunnel_mtu m, uint32_t mtu, enum tunnel_mtu_from from)
{
	assert_int_equal(m.mtu, mtu);
	assert_int_equal(m.from, from);
}

static void six_in_four_is_20_bytes_less_than_its_way(void **state)
{
	static const struct {
		uint32_t path, written, mtu;
		enum tunnel_mtu_from from;
	} cases[] = {
		{1500, 0, 1480, TUNNEL_MTU_DEFAULT},   {1492, 0, 1472, TUNNEL_MTU_PATH},
		{1300, 0, 1280, TUNNEL_MTU_PATH},      {1299, 0, 1280, TUNNEL_MTU_PATH},
		{576, 0, 1280, TUNNEL_MTU_PATH},       {9000, 0, 1480, TUNNEL_MTU_DEFAULT},
		{0, 0, 1480, TUNNEL_MTU_DEFAULT},      {1500, 1400, 1400, TUNNEL_MTU_CONFIG},
		{1420, 1400, 1400, TUNNEL_MTU_CONFIG}, {1419, 1400, 1399, TUNNEL_MTU_PATH},
		{0, 1300, 1300, TUNNEL_MTU_CONFIG},
	};
	struct rig *r = *state;
	struct tunnel_conf tunnel = {.kind = TUNNEL_6IN4,
				     .has_remote = true,
				     .remote = addr_of("198.51.100.9")};
	struct outer outer;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r->ways.remote_mtu = cases[i].path;
		tunnel.mtu = cases[i].written;
		assert_mtu(tunnel_mtu(&r->node, &r->facts, &tunnel), cases[i].mtu, cases[i].from);
	}
	assert_true(tunnel_outer(&r->node, &tunnel, &outer));
	assert_true(addr_eq(&outer.local, &r->node.six_in_four.local)); /* its route may depend */
}

static void wireguard_is_60_bytes_less_over_ipv4_and_80_over_ipv6(void **state)
{
	struct rig *r = *state;
	struct tunnel_conf tunnel = {.kind = TUNNEL_WIREGUARD,
				     .has_endpoint = true,
				     .endpoint = {.addr = addr_of("198.51.100.9"), .port = 7}};

	r->ways.remote_mtu = 1400;
	assert_mtu(tunnel_mtu(&r->node, &r->facts, &tunnel), 1340, TUNNEL_MTU_PATH);
	r->ways.remote = tunnel.endpoint.addr = addr_of("2001:db8::9");
	assert_mtu(tunnel_mtu(&r->node, &r->facts, &tunnel), 1320, TUNNEL_MTU_PATH);
	r->ways.remote_mtu = 1500;
	assert_mtu(tunnel_mtu(&r->node, &r->facts, &tunnel), 1420, TUNNEL_MTU_DEFAULT);
	r->ways.remote_mtu = 1359;
	assert_mtu(tunnel_mtu(&r->node, &r->facts, &tunnel), 1280, TUNNEL_MTU_PATH);
}

static void peer_that_comes_from_anywhere_has_the_uplinks(void **state)
{
	struct rig *r = *state;
	struct tunnel_conf tunnel = {.kind = TUNNEL_WIREGUARD};

	r->ways.link_mtu = 1492;
	assert_mtu(tunnel_mtu(&r->node, &r->facts, &tunnel), 1412, TUNNEL_MTU_PATH);
	assert_mtu(tunnel_mtu_shared(&r->node, &r->facts), 1412, TUNNEL_MTU_PATH);
	r->ways.link_mtu = 1500;
	assert_mtu(tunnel_mtu_shared(&r->node, &r->facts), 1420, TUNNEL_MTU_DEFAULT);
	tunnel.mtu = 1440; /* who writes it knows that the peer comes over IPv4 */
	assert_mtu(tunnel_mtu(&r->node, &r->facts, &tunnel), 1440, TUNNEL_MTU_CONFIG);
	r->ways.link_mtu = 1492;
	assert_mtu(tunnel_mtu(&r->node, &r->facts, &tunnel), 1432, TUNNEL_MTU_PATH);
}

static void exit_follows_its_way(void **state)
{
	struct rig *r = *state;

	r->node.uplink_kind = UPLINK_6IN4;
	r->node.exit.remote = r->ways.remote;
	r->ways.remote_mtu = 1492;
	assert_mtu(tunnel_mtu_exit(&r->node, &r->facts), 1472, TUNNEL_MTU_PATH);
	r->node.uplink_kind = UPLINK_WIREGUARD;
	r->node.exit.endpoint.addr = r->ways.remote;
	assert_mtu(tunnel_mtu_exit(&r->node, &r->facts), 1420, TUNNEL_MTU_DEFAULT);
	r->ways.remote_mtu = 1400;
	assert_mtu(tunnel_mtu_exit(&r->node, &r->facts), 1340, TUNNEL_MTU_PATH);
	/* With no interface named the tenants come by where the exit is. */
	r->node.interface = NULL;
	assert_mtu(tunnel_mtu_shared(&r->node, &r->facts), 1320, TUNNEL_MTU_PATH);
	r->node.exit.mtu = 1300;
	assert_mtu(tunnel_mtu_exit(&r->node, &r->facts), 1300, TUNNEL_MTU_CONFIG);
}

static void route_has_its_links(void **state)
{
	struct rig *r = *state;
	struct tunnel_conf tunnel = {.kind = TUNNEL_ROUTE, .interface = "tc0"};

	r->ways.link = "tc0";
	assert_mtu(tunnel_mtu(&r->node, &r->facts, &tunnel), 0, TUNNEL_MTU_DEFAULT);
	r->ways.link_mtu = 9000;
	assert_mtu(tunnel_mtu(&r->node, &r->facts, &tunnel), 9000, TUNNEL_MTU_PATH);
	tunnel.mtu = 1500;
	assert_mtu(tunnel_mtu(&r->node, &r->facts, &tunnel), 1500, TUNNEL_MTU_CONFIG);
	r->ways.link_mtu = 1492;
	assert_mtu(tunnel_mtu(&r->node, &r->facts, &tunnel), 1492, TUNNEL_MTU_PATH);
}

/* It cannot be looked at from here; nothing is asked. */
static void way_in_another_namespace_is_not_known(void **state)
{
	struct rig *r = *state;
	struct tunnel_conf tunnel = {.kind = TUNNEL_6IN4, .has_remote = true};

	r->node.six_in_four.underlay_netns = r->node.wireguard.underlay_netns = "pub";
	r->node.exit.underlay_netns = "pub";
	r->facts.path_ctx = NULL;
	assert_mtu(tunnel_mtu(&r->node, &r->facts, &tunnel), 1480, TUNNEL_MTU_DEFAULT);
	assert_mtu(tunnel_mtu_shared(&r->node, &r->facts), 1420, TUNNEL_MTU_DEFAULT);
	tunnel = (struct tunnel_conf){.kind = TUNNEL_WIREGUARD, .has_endpoint = true, .mtu = 1400};
	assert_mtu(tunnel_mtu(&r->node, &r->facts, &tunnel), 1400, TUNNEL_MTU_CONFIG);
	r->node.uplink_kind = UPLINK_6IN4;
	assert_mtu(tunnel_mtu_exit(&r->node, &r->facts), 1480, TUNNEL_MTU_DEFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(six_in_four_is_20_bytes_less_than_its_way, setup),
		cmocka_unit_test_setup(wireguard_is_60_bytes_less_over_ipv4_and_80_over_ipv6,
				       setup),
		cmocka_unit_test_setup(peer_that_comes_from_anywhere_has_the_uplinks, setup),
		cmocka_unit_test_setup(exit_follows_its_way, setup),
		cmocka_unit_test_setup(route_has_its_links, setup),
		cmocka_unit_test_setup(way_in_another_namespace_is_not_known, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
