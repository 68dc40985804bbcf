/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A start with what the run before had in force: what is read, and what stays in force. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/registry/snapshot.h"
#include "tests/unit/tenants_rig.h"

#define KEPT(name) cmocka_unit_test_setup_teardown(name, setup_kept, teardown)
#define SETTLE_US  150000 /* an identity is noted when the file's clock has moved on */

static const char *object(struct fixture *f, char dst[512], unsigned int n, const char *name)
{
	char b[128];

	return web(dst, n, tls(b, name, f->port));
}

/* Ends the run, and begins another one with what it has kept. */
static void restart(struct fixture *f)
{
	work_all(f);
	usleep(SETTLE_US);
	run_end(f);
	run_begin(f);
}

static void test_unchanged_files_are_not_read(void **state)
{
	struct fixture *f = *state;
	char a[512];

	put(f, "acme.yaml", "acme", 3, object(f, a, 1, "acme.example"));
	put(f, "blue.yaml", "blue", 4, object(f, a, 2, "blue.example"));
	restart(f);
	assert_int_equal(f->n_read, 0);
	assert_int_equal(f->tenants->n_recalled, 2);
	assert_int_equal(serial_in_force(f, "acme"), 3);
	assert_int_equal(serial_in_force(f, "blue"), 4);
	assert_int_equal(problems_count(f->problems), 0);
	/* its text is known, too */
	put(f, "acme.yaml", "acme", 3, object(f, a, 1, "other.example"));
	assert_true(problem_has(f->problems, "acme.yaml"));
	put(f, "acme.yaml", "acme", 3, object(f, a, 1, "acme.example"));
	assert_false(problem_has(f->problems, "acme.yaml"));
}

static void test_changed_file_is_read(void **state)
{
	struct fixture *f = *state;
	char a[512];

	put(f, "acme.yaml", "acme", 3, object(f, a, 1, "acme.example"));
	put(f, "blue.yaml", "blue", 4, object(f, a, 2, "blue.example"));
	work_all(f);
	usleep(SETTLE_US);
	run_end(f);
	write_file(f, "acme.yaml", "acme", 4, object(f, a, 1, "new.example"));
	run_begin(f);
	assert_int_equal(f->n_read, 1);
	assert_int_equal(f->tenants->n_recalled, 1);
	assert_int_equal(serial_in_force(f, "acme"), 4);
	assert_int_equal(problems_count(f->problems), 0);
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 4);
}

/* What each kind of wrong file finds in force after a restart: serial 3. */
static void test_wrong_file_keeps_the_former_object(void **state)
{
	static const struct {
		unsigned int serial;
		const char *more; /* NULL: an object that is right */
		const char *name;
	} wrong[] = {
		{9, "services: [", "acme"},    /* does not parse */
		{9, "prefixes: []\n", "acme"}, /* does not check */
		{9, NULL, "globex"},           /* of another tenant */
		{2, NULL, "acme"},             /* older */
		{3, NULL, "acme"},             /* other content */
	};
	struct fixture *f = *state;
	char a[512];

	put(f, "acme.yaml", "acme", 3, object(f, a, 1, "acme.example"));
	work_all(f);
	usleep(SETTLE_US);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		run_end(f);
		write_file(f, "acme.yaml", wrong[i].name, wrong[i].serial,
			   wrong[i].more ? wrong[i].more : object(f, a, 1, "other.example"));
		run_begin(f);
		assert_int_equal(f->n_read, 1);
		assert_int_equal(f->tenants->n_recalled, 0);
		assert_int_equal(serial_in_force(f, "acme"), 3);
		assert_true(problem_has(f->problems, "acme.yaml"));
		assert_int_equal(f->tenants->n_refused, 1);
		work_all(f);
		assert_int_equal(serial_in_force(f, "acme"), 3);
	}
	put(f, "acme.yaml", "acme", 4, object(f, a, 1, "other.example"));
	assert_int_equal(serial_in_force(f, "acme"), 4);
	assert_int_equal(problems_count(f->problems), 0);
}

static void test_file_that_is_gone_is_a_tenant_removed(void **state)
{
	struct fixture *f = *state;
	char a[512];

	put(f, "acme.yaml", "acme", 3, object(f, a, 1, "acme.example"));
	put(f, "blue.yaml", "blue", 4, object(f, a, 2, "blue.example"));
	work_all(f);
	usleep(SETTLE_US);
	run_end(f);
	remove_file(f, "acme.yaml");
	run_begin(f);
	assert_int_equal(serial_in_force(f, "acme"), 0);
	assert_int_equal(serial_in_force(f, "blue"), 4);
	/* and not remembered: it may come back as anything */
	put(f, "acme.yaml", "acme", 1, object(f, a, 1, "acme.example"));
	assert_int_equal(serial_in_force(f, "acme"), 1);
	assert_int_equal(problems_count(f->problems), 0);
}

