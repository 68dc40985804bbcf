/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What WireGuard tunnels and NAT64 ask of the kernel, as text. */
#include "gateway/plan/desired.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "gateway/plan/derive.h"
#include "gateway/plan/firewall.h"

#define KEY_1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define KEY_2 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="

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

struct rig {
	struct addr pool[1];
	struct node_conf node;
	struct prefix prefixes[3];
	struct tunnel_conf tunnels[2];
	struct backend_conf backend;
	struct expose_conf exposes[3];
	struct service_conf service;
	struct tenant_conf tenant;
	struct desired_facts facts;
	struct object_set set;
};

static bool one_key(void *ctx, const char *file, uint8_t ret_key[WG_KEY_BYTES])
{
	(void)ctx;
	memset(ret_key, 7, WG_KEY_BYTES);
	return strcmp(file, "/good") == 0;
}

static void rig_init(struct rig *r)
{
	*r = (struct rig){
		.pool = {addr_of("203.0.113.10")},
		.node = {.has_ipv6_prefix = true,
			 .ipv6_prefix = prefix_of("2001:db8:a000::/48"),
			 .ipv6_reserved = 256,
			 .nat64 = {.on = true,
				   .prefix = prefix_of("64:ff9b::/96"),
				   .n_pool = 1,
				   .ports = {16384, 49151},
				   .ports_per_tenant = 1024},
			 .wireguard = {.on = true, .listen_port = 51820}},
		.prefixes = {prefix_of("2001:db8:a000:1002::/64"),
			     prefix_of("2001:db8:a000:1001::/64"),
			     prefix_of("2001:db8:a000:1003::/64")},
		.tunnels = {{.name = "home",
			     .kind = TUNNEL_WIREGUARD,
			     .public_key = KEY_1,
			     .keepalive_s = 25,
			     .n_prefixes = 2,
			     .ipv4 = true},
			    {.name = "dc",
			     .kind = TUNNEL_WIREGUARD,
			     .public_key = KEY_2,
			     .own_device = true,
			     .listen_port = 51900,
			     .mtu = 1380,
			     .has_endpoint = true,
			     .endpoint = {.addr = addr_of("198.51.100.9"), .port = 4500},
			     .n_prefixes = 1}},
		.backend = {.address = addr_of("2001:db8:a000:1001::10")},
		.exposes = {{.protocol = PROTOCOL_UDP,
			     .has_ipv4 = true,
			     .ipv4 = addr_of("203.0.113.10"),
			     .port = 53,
			     .to = 5353,
			     .via = VIA_NAT64},
			    {.protocol = PROTOCOL_TCP,
			     .has_ipv4 = true,
			     .ipv4 = addr_of("203.0.113.10"),
			     .port = 19000,
			     .to = 22,
			     .via = VIA_NAT64},
			    {.protocol = PROTOCOL_TCP,
			     .has_ipv4 = true,
			     .ipv4 = addr_of("203.0.113.10"),
			     .port = 2222,
			     .to = 23,
			     .via = VIA_PROXY}},
		.service = {.name = "ssh", .n_backends = 1, .n_exposes = 3},
		.tenant = {.name = "acme", .n_prefixes = 3, .n_tunnels = 2, .n_services = 1},
		.facts = {.has_wireguard = true,
			  .has_jool = true,
			  .wg_private_key = {0xff, 0xaa, [31] = 0xff},
			  .preshared_key = one_key},
	};
	r->node.nat64.pool = r->pool;
	r->tunnels[0].prefixes = r->prefixes;
	r->tunnels[1].prefixes = r->prefixes + 2;
	r->tenant.prefixes = r->prefixes;
	r->tenant.tunnels = r->tunnels;
	r->service.backends = &r->backend;
	r->service.exposes = r->exposes;
	r->tenant.services = &r->service;
	object_set_init(&r->set);
}

static void assert_set(struct rig *r, const char *expected)
{
	struct buf text;
	struct err err;

	assert_int_equal(object_set_sort(&r->set, &err), 0);
	buf_init(&text, 65536);
	for (size_t i = 0; i < r->set.n; i++) {
		object_format(&r->set.items[i], &text);
		buf_printf(&text, "\n");
	}
	buf_u8(&text, 0);
	assert_string_equal((const char *)text.data, expected);
	buf_fini(&text);
	object_set_fini(&r->set);
}

static void node_has_the_shared_device(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	desired_wireguard_node(&r.node, &r.facts, &r.set);
	assert_int_equal(r.set.items[1].wg_device.private_key[0], 0xf8);
	assert_int_equal(r.set.items[1].wg_device.private_key[1], 0xaa);
	assert_int_equal(r.set.items[1].wg_device.private_key[31], 0x7f);
	assert_set(&r, "link sg-wg wireguard mtu 1420 alias sixgate:wireguard\n"
		       "wg-device sg-wg port 51820\n");
}

static void tunnels_are_peers_and_devices_of_their_own(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	desired_wireguard_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	assert_set(
		&r,
		"link sg-1003 wireguard mtu 1380 alias sixgate:acme/dc\n"
		"wg-device sg-1003 port 51900\n"
		"wg-peer sg-1003 AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI= allowed 2001:db8:a000:1003::/64 endpoint 198.51.100.9:4500\n"
		"wg-peer sg-wg AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= allowed 100.64.16.2/32,2001:db8:a000:1001::/64,2001:db8:a000:1002::/64 keepalive 25\n");
}

