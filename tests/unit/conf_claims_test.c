/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What belongs to one tenant only: refused to the second, free again after the first, and nothing
 * left behind by a refusal. (The messages are held by tests/golden/conf/claims-*.)
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "conf/model/claims.h"
#include "conf/text/conf.h"

/* A tenant NAME with prefix 2001:db8:NUMBER::/64 and one service with these exposures. */
static struct tenant_conf *tenant(const char *name, unsigned int number, const char *exposes)
{
	struct tenant_conf *t = NULL;
	struct issues issues;
	char text[4096];

	snprintf(text, sizeof(text),
		 "tenant: %s\nserial: 1\nprefixes: [\"2001:db8:%x::/64\"]\nservices:\n"
		 "  - {name: s, backends: [\"2001:db8:%x::1\"], expose: [%s]}\n",
		 name, number, number, exposes);
	issues_init(&issues);
	if (conf_tenant_parse(name, str_from(text), NULL, &t, &issues) < 0) {
		print_error("%s\n", issues.list[0].msg);
	}
	issues_fini(&issues);
	assert_non_null(t);
	return t;
}

static int add_on(struct claims *claims, const struct node_conf *node, const struct tenant_conf *t,
		  char *ret_msg)
{
	struct issues issues;
	int rc;

	issues_init(&issues);
	rc = claims_add(claims, node, t, &issues);
	assert_int_equal(rc != 0, issues.n != 0);
	if (ret_msg) {
		snprintf(ret_msg, ERR_MSG_MAX, "%s", issues.n > 0 ? issues.list[0].msg : "");
	}
	issues_fini(&issues);
	return rc;
}

static int add(struct claims *claims, const struct tenant_conf *t, char *ret_msg)
{
	return add_on(claims, NULL, t, ret_msg);
}

/* Two tenants cannot hold these at once, in either order; each can after the other has gone. */
static void exclude_each_other(const char *one, const char *two)
{
	struct tenant_conf *a = tenant("a", 1, one), *b = tenant("b", 2, two);
	struct claims *claims = claims_new();
	char msg[ERR_MSG_MAX];

	assert_non_null(claims);
	for (int turn = 0; turn < 3; turn++) {
		assert_int_equal(add(claims, a, NULL), 0);
		assert_int_equal(add(claims, b, msg), -EEXIST);
		assert_non_null(strstr(msg, "belongs to tenant a"));
		claims_remove(claims, a);
		assert_int_equal(add(claims, b, NULL), 0);
		assert_int_equal(add(claims, a, msg), -EEXIST);
		assert_non_null(strstr(msg, "belongs to tenant b"));
		claims_remove(claims, b);
	}
	claims_free(claims);
	tenant_conf_unref(a);
	tenant_conf_unref(b);
}

static void go_together(const char *one, const char *two)
{
	struct tenant_conf *a = tenant("a", 1, one), *b = tenant("b", 2, two);
	struct claims *claims = claims_new();

	assert_int_equal(add(claims, a, NULL), 0);
	assert_int_equal(add(claims, b, NULL), 0);
	claims_remove(claims, a);
	assert_int_equal(add(claims, a, NULL), 0);
	claims_free(claims);
	tenant_conf_unref(a);
	tenant_conf_unref(b);
}

#define TLS(names) "{protocol: tls, to: 443, names: [" names "]}"

static void names_exclude_each_other(void **state)
{
	(void)state;
	exclude_each_other(TLS("x.example"), TLS("x.example"));
	exclude_each_other(TLS("x.example"), TLS("y.example, X.Example."));
	exclude_each_other(TLS("\"*.x.example\""), TLS("\"*.x.example\""));
	exclude_each_other(TLS("\"*.x.example\""), TLS("a.x.example"));
	exclude_each_other(TLS("\"*.x.example\""), TLS("a.b.c.x.example"));
	exclude_each_other(TLS("\"*.x.example\""), TLS("\"*.a.x.example\""));
	exclude_each_other(TLS("z.example, \"*.x.example\""), TLS("y.example, a.x.example"));
}

