/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The driver of Jool's instance against a module that keeps rows and mappings as the real one. */
#include "gateway/kernel/jool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/fake_jool.h"
#include "tests/unit/plan_text.h"

struct rig {
	struct fake_jool fake;
	struct jool_context ctx;
	struct driver driver;
	char dir[64];
};

static void write_version(const struct rig *r, const char *module, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/module", r->dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/module/%s", r->dir, module);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/module/%s/version", r->dir, module);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	fake_jool_init(&r->fake);
	strcpy(r->dir, "/tmp/sixgate-jool-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	write_version(r, "jool", "4.1.9.0\n");
	r->ctx = (struct jool_context){.ops = &r->fake.ops,
				       .sys_dir = r->dir,
				       .modules_dir = r->dir};
	r->driver = jool_driver(&r->ctx);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", r->dir);
	assert_int_equal(system(command), 0);
	free(r);
	return 0;
}

static void observe(struct rig *r, struct object_set *set)
{
	struct err err;

	object_set_init(set);
	assert_int_equal(r->driver.observe(r->driver.ctx, r->driver.kinds, set, &err), 0);
	assert_int_equal(object_set_sort(set, &err), 0);
}

static void want(struct object_set *set, const char *lines)
{
	char line[128];
	size_t len;

	object_set_init(set);
	for (; *lines; lines += len + 1) {
		len = strcspn(lines, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)len, lines);
		plan_text_add(set, line);
	}
	assert_int_equal(object_set_sort(set, NULL), 0);
}

/* Returns the number of steps; ret_rc: what apply said. */
static size_t reach(struct rig *r, const struct object_set *desired, int *ret_rc, struct err *err)
{
	struct object_set observed;
	struct plan plan;
	size_t n, done = 0;

	observe(r, &observed);
	assert_int_equal(plan_diff(&observed, desired, &plan, err), 0);
	n = plan.n;
	*ret_rc = r->driver.apply(r->driver.ctx, plan.steps, plan.n, &done, err);
	plan_fini(&plan);
	object_set_fini(&observed);
	return n;
}

#define NODE                      \
	"instance 64:ff9b::/96\n" \
	"global 1 1\n"            \
	"global 3 1280\n"         \
	"global 14 0\n"           \
	"global 15 0\n"           \
	"global 26 0\n"
#define TENANTS                                     \
	"pool4 203.0.113.10 16384 17407 4097\n"     \
	"pool4 203.0.113.10 17408 18431 4098\n"     \
	"pool4 203.0.113.10 18432 19455 4099\n"     \
	"pool4 203.0.113.10 53 53 2147483701\n"     \
	"pool4 203.0.113.10 54 54 2147483702\n"     \
	"bib 2001:db8:1::1 80 203.0.113.10 16390\n" \
	"bib 2001:db8:1::1 53 203.0.113.10 53\n"    \
	"bib 2001:db8:1::2 53 203.0.113.10 54\n"    \
	"bib 2001:db8:2::1 80 203.0.113.10 17408\n"

static void assert_reached(struct rig *r, const char *lines)
{
	struct object_set desired;
	struct err err = {0};
	int rc;

	want(&desired, lines);
	(void)reach(r, &desired, &rc, &err);
	assert_string_equal(err.msg, "");
	assert_int_equal(rc, 0);
	r->fake.n_changes = 0;
	assert_int_equal(reach(r, &desired, &rc, &err), 0);
	assert_int_equal(r->fake.n_changes, 0);
	object_set_fini(&desired);
}

static void desired_is_reached_from_nothing_and_a_second_run_does_nothing(void **state)
{
	struct rig *r = *state;

	assert_reached(r, NODE TENANTS);
	assert_int_equal(r->fake.n_rows, 5);
	assert_int_equal(r->fake.n_mappings, 4);
	assert_int_equal(r->fake.globals[26], 0);
	r->fake.vanish = 3;
	assert_reached(r, NODE TENANTS);
	assert_reached(r, "");
	assert_false(r->fake.has_instance);
}

static void blocks_shrink_and_move_without_cutting_one_another(void **state)
{
	struct rig *r = *state;

	assert_reached(r, NODE TENANTS);
	assert_reached(r, NODE "pool4 203.0.113.10 16384 16895 4097\n"
			       "pool4 203.0.113.10 16896 17407 4098\n"
			       "pool4 203.0.113.10 17408 17408 2147500032\n"
			       "bib 2001:db8:1::1 80 203.0.113.10 16390\n"
			       "bib 2001:db8:2::1 80 203.0.113.10 17408\n");
	/* to the block beside: under one mark they are one row for a moment */
	assert_reached(r, NODE "pool4 203.0.113.10 16896 17407 4097\n"
			       "bib 2001:db8:1::1 80 203.0.113.10 17000\n");
}

