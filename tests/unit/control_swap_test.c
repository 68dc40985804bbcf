/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tenants that exchange what belongs to one of them only. */
#include "gateway/control/tenants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "gateway/registry/dir.h"
#include "tests/unit/tenants_rig.h"

static void name_of(struct fixture *f, const char *tenant, unsigned int serial, unsigned int n,
		    const char *name)
{
	char a[512], b[128], file[32];

	snprintf(file, sizeof(file), "%s.yaml", tenant);
	put(f, file, tenant, serial, web(a, n, tls(b, name, f->port)));
}

/* acme has a.example and globex b.example, in every worker. */
static void start(struct fixture *f)
{
	name_of(f, "acme", 1, 1, "a.example.net");
	name_of(f, "globex", 1, 2, "b.example.net");
	work_all(f);
	assert_int_equal(problems_count(f->problems), 0);
}

static void check_in_force(struct fixture *f, uint64_t acme, uint64_t globex)
{
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), acme);
	assert_int_equal(serial_in_force(f, "globex"), globex);
	assert_null(f->tenants->swap);
}

static void test_swapped_names_go_in_together(void **state)
{
	struct fixture *f = *state;

	start(f);
	name_of(f, "acme", 2, 1, "b.example.net");
	assert_int_equal(work(f, 0, 0).n_tenants, 0); /* alone it cannot */
	assert_true(problem_has(f->problems, "acme.yaml"));
	name_of(f, "globex", 2, 2, "a.example.net");
	assert_int_equal(work(f, 0, 0).n_swaps, 2);
	check_in_force(f, 2, 2);
	assert_int_equal(problems_count(f->problems), 0);
	assert_int_equal(f->tenants->n_refused, 0);
	/* and each has let go what it gave up */
	name_of(f, "acme", 3, 1, "c.example.net");
	work_all(f);
	name_of(f, "globex", 3, 2, "b.example.net");
	check_in_force(f, 3, 3);
	name_of(f, "acme", 4, 1, "a.example.net");
	check_in_force(f, 4, 3);
	assert_int_equal(problems_count(f->problems), 0);
}

static void test_swapped_ports_and_prefixes(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	put(f, "acme.yaml", "acme", 1, web(a, 1, tcp(b, f->port + 1)));
	put(f, "globex.yaml", "globex", 1, web(a, 2, tcp(b, f->port + 2)));
	work_all(f);
	assert_int_equal(n_listeners(f), 4);
	put(f, "acme.yaml", "acme", 2, web(a, 2, tcp(b, f->port + 2)));
	put(f, "globex.yaml", "globex", 2, web(a, 1, tcp(b, f->port + 1)));
	check_in_force(f, 2, 2);
	assert_int_equal(n_listeners(f), 4);
	assert_int_equal(problems_count(f->problems), 0);
	take_away(f, "acme.yaml");
	take_away(f, "globex.yaml");
	work_all(f);
	assert_int_equal(n_listeners(f), 2);
	assert_int_equal(f->tenants->by_name.count, 0);
}

static void test_ring_of_three(void **state)
{
	struct fixture *f = *state;

	start(f);
	name_of(f, "initech", 1, 3, "c.example.net");
	work_all(f);
	name_of(f, "acme", 2, 1, "b.example.net");
	name_of(f, "globex", 2, 2, "c.example.net");
	check_in_force(f, 1, 1);
	name_of(f, "initech", 2, 3, "a.example.net");
	check_in_force(f, 2, 2);
	assert_int_equal(serial_in_force(f, "initech"), 2);
	assert_int_equal(problems_count(f->problems), 0);
}

static void test_both_files_while_the_first_versions_are_on_their_way(void **state)
{
	struct fixture *f = *state;

	name_of(f, "acme", 1, 1, "a.example.net");
	name_of(f, "globex", 1, 2, "b.example.net");
	name_of(f, "acme", 2, 1, "b.example.net");
	name_of(f, "globex", 2, 2, "a.example.net");
	check_in_force(f, 2, 2);
	assert_int_equal(problems_count(f->problems), 0);
}

static void test_invalid_one_of_two_leaves_both_as_they_are(void **state)
{
	struct fixture *f = *state;

	start(f);
	name_of(f, "acme", 2, 1, "b.example.net");
	put(f, "globex.yaml", "globex", 2, "services: [");
	check_in_force(f, 1, 1);
	assert_int_equal(f->tenants->n_refused, 2);
	/* an older one of acme does not count any more either */
	put(f, "acme.yaml", "acme", 3, "services: [");
	name_of(f, "globex", 3, 2, "a.example.net");
	check_in_force(f, 1, 1);
	name_of(f, "acme", 4, 1, "b.example.net");
	check_in_force(f, 4, 3);
}