static void names_apart_go_together(void **state)
{
	(void)state;
	go_together(TLS("x.example"), TLS("y.example"));
	go_together(TLS("x.example"), TLS("a.x.example"));
	go_together(TLS("\"*.x.example\""), TLS("x.example"));
	go_together(TLS("\"*.x.example\""), TLS("ax.example, a.ax.example"));
	go_together(TLS("\"*.x.example\""), TLS("\"*.y.example\", x.example.com"));
	go_together(TLS("x.example"), "{protocol: tls, to: 443, port: 8443, names: [x.example]}");
}

/* Whoever is first, and whether or not the tenant has any name there. */
static void a_tenants_part_of_the_zone_is_its_own(void **state)
{
	static const char *const names[] = {"a.exit1.example", "\"*.a.exit1.example\"",
					    "www.a.exit1.example",
					    "x.exit1.example, b.a.exit1.example"};
	static struct listener_conf listener = {.any = true, .port = 443, .protocol = PROTOCOL_TLS};
	const struct node_conf node = {.listeners = &listener,
				       .n_listeners = 1,
				       .dns64.zone = "exit1.example"};
	struct claims *claims = claims_new();
	char msg[ERR_MSG_MAX], expose[256];

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(names) / sizeof(names[0]); i++) {
		const char *name = names[i / 2];
		struct tenant_conf *a, *b;

		(void)snprintf(expose, sizeof(expose), TLS("%s"), name);
		a = tenant("a", 1, i % 2 ? expose : TLS("a.example"));
		b = tenant("b", 2, expose);
		for (int turn = 0; turn < 2; turn++) { /* what was refused has left nothing */
			assert_int_equal(add_on(claims, &node, a, NULL), 0);
			assert_int_equal(add_on(claims, &node, b, msg), -EEXIST);
			assert_non_null(strstr(msg, "belongs to tenant a"));
			claims_remove(claims, a);
			assert_int_equal(add_on(claims, &node, b, NULL), 0);
			assert_int_equal(add_on(claims, &node, a, msg), -EEXIST);
			assert_non_null(strstr(msg, "belongs to tenant b"));
			claims_remove(claims, b);
		}
		tenant_conf_unref(a);
		tenant_conf_unref(b);
	}
	claims_free(claims);
}

static void addresses_and_ports_exclude_each_other(void **state)
{
	(void)state;
#define TCP(address, port) "{protocol: tcp, to: 1, ipv4: " address ", port: " port "}"
	exclude_each_other(TCP("192.0.2.1", "22"), TCP("192.0.2.1", "22"));
	exclude_each_other(TCP("192.0.2.1", "8443"),
			   "{protocol: tls, to: 1, port: 8443, names: [x.example]}");
	exclude_each_other("{protocol: tls, to: 1, port: 5223, alpn: [x]}",
			   "{protocol: tls, to: 1, port: 5223, alpn: [y, x]}");
	go_together(TCP("192.0.2.1", "22"), TCP("192.0.2.1", "23"));
	go_together(TCP("192.0.2.1", "22"), TCP("192.0.2.2", "22"));
	go_together(TCP("192.0.2.1", "22"), TLS("x.example"));
	go_together("{protocol: tls, to: 1, alpn: [x]}", "{protocol: tls, to: 1, alpn: [y]}");
	go_together("{protocol: tls, to: 1, alpn: [x]}", TLS("x.example"));
}

static struct tenant_conf *with_prefix(const char *name, const char *text)
{
	struct tenant_conf *t = tenant(name, 1, "");

	assert_int_equal(prefix_parse(str_from(text), &t->prefixes[0], NULL), 0);
	return t;
}