static void rows_by_hand_are_repaired_also_those_that_have_merged(void **state)
{
	struct rig *r = *state;

	assert_reached(r, NODE TENANTS);
	for (size_t i = 0; i < r->fake.n_rows; i++) {
		if (r->fake.rows[i].mark == 4099) {
			r->fake.rows[i].last = 20000;
		}
	}
	r->fake.mappings[0] = r->fake.mappings[--r->fake.n_mappings];
	r->fake.globals[15] = 1;
	assert_reached(r, NODE TENANTS);
}

static void other_prefix_makes_the_instance_anew_with_all_in_it(void **state)
{
	struct rig *r = *state;

	assert_reached(r, NODE TENANTS);
	assert_reached(r, "instance 2001:db8:64::/96\n"
			  "global 26 0\nglobal 1 1\nglobal 3 1280\nglobal 14 0\n"
			  "global 15 0\n" TENANTS);
	assert_int_equal(r->fake.n_mappings, 4);
}

/* The tenant's socket has talked before its port was exposed. */
static void mapping_that_came_by_itself_makes_way(void **state)
{
	struct rig *r = *state;

	assert_reached(r, NODE "pool4 203.0.113.10 16384 17407 4097\n"
			       "bib 2001:db8:1::1 80 203.0.113.10 16390\n"
			       "bib 2001:db8:1::1 81 203.0.113.10 16391\n");
	r->fake.mappings[0].is_static = r->fake.mappings[1].is_static = false;
	/* one has the socket, the other the port */
	assert_reached(r, NODE "pool4 203.0.113.10 16384 17407 4097\n"
			       "bib 2001:db8:1::1 80 203.0.113.10 16391\n");
	assert_int_equal(r->fake.n_mappings, 1);
}

static void static_mapping_of_another_socket_stays(void **state)
{
	struct rig *r = *state;
	struct object_set set;
	struct step step = {.verb = STEP_ADD};
	struct err err;
	size_t done;

	assert_reached(r, NODE TENANTS);
	want(&set, "bib 2001:db8:9::1 80 203.0.113.10 16390\n");
	step.to = &set.items[0];
	assert_int_equal(r->driver.apply(r->driver.ctx, &step, 1, &done, &err), -EEXIST);
	assert_int_equal(done, 0);
	assert_non_null(strstr(err.msg, "bib tcp [2001:db8:9::1]:80"));
	assert_int_equal(r->fake.n_mappings, 4);
	object_set_fini(&set);
}

/* Whatever request fails, undoing what was done leaves the tables as they were. */
static void each_failed_request_can_be_undone(void **state)
{
	struct rig *r = *state;
	struct object_set before, desired, after;
	struct plan plan, undo, rest;
	struct err err;
	size_t done;
	int rc = -1;

	assert_reached(r, NODE TENANTS);
	observe(r, &before);
	want(&desired, NODE "pool4 203.0.113.10 16384 16895 4097\n"
			    "pool4 203.0.113.10 40000 40099 4098\n"
			    "pool4 203.0.113.10 53 53 2147483701\n"
			    "bib 2001:db8:1::1 80 203.0.113.10 16391\n"
			    "bib 2001:db8:1::1 53 203.0.113.10 53\n"
			    "bib 2001:db8:2::1 80 203.0.113.10 40000\n");
	for (unsigned int fail = 1; rc < 0; fail++) {
		assert_true(fail < 100);
		assert_int_equal(plan_diff(&before, &desired, &plan, &err), 0);
		r->fake.n_requests = 0;
		r->fake.fail_at = fail;
		r->fake.bare_error = fail % 2;
		rc = r->driver.apply(r->driver.ctx, plan.steps, plan.n, &done, &err);
		assert_true(rc == 0 || strstr(err.msg, fail % 2 ? "memory" : "said by the module"));
		r->fake.fail_at = 0;
		assert_int_equal(plan_undo(&plan, done, &undo, &err), 0);
		assert_int_equal(r->driver.apply(r->driver.ctx, undo.steps, undo.n, &done, &err),
				 0);
		observe(r, &after);
		assert_int_equal(plan_diff(&after, &before, &rest, &err), 0);
		assert_int_equal(rest.n, 0);
		plan_fini(&rest);
		plan_fini(&undo);
		plan_fini(&plan);
		object_set_fini(&after);
	}
	object_set_fini(&before);
	object_set_fini(&desired);
}

