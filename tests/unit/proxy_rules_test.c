/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rule set: which name, port and protocol finds which exposure. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/sni.h"
#include "tests/unit/rules_rig.h"

static void test_exact_beats_the_longest_wildcard(void **state)
{
	static const struct {
		const char *name;
		int picked;
	} cases[] = {
		{"shop.example", 0},
		{"www.shop.example", 1},
		{"a.b.c.shop.example", 1},
		{"api.shop.example", 2},
		{"x.api.shop.example", 3},
		{"y.x.api.shop.example", 3},
		{"deep.x.shop.example", 1},
		{"only.below.example", 4},
		{"below.example", UNKNOWN}, /* a wildcard is not its own base */
		{"example", UNKNOWN},
		{"", UNKNOWN},
		{"evil-shop.example", UNKNOWN}, /* a label, not a suffix of bytes */
		{"shop.example.evil.test", UNKNOWN},
		{"hop.example", UNKNOWN},
		{"shop.exampl", UNKNOWN},
	};
	struct rules rules;
	struct tenant t;

	(void)state;
	tenant_init(&t);
	tenant_expose_tls(&t, "shop.example", NULL);
	tenant_expose_tls(&t, "*.shop.example", NULL);
	tenant_expose_tls(&t, "api.shop.example", NULL);
	tenant_expose_tls(&t, "*.api.shop.example", NULL);
	tenant_expose_tls(&t, "*.below.example", NULL);
	rules_init(&rules);
	put(&rules, &t);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (pick(&rules, &t, cases[i].name, "") != cases[i].picked) {
			fail_msg("%s", cases[i].name);
		}
	}
	rules_fini(&rules);
}

static void test_wildcard_and_name_in_one_exposure(void **state)
{
	struct rules rules;
	struct tenant t;

	(void)state;
	tenant_init(&t);
	tenant_expose_tls(&t, "shop.example,*.shop.example,other.example", NULL);
	rules_init(&rules);
	put(&rules, &t);
	assert_int_equal(pick(&rules, &t, "shop.example", ""), 0);
	assert_int_equal(pick(&rules, &t, "a.shop.example", ""), 0);
	assert_int_equal(pick(&rules, &t, "other.example", ""), 0);
	assert_int_equal(pick(&rules, &t, "a.other.example", ""), UNKNOWN);
	rules_fini(&rules);
}

static void test_port_and_protocol_are_part_of_the_name(void **state)
{
	const struct rule *rule;
	struct rules rules;
	struct tenant t;

	(void)state;
	tenant_init(&t);
	tenant_expose_names(&t, PROTOCOL_TLS, 443, "shop.example", NULL);
	tenant_expose_names(&t, PROTOCOL_TLS, 8448, "shop.example", NULL);
	tenant_expose_names(&t, PROTOCOL_HTTP, 443, "shop.example,*.shop.example", NULL);
	rules_init(&rules);
	put(&rules, &t);
	assert_int_equal(find(&rules, PROTOCOL_TLS, 443, "shop.example", "", &rule), RULE_FOUND);
	assert_ptr_equal(rule->expose, &t.exposes[0]);
	assert_int_equal(find(&rules, PROTOCOL_TLS, 8448, "shop.example", "", &rule), RULE_FOUND);
	assert_ptr_equal(rule->expose, &t.exposes[1]);
	assert_int_equal(find(&rules, PROTOCOL_HTTP, 443, "shop.example", "", &rule), RULE_FOUND);
	assert_ptr_equal(rule->expose, &t.exposes[2]);
	assert_int_equal(find(&rules, PROTOCOL_HTTP, 443, "a.shop.example", "", &rule), RULE_FOUND);
	assert_int_equal(find(&rules, PROTOCOL_TLS, 443, "a.shop.example", "", &rule),
			 RULE_NAME_UNKNOWN);
	assert_int_equal(find(&rules, PROTOCOL_TLS, 444, "shop.example", "", &rule),
			 RULE_NAME_UNKNOWN);
	rules_fini(&rules);
}

