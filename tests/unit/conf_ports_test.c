/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Blocks of ports: who has which, and that no two meet. */
#include "conf/model/ports.h"

#include <errno.h>
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

static struct addr pool[2];

static struct node_conf node_of(void)
{
	assert_int_equal(addr_parse(str_from("203.0.113.10"), &pool[0]), 0);
	assert_int_equal(addr_parse(str_from("203.0.113.11"), &pool[1]), 0);
	return (struct node_conf){
		.has_ipv6_prefix = true,
		.ipv6_prefix = prefix_of("2001:db8:a000::/48"),
		.ipv6_reserved = 256,
		.nat64 = {.on = true,
			  .pool = pool,
			  .n_pool = 2,
			  .ports = {16384, 49151},
			  .ports_per_tenant = 1024},
		.nat44_ports = {57344, 65535},
	};
}

static void blocks_follow_one_another_over_the_addresses(void **state)
{
	struct node_conf node = node_of();
	struct port_block b;

	(void)state;
	assert_int_equal(ports_n_blocks(&node), 64);
	b = ports_block(&node, 0);
	assert_int_equal(b.ports.first, 16384);
	assert_int_equal(b.ports.last, 17407);
	assert_int_equal(b.nat44.first, 57344);
	assert_int_equal(b.nat44.last, 57599);
	b = ports_block(&node, 31);
	assert_int_equal(b.ports.last, 49151);
	assert_int_equal(b.nat44.last, 65535);
	b = ports_block(&node, 32);
	assert_true(addr_eq(&b.address, &pool[1]));
	assert_int_equal(b.ports.first, 16384);
}

static void ports_that_make_no_whole_block_are_left(void **state)
{
	struct node_conf node = node_of();

	(void)state;
	node.nat64.ports.last = 49150;
	assert_int_equal(ports_n_blocks(&node), 62);
	node.nat64.ports_per_tenant = 65535;
	assert_int_equal(ports_n_blocks(&node), 0);
	node.nat64.on = false;
	assert_int_equal(ports_n_blocks(&node), 0);
}

static void tenant_takes_the_block_of_its_first_prefix(void **state)
{
	struct node_conf node = node_of();
	struct prefix p = prefix_of("2001:db8:a000:0121::/64");
	struct tenant_conf tenant = {.prefixes = &p, .n_prefixes = 1, .n_tunnels = 1};
	struct port_block b;

	(void)state;
	assert_int_equal(ports_tenant(&node, &tenant, &b), 0);
	assert_int_equal(b.number, 0x21);
	p = prefix_of("2001:db8:a000:0141::/64"); /* 0x41 modulo 64 */
	assert_int_equal(ports_tenant(&node, &tenant, &b), 0);
	assert_int_equal(b.number, 1);
}

static void who_has_none(void **state)
{
	struct node_conf node = node_of();
	struct prefix p = prefix_of("2001:db8:a000:1001::/64");
	struct tenant_conf tenant = {.prefixes = &p, .n_prefixes = 1, .n_tunnels = 1};
	struct port_block b;

	(void)state;
	tenant.state = TENANT_SUSPENDED;
	assert_int_equal(ports_tenant(&node, &tenant, &b), -ENOENT);
	tenant.state = TENANT_ACTIVE;
	tenant.n_tunnels = 0;
	assert_int_equal(ports_tenant(&node, &tenant, &b), -ENOENT);
	tenant.n_tunnels = 1;
	p = prefix_of("2001:db8:b000:1001::/64");
	assert_int_equal(ports_tenant(&node, &tenant, &b), -ENOENT);
	p = prefix_of("2001:db8:a000:10::/64"); /* the farm's own */
	assert_int_equal(ports_tenant(&node, &tenant, &b), -ENOENT);
	node.nat64.on = false;
	p = prefix_of("2001:db8:a000:1001::/64");
	assert_int_equal(ports_tenant(&node, &tenant, &b), -ENOENT);
}

static void assert_number(const struct node_conf *node, const char *prefix, uint32_t number)
{
	struct prefix p = prefix_of(prefix);
	struct addr a = node_conf_nth(node, number);

	assert_int_equal(node_conf_number(node, &p.addr), number);
	assert_true(addr_eq(&a, &p.addr));
}

static void tenants_are_numbered_by_the_bits_they_differ_in(void **state)
{
	struct node_conf node = node_of();

	(void)state;
	assert_int_equal(node_conf_unit(&node), 64);
	assert_number(&node, "2001:db8:a000:1001::/64", 0x1001);
	node.ipv6_on_link = true;
	assert_int_equal(node_conf_unit(&node), 64);
	node.ipv6_prefix = prefix_of("2001:db8:a000::/36");
	assert_number(&node, "2001:db8:afff:ffff::/64", 0xfffffff);
	node.ipv6_prefix = prefix_of("2001:db8:a000:7::/64");
	assert_int_equal(node_conf_unit(&node), 80);
	assert_number(&node, "2001:db8:a000:7::/80", 0);
	assert_number(&node, "2001:db8:a000:7:1001::/80", 0x1001);
	assert_number(&node, "2001:db8:a000:7:ffff::/80", 0xffff);
	node.ipv6_on_link = false;
	assert_number(&node, "2001:db8:a000:7::/64", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_follow_one_another_over_the_addresses),
		cmocka_unit_test(ports_that_make_no_whole_block_are_left),
		cmocka_unit_test(tenant_takes_the_block_of_its_first_prefix),
		cmocka_unit_test(who_has_none),
		cmocka_unit_test(tenants_are_numbered_by_the_bits_they_differ_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
