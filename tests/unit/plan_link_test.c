/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tunnels, the uplink's addresses and its prefix ask of the kernel, as text. */
#include "gateway/plan/desired.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct prefix prefix_of(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(str_from(text), &p, NULL), 0);
	return p;
}

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(str_from(text), &a), 0);
	return a;
}

/* A node with all three deliveries, and a tenant with a tunnel of each kind. */
struct rig {
	struct pool_range pool[3];
	struct listener_conf listener;
	struct node_conf node;
	struct prefix prefixes[3];
	struct tunnel_conf tunnels[3];
	struct backend_conf backends[2];
	struct service_conf service;
	struct tenant_conf tenant;
	struct desired_facts facts;
	struct object_set set;
};

static void rig_init(struct rig *r)
{
	*r = (struct rig){
		.pool = {{prefix_of("203.0.113.10/32"), DELIVERY_PRESENT},
			 {prefix_of("203.0.113.16/31"), DELIVERY_ONLINK},
			 {prefix_of("203.0.113.24/29"), DELIVERY_ROUTED}},
		.node = {.interface = "eth0",
			 .n_pool = 3,
			 .n_listeners = 1,
			 .has_ipv6_prefix = true,
			 .ipv6_prefix = prefix_of("2001:db8:a000::/48"),
			 .has_client_prefix = true,
			 .client_prefix = prefix_of("2001:db8:a000:ff::/96"),
			 .local_ports = {49152, 57343},
			 .wireguard = {.on = true},
			 .six_in_four = {.on = true, .local = addr_of("203.0.113.10")}},
		.prefixes = {prefix_of("2001:db8:a000:1001::/64"),
			     prefix_of("2001:db8:a000:1002::/64"),
			     prefix_of("2001:db8:a000:1003::/64")},
		.tunnels = {{.name = "home", .kind = TUNNEL_WIREGUARD, .ipv4 = true},
			    {.name = "dc",
			     .kind = TUNNEL_6IN4,
			     .has_remote = true,
			     .remote = addr_of("198.51.100.9")},
			    {.name = "rack",
			     .kind = TUNNEL_ROUTE,
			     .interface = "eth1",
			     .has_via = true,
			     .via = addr_of("fe80::1"),
			     .mtu = 1400}},
		.backends = {{.address = addr_of("2001:db8:a000:1001::10")},
			     {.address = addr_of("2001:db8:a000:1001::10")}},
		.service = {.name = "web", .n_backends = 2},
		.tenant = {.name = "acme",
			   .n_prefixes = 3,
			   .n_tunnels = 3,
			   .n_services = 1,
			   .state = TENANT_ACTIVE},
		.facts = {.has_wireguard = true, .has_sit = true},
	};
	r->node.pool = r->pool;
	r->node.listeners = &r->listener;
	for (size_t i = 0; i < 3; i++) {
		r->tunnels[i].prefixes = &r->prefixes[i];
		r->tunnels[i].n_prefixes = 1;
	}
	r->service.backends = r->backends;
	r->tenant.prefixes = r->prefixes;
	r->tenant.tunnels = r->tunnels;
	r->tenant.services = &r->service;
	object_set_init(&r->set);
}

static void assert_set(struct rig *r, const char *expected)
{
	struct buf text;

	assert_int_equal(object_set_sort(&r->set, NULL), 0);
	buf_init(&text, 65536);
	for (size_t i = 0; i < r->set.n; i++) {
		object_format(&r->set.items[i], &text);
		buf_u8(&text, '\n');
	}
	buf_u8(&text, '\0');
	assert_false(text.bad);
	assert_string_equal((const char *)text.data, expected);
	buf_fini(&text);
	object_set_fini(&r->set);
}

static void node_is_a_router_with_its_addresses(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	desired_link_node(&r.node, &r.facts, &r.set);
	assert_set(&r, "sysctl net/ipv6/conf/all/forwarding = 1\n"
		       "sysctl net/ipv4/ip_local_port_range = 49152 57343\n"
		       "sysctl net/ipv4/tcp_migrate_req = 1\n"
		       "sysctl net/ipv4/tcp_tw_reuse = 1\n"
		       "link-down sit0\n"
		       "address 203.0.113.16/32 dev eth0\n"
		       "address 203.0.113.17/32 dev eth0\n"
		       "route 2001:db8:a000::/48 table 254 metric 2147483647 blackhole\n"
		       "route 203.0.113.24/29 table 255 local dev lo\n"
		       "route 2001:db8:a000:ff::/96 table 255 local dev lo\n");
}

