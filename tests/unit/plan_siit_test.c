/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What whole addresses ask of the kernel, as text. */
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

/* A node with one address of its own, an on-link range, a routed range, and a mapped tenant. */
struct rig {
	struct pool_range pool[3];
	struct node_conf node;
	struct backend_conf backend;
	struct expose_conf expose;
	struct service_conf service;
	struct tenant_conf tenant;
	struct desired_facts facts;
	struct object_set set;
};

static void rig_init(struct rig *r, const char *ipv4)
{
	*r = (struct rig){
		.pool = {{prefix_of("203.0.113.10/32"), DELIVERY_PRESENT},
			 {prefix_of("203.0.113.16/30"), DELIVERY_ONLINK},
			 {prefix_of("203.0.113.24/29"), DELIVERY_ROUTED}},
		.node = {.interface = "eth0",
			 .n_pool = 3,
			 .has_siit_prefix = true,
			 .siit_prefix = prefix_of("2001:db8:a000:fe::/96")},
		.backend = {.address = addr_of("2001:db8:a000:1002::20")},
		.expose = {.protocol = PROTOCOL_ADDRESS, .has_ipv4 = true, .ipv4 = addr_of(ipv4)},
		.service = {.name = "all", .n_backends = 1, .n_exposes = 1},
		.tenant = {.name = "acme", .n_services = 1, .state = TENANT_ACTIVE},
		.facts = {.has_siit = true},
	};
	r->node.pool = r->pool;
	r->service.backends = &r->backend;
	r->service.exposes = &r->expose;
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

static void node_joins_a_namespace_of_its_own(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "203.0.113.17");
	desired_siit_node(&r.node, &r.facts, &r.set);
	assert_set(&r, "sysctl net/ipv4/neigh/eth0/proxy_delay = 0\n"
		       "sysctl @siit net/ipv4/ip_forward = 1\n"
		       "sysctl @siit net/ipv6/conf/all/forwarding = 1\n"
		       "link sg-siit veth peer sg-inner mtu 2000 alias sixgate:siit\n"
		       "address 169.254.64.0/31 dev sg-siit\n"
		       "address fe80::64:0/64 dev sg-siit\n"
		       "address @siit 169.254.64.1/31 dev sg-inner\n"
		       "address @siit 2001:db8:a000:fe::a9fe:4001/128 dev sg-inner\n"
		       "address @siit fe80::64:1/64 dev sg-inner\n"
		       "route 2001:db8:a000:fe::/96 table 254 unicast via fe80::64:1 dev sg-siit\n"
		       "route @siit ::/0 table 254 unicast via fe80::64:0 dev sg-inner\n"
		       "route @siit 0.0.0.0/0 table 254 unicast via 169.254.64.0 dev sg-inner\n"
		       "route @siit 2001:db8:a000:fe::/96 table 254 unreachable\n"
		       "instance @siit siit pool6 2001:db8:a000:fe::/96\n");
}

static void onlink_address_is_answered_for_on_the_uplink(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "203.0.113.17");
	desired_siit_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	assert_set(&r, "route 203.0.113.17/32 table 254 unicast via 169.254.64.1 dev sg-siit"
		       " src 203.0.113.10\n"
		       "route @siit 203.0.113.17/32 table 254 unreachable\n"
		       "proxy-neighbour 203.0.113.17 dev eth0\n"
		       "eam @siit 203.0.113.17/32 is 2001:db8:a000:1002::20/128\n");
}

static void routed_address_stands_before_the_anyip_route(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "203.0.113.25");
	desired_siit_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	assert_set(&r, "route 203.0.113.25/32 table 255 unicast via 169.254.64.1 dev sg-siit"
		       " src 203.0.113.10\n"
		       "route @siit 203.0.113.25/32 table 254 unreachable\n"
		       "eam @siit 203.0.113.25/32 is 2001:db8:a000:1002::20/128\n");
}

static void nothing_without_prefix_module_or_address(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "203.0.113.17");
	r.node.has_siit_prefix = false;
	desired_siit_node(&r.node, &r.facts, &r.set);
	desired_siit_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	r.node.has_siit_prefix = true;
	r.facts.has_siit = false;
	desired_siit_node(&r.node, &r.facts, &r.set);
	desired_siit_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	r.facts.has_siit = true;
	r.expose.protocol = PROTOCOL_TCP;
	desired_siit_tenant(&r.node, &r.facts, &r.tenant, &r.set);
	assert_set(&r, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(node_joins_a_namespace_of_its_own),
		cmocka_unit_test(onlink_address_is_answered_for_on_the_uplink),
		cmocka_unit_test(routed_address_stands_before_the_anyip_route),
		cmocka_unit_test(nothing_without_prefix_module_or_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