static void prefixes_exclude_each_other(void **state)
{
	static const struct {
		const char *a, *b;
		int rc;
	} vectors[] = {
		{"2001:db8::/48", "2001:db8::/48", -EEXIST},
		{"2001:db8::/48", "2001:db8::/64", -EEXIST},
		{"2001:db8::/48", "2001:db8:0:ffff::/64", -EEXIST},
		{"2001:db8:0:ffff::/64", "2001:db8::/48", -EEXIST},
		{"2001:db8::/64", "2001:db8::/40", -EEXIST},
		{"2001:db8::/48", "2001:db8:1::/64", 0},
		{"2001:db8:0:1::/64", "2001:db8:0:2::/64", 0},
		{"2001:db8:0:1::/64", "2001:db8::/64", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct tenant_conf *a = with_prefix("a", vectors[i].a);
		struct tenant_conf *b = with_prefix("b", vectors[i].b);
		struct claims *claims = claims_new();

		assert_int_equal(add(claims, a, NULL), 0);
		assert_int_equal(add(claims, b, NULL), vectors[i].rc);
		claims_remove(claims, a);
		assert_int_equal(add(claims, b, NULL), vectors[i].rc == 0 ? -EEXIST : 0);
		claims_free(claims);
		tenant_conf_unref(a);
		tenant_conf_unref(b);
	}
}

static void public_keys_exclude_each_other(void **state)
{
	struct tunnel_conf tunnel = {.public_key = "mMEnq6bRZEaaBbnZIAxdYdQxKqVxwDdiLpeoCK7B9Ws="};
	struct tenant_conf *a = tenant("a", 1, ""), *b = tenant("b", 2, "");
	struct claims *claims = claims_new();
	char msg[ERR_MSG_MAX];

	(void)state;
	a->tunnels = b->tunnels = &tunnel;
	a->n_tunnels = b->n_tunnels = 1;
	assert_int_equal(add(claims, a, NULL), 0);
	assert_int_equal(add(claims, b, msg), -EEXIST);
	assert_string_equal(msg, "the key belongs to tenant a");
	claims_remove(claims, a);
	assert_int_equal(add(claims, b, NULL), 0);
	claims_free(claims);
	tenant_conf_unref(a);
	tenant_conf_unref(b);
}

static void a_whole_address_excludes_its_ports(void **state)
{
	struct expose_conf whole = {.protocol = PROTOCOL_ADDRESS, .has_ipv4 = true};
	struct tenant_conf *a = tenant("a", 1, ""), *b = tenant("b", 2, TCP("192.0.2.1", "22"));
	struct tenant_conf *c = tenant("c", 3, "");
	struct claims *claims = claims_new();

	(void)state;
	whole.ipv4 = b->services[0].exposes[0].ipv4;
	a->services[0].exposes = c->services[0].exposes = &whole;
	a->services[0].n_exposes = c->services[0].n_exposes = 1;
	assert_int_equal(add(claims, a, NULL), 0);
	assert_int_equal(add(claims, b, NULL), -EEXIST);
	assert_int_equal(add(claims, c, NULL), -EEXIST);
	claims_remove(claims, a);
	assert_int_equal(add(claims, b, NULL), 0);
	assert_int_equal(add(claims, a, NULL), -EEXIST);
	claims_free(claims);
	tenant_conf_unref(a);
	tenant_conf_unref(b);
	tenant_conf_unref(c);
}

static void a_refused_tenant_leaves_nothing_behind(void **state)
{
	struct tenant_conf *a = tenant("a", 1, TLS("x.example"));
	struct tenant_conf *b =
		tenant("b", 2, TLS("y.example, x.example, z.example") ", " TCP("192.0.2.1", "22"));
	struct tenant_conf *c =
		tenant("c", 2,
		       TLS("\"*.y.example\", y.example, z.example") ", " TCP("192.0.2.1", "22"));
	struct claims *claims = claims_new();

	(void)state;
	assert_int_equal(add(claims, a, NULL), 0);
	assert_int_equal(add(claims, b, NULL), -EEXIST);
	assert_int_equal(add(claims, c, NULL), 0);
	claims_free(claims);
	tenant_conf_unref(a);
	tenant_conf_unref(b);
	tenant_conf_unref(c);
}

static void a_tenant_is_added_once(void **state)
{
	struct tenant_conf *a = tenant("a", 1, ""), *same = tenant("a", 2, "");
	struct claims *claims = claims_new();
	char msg[ERR_MSG_MAX];

	(void)state;
	assert_int_equal(add(claims, a, NULL), 0);
	assert_int_equal(add(claims, same, msg), -EEXIST);
	assert_string_equal(msg, "there is a tenant a already");
	claims_free(claims);
	tenant_conf_unref(a);
	tenant_conf_unref(same);
}

static void an_update_keeps_its_own_and_frees_the_rest(void **state)
{
	struct tenant_conf *before = tenant("a", 1, TLS("x.example, \"*.y.example\", z.example"));
	struct tenant_conf *after = tenant("a", 1, TLS("x.example, b.y.example, \"*.x.example\""));
	struct tenant_conf *other = tenant("b", 2, TLS("z.example, a.y.example"));
	struct tenant_conf *third = tenant("c", 3, TLS("q.x.example"));
	struct claims *claims = claims_new();
	struct issues issues;

	(void)state;
	issues_init(&issues);
	assert_int_equal(add(claims, before, NULL), 0);
	assert_int_equal(add(claims, other, NULL), -EEXIST);
	assert_int_equal(claims_replace(claims, NULL, before, after, &issues), 0);
	assert_int_equal(add(claims, other, NULL), 0);
	assert_int_equal(add(claims, third, NULL), -EEXIST);
	claims_remove(claims, after);
	assert_int_equal(add(claims, third, NULL), 0);
	issues_fini(&issues);
	claims_free(claims);
	tenant_conf_unref(before);
	tenant_conf_unref(after);
	tenant_conf_unref(other);
	tenant_conf_unref(third);
}

static void a_refused_update_changes_nothing(void **state)
{
	struct tenant_conf *before = tenant("a", 1, TLS("x.example"));
	struct tenant_conf *after = tenant("a", 1, TLS("new.example, taken.example"));
	struct tenant_conf *other = tenant("b", 2, TLS("taken.example"));
	struct tenant_conf *wants_old = tenant("c", 3, TLS("x.example"));
	struct tenant_conf *wants_new = tenant("d", 4, TLS("new.example"));
	struct claims *claims = claims_new();
	struct issues issues;

	(void)state;
	issues_init(&issues);
	assert_int_equal(add(claims, before, NULL), 0);
	assert_int_equal(add(claims, other, NULL), 0);
	assert_int_equal(claims_replace(claims, NULL, before, after, &issues), -EEXIST);
	assert_int_equal(issues.n, 1);
	assert_string_equal(issues.list[0].path, "/services/0/expose/0/names/1");
	assert_int_equal(add(claims, wants_old, NULL), -EEXIST);
	assert_int_equal(add(claims, wants_new, NULL), 0);
	issues_fini(&issues);
	claims_free(claims);
	tenant_conf_unref(before);
	tenant_conf_unref(after);
	tenant_conf_unref(other);
	tenant_conf_unref(wants_old);
	tenant_conf_unref(wants_new);
}

/* A smaller prefix grows into the one around it, and back, without meeting itself. */
static void an_update_may_change_the_size_of_a_prefix(void **state)
{
	struct tenant_conf *small = with_prefix("a", "2001:db8:0:1::/64");
	struct tenant_conf *large = with_prefix("a", "2001:db8::/48");
	struct tenant_conf *other = with_prefix("b", "2001:db8:0:2::/64");
	struct claims *claims = claims_new();
	struct issues issues;

	(void)state;
	issues_init(&issues);
	assert_int_equal(add(claims, small, NULL), 0);
	assert_int_equal(claims_replace(claims, NULL, small, large, &issues), 0);
	assert_int_equal(add(claims, other, NULL), -EEXIST);
	assert_int_equal(claims_replace(claims, NULL, large, small, &issues), 0);
	assert_int_equal(add(claims, other, NULL), 0);
	assert_int_equal(claims_replace(claims, NULL, small, large, &issues), -EEXIST);
	issues_fini(&issues);
	claims_free(claims);
	tenant_conf_unref(small);
	tenant_conf_unref(large);
	tenant_conf_unref(other);
}

static void sockets_are_counted(void **state)
{
	struct listener_conf listener = {.any = true, .port = 443, .protocol = PROTOCOL_TLS};
	struct pool_range pool = {.range = {.len = 126}};
	struct node_conf node = {.pool = &pool,
				 .n_pool = 1,
				 .listeners = &listener,
				 .n_listeners = 1};
	struct tenant_conf *a = tenant("a", 1, TLS("x.example") ", " TCP("192.0.2.1", "22"));
	struct tenant_conf *b = tenant("b", 2,
				       "{protocol: tls, to: 1, port: 8443, names: [y.example]}, "
				       "{protocol: tls, to: 1, port: 8443, names: [z.example]}");
	struct claims *claims = claims_new();

	(void)state;
	assert_int_equal(addr_parse(str_from("192.0.2.0"), &pool.range.addr), 0);
	assert_int_equal(claims_sockets(claims, &node), 4);
	assert_int_equal(add(claims, a, NULL), 0);
	assert_int_equal(claims_sockets(claims, &node), 5);
	assert_int_equal(add(claims, b, NULL), 0);
	assert_int_equal(claims_sockets(claims, &node), 9);
	claims_remove(claims, b);
	claims_remove(claims, a);
	assert_int_equal(claims_sockets(claims, &node), 4);
	claims_free(claims);
	tenant_conf_unref(a);
	tenant_conf_unref(b);
}

/* Many tenants come and go in a fixed disorder; the index is held against a plain list of names. */
static void a_long_disorder_ends_where_it_began(void **state)
{
	enum {
		TENANTS = 200,
		NAMES = 40,
		STEPS = 4000
	};
	struct tenant_conf *tenants[TENANTS];
	bool in[TENANTS] = {0};
	int owner[NAMES];
	struct claims *claims = claims_new();
	unsigned int seed = 1;

	(void)state;
	memset(owner, -1, sizeof(owner));
	for (int i = 0; i < TENANTS; i++) {
		char name[16], expose[128];

		snprintf(name, sizeof(name), "t%d", i);
		snprintf(expose, sizeof(expose), "{protocol: tls, to: 1, names: [n%d.example]}",
			 i % NAMES);
		tenants[i] = tenant(name, (unsigned int)i + 1, expose);
	}
	for (int step = 0; step < STEPS; step++) {
		int i = rand_r(&seed) % TENANTS;

		if (in[i]) {
			claims_remove(claims, tenants[i]);
			owner[i % NAMES] = -1;
			in[i] = false;
		} else {
			bool is_free = owner[i % NAMES] < 0;

			assert_int_equal(add(claims, tenants[i], NULL), is_free ? 0 : -EEXIST);
			in[i] = is_free;
			owner[i % NAMES] = is_free ? i : owner[i % NAMES];
		}
	}
	claims_free(claims);
	for (int i = 0; i < TENANTS; i++) {
		tenant_conf_unref(tenants[i]);
	}
}

/* a has x, b has y; each wants the other's, a also more. Whether that works, and how it ends. */
static void check_swap(const char *more, int result, bool keep_former)
{
	char wants[256];
	struct tenant_conf *a = tenant("a", 1, TLS("x.example")), *a2;
	struct tenant_conf *b = tenant("b", 2, TLS("y.example"));
	struct tenant_conf *b2 = tenant("b", 1, TLS("x.example"));
	struct tenant_conf *other = tenant("other", 3, TLS("z.example"));
	struct tenant_conf *x = tenant("c", 4, TLS("a.x.example, x.example"));
	struct tenant_conf *y = tenant("c", 4, TLS("a.y.example, y.example"));
	const struct tenant_conf *former[2], *wanted[2];
	struct claims *claims = claims_new();
	struct issues issues;
	char msg[ERR_MSG_MAX];
	bool back;

	(void)snprintf(wants, sizeof(wants), TLS("y.example, %s"), more);
	a2 = tenant("a", 2, wants);
	former[0] = a;
	former[1] = b;
	wanted[0] = a2;
	wanted[1] = b2;
	assert_int_equal(add(claims, a, NULL), 0);
	assert_int_equal(add(claims, b, NULL), 0);
	assert_int_equal(add(claims, other, NULL), 0);
	issues_init(&issues);
	assert_int_equal(claims_swap(claims, NULL, wanted, former, 2, &issues), result);
	issues_fini(&issues);
	back = result < 0 || keep_former;
	if (result == 0) {
		assert_int_equal(add(claims, x, msg), -EEXIST);
		assert_int_equal(add(claims, y, msg), -EEXIST);
		claims_swap_end(claims, back ? former : wanted, 2);
		claims_remove(claims, back ? a2 : a);
		claims_remove(claims, back ? b2 : b);
	} else if (result == -EEXIST) {
		assert_string_equal(claims_refused_by(claims), "other");
	}
	assert_int_equal(add(claims, x, msg), -EEXIST);
	assert_non_null(strstr(msg, back ? "tenant a" : "tenant b"));
	assert_int_equal(add(claims, y, msg), -EEXIST);
	assert_non_null(strstr(msg, back ? "tenant b" : "tenant a"));
	claims_remove(claims, back ? a : a2);
	assert_int_equal(add(claims, back ? x : y, NULL), 0);
	claims_remove(claims, back ? x : y);
	claims_remove(claims, back ? b : b2);
	assert_int_equal(add(claims, x, NULL), 0);
	claims_remove(claims, x);
	assert_int_equal(add(claims, y, NULL), 0);
	claims_free(claims);
	tenant_conf_unref(a);
	tenant_conf_unref(a2);
	tenant_conf_unref(b);
	tenant_conf_unref(b2);
	tenant_conf_unref(other);
	tenant_conf_unref(x);
	tenant_conf_unref(y);
}

/* CPU time of claiming n prefixes, each before all others, and giving them up, in microseconds. */
static uint64_t cost_of(unsigned int n)
{
	struct prefix *prefixes = calloc(n, sizeof(*prefixes));
	struct tenant_conf t = {.name = "many", .prefixes = prefixes, .n_prefixes = n};
	struct claims *claims = claims_new();
	struct timespec from, to;

	assert_non_null(prefixes);
	for (unsigned int i = 0; i < n; i++) {
		prefixes[i].addr =
			(struct addr){.b = {0x20, 0x01, 0x0d, 0xb8, 0, (uint8_t)((n - i) >> 16),
					    (uint8_t)((n - i) >> 8), (uint8_t)(n - i)}};
		prefixes[i].len = 64;
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	assert_int_equal(add(claims, &t, NULL), 0);
	claims_remove(claims, &t);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	claims_free(claims);
	free(prefixes);
	return (uint64_t)(to.tv_sec - from.tv_sec) * 1000000 + (uint64_t)to.tv_nsec / 1000 -
	       (uint64_t)from.tv_nsec / 1000;
}

/* Ten times as many prefixes cost some ten times as much, and not a hundred times. */
static void each_prefix_costs_the_same_however_many_there_are(void **state)
{
	uint64_t few = cost_of(6000), many = cost_of(60000);

	(void)state;
	if (many >= 40 * few) {
		fail_msg("%llu us for 6,000, %llu us for 60,000", (unsigned long long)few,
			 (unsigned long long)many);
	}
}

static void a_swap_is_whole_or_not_at_all(void **state)
{
	(void)state;
	check_swap("mine.example", 0, false);
	check_swap("mine.example", 0, true);
	check_swap("z.example", -EEXIST, true);
	check_swap("\"*.z.example\", z.example", -EEXIST, true);
	check_swap("x.example", -EBUSY, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_exclude_each_other),
		cmocka_unit_test(names_apart_go_together),
		cmocka_unit_test(a_tenants_part_of_the_zone_is_its_own),
		cmocka_unit_test(addresses_and_ports_exclude_each_other),
		cmocka_unit_test(prefixes_exclude_each_other),
		cmocka_unit_test(public_keys_exclude_each_other),
		cmocka_unit_test(a_whole_address_excludes_its_ports),
		cmocka_unit_test(a_refused_tenant_leaves_nothing_behind),
		cmocka_unit_test(a_tenant_is_added_once),
		cmocka_unit_test(an_update_keeps_its_own_and_frees_the_rest),
		cmocka_unit_test(a_refused_update_changes_nothing),
		cmocka_unit_test(an_update_may_change_the_size_of_a_prefix),
		cmocka_unit_test(sockets_are_counted),
		cmocka_unit_test(a_long_disorder_ends_where_it_began),
		cmocka_unit_test(each_prefix_costs_the_same_however_many_there_are),
		cmocka_unit_test(a_swap_is_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