static void tenant_has_a_way_by_each_tunnel(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	desired_link_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	assert_set(
		&r,
		"link sg-1002 sit local 203.0.113.10 remote 198.51.100.9 mtu 1480 alias sixgate:acme/dc\n"
		"route 100.64.16.1/32 table 254 unicast dev sg-wg\n"
		"route 2001:db8:a000:1001::/64 table 254 unicast dev sg-wg\n"
		"route 2001:db8:a000:1002::/64 table 254 unicast dev sg-1002\n"
		"route 2001:db8:a000:1003::/64 table 254 unicast via fe80::1 dev eth1 mtu 1400\n");
}

/* A backend and a record of the tenant's are in two of its prefixes, the third is a /56. */
static void each_network_has_an_address_of_dns64_unless_the_tenant_has_it(void **state)
{
	struct addr record = addr_of("2001:db8:a000:1002::53");
	struct dns64_record records = {.addresses = &record, .n_addresses = 1};
	struct rig r;

	(void)state;
	rig_init(&r);
	r.node.dns64.on = true;
	r.facts.has_wireguard = r.facts.has_sit = false;
	r.prefixes[2] = prefix_of("2001:db8:a000:1100::/56");
	for (size_t i = 0; i < 3; i++) {
		r.tunnels[i] = r.tunnels[2];
		r.tunnels[i].prefixes = &r.prefixes[i];
	}
	r.backends[1].address = addr_of("2001:db8:a000:1001::53");
	r.tenant.dns64.records = &records;
	r.tenant.dns64.n_records = 1;
	desired_link_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	assert_set(&r,
		   "route 2001:db8:a000:1001::/64 table 254 unicast via fe80::1 dev eth1 mtu 1400\n"
		   "route 2001:db8:a000:1002::/64 table 254 unicast via fe80::1 dev eth1 mtu 1400\n"
		   "route 2001:db8:a000:1100::/56 table 254 unicast via fe80::1 dev eth1 mtu 1400\n"
		   "route 2001:db8:a000:1100::53/128 table 255 local dev lo\n");
}

static void kernel_without_devices_gets_no_route_to_them(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.facts.has_wireguard = false;
	r.facts.has_sit = false;
	desired_link_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	assert_set(
		&r,
		"route 2001:db8:a000:1003::/64 table 254 unicast via fe80::1 dev eth1 mtu 1400\n");
}

static void sit_device_is_told_where_its_public_address_is(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.node.six_in_four.underlay_netns = "public";
	desired_link_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	assert_int_equal(object_set_sort(&r.set, NULL), 0);
	for (size_t i = 0; i < r.set.n; i++) {
		if (r.set.items[i].kind == OBJECT_LINK) {
			assert_string_equal(r.set.items[i].link.underlay_netns, "public");
			object_set_fini(&r.set);
			return;
		}
	}
	fail();
}

/* Two of its tunnels come by the same one. */
static void links_of_route_tunnels_do_not_merge_packets(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.node.nat64.on = r.facts.has_jool = true;
	r.tenant.n_services = 0;
	r.tunnels[1] = r.tunnels[2];
	r.tunnels[1].prefixes = &r.prefixes[1];
	r.tunnels[0] = r.tunnels[2];
	r.tunnels[0].prefixes = &r.prefixes[0];
	r.tunnels[0].interface = "eth2";
	desired_link_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	assert_set(
		&r,
		"offload eth1 rx-gro-list\n"
		"offload eth1 rx-lro\n"
		"offload eth2 rx-gro-list\n"
		"offload eth2 rx-lro\n"
		"route 2001:db8:a000:1001::/64 table 254 unicast via fe80::1 dev eth2 mtu 1400\n"
		"route 2001:db8:a000:1002::/64 table 254 unicast via fe80::1 dev eth1 mtu 1400\n"
		"route 2001:db8:a000:1003::/64 table 254 unicast via fe80::1 dev eth1 mtu 1400\n");
}

static bool seventeen_is_mapped(void *ctx, const struct addr *a)
{
	(void)ctx;
	return a->b[15] == 17;
}

