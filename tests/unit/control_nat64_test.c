/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the verbs nat64 and tunnels answer, from a module and peers of the test's. */
#include "gateway/control/nat64.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/control/port_alarm.h"
#include "gateway/control/problems.h"
#include "gateway/control/tunnels.h"
#include "gateway/kernel/jool.h"
#include "tests/unit/fake_jool.h"

#define KEY_1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define KEY_2 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="

struct rig {
	struct fake_jool fake;
	struct jool_context jool;
	struct addr pool;
	struct node_conf node;
	struct prefix prefix[2];
	struct tunnel_conf tunnels[2][2];
	struct tenant_conf tenants[2];
	struct nat64_view view;
	struct buf out;
	char dir[64];
};

static const struct tenant_conf *next_tenant(void *ctx, uint32_t *at)
{
	struct rig *r = ctx;

	return *at < 2 ? &r->tenants[(*at)++] : NULL;
}

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(str_from(text), &a), 0);
	return a;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	char path[128];
	FILE *f;

	fake_jool_init(&r->fake);
	r->fake.has_instance = true;
	strcpy(r->dir, "/tmp/sixgate-nat64-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(path, sizeof(path), "%s/module", r->dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/module/jool", r->dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/module/jool/version", r->dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("4.1.9.0\n", f);
	fclose(f);
	r->jool = (struct jool_context){.ops = &r->fake.ops,
					.sys_dir = r->dir,
					.modules_dir = r->dir};
	r->pool = addr_of("203.0.113.10");
	assert_int_equal(prefix_parse(str_from("2001:db8:a000::/48"), &r->node.ipv6_prefix, NULL),
			 0);
	r->node.has_ipv6_prefix = true;
	r->node.nat64.on = true;
	r->node.nat64.pool = &r->pool;
	r->node.nat64.n_pool = 1;
	r->node.nat64.ports = (struct port_range){16384, 49151};
	r->node.nat64.ports_per_tenant = 10;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(prefix_parse(str_from(i == 0 ? "2001:db8:a000:1::/64"
							      : "2001:db8:a000:2::/64"),
					      &r->prefix[i], NULL),
				 0);
		r->tunnels[i][0] = (struct tunnel_conf){.name = "home",
							.kind = TUNNEL_WIREGUARD,
							.public_key = i == 0 ? KEY_1 : KEY_2,
							.prefixes = &r->prefix[i],
							.n_prefixes = 1};
		r->tunnels[i][1] = (struct tunnel_conf){.name = "dc",
							.kind = TUNNEL_6IN4,
							.has_remote = true,
							.remote = addr_of("198.51.100.9"),
							.prefixes = &r->prefix[i],
							.n_prefixes = 1};
		r->tenants[i] = (struct tenant_conf){.name = i == 0 ? "acme" : "globex",
						     .prefixes = &r->prefix[i],
						     .n_prefixes = 1,
						     .tunnels = r->tunnels[i],
						     .n_tunnels = 2};
	}
	r->view = (struct nat64_view){.jool = &r->jool,
				      .conf = &r->node,
				      .next = next_tenant,
				      .ctx = r};
	buf_init(&r->out, 1 << 20);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;
	char command[128];

	buf_fini(&r->out);
	snprintf(command, sizeof(command), "rm -r %s", r->dir);
	assert_int_equal(system(command), 0);
	free(r);
	return 0;
}

static void add_mapping(struct rig *r, uint8_t protocol, const char *inside, uint16_t port,
			bool is_static)
{
	r->fake.mappings[r->fake.n_mappings++] =
		(struct jool_entry){.protocol = protocol,
				    .src6 = {.addr = addr_of(inside), .port = 5000},
				    .src4 = {.addr = r->pool, .port = port},
				    .is_static = is_static};
}

/* The whole answer as text; ret_pieces: in how many. */
static const char *ask(struct rig *r, const char *what, unsigned int *ret_pieces)
{
	struct nat64_query query = {0};
	unsigned int n = 0;
	struct err err;
	int rc = 1;

	assert_true(nat64_what_parse(str_from(what), &query.what));
	r->out.len = 0;
	while (rc == 1) {
		rc = nat64_write(&r->view, &query, &r->out, &err);
		assert_true(++n < 100);
	}
	assert_int_equal(rc, 0);
	buf_u8(&r->out, 0);
	*ret_pieces = n;
	return (const char *)r->out.data;
}