static void test_alpn_in_the_clients_order_then_the_rule_without(void **state)
{
	static const struct {
		const char *name, *alpn;
		int picked;
	} cases[] = {
		{"shop.example", "", 0},
		{"shop.example", "h2", 1},
		{"shop.example", "http/1.1", 0},
		{"shop.example", "h2,http/1.1", 1},
		{"shop.example", "acme-tls/1", 2},
		{"shop.example", "imap,h2", 2},
		{"shop.example", "h2,imap", 1},
		{"shop.example", "x,y,z", 0},
		{"shop.example", "h", 0},
		{"shop.example", "h22", 0},
		/* only with protocols: the others are told so, not sent to "*.strict.example" */
		{"a.strict.example", "h2", 3},
		{"a.strict.example", "http/1.1", ALPN_UNKNOWN},
		{"a.strict.example", "", ALPN_UNKNOWN},
		{"b.strict.example", "http/1.1", 4},
		{"b.strict.example", "", 4},
	};
	struct rules rules;
	struct tenant t;

	(void)state;
	tenant_init(&t);
	tenant_expose_tls(&t, "shop.example", NULL);
	tenant_expose_tls(&t, "shop.example", "h2");
	tenant_expose_tls(&t, "shop.example", "acme-tls/1,imap");
	tenant_expose_tls(&t, "a.strict.example", "h2");
	tenant_expose_tls(&t, "*.strict.example", NULL);
	rules_init(&rules);
	put(&rules, &t);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (pick(&rules, &t, cases[i].name, cases[i].alpn) != cases[i].picked) {
			fail_msg("%s %s", cases[i].name, cases[i].alpn);
		}
	}
	/* what is taken out leaves the others */
	rules_remove(&rules, &t.exposes[0]);
	assert_int_equal(pick(&rules, &t, "shop.example", "h2"), 1);
	assert_int_equal(pick(&rules, &t, "shop.example", "imap"), 2);
	assert_int_equal(pick(&rules, &t, "shop.example", "http/1.1"), ALPN_UNKNOWN);
	rules_remove(&rules, &t.exposes[1]);
	assert_int_equal(pick(&rules, &t, "shop.example", "h2"), ALPN_UNKNOWN);
	assert_int_equal(pick(&rules, &t, "shop.example", "imap"), 2);
	rules_remove(&rules, &t.exposes[2]);
	assert_int_equal(pick(&rules, &t, "shop.example", "imap"), UNKNOWN);
	rules_fini(&rules);
}

static void test_alpn_without_names_is_for_names_that_have_no_rule(void **state)
{
	static const struct {
		const char *name, *alpn;
		int picked;
	} cases[] = {
		{"", "xmpp-client", 1},
		{"", "x,imap", 2},
		{"", "imap,xmpp-client", 2},
		{"nowhere.example", "xmpp-client", 1},
		{"shop.example", "xmpp-client", 0},
		{"strict.example", "xmpp-client", ALPN_UNKNOWN},
		{"", "", UNKNOWN},
		{"", "xmpp", UNKNOWN},
		{"xmpp-client", "", UNKNOWN}, /* a protocol is not a name */
	};
	struct rules rules;
	struct tenant t, other;
	struct err err = {0};

	(void)state;
	tenant_init(&t);
	tenant_expose_tls(&t, "shop.example", NULL);
	tenant_expose_tls(&t, "", "xmpp-client,stun.turn");
	tenant_expose_tls(&t, "", "imap");
	tenant_expose_tls(&t, "strict.example", "h2");
	rules_init(&rules);
	put(&rules, &t);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (pick(&rules, &t, cases[i].name, cases[i].alpn) != cases[i].picked) {
			fail_msg("'%s' '%s'", cases[i].name, cases[i].alpn);
		}
	}
	tenant_init(&other);
	tenant_expose_tls(&other, "", "smtp,imap");
	assert_int_equal(replace(&rules, NULL, &other, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "ALPN"));
	assert_int_equal(pick(&rules, &t, "", "smtp"), UNKNOWN);
	rules_remove(&rules, &t.exposes[1]);
	assert_int_equal(pick(&rules, &t, "", "stun.turn"), UNKNOWN);
	rules_fini(&rules);
}

static void test_tcp_by_address_and_port(void **state)
{
	struct rules rules;
	struct tenant t;

	(void)state;
	tenant_init(&t);
	tenant_expose_tcp(&t, "203.0.113.16", 2222);
	tenant_expose_tcp(&t, "203.0.113.17", 2222);
	tenant_expose_tcp(&t, "203.0.113.16", 25);
	rules_init(&rules);
	put(&rules, &t);
	expect_endpoint(&rules, "203.0.113.16", 2222, &t.exposes[0]);
	expect_endpoint(&rules, "203.0.113.17", 2222, &t.exposes[1]);
	expect_endpoint(&rules, "203.0.113.16", 25, &t.exposes[2]);
	expect_endpoint(&rules, "203.0.113.17", 25, NULL);
	expect_endpoint(&rules, "2001:db8::1", 25, NULL);
	rules_remove(&rules, &t.exposes[1]);
	expect_endpoint(&rules, "203.0.113.17", 2222, NULL);
	expect_endpoint(&rules, "203.0.113.16", 2222, &t.exposes[0]);
	rules_fini(&rules);
}