/* RA by the kernel, the prefix on the link, an address that a tenant has as a whole. */
static void uplink_decides_what_else(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.node.ipv6_on_link = true;
	r.node.nat64.on = r.facts.has_jool = true;
	r.node.nat64.prefix = prefix_of("64:ff9b::/96");
	r.facts.uplink_ra = true;
	r.facts.is_mapped = seventeen_is_mapped;
	desired_link_node(&r.node, &r.facts, &r.set);
	r.tenant.n_tunnels = 0;
	desired_link_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	assert_set(&r, "sysctl net/ipv6/conf/eth0/accept_ra = 2\n"
		       "sysctl net/ipv4/ip_forward = 1\n"
		       "sysctl net/ipv6/conf/all/forwarding = 1\n"
		       "sysctl net/ipv4/ip_local_port_range = 49152 57343\n"
		       "sysctl net/ipv4/tcp_migrate_req = 1\n"
		       "sysctl net/ipv4/tcp_tw_reuse = 1\n"
		       "sysctl net/ipv6/conf/eth0/proxy_ndp = 1\n"
		       "sysctl net/ipv6/neigh/eth0/proxy_delay = 0\n"
		       "link-down sit0\n"
		       "offload eth0 rx-gro-list\n"
		       "offload eth0 rx-lro\n"
		       "address 203.0.113.16/32 dev eth0\n"
		       "route 64:ff9b::/96 table 254 metric 2147483647 unreachable\n"
		       "route 2001:db8:a000::/48 table 254 metric 2147483647 blackhole\n"
		       "route 203.0.113.24/29 table 255 local dev lo\n"
		       "route 2001:db8:a000:ff::/96 table 255 local dev lo\n"
		       "proxy-neighbour 2001:db8:a000:1001::10 dev eth0\n"
		       "proxy-prefix 2001:db8:a000:1001::/64\n"
		       "proxy-prefix 2001:db8:a000:1002::/64\n"
		       "proxy-prefix 2001:db8:a000:1003::/64\n");
}

#define KEY_1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

static void rig_exit(struct rig *r, enum uplink_kind kind)
{
	rig_init(r);
	r->node.uplink_kind = kind;
	r->node.exit.listen_port = 51821;
	r->node.exit.keepalive_s = 25;
	r->node.exit.public_key = KEY_1;
	r->node.exit.endpoint = (struct endpoint){addr_of("198.51.100.30"), 51820};
	r->node.exit.local = addr_of("203.0.113.10");
	r->node.exit.remote = addr_of("198.51.100.30");
	r->facts.exit_private_key[0] = 0xff;
	r->facts.exit_preshared_key[31] = 9;
}

static void uplink_of_kind_direct_asks_for_nothing(void **state)
{
	struct rig r;

	(void)state;
	rig_exit(&r, UPLINK_DIRECT);
	desired_uplink_node(&r.node, &r.facts, &r.set);
	assert_set(&r, "");
}

static void farms_sources_take_the_tunnel_or_nothing(void **state)
{
	struct rig r;

	(void)state;
	rig_exit(&r, UPLINK_WIREGUARD);
	desired_uplink_node(&r.node, &r.facts, &r.set);
	for (size_t i = 0; i < r.set.n; i++) {
		const struct object *o = &r.set.items[i];

		assert_true(o->kind != OBJECT_WG_DEVICE || o->wg_device.private_key[0] == 0xf8);
		assert_true(o->kind != OBJECT_WG_PEER || o->wg_peer.preshared_key[31] == 9);
	}
	assert_set(&r, "link sg-up wireguard mtu 1420 alias sixgate:uplink\n"
		       "wg-device sg-up port 51821\n"
		       "wg-peer sg-up " KEY_1
		       " allowed ::/0 keepalive 25 endpoint 198.51.100.30:51820\n"
		       "rule 2060 from 2001:db8:a000::/48 table 254 ignore below /4\n"
		       "rule 2061 from 2001:db8:a000::/48 table 206\n"
		       "route ::/0 table 206 unicast dev sg-up\n"
		       "route ::/0 table 206 metric 2147483647 unreachable\n");
}