static void mappings_have_their_tenants(void **state)
{
	struct rig *r = *state;
	unsigned int n;

	add_mapping(r, IPPROTO_TCP, "2001:db8:a000:1::7", 16394, true);
	add_mapping(r, IPPROTO_UDP, "2001:db8:a000:2::7", 16404, false);
	add_mapping(r, IPPROTO_UDP, "2001:db8:ffff::7", 16405, false);
	assert_string_equal(
		ask(r, "bib", &n),
		"{\"tenant\":\"acme\",\"protocol\":\"tcp\",\"inside\":\"[2001:db8:a000:1::7]:5000\","
		"\"outside\":\"203.0.113.10:16394\",\"kind\":\"static\"}\n"
		"{\"tenant\":\"globex\",\"protocol\":\"udp\",\"inside\":"
		"\"[2001:db8:a000:2::7]:5000\",\"outside\":\"203.0.113.10:16404\",\"kind\":"
		"\"dynamic\"}\n"
		"{\"tenant\":null,\"protocol\":\"udp\",\"inside\":\"[2001:db8:ffff::7]:5000\","
		"\"outside\":\"203.0.113.10:16405\",\"kind\":\"dynamic\"}\n");
	r->view.only = "acme";
	assert_null(strstr(ask(r, "bib", &n), "globex"));
}

static void sessions_come_in_pieces(void **state)
{
	static const char first[] =
		"{\"tenant\":\"acme\",\"protocol\":\"tcp\",\"inside\":"
		"\"[2001:db8:a000:1::7]:5000\",\"outside\":\"203.0.113.10:16394\","
		"\"remote\":\"203.0.113.10:443\",\"state\":\"trans\",\"expires_ms\":61000}\n";
	struct rig *r = *state;
	const char *text;
	unsigned int n, lines = 0;

	for (uint16_t i = 0; i < 40; i++) {
		add_mapping(r, IPPROTO_TCP, "2001:db8:a000:1::7", (uint16_t)(16394 + i), false);
	}
	text = ask(r, "sessions", &n);
	for (const char *p = text; *p; p++) {
		lines += *p == '\n';
	}
	assert_int_equal(lines, 40);
	assert_true(n > 1);
	assert_int_equal(strncmp(text, first, strlen(first)), 0);
}

/* Ports of others, before and behind, are not counted; nine of ten are an alarm. */
static void ports_in_use_are_counted_within_the_block(void **state)
{
	struct rig *r = *state;
	unsigned int n;

	for (uint16_t i = 0; i < 9; i++) {
		add_mapping(r, IPPROTO_UDP, "2001:db8:a000:1::7", (uint16_t)(16394 + i), i == 0);
	}
	add_mapping(r, IPPROTO_UDP, "2001:db8:a000:2::7", 16393, false);
	add_mapping(r, IPPROTO_UDP, "2001:db8:a000:2::7", 16404, false);
	assert_string_equal(
		ask(r, "pool", &n),
		"{\"tenant\":\"acme\",\"address\":\"203.0.113.10\",\"ports\":\"16394-16403\","
		"\"size\":10,\"tcp\":0,\"udp\":9,\"icmp\":0,\"percent\":90,\"alarm\":true}\n"
		"{\"tenant\":\"globex\",\"address\":\"203.0.113.10\",\"ports\":\"16404-16413\","
		"\"size\":10,\"tcp\":0,\"udp\":1,\"icmp\":0,\"percent\":10,\"alarm\":false}\n");
}

static void each_counter_has_its_sentence(void **state)
{
	struct rig *r = *state;
	unsigned int n;

	assert_non_null(strstr(ask(r, "stats", &n),
			       "{\"counter\":\"bib6-not-found\",\"value\":84,\"text\":\"dropped: "
			       "no port was free"));
}

/* One of two tenants has nine of its ten ports in use. */
static void use_of_a_block_is_an_alarm_near_its_end(void **state)
{
	struct rig *r = *state;
	struct nat64_use use;
	struct err err;
	uint32_t at = 0;

	for (uint16_t i = 0; i < 9; i++) {
		add_mapping(r, IPPROTO_TCP, "2001:db8:a000:2::7", (uint16_t)(16404 + i), false);
	}
	assert_int_equal(nat64_use(&r->view, &at, &use, &err), 1);
	assert_string_equal(use.tenant, "acme");
	assert_false(use.alarm);
	assert_int_equal(nat64_use(&r->view, &at, &use, &err), 1);
	assert_string_equal(use.tenant, "globex");
	assert_true(use.alarm);
	assert_int_equal(nat64_use(&r->view, &at, &use, &err), 0);
	r->fake.has_instance = false;
	at = 0;
	assert_int_equal(nat64_use(&r->view, &at, &use, &err), -ESRCH);
}