/* Whoever is asked for first, what was in force has the name. */
static void test_new_claims_do_not_come_before_what_was_in_force(void **state)
{
	struct fixture *f = *state;
	char a[512];

	put(f, "blue.yaml", "blue", 4, object(f, a, 2, "shop.example"));
	work_all(f);
	usleep(SETTLE_US);
	run_end(f);
	write_file(f, "acme.yaml", "acme", 1, object(f, a, 1, "shop.example"));
	write_file(f, "zeta.yaml", "zeta", 1, object(f, a, 3, "shop.example"));
	write_file(f, "blue.yaml", "blue", 5, "services: [");
	run_begin(f);
	assert_int_equal(serial_in_force(f, "blue"), 4);
	assert_int_equal(serial_in_force(f, "acme"), 0);
	assert_int_equal(serial_in_force(f, "zeta"), 0);
	assert_int_equal(f->tenants->n_refused, 3);
}

static void test_another_node_config_reads_all_and_knows_the_serials(void **state)
{
	struct fixture *f = *state;
	char a[512];

	put(f, "acme.yaml", "acme", 3, object(f, a, 1, "acme.example"));
	put(f, "blue.yaml", "blue", 4, object(f, a, 2, "blue.example"));
	work_all(f);
	usleep(SETTLE_US);
	run_end(f);
	write_file(f, "blue.yaml", "blue", 3, object(f, a, 2, "blue.example"));
	f->reserved = 1;
	run_begin(f);
	assert_int_equal(f->n_read, 2);
	assert_int_equal(f->tenants->n_recalled, 0);
	assert_int_equal(serial_in_force(f, "acme"), 3);
	assert_int_equal(serial_in_force(f, "blue"), 4);
	assert_false(problem_has(f->problems, "acme.yaml"));
	assert_true(problem_has(f->problems, "blue.yaml"));
}

static void test_former_object_must_be_right_under_the_node_config_of_now(void **state)
{
	struct fixture *f = *state;
	char a[512];

	put(f, "acme.yaml", "acme", 3, object(f, a, 1, "acme.example"));
	work_all(f);
	usleep(SETTLE_US);
	run_end(f);
	f->reserved = 2; /* acme's is the second */
	run_begin(f);
	assert_int_equal(serial_in_force(f, "acme"), 0);
	assert_true(problem_has(f->problems, "acme.yaml"));
}

/* Nor does it come back when it was in force under that one, as its file was refused. */
static void test_object_of_before_the_node_config_is_checked(void **state)
{
	struct fixture *f = *state;
	char a[512];

	put(f, "acme.yaml", "acme", 3, object(f, a, 1, "acme.example"));
	work_all(f);
	usleep(SETTLE_US);
	f->reserved = 2;
	change_node(f);
	put(f, "acme.yaml", "acme", 3, object(f, a, 1, "acme.example"));
	assert_true(problem_has(f->problems, "acme.yaml"));
	assert_int_equal(serial_in_force(f, "acme"), 3);
	restart(f);
	assert_int_equal(serial_in_force(f, "acme"), 0);
	assert_true(problem_has(f->problems, "acme.yaml"));
}

/* A file written just now could be written again and look the same. */
static void test_file_of_this_very_moment_is_read(void **state)
{
	struct fixture *f = *state;
	char a[512];

	put(f, "acme.yaml", "acme", 3, object(f, a, 1, "acme.example"));
	work_all(f);
	run_end(f);
	run_begin(f);
	assert_int_equal(f->n_read, 1);
	assert_int_equal(serial_in_force(f, "acme"), 3);
	assert_int_equal(problems_count(f->problems), 0);
}

static void test_version_that_a_worker_refused_is_not_kept(void **state)
{
	struct fixture *f = *state;
	char a[512];

	put(f, "acme.yaml", "acme", 3, object(f, a, 1, "acme.example"));
	work_all(f);
	put(f, "acme.yaml", "acme", 5, object(f, a, 1, "new.example"));
	(void)work(f, 0, 5);
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 3);
	usleep(SETTLE_US);
	run_end(f);
	write_file(f, "acme.yaml", "acme", 6, "services: [");
	run_begin(f);
	assert_int_equal(serial_in_force(f, "acme"), 3);
	assert_true(problem_has(f->problems, "acme.yaml"));
}

static void test_spoilt_snapshot_is_as_none(void **state)
{
	struct fixture *f = *state;
	char a[512], path[128];

	put(f, "acme.yaml", "acme", 3, object(f, a, 1, "acme.example"));
	work_all(f);
	usleep(SETTLE_US);
	run_end(f);
	snprintf(path, sizeof(path), "%s/registry.snapshot", f->folder);
	assert_int_equal(truncate(path, 100), 0);
	write_file(f, "acme.yaml", "acme", 2, object(f, a, 1, "acme.example"));
	run_begin(f);
	assert_int_equal(f->n_read, 1);
	assert_int_equal(serial_in_force(f, "acme"), 2);
	assert_int_equal(problems_count(f->problems), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEPT(test_unchanged_files_are_not_read),
		KEPT(test_changed_file_is_read),
		KEPT(test_wrong_file_keeps_the_former_object),
		KEPT(test_file_that_is_gone_is_a_tenant_removed),
		KEPT(test_new_claims_do_not_come_before_what_was_in_force),
		KEPT(test_another_node_config_reads_all_and_knows_the_serials),
		KEPT(test_former_object_must_be_right_under_the_node_config_of_now),
		KEPT(test_object_of_before_the_node_config_is_checked),
		KEPT(test_file_of_this_very_moment_is_read),
		KEPT(test_version_that_a_worker_refused_is_not_kept),
		KEPT(test_spoilt_snapshot_is_as_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