static void peer_whose_preshared_key_cannot_be_read_is_left_out(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.tenant.n_tunnels = 1;
	r.tunnels[0].preshared_key_file = "/bad";
	desired_wireguard_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	assert_int_equal(r.set.n, 0);
	r.tunnels[0].preshared_key_file = "/good";
	desired_wireguard_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	assert_int_equal(r.set.n, 1);
	assert_int_equal(r.set.items[0].wg_peer.preshared_key[31], 7);
	r.facts.preshared_key = NULL;
	desired_wireguard_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	assert_int_equal(r.set.n, 1);
	object_set_fini(&r.set);
}

static void node_has_the_instance_and_its_settings(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	desired_nat64_node(&r.node, &r.facts, &r.set);
	assert_set(&r, "instance nat64 pool6 64:ff9b::/96\n"
		       "global nat64 enabled = 1\n"
		       "global nat64 lowest-ipv6-mtu = 1280\n"
		       "global nat64 address-dependent-filtering = 0\n"
		       "global nat64 drop-externally-initiated-tcp = 0\n"
		       "global nat64 maximum-simultaneous-opens = 0\n"
		       "pool4 icmp 0.0.0.0 0-0 mark 0x80000000\n");
}

static void tenant_has_its_block_and_its_mappings(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	desired_nat64_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	assert_set(&r, "pool4 icmp 203.0.113.10 18432-19455 mark 0x10001002\n"
		       "pool4 tcp 203.0.113.10 18432-19455 mark 0x10001002\n"
		       "pool4 udp 203.0.113.10 18432-19455 mark 0x10001002\n"
		       "pool4 udp 203.0.113.10 53-53 mark 0x80000035\n"
		       "bib tcp [2001:db8:a000:1001::10]:22 at 203.0.113.10:19000\n"
		       "bib udp [2001:db8:a000:1001::10]:5353 at 203.0.113.10:53\n");
}

/* Ports 53 and 54 touch; under one mark they would become one row. */
static void rows_of_ports_never_merge(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.exposes[1].protocol = PROTOCOL_UDP;
	r.exposes[1].port = 54;
	desired_nat64_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	for (size_t i = 0; i < r.set.n; i++) {
		for (size_t k = i + 1; k < r.set.n; k++) {
			const struct object *a = &r.set.items[i], *b = &r.set.items[k];

			assert_false(a->kind == OBJECT_POOL4 && b->kind == OBJECT_POOL4 &&
				     a->pool4.protocol == b->pool4.protocol &&
				     a->pool4.mark == b->pool4.mark);
		}
	}
	object_set_fini(&r.set);
}

static void nothing_where_the_kernel_cannot_or_the_config_does_not_ask(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.facts.has_jool = r.facts.has_wireguard = false;
	for (int i = 0; i < 2; i++) {
		desired_nat64_node(&r.node, &r.facts, &r.set);
		desired_nat64_tenant(&r.node, &r.facts, &r.tenant, &r.set);
		desired_wireguard_node(&r.node, &r.facts, &r.set);
		desired_wireguard_tenant(&r.node, &r.facts, &r.tenant, &r.set);
		assert_int_equal(r.set.n, 0);
		r.facts.has_jool = r.facts.has_wireguard = true;
		r.node.nat64.on = r.node.wireguard.on = false;
	}
	object_set_fini(&r.set);
}

static bool has_port(const struct object_set *set, uint16_t port)
{
	const uint16_t port_be = htons(port);

	for (size_t i = 0; i < set->n; i++) {
		const struct object *o = &set->items[i];

		if (o->kind == OBJECT_ELEMENT && o->element.set == FIREWALL_WG_PORTS &&
		    memcmp(o->element.key, &port_be, sizeof(port_be)) == 0) {
			return true;
		}
	}
	return false;
}

/* From a port that is not taken here a worker could send by itself. */
static void test_workers_may_send_from_ports_that_devices_have_here(void **state)
{
	struct firewall firewall;
	struct rig r;

	(void)state;
	for (int i = 0; i < 3; i++) {
		rig_init(&r);
		r.node.wireguard.underlay_netns = i == 1 ? "public" : NULL;
		r.facts.has_wireguard = i != 2;
		desired_firewall_node(&r.node, &r.facts, &firewall, &r.set);
		desired_firewall_tenant(&r.node, &r.facts, &r.tenant, &r.set);
		assert_int_equal(firewall.has_wireguard, i == 0);
		assert_int_equal(has_port(&r.set, 51820), i == 0);
		assert_int_equal(has_port(&r.set, 51900), i == 0);
		object_set_fini(&r.set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(node_has_the_shared_device),
		cmocka_unit_test(tunnels_are_peers_and_devices_of_their_own),
		cmocka_unit_test(peer_whose_preshared_key_cannot_be_read_is_left_out),
		cmocka_unit_test(node_has_the_instance_and_its_settings),
		cmocka_unit_test(tenant_has_its_block_and_its_mappings),
		cmocka_unit_test(rows_of_ports_never_merge),
		cmocka_unit_test(nothing_where_the_kernel_cannot_or_the_config_does_not_ask),
		cmocka_unit_test(test_workers_may_send_from_ports_that_devices_have_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
