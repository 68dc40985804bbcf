/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tenants got while a node config was on probation, when the former one comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/unit/tenants_rig.h"

#define KEPT(name) cmocka_unit_test_setup_teardown(name, setup_kept, teardown)

/* With the former config the first two /64s are no tenant's, with the one on probation they are. */
static void former_config(struct fixture *f)
{
	f->reserved = 2;
	change_node(f);
}

static void config_on_probation(struct fixture *f)
{
	f->reserved = 0;
	change_node(f);
	tenants_probation(f->tenants);
}

static void go_back(struct fixture *f)
{
	former_config(f);
	tenants_go_back(f->tenants, true);
	dir_rescan(f->tenants->dir);
	work_all(f);
	work_all(f);
}

static void put_tls(struct fixture *f, const char *file, const char *tenant, unsigned int serial,
		    unsigned int n, const char *name)
{
	char a[512], b[128];

	put(f, file, tenant, serial, web(a, n, tls(b, name, f->port)));
	work_all(f);
}

static void start(struct fixture *f)
{
	work_all(f);
	former_config(f);
	put_tls(f, "acme.yaml", "acme", 1, 9, "shop.example");
	config_on_probation(f);
}

static void a_change_that_is_wrong_again_goes_back(void **state)
{
	struct fixture *f = *state;

	start(f);
	put_tls(f, "acme.yaml", "acme", 2, 1, "other.example");
	put_tls(f, "acme.yaml", "acme", 3, 1, "third.example");
	assert_int_equal(serial_in_force(f, "acme"), 3);
	go_back(f);
	assert_int_equal(serial_in_force(f, "acme"), 1);
	assert_true(problem_has(f->problems, "acme.yaml"));
	/* what it had is free again, and its own old text is as good as a newer one */
	put_tls(f, "blue.yaml", "blue", 1, 8, "third.example");
	assert_int_equal(serial_in_force(f, "blue"), 1);
	put_tls(f, "acme.yaml", "acme", 1, 9, "shop.example");
	assert_false(problem_has(f->problems, "acme.yaml"));
	put_tls(f, "acme.yaml", "acme", 3, 9, "mended.example");
	assert_int_equal(serial_in_force(f, "acme"), 3);
	assert_int_equal(problems_count(f->problems), 0);
}

static void a_change_that_is_right_with_both_stays(void **state)
{
	struct fixture *f = *state;

	start(f);
	put_tls(f, "acme.yaml", "acme", 2, 9, "other.example");
	put_tls(f, "blue.yaml", "blue", 5, 8, "blue.example");
	go_back(f);
	assert_int_equal(serial_in_force(f, "acme"), 2);
	assert_int_equal(serial_in_force(f, "blue"), 5);
	assert_int_equal(problems_count(f->problems), 0);
}

static void what_is_in_force_stays_when_only_its_file_is_broken(void **state)
{
	struct fixture *f = *state;

	start(f);
	put_tls(f, "acme.yaml", "acme", 2, 9, "other.example");
	put(f, "acme.yaml", "acme", 3, "services: [");
	go_back(f);
	assert_int_equal(serial_in_force(f, "acme"), 2);
	assert_true(problem_has(f->problems, "acme.yaml"));
}

static void a_tenant_that_came_with_it_goes(void **state)
{
	struct fixture *f = *state;

	start(f);
	put_tls(f, "blue.yaml", "blue", 1, 1, "blue.example");
	assert_int_equal(serial_in_force(f, "blue"), 1);
	go_back(f);
	assert_int_equal(serial_in_force(f, "blue"), 0);
	assert_true(problem_has(f->problems, "blue.yaml"));
	put_tls(f, "blue.yaml", "blue", 2, 8, "blue.example");
	assert_int_equal(serial_in_force(f, "blue"), 2);
}

static void what_somebody_else_has_got_meanwhile_is_not_taken_back(void **state)
{
	struct fixture *f = *state;

	start(f);
	put_tls(f, "acme.yaml", "acme", 2, 1, "other.example");
	put_tls(f, "blue.yaml", "blue", 1, 8, "shop.example");
	go_back(f);
	assert_int_equal(serial_in_force(f, "acme"), 0);
	assert_int_equal(serial_in_force(f, "blue"), 1);
	assert_true(problem_has(f->problems, "acme.yaml"));
}

/* And a reload that makes it wrong later leaves it in force, as any. */
static void what_was_confirmed_does_not_go_back(void **state)
{
	struct fixture *f = *state;

	start(f);
	put_tls(f, "acme.yaml", "acme", 2, 1, "other.example");
	tenants_keep_tried(f->tenants);
	go_back(f);
	assert_int_equal(serial_in_force(f, "acme"), 2);
	assert_true(problem_has(f->problems, "acme.yaml"));
}

static void a_restart_that_goes_back_knows_what_was_before(void **state)
{
	struct fixture *f = *state;

	start(f);
	put_tls(f, "acme.yaml", "acme", 2, 1, "other.example");
	put_tls(f, "blue.yaml", "blue", 1, 1, "other.example"); /* refused: acme has it */
	run_end(f);
	f->reserved = 2;
	run_begin(f);
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 1);
	assert_true(problem_has(f->problems, "acme.yaml"));
	assert_int_equal(serial_in_force(f, "blue"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_change_that_is_wrong_again_goes_back),
		TEST(a_change_that_is_right_with_both_stays),
		TEST(what_is_in_force_stays_when_only_its_file_is_broken),
		TEST(a_tenant_that_came_with_it_goes),
		TEST(what_somebody_else_has_got_meanwhile_is_not_taken_back),
		TEST(what_was_confirmed_does_not_go_back),
		KEPT(a_restart_that_goes_back_knows_what_was_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