static void test_both_want_the_same_beside_the_swap(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	start(f);
	put(f, "acme.yaml", "acme", 2, web(a, 1, tls(b, "b.example.net, c.example.net", f->port)));
	put(f, "globex.yaml", "globex", 2,
	    web(a, 2, tls(b, "a.example.net, c.example.net", f->port)));
	check_in_force(f, 1, 1);
	assert_int_equal(f->tenants->n_refused, 2);
}

static void test_third_tenant_in_the_way_leaves_all_as_they_are(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	start(f);
	name_of(f, "initech", 1, 3, "c.example.net");
	work_all(f);
	put(f, "acme.yaml", "acme", 2, web(a, 1, tls(b, "b.example.net, c.example.net", f->port)));
	name_of(f, "globex", 2, 2, "a.example.net");
	check_in_force(f, 1, 1);
	take_away(f, "initech.yaml");
	check_in_force(f, 2, 2);
}

static void test_refusal_by_a_worker_brings_both_back_to_all(void **state)
{
	struct fixture *f = *state;

	start(f);
	name_of(f, "acme", 2, 1, "b.example.net");
	name_of(f, "globex", 3, 2, "a.example.net");
	assert_int_equal(work(f, 0, 0).n_swaps, 2);
	(void)work(f, 1, 3); /* acme is through by now */
	check_in_force(f, 1, 1);
	assert_true(problem_has(f->problems, "acme.yaml"));
	assert_true(problem_has(f->problems, "globex.yaml"));
	/* who had what is known as before */
	name_of(f, "initech", 1, 3, "a.example.net");
	name_of(f, "hooli", 1, 4, "b.example.net");
	work_all(f);
	assert_int_equal(serial_in_force(f, "initech"), 0);
	assert_int_equal(serial_in_force(f, "hooli"), 0);
	/* mended ones get through */
	name_of(f, "acme", 4, 1, "b.example.net");
	name_of(f, "globex", 4, 2, "a.example.net");
	check_in_force(f, 4, 4);
}

static void test_nobody_else_gets_anything_meanwhile(void **state)
{
	struct fixture *f = *state;

	start(f);
	name_of(f, "acme", 2, 1, "b.example.net");
	name_of(f, "globex", 2, 2, "a.example.net");
	name_of(f, "initech", 1, 3, "a.example.net");
	assert_int_equal(serial_in_force(f, "initech"), 0);
	name_of(f, "acme", 3, 1, "c.example.net"); /* read when the swap has ended */
	assert_int_equal(serial_in_force(f, "acme"), 2);
	check_in_force(f, 3, 2);
	assert_int_equal(serial_in_force(f, "initech"), 0);
}

static void test_file_taken_away_meanwhile(void **state)
{
	struct fixture *f = *state;

	start(f);
	name_of(f, "acme", 2, 1, "b.example.net");
	name_of(f, "globex", 2, 2, "a.example.net");
	take_away(f, "acme.yaml");
	check_in_force(f, 0, 2);
	name_of(f, "initech", 1, 3, "b.example.net");
	work_all(f);
	assert_int_equal(serial_in_force(f, "initech"), 1);
	assert_int_equal(problems_count(f->problems), 0);
}

static void test_worker_that_ends_is_not_waited_for(void **state)
{
	struct fixture *f = *state;

	start(f);
	name_of(f, "acme", 2, 1, "b.example.net");
	name_of(f, "globex", 2, 2, "a.example.net");
	(void)work(f, 0, 0);
	feed_stop(f->items, 1);
	assert_null(f->tenants->swap);
	feed_stop(f->items, 0);
	/* without any worker it is in force at once */
	name_of(f, "acme", 3, 1, "a.example.net");
	name_of(f, "globex", 3, 2, "b.example.net");
	(void)dir_work(f->tenants->dir, UINT64_MAX);
	assert_int_equal(serial_in_force(f, "acme"), 3);
	assert_int_equal(serial_in_force(f, "globex"), 3);
	assert_null(f->tenants->swap);
	assert_int_equal(problems_count(f->problems), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_swapped_names_go_in_together),
		TEST(test_swapped_ports_and_prefixes),
		TEST(test_ring_of_three),
		TEST(test_both_files_while_the_first_versions_are_on_their_way),
		TEST(test_invalid_one_of_two_leaves_both_as_they_are),
		TEST(test_both_want_the_same_beside_the_swap),
		TEST(test_third_tenant_in_the_way_leaves_all_as_they_are),
		TEST(test_refusal_by_a_worker_brings_both_back_to_all),
		TEST(test_nobody_else_gets_anything_meanwhile),
		TEST(test_file_taken_away_meanwhile),
		TEST(test_worker_that_ends_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
