/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rules of meaning that no text can reach yet, because the build refuses the feature: the ports of
 * translators against exposures. (The others are held by tests/golden/conf.)
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "conf/model/check.h"
#include "conf/text/conf.h"

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(str_from(text), &a), 0);
	return a;
}

static struct tenant_conf *tenant(const char *expose)
{
	struct tenant_conf *t = NULL;
	struct issues issues;
	struct buf text;

	issues_init(&issues);
	buf_init(&text, 4096);
	buf_printf(&text,
		   "tenant: a\nserial: 1\nprefixes: [\"2001:db8:1::/64\"]\nservices:\n"
		   "  - {name: s, backends: [\"2001:db8:1::1\"], expose: [%s]}\n",
		   expose);
	assert_int_equal(conf_tenant_parse("t", (struct str){(char *)text.data, text.len}, NULL, &t,
					   &issues),
			 0);
	buf_fini(&text);
	issues_fini(&issues);
	return t;
}

/* On a node whose translators have 203.0.113.1 and 16384-49151, 57344-65535. */
static void check(const char *expose, const char *expected)
{
	struct addr pool = address("203.0.113.1");
	struct pool_range range = {.range = {.addr = address("203.0.113.0"), .len = 120}};
	struct node_conf node =
		{.pool = &range,
		 .n_pool = 1,
		 .nat64 = {.on = true, .pool = &pool, .n_pool = 1, .ports = {16384, 49151}},
		 .nat44_ports = {57344, 65535}};
	struct tenant_conf *t = tenant(expose);
	struct issues issues;

	issues_init(&issues);
	tenant_conf_check(t, &node, &issues);
	assert_int_equal(issues_count(&issues), expected ? 1 : 0);
	if (expected) {
		assert_string_equal(issues.list[0].path, "/services/0/expose/0/port");
		assert_string_equal(issues.list[0].msg, expected);
	}
	issues_fini(&issues);
	tenant_conf_unref(t);
}

static void exposures_stay_out_of_the_translators_ports(void **state)
{
	(void)state;
	check("{protocol: tcp, ipv4: 203.0.113.1, port: 16383, to: 1}", NULL);
	check("{protocol: tcp, ipv4: 203.0.113.1, port: 16384, to: 1}",
	      "16384 meets 16384-49151 of nat64.ports");
	check("{protocol: tcp, ipv4: 203.0.113.1, port: 49151, to: 1}",
	      "49151 meets 16384-49151 of nat64.ports");
	check("{protocol: tcp, ipv4: 203.0.113.1, port: 49152, to: 1}", NULL);
	check("{protocol: tcp, ipv4: 203.0.113.1, port: 60000, to: 1}",
	      "60000 meets 57344-65535 of nat44.ports");
	check("{protocol: tcp, ipv4: 203.0.113.2, port: 20000, to: 1}", NULL);
	check("{protocol: tls, names: [a.example], port: 20000, to: 1}",
	      "20000 meets 16384-49151 of nat64.ports");
}

/* What one change may cost every worker in one step. */
static void names_of_all_exposures_are_limited_together(void **state)
{
	static struct name_pattern names[TENANT_NAMES_TOTAL + 1];
	static char text[TENANT_NAMES_TOTAL + 1][24];
	struct expose_conf exposes[2] = {
		{.protocol = PROTOCOL_TLS, .port = 443, .to = 443, .names = names},
		{.protocol = PROTOCOL_TLS, .port = 8443, .to = 443, .n_names = 10, .names = names},
	};
	struct service_conf service = {.name = "web", .exposes = exposes, .n_exposes = 2};
	struct tenant_conf conf = {.name = "acme", .services = &service, .n_services = 1};
	struct issues issues;

	(void)state;
	for (size_t i = 0; i <= TENANT_NAMES_TOTAL; i++) {
		(void)snprintf(text[i], sizeof(text[i]), "n%zu.example", i);
		names[i].text = text[i];
	}
	for (size_t over = 0; over < 2; over++) {
		exposes[0].n_names = TENANT_NAMES_TOTAL - 10 + over;
		issues_init(&issues);
		tenant_conf_check(&conf, NULL, &issues);
		assert_int_equal(issues_count(&issues), over);
		if (over) {
			assert_string_equal(issues.list[0].path, "/services");
			assert_string_equal(issues.list[0].msg,
					    "16385 names in all, more than the 16384 of a tenant");
		}
		issues_fini(&issues);
	}
}