/* Rows that local sockets could have, and the numbers that came with later revisions. */
static void each_revision_is_spoken_to(void **state)
{
	struct rig *r = *state;

	for (r->fake.revision = 9; r->fake.revision <= 15; r->fake.revision++) {
		uint64_t stats[JOOL_STATS];
		struct jool jool;
		char text[32];

		snprintf(text, sizeof(text), "4.1.%u.0\n", r->fake.revision);
		write_version(r, "jool", text);
		assert_reached(r, NODE TENANTS "pool4 203.0.113.10 50000 50999 4100\n");
		assert_int_equal(r->fake.n_rows, 6);
		assert_int_equal(jool_open(&r->ctx, &jool, NULL), 0);
		assert_int_equal(jool.version.revision, r->fake.revision);
		assert_int_equal(jool_stats_read(&jool, stats, NULL), 0);
		assert_int_equal(stats[JOOL_STAT_BIB6_NOT_FOUND], 3 * JOOL_STAT_BIB6_NOT_FOUND);
		assert_int_equal(stats[68], 3 * 68);
		assert_reached(r, "");
	}
}

static void what_is_missing_is_said(void **state)
{
	struct rig *r = *state;
	struct jool jool;
	struct utsname name;
	struct err err;
	char path[1024];

	assert_int_equal(uname(&name), 0);
	assert_int_equal(jool_open(&r->ctx, &jool, &err), 0);
	assert_int_equal(jool.version.revision, 9);
	r->fake.no_family = true;
	assert_int_equal(jool_open(&r->ctx, &jool, &err), -EOPNOTSUPP);
	r->fake.no_family = false;
	write_version(r, "jool", "4.2.0.0\n");
	assert_int_equal(jool_open(&r->ctx, &jool, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "'4.2.0.0'"));
	assert_non_null(strstr(err.msg, "4.1.9 to 4.1.15"));
	snprintf(path, sizeof(path), "%s/module/jool/version", r->dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(jool_open(&r->ctx, &jool, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "apt install jool-dkms linux-headers-amd64"));
	assert_non_null(strstr(err.msg, name.release));
	snprintf(path, sizeof(path),
		 "mkdir -p %s/%s/updates/dkms && touch %s/%s/updates/dkms/jool.ko", r->dir,
		 name.release, r->dir, name.release);
	assert_int_equal(system(path), 0);
	assert_int_equal(jool_open(&r->ctx, &jool, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "not loaded: run 'modprobe jool'"));
}

static void absent_module_can_neither_observe_nor_apply(void **state)
{
	struct rig *r = *state;
	struct object_set set;
	struct step step = {.verb = STEP_ADD};
	struct err err;
	size_t done;

	write_version(r, "jool", "4.1.16.0\n");
	want(&set, "instance 64:ff9b::/96\n");
	step.to = &set.items[0];
	assert_int_equal(r->driver.apply(r->driver.ctx, &step, 1, &done, &err), -EOPNOTSUPP);
	assert_int_equal(done, 0);
	assert_int_equal(r->driver.observe(r->driver.ctx, r->driver.kinds, &set, &err),
			 -EOPNOTSUPP);
	assert_int_equal(r->fake.n_requests, 0);
	object_set_fini(&set);
}

/* Who has which ports, also after a line that was cut; the guard's are nobody's. */
static void rows_that_come_and_go_are_written_down(void **state)
{
	struct rig *r = *state;
	char path[128], line[160];
	unsigned int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/ports", r->dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("2026-11-20T1", f);
	fclose(f);
	r->ctx.history = path;
	assert_reached(r, NODE);
	assert_reached(r, NODE "pool4 0.0.0.0 1 1 0x80000000\n"
			       "acme: pool4 203.0.113.10 16384 17407 4097\n");
	assert_reached(r, NODE);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		static const char *const ends[] = {"2026-11-20T1\n",
						   "Z + tcp 203.0.113.10 16384-17407 acme\n",
						   "Z - tcp 203.0.113.10 16384-17407 -\n"};

		assert_true(n < 3);
		assert_string_equal(line + strlen(line) - strlen(ends[n]), ends[n]);
		n++;
	}
	assert_int_equal(n, 3);
	fclose(f);
	/* a folder that is gone stops nothing */
	r->ctx.history = "/nonexistent/ports";
	assert_reached(r, NODE "acme: pool4 203.0.113.10 16384 17407 4097\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(desired_is_reached_from_nothing_and_a_second_run_does_nothing),
		TEST(blocks_shrink_and_move_without_cutting_one_another),
		TEST(rows_by_hand_are_repaired_also_those_that_have_merged),
		TEST(other_prefix_makes_the_instance_anew_with_all_in_it),
		TEST(mapping_that_came_by_itself_makes_way),
		TEST(static_mapping_of_another_socket_stays),
		TEST(each_failed_request_can_be_undone),
		TEST(rows_that_come_and_go_are_written_down),
		TEST(each_revision_is_spoken_to),
		TEST(what_is_missing_is_said),
		TEST(absent_module_can_neither_observe_nor_apply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