static void note(struct port_alarm *alarm, struct problems *problems, const char *tenant,
		 unsigned int most)
{
	const struct nat64_use use = {.tenant = tenant,
				      .size = 10,
				      .most = most,
				      .alarm = most >= 9};

	port_alarm_note(alarm, problems, &use);
}

static void each_tenant_has_its_alarm_until_it_is_calm(void **state)
{
	struct port_alarm alarm;
	struct problems problems;

	(void)state;
	port_alarm_init(&alarm);
	problems_init(&problems);
	note(&alarm, &problems, "acme", 8);
	assert_int_equal(problems_count(&problems), 0);
	note(&alarm, &problems, "acme", 9);
	note(&alarm, &problems, "globex", 10);
	assert_true(problem_has(&problems, "nat64 ports of acme"));
	assert_true(problem_has(&problems, "nat64 ports of globex"));
	port_alarm_round(&alarm, &problems);
	note(&alarm, &problems, "acme", 8); /* at the edge */
	note(&alarm, &problems, "globex", 7);
	assert_true(problem_has(&problems, "nat64 ports of acme"));
	assert_false(problem_has(&problems, "nat64 ports of globex"));
	port_alarm_round(&alarm, &problems);
	assert_int_equal(problems_count(&problems), 1);
	note(&alarm, &problems, "globex", 9);
	port_alarm_round(&alarm, &problems); /* acme is no tenant any more */
	assert_false(problem_has(&problems, "nat64 ports of acme"));
	assert_true(problem_has(&problems, "nat64 ports of globex"));
	port_alarm_fini(&alarm);
	problems_fini(&problems);
}

static void holder_is_who_has_the_block_or_the_exposure(void **state)
{
	struct rig *r = *state;
	struct expose_conf expose = {.protocol = PROTOCOL_UDP,
				     .via = VIA_NAT64,
				     .has_ipv4 = true,
				     .ipv4 = r->pool,
				     .port = 53};
	struct service_conf service = {.n_exposes = 1, .exposes = &expose};
	struct endpoint at = {.addr = r->pool, .port = 16403};

	r->tenants[1].services = &service;
	r->tenants[1].n_services = 1;
	for (int i = 0; i < 2; i++) {
		nat64_write_holder(&r->node, &r->tenants[i], &at, &r->out);
	}
	at.port = 53;
	for (int i = 0; i < 2; i++) {
		nat64_write_holder(&r->node, &r->tenants[i], &at, &r->out);
	}
	at.port = 54;
	nat64_write_holder(&r->node, &r->tenants[1], &at, &r->out);
	buf_u8(&r->out, 0);
	assert_string_equal(
		(const char *)r->out.data,
		"{\"tenant\":\"acme\",\"protocol\":\"all\",\"first\":16394,\"last\":16403}\n"
		"{\"tenant\":\"globex\",\"protocol\":\"udp\",\"first\":53,\"last\":53}\n");
}

static void failure_of_the_module_is_told(void **state)
{
	struct rig *r = *state;
	struct nat64_query query = {.what = NAT64_MAPPINGS};
	struct err err;

	r->fake.has_instance = false;
	assert_int_equal(nat64_write(&r->view, &query, &r->out, &err), -ESRCH);
	assert_non_null(strstr(err.msg, "said by the module"));
	assert_false(nat64_what_parse(str_from("flush"), &query.what));
}