/* Only what the config says is there already has to be. */
static void nat64s_addresses_are_on_the_machine(void **state)
{
	struct pool_range ranges[] = {
		{.range = {.addr = address("203.0.113.1"), .len = 128}},
		{.range = {.addr = address("203.0.113.2"), .len = 128},
		 .delivery = DELIVERY_ONLINK},
		{.range = {.addr = address("203.0.113.8"), .len = 125},
		 .delivery = DELIVERY_ROUTED},
	};
	struct addr pool[] = {address("203.0.113.2"), address("203.0.113.9"),
			      address("203.0.113.1")};
	struct addr there[] = {address("::1"), address("203.0.113.1")};
	struct node_conf node = {.pool = ranges,
				 .n_pool = 3,
				 .nat64 = {.on = true, .pool = pool, .n_pool = 3}};
	struct issues issues;

	(void)state;
	issues_init(&issues);
	node_conf_check_machine(&node, there, 2, (struct port_range){0}, &issues);
	assert_int_equal(issues_count(&issues), 0);
	node_conf_check_machine(&node, there, 1, (struct port_range){0}, &issues);
	assert_int_equal(issues_count(&issues), 1);
	assert_string_equal(issues.list[0].path, "/nat64/pool/2");
	assert_string_equal(issues.list[0].msg,
			    "203.0.113.1 is on no interface of this machine: configure it there, "
			    "or let its range in uplink.ipv4 have delivery: onlink or routed");
	issues_fini(&issues);
}

/* Who has set another range of local ports than is usual, by hand. */
static void local_ports_are_those_of_the_machine(void **state)
{
	struct addr there = address("203.0.113.1");
	struct pool_range range = {.range = {.addr = there, .len = 128}};
	struct node_conf node = {.pool = &range,
				 .n_pool = 1,
				 .nat64 = {.on = true,
					   .pool = &there,
					   .n_pool = 1,
					   .ports = {16384, 32767},
					   .ports_per_tenant = 1024},
				 .nat44_ports = {61000, 65535}};
	struct issues issues;

	(void)state;
	issues_init(&issues);
	node_conf_check(&node, &issues);
	node_conf_check_machine(&node, &there, 1, (struct port_range){32768, 60999}, &issues);
	assert_int_equal(issues_count(&issues), 0);
	node_conf_check_machine(&node, &there, 1, (struct port_range){1024, 65535}, &issues);
	assert_int_equal(issues_count(&issues), 2);
	assert_string_equal(issues.list[0].path, "/nat64/ports");
	assert_string_equal(issues.list[0].msg,
			    "16384-32767 meets the 1024-65535 that connections of this machine "
			    "come from: give them a range of their own by local_ports");
	assert_string_equal(issues.list[1].path, "/nat44/ports");
	node.local_ports = (struct port_range){40000, 50000};
	node_conf_check_machine(&node, &there, 1, (struct port_range){1024, 65535}, &issues);
	node.local_ports = (struct port_range){0};
	range.delivery = DELIVERY_ROUTED; /* no connection comes from there */
	node_conf_check_machine(&node, &there, 1, (struct port_range){1024, 65535}, &issues);
	assert_int_equal(issues_count(&issues), 2);
	issues_fini(&issues);
}

static void pool_addresses_are_counted(void **state)
{
	struct pool_range ranges[] = {
		{.range = {.addr = address("203.0.113.0"), .len = 120}},
		{.range = {.addr = address("198.51.100.1"), .len = 128}},
	};
	struct node_conf node = {.pool = ranges, .n_pool = 2};
	struct addr in = address("203.0.113.255"), out = address("198.51.100.2");

	(void)state;
	assert_int_equal(node_conf_pool_size(&node), 257);
	assert_true(node_conf_in_pool(&node, &in));
	assert_false(node_conf_in_pool(&node, &out));
}

/* More sockets than 32 bits can count. */
static void sockets_do_not_overflow(void **state)
{
	struct pool_range range = {.range = {.addr = address("0.0.0.0"), .len = 96}};
	struct listener_conf listeners[2] = {{.any = true, .port = 1}, {.any = true, .port = 2}};
	struct node_conf node = {.pool = &range,
				 .n_pool = 1,
				 .listeners = listeners,
				 .n_listeners = 2};

	(void)state;
	assert_true(node_conf_sockets(&node) == (size_t)2 << 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exposures_stay_out_of_the_translators_ports),
		cmocka_unit_test(names_of_all_exposures_are_limited_together),
		cmocka_unit_test(nat64s_addresses_are_on_the_machine),
		cmocka_unit_test(local_ports_are_those_of_the_machine),
		cmocka_unit_test(pool_addresses_are_counted),
		cmocka_unit_test(sockets_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
