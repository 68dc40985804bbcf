/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rule set while tenants change, come and go. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "proxy/sni.h"
#include "tests/unit/rules_rig.h"

static void test_new_version_of_a_tenant_takes_over_its_own_names(void **state)
{
	struct tenant first, second;
	struct rules rules;

	(void)state;
	tenant_init(&first);
	tenant_expose_tls(&first, "stays.example,goes.example,*.goes.example", NULL);
	tenant_expose_tcp(&first, "203.0.113.16", 2222);
	tenant_init(&second);
	tenant_expose_tls(&second, "comes.example", NULL);
	tenant_expose_tls(&second, "stays.example", NULL);
	tenant_expose_tls(&second, "stays.example", "h2");
	tenant_expose_tcp(&second, "203.0.113.16", 2222);
	rules_init(&rules);
	put(&rules, &first);
	assert_int_equal(replace(&rules, &first, &second, NULL), 0);
	assert_int_equal(pick(&rules, &second, "stays.example", ""), 1);
	assert_int_equal(pick(&rules, &second, "stays.example", "h2"), 2);
	assert_int_equal(pick(&rules, &second, "comes.example", ""), 0);
	assert_int_equal(pick(&rules, &second, "goes.example", ""), UNKNOWN);
	assert_int_equal(pick(&rules, &second, "a.goes.example", ""), UNKNOWN);
	expect_endpoint(&rules, "203.0.113.16", 2222, &second.exposes[3]);
	/* and back to nothing */
	assert_int_equal(rules_replace(&rules, &second.conf, NULL, 0, NULL), 0);
	assert_int_equal(rules.table.count, 0);
	rules_fini(&rules);
}

static void test_shared_name_is_the_firsts_until_it_is_given_up(void **state)
{
	struct tenant a[2], b[2];
	struct rules rules;

	(void)state;
	for (int i = 0; i < 2; i++) {
		tenant_init(&a[i]);
		tenant_expose_tls(&a[i], i == 0 ? "x.example" : "y.example", NULL);
		tenant_expose_tcp(&a[i], "203.0.113.16", (uint16_t)(i == 0 ? 1 : 2));
		tenant_init(&b[i]);
		tenant_expose_tls(&b[i], i == 0 ? "y.example" : "x.example", NULL);
		tenant_expose_tcp(&b[i], "203.0.113.16", (uint16_t)(i == 0 ? 2 : 1));
	}
	rules_init(&rules);
	put(&rules, &a[0]);
	put(&rules, &b[0]);
	rules.shared = true;
	assert_int_equal(replace(&rules, &a[0], &a[1], NULL), 0);
	assert_int_equal(pick(&rules, &b[0], "y.example", ""), 0);
	expect_endpoint(&rules, "203.0.113.16", 2, &b[0].exposes[1]);
	assert_int_equal(replace(&rules, &b[0], &b[1], NULL), 0);
	assert_int_equal(pick(&rules, &a[1], "y.example", ""), 0);
	assert_int_equal(pick(&rules, &b[1], "x.example", ""), 0);
	expect_endpoint(&rules, "203.0.113.16", 2, &a[1].exposes[1]);
	expect_endpoint(&rules, "203.0.113.16", 1, &b[1].exposes[1]);
	rules.shared = false;
	assert_int_equal(rules_replace(&rules, &a[1].conf, NULL, 0, NULL), 0);
	assert_int_equal(rules_replace(&rules, &b[1].conf, NULL, 0, NULL), 0);
	assert_int_equal(rules.table.count, 0);
	rules_fini(&rules);
}

static void test_refused_version_leaves_the_former_in_force(void **state)
{
	struct tenant other, first, second;
	struct err err = {.msg = ""};
	struct rules rules;

	(void)state;
	tenant_init(&other);
	tenant_expose_tls(&other, "other.example", NULL);
	tenant_init(&first);
	tenant_expose_tls(&first, "stays.example", NULL);
	tenant_init(&second);
	tenant_expose_tls(&second, "comes.example,stays.example", NULL);
	tenant_expose_tls(&second, "other.example", NULL);
	rules_init(&rules);
	put(&rules, &other);
	put(&rules, &first);
	assert_int_equal(replace(&rules, &first, &second, &err), -EEXIST);
	assert_string_equal(err.msg, "other.example port 443 has a rule already");
	assert_int_equal(pick(&rules, &first, "stays.example", ""), 0);
	assert_int_equal(pick(&rules, &first, "comes.example", ""), UNKNOWN);
	assert_int_equal(pick(&rules, &other, "other.example", ""), 0);
	rules_fini(&rules);
}

#define MANY 20000