static void tunnels_show_where_the_other_end_is(void **state)
{
	struct rig *r = *state;
	struct object_set peers;
	const struct tunnels_view view = {.conf = &r->node, .seen = &peers, .now_s = 1061};
	struct object six = {.kind = OBJECT_LINK,
			     .link = {.name = "sg-0001", .rx_bytes = 7, .tx_bytes = 8}};
	struct object o = {.kind = OBJECT_WG_PEER,
			   .wg_peer = {.link = "sg-wg",
				       .endpoint = {.addr = addr_of("198.51.100.77"), .port = 7},
				       .handshake_s = 1000,
				       .rx_bytes = 5,
				       .tx_bytes = 6}};

	memset(o.wg_peer.public_key, 1, WG_KEY_BYTES);
	object_set_init(&peers);
	object_set_add(&peers, &o);
	object_set_add(&peers, &six);
	assert_int_equal(object_set_sort(&peers, NULL), 0);
	tunnels_write(&view, &r->tenants[0], &r->out);
	tunnels_write(&view, &r->tenants[1], &r->out);
	buf_u8(&r->out, 0);
	assert_string_equal(
		(const char *)r->out.data,
		"{\"tenant\":\"acme\",\"tunnel\":\"home\",\"kind\":\"wireguard\",\"link\":\"sg-wg\","
		"\"prefix\":\"2001:db8:a000:1::/64\",\"present\":true,\"remote\":"
		"\"198.51.100.77:7\",\"handshake_ms\":61000,\"bytes_in\":5,\"bytes_out\":6}\n"
		"{\"tenant\":\"acme\",\"tunnel\":\"dc\",\"kind\":\"6in4\",\"link\":\"sg-0001\","
		"\"prefix\":\"2001:db8:a000:1::/64\",\"present\":true,\"remote\":\"198.51.100.9\","
		"\"bytes_in\":7,\"bytes_out\":8}\n"
		"{\"tenant\":\"globex\",\"tunnel\":\"home\",\"kind\":\"wireguard\",\"link\":"
		"\"sg-wg\",\"prefix\":\"2001:db8:a000:2::/64\",\"present\":false}\n"
		"{\"tenant\":\"globex\",\"tunnel\":\"dc\",\"kind\":\"6in4\",\"link\":\"sg-0002\","
		"\"prefix\":\"2001:db8:a000:2::/64\",\"present\":false,\"remote\":"
		"\"198.51.100.9\"}\n");
	object_set_fini(&peers);
}

static void uplink_that_is_a_tunnel_is_shown_as_one(void **state)
{
	struct rig *r = *state;
	struct object_set seen;
	const struct tunnels_view view = {.conf = &r->node, .seen = &seen, .now_s = 1061};
	struct object o = {.kind = OBJECT_LINK,
			   .link = {.name = "sg-up", .rx_bytes = 7, .tx_bytes = 8}};

	object_set_init(&seen);
	object_set_add(&seen, &o);
	o = (struct object){.kind = OBJECT_WG_PEER,
			    .wg_peer = {.link = "sg-up", .handshake_s = 1000, .rx_bytes = 5}};
	memset(o.wg_peer.public_key, 1, WG_KEY_BYTES);
	object_set_add(&seen, &o);
	assert_int_equal(object_set_sort(&seen, NULL), 0);
	r->node.exit.remote = addr_of("198.51.100.30");
	r->node.exit.public_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
	for (int kind = UPLINK_DIRECT; kind <= UPLINK_6IN4; kind++) {
		r->node.uplink_kind = (enum uplink_kind)kind;
		tunnels_write_uplink(&view, &r->out);
	}
	r->node.uplink_kind = UPLINK_DIRECT;
	buf_u8(&r->out, 0);
	assert_string_equal(
		(const char *)r->out.data,
		"{\"tenant\":null,\"tunnel\":\"uplink\",\"kind\":\"wireguard\",\"link\":\"sg-up\","
		"\"prefix\":\"2001:db8:a000::/48\",\"present\":true,\"remote\":null,"
		"\"handshake_ms\":61000,\"bytes_in\":5,\"bytes_out\":0}\n"
		"{\"tenant\":null,\"tunnel\":\"uplink\",\"kind\":\"6in4\",\"link\":\"sg-up\","
		"\"prefix\":\"2001:db8:a000::/48\",\"present\":true,\"remote\":\"198.51.100.30\","
		"\"bytes_in\":7,\"bytes_out\":8}\n");
	object_set_fini(&seen);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(mappings_have_their_tenants),
		TEST(sessions_come_in_pieces),
		TEST(ports_in_use_are_counted_within_the_block),
		TEST(each_counter_has_its_sentence),
		TEST(use_of_a_block_is_an_alarm_near_its_end),
		TEST(each_tenant_has_its_alarm_until_it_is_calm),
		TEST(holder_is_who_has_the_block_or_the_exposure),
		TEST(failure_of_the_module_is_told),
		TEST(tunnels_show_where_the_other_end_is),
		TEST(uplink_that_is_a_tunnel_is_shown_as_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