static void test_taken_names_are_refused_and_nothing_changes(void **state)
{
	static const struct {
		const char *names, *alpn, *taken;
	} cases[] = {
		{"free.example,shop.example", NULL, "shop.example port 443 has a rule already"},
		{"shop.example,free.example", NULL, "shop.example port 443 has a rule already"},
		{"free.example,*.shop.example", NULL, "*.shop.example port 443 has a rule already"},
		{"free.example,api.example", "h2", "api.example port 443 has a rule already"},
		{"free.example,api.example", "imap,h2", "api.example port 443 has a rule already"},
		{"free.example,free.example", NULL, "free.example port 443 has a rule already"},
	};
	struct rules rules;
	struct tenant first;

	(void)state;
	tenant_init(&first);
	tenant_expose_tls(&first, "shop.example,*.shop.example", NULL);
	tenant_expose_tls(&first, "api.example", "h2,http/1.1");
	tenant_expose_tcp(&first, "203.0.113.16", 2222);
	rules_init(&rules);
	put(&rules, &first);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err err = {.msg = ""};
		struct tenant second;
		struct rule rule;

		tenant_init(&second);
		tenant_expose_tls(&second, cases[i].names, cases[i].alpn);
		rule = rule_of(&second, 0);
		assert_int_equal(rules_add(&rules, &rule, &err), -EEXIST);
		assert_string_equal(err.msg, cases[i].taken);
		assert_int_equal(pick(&rules, &first, "free.example", ""), UNKNOWN);
		assert_int_equal(pick(&rules, &first, "shop.example", ""), 0);
		assert_int_equal(pick(&rules, &first, "api.example", "h2"), 1);
	}
	rules_fini(&rules);
}

static void test_taken_endpoint_is_refused(void **state)
{
	struct err err = {.msg = ""};
	struct tenant first, second;
	struct rules rules;

	(void)state;
	tenant_init(&first);
	tenant_expose_tcp(&first, "203.0.113.16", 2222);
	tenant_init(&second);
	tenant_expose_tls(&second, "free.example", NULL);
	tenant_expose_tcp(&second, "203.0.113.16", 2222);
	rules_init(&rules);
	put(&rules, &first);
	assert_int_equal(replace(&rules, NULL, &second, &err), -EEXIST);
	assert_string_equal(err.msg, "203.0.113.16:2222 has a rule already");
	expect_endpoint(&rules, "203.0.113.16", 2222, &first.exposes[0]);
	assert_int_equal(pick(&rules, &second, "free.example", ""), UNKNOWN);
	rules_fini(&rules);
}

static void test_other_protocols_have_no_rule(void **state)
{
	struct tenant t;
	struct rules rules;
	struct rule rule;

	(void)state;
	tenant_init(&t);
	tenant_expose_tcp(&t, "203.0.113.16", 2222);
	t.exposes[0].protocol = PROTOCOL_UDP;
	rule = rule_of(&t, 0);
	rules_init(&rules);
	assert_int_equal(rules_add(&rules, &rule, NULL), -EINVAL);
	rules_remove(&rules, &t.exposes[0]);
	expect_endpoint(&rules, "203.0.113.16", 2222, NULL);
	rules_fini(&rules);
}

/* 126 labels: every depth is asked for, none beyond the name. */
static void test_longest_names_are_matched(void **state)
{
	char name[254], wildcard[256];
	struct rules rules;
	struct tenant t;

	(void)state;
	for (size_t i = 0; i < 253; i++) {
		name[i] = i % 2 ? '.' : 'a';
	}
	name[253] = '\0';
	(void)snprintf(wildcard, sizeof(wildcard), "*.%s", name + 2);
	tenant_init(&t);
	tenant_expose_tls(&t, wildcard, NULL);
	tenant_expose_tls(&t, "*.b.a", NULL);
	rules_init(&rules);
	put(&rules, &t);
	assert_int_equal(pick(&rules, &t, name, ""), 0);
	assert_int_equal(pick(&rules, &t, name + 2, ""), UNKNOWN);
	name[250] = 'b';
	assert_int_equal(pick(&rules, &t, name, ""), 1);
	rules_fini(&rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact_beats_the_longest_wildcard),
		cmocka_unit_test(test_wildcard_and_name_in_one_exposure),
		cmocka_unit_test(test_port_and_protocol_are_part_of_the_name),
		cmocka_unit_test(test_alpn_in_the_clients_order_then_the_rule_without),
		cmocka_unit_test(test_alpn_without_names_is_for_names_that_have_no_rule),
		cmocka_unit_test(test_tcp_by_address_and_port),
		cmocka_unit_test(test_taken_names_are_refused_and_nothing_changes),
		cmocka_unit_test(test_taken_endpoint_is_refused),
		cmocka_unit_test(test_other_protocols_have_no_rule),
		cmocka_unit_test(test_longest_names_are_matched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