static void test_f_many_tenants_come_and_go(void **state)
{
	static struct expose_conf exposes[MANY];
	static struct name_pattern names[MANY];
	static char text[MANY][32];
	static struct tenant_conf tenant;
	const struct rule *rule;
	struct rules rules;

	(void)state;
	rules_init(&rules);
	for (size_t i = 0; i < MANY; i++) {
		(void)snprintf(text[i], sizeof(text[i]), "t%zu.example", i);
		names[i] = (struct name_pattern){.text = text[i], .wildcard = i % 2};
		exposes[i] = (struct expose_conf){.protocol = PROTOCOL_TLS,
						  .port = 443,
						  .names = &names[i],
						  .n_names = 1};
		assert_int_equal(rules_add(&rules,
					   &(struct rule){.tenant = &tenant, .expose = &exposes[i]},
					   NULL),
				 0);
	}
	for (size_t i = 0; i < MANY; i += 3) {
		rules_remove(&rules, &exposes[i]);
	}
	for (size_t i = 0; i < MANY; i++) {
		char asked[40];

		(void)snprintf(asked, sizeof(asked), "%s%s", i % 2 ? "w." : "", text[i]);
		assert_int_equal(find(&rules, PROTOCOL_TLS, 443, asked, "", &rule),
				 i % 3 ? RULE_FOUND : RULE_NAME_UNKNOWN);
		assert_ptr_equal(rule ? rule->expose : NULL, i % 3 ? &exposes[i] : NULL);
	}
	for (size_t i = 0; i < MANY; i++) {
		rules_remove(&rules, &exposes[i]);
	}
	assert_int_equal(rules.table.count, 0);
	for (size_t i = 0; i < RULES_LABELS_MAX; i++) {
		assert_int_equal(rules.n_wildcards[i], 0);
	}
	rules_fini(&rules);
}

static const struct expose_conf *like(const struct rules *rules, const struct tenant *t,
				      const struct tenant *old, size_t number, const char *name)
{
	const struct rule *rule = rules_find_like(rules, &t->service, &old->exposes[number],
						  str_from(name), str_from("mqtt"));

	return rule ? rule->expose : NULL;
}

static void test_what_a_session_came_by_is_found_in_the_next_version(void **state)
{
	struct tenant old, new, other;
	struct rules rules;

	(void)state;
	tenant_init(&old);
	tenant_expose_tls(&old, "a.example,*.w.example", NULL);
	tenant_expose_tls(&old, "a.example", "h2");
	tenant_expose_tcp(&old, "192.0.2.1", 22);
	tenant_expose_tls(&old, "", "mqtt");
	tenant_init(&new);
	tenant_expose_tcp(&new, "192.0.2.1", 22);
	tenant_expose_tls(&new, "a.example", "h2");
	tenant_expose_tls(&new, "*.w.example,x.y.w.example", NULL);
	tenant_expose_tls(&new, "x.w.example", "h2");
	tenant_expose_tls(&new, "", "mqtt,smtp");
	tenant_init(&other);
	tenant_expose_tls(&other, "b.example", NULL);
	rules_init(&rules);
	assert_int_equal(replace(&rules, NULL, &old, NULL), 0);
	assert_int_equal(replace(&rules, NULL, &other, NULL), 0);
	assert_int_equal(replace(&rules, &old, &new, NULL), 0);
	assert_null(like(&rules, &new, &old, 0, "a.example"));
	assert_null(like(&rules, &new, &old, 0, "b.example"));
	assert_null(like(&rules, &new, &old, 0, ""));
	assert_ptr_equal(like(&rules, &new, &old, 0, "x.w.example"), &new.exposes[2]);
	assert_ptr_equal(like(&rules, &new, &old, 0, "x.y.w.example"), &new.exposes[2]);
	assert_null(like(&rules, &new, &old, 1, "x.y.w.example"));
	assert_ptr_equal(like(&rules, &new, &old, 1, "a.example"), &new.exposes[1]);
	assert_ptr_equal(like(&rules, &new, &old, 2, ""), &new.exposes[0]);
	assert_ptr_equal(like(&rules, &new, &old, 3, "x.w.example"), &new.exposes[4]);
	new.exposes[0].port = 23;
	assert_null(like(&rules, &new, &new, 0, ""));
	new.exposes[0].port = 22;
	assert_int_equal(replace(&rules, &new, &old, NULL), 0);
	rules_fini(&rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_version_of_a_tenant_takes_over_its_own_names),
		cmocka_unit_test(test_shared_name_is_the_firsts_until_it_is_given_up),
		cmocka_unit_test(test_refused_version_leaves_the_former_in_force),
		cmocka_unit_test(test_what_a_session_came_by_is_found_in_the_next_version),
		cmocka_unit_test(test_f_many_tenants_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