static void own_sources_outside_of_the_farm_take_it_too(void **state)
{
	struct rig r;

	(void)state;
	rig_exit(&r, UPLINK_6IN4);
	r.node.client_prefix = prefix_of("2001:db8:b000::/96");
	r.node.exit.has_address = true;
	r.node.exit.address = addr_of("2001:db8:0:5::2");
	r.node.exit.mtu = 1472;
	r.node.exit.underlay_netns = "public";
	desired_uplink_node(&r.node, &r.facts, &r.set);
	assert_set(
		&r,
		"link sg-up sit local 203.0.113.10 remote 198.51.100.30 mtu 1472 underlay public alias sixgate:uplink\n"
		"address 2001:db8:0:5::2/128 dev sg-up\n"
		"rule 2060 from 2001:db8:0:5::2/128 table 254 ignore below /4\n"
		"rule 2060 from 2001:db8:a000::/48 table 254 ignore below /4\n"
		"rule 2060 from 2001:db8:b000::/96 table 254 ignore below /4\n"
		"rule 2061 from 2001:db8:0:5::2/128 table 206\n"
		"rule 2061 from 2001:db8:a000::/48 table 206\n"
		"rule 2061 from 2001:db8:b000::/96 table 206\n"
		"route ::/0 table 206 unicast dev sg-up\n"
		"route ::/0 table 206 metric 2147483647 unreachable\n"
		"route ::/0 table 254 metric 2147483647 unicast dev sg-up src 2001:db8:0:5::2\n");
}

static size_t n_last_resorts(const struct object_set *set)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++) {
		const struct object *o = &set->items[i];

		n += o->kind == OBJECT_ROUTE && o->route.table == 254;
	}
	return n;
}

/* Each packet would be wrapped in the next one, where the machine has no other way to the exit. */
static void outer_ipv6_packets_have_no_way_into_the_tunnel(void **state)
{
	static const struct {
		const char *endpoint, *underlay_netns;
		size_t n_routes;
	} cases[] = {{"2001:db8:0:3::2", NULL, 0},
		     {"2001:db8:0:3::2", "public", 1},
		     {"198.51.100.30", NULL, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig r;

		rig_exit(&r, UPLINK_WIREGUARD);
		r.node.exit.has_address = true;
		r.node.exit.address = addr_of("2001:db8:0:5::2");
		r.node.exit.endpoint.addr = addr_of(cases[i].endpoint);
		r.node.exit.underlay_netns = cases[i].underlay_netns;
		desired_uplink_node(&r.node, &r.facts, &r.set);
		assert_int_equal(n_last_resorts(&r.set), cases[i].n_routes);
		object_set_fini(&r.set);
	}
}

static void own_address_inside_the_farm_needs_no_rule_of_its_own(void **state)
{
	struct rig r;

	(void)state;
	rig_exit(&r, UPLINK_6IN4);
	r.node.exit.has_address = true;
	r.node.exit.address = addr_of("2001:db8:a000::1");
	desired_uplink_node(&r.node, &r.facts, &r.set);
	for (size_t i = 0; i < r.set.n; i++) {
		assert_true(r.set.items[i].kind != OBJECT_RULE ||
			    r.set.items[i].rule.from.len == 48);
	}
	object_set_fini(&r.set);
}

/* Nothing leaves by another way while the tunnel cannot be made. */
static void kernel_without_the_tunnel_has_the_rules_all_the_same(void **state)
{
	struct rig r;

	(void)state;
	for (int kind = UPLINK_WIREGUARD; kind <= UPLINK_6IN4; kind++) {
		rig_exit(&r, (enum uplink_kind)kind);
		r.facts.has_wireguard = r.facts.has_sit = false;
		r.node.exit.has_address = true;
		r.node.exit.address = addr_of("2001:db8:a000::1");
		desired_uplink_node(&r.node, &r.facts, &r.set);
		assert_set(&r, "rule 2060 from 2001:db8:a000::/48 table 254 ignore below /4\n"
			       "rule 2061 from 2001:db8:a000::/48 table 206\n"
			       "route ::/0 table 206 metric 2147483647 unreachable\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(node_is_a_router_with_its_addresses),
		cmocka_unit_test(tenant_has_a_way_by_each_tunnel),
		cmocka_unit_test(each_network_has_an_address_of_dns64_unless_the_tenant_has_it),
		cmocka_unit_test(kernel_without_devices_gets_no_route_to_them),
		cmocka_unit_test(sit_device_is_told_where_its_public_address_is),
		cmocka_unit_test(links_of_route_tunnels_do_not_merge_packets),
		cmocka_unit_test(uplink_decides_what_else),
		cmocka_unit_test(uplink_of_kind_direct_asks_for_nothing),
		cmocka_unit_test(farms_sources_take_the_tunnel_or_nothing),
		cmocka_unit_test(own_sources_outside_of_the_farm_take_it_too),
		cmocka_unit_test(outer_ipv6_packets_have_no_way_into_the_tunnel),
		cmocka_unit_test(own_address_inside_the_farm_needs_no_rule_of_its_own),
		cmocka_unit_test(kernel_without_the_tunnel_has_the_rules_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
