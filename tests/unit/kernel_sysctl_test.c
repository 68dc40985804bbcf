/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sysctls in a folder that plays /proc/sys, and the record of what they were. */
#include "gateway/kernel/sysctl.h"

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

struct rig {
	char dir[64];
	struct sysctls sysctls;
	struct driver driver;
	struct object_set set;
};

static void file_write(const struct rig *r, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static char *file_read(const struct rig *r, const char *name, char text[256])
{
	char path[128];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(text, 1, 255, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void rig_open(struct rig *r)
{
	struct err err;

	r->sysctls = (struct sysctls){.root = r->dir};
	assert_int_equal(record_new(r->dir, "former", &r->sysctls.record, &err), 0);
	r->driver = sysctl_driver(&r->sysctls);
	object_set_init(&r->set);
}

static void rig_close(struct rig *r)
{
	free(r->sysctls.record);
	object_set_fini(&r->set);
}

static void rig_init(struct rig *r)
{
	snprintf(r->dir, sizeof(r->dir), "/tmp/sixgate-sysctl.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	rig_open(r);
}

static void rig_fini(struct rig *r)
{
	static const char *const names[] = {"former",
					    RECORD_MAIN,
					    "ports",
					    "net/ipv6/conf/up0/accept_ra",
					    "net/ipv6/conf/up0/forwarding",
					    "net/ipv6/conf/up0",
					    "net/ipv6/conf",
					    "net/ipv6",
					    "net",
					    ""};
	char path[128];

	rig_close(r);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", r->dir, names[i]);
		(void)remove(path); /* not every test makes all of them */
	}
}

static struct object sysctl_of(const char *path, const char *value)
{
	struct object o = {.kind = OBJECT_SYSCTL, .sysctl = {.order = 2}};

	snprintf(o.sysctl.path, sizeof(o.sysctl.path), "%s", path);
	snprintf(o.sysctl.value, sizeof(o.sysctl.value), "%s", value);
	return o;
}

static int apply(struct rig *r, const struct object *from, const struct object *to, struct err *err)
{
	const struct step step = {.verb = !from ? STEP_ADD
					  : !to ? STEP_REMOVE
						: STEP_CHANGE,
				  .from = from,
				  .to = to};
	size_t done;

	return r->driver.apply(r->driver.ctx, &step, 1, &done, err);
}

static void former_value_outlives_the_run_and_is_put_back(void **state)
{
	const struct object o = sysctl_of("ports", "49152 57343");
	struct rig r;
	struct err err;
	char text[256];

	(void)state;
	rig_init(&r);
	file_write(&r, "ports", "32768\t60999\n");
	assert_int_equal(r.driver.observe(r.driver.ctx, r.driver.kinds, &r.set, &err), 0);
	assert_int_equal(r.set.n, 0);
	assert_int_equal(apply(&r, NULL, &o, &err), 0);
	assert_string_equal(file_read(&r, "former", text), "sysctl 2 ports\t32768 60999\n");
	file_write(&r, "ports", "49152\t57343\n"); /* as the kernel shows it */
	rig_close(&r);
	rig_open(&r);
	assert_int_equal(r.driver.observe(r.driver.ctx, r.driver.kinds, &r.set, &err), 0);
	assert_int_equal(r.set.n, 1);
	assert_true(object_same(&o, &r.set.items[0]));
	assert_int_equal(apply(&r, &r.set.items[0], NULL, &err), 0);
	assert_string_equal(file_read(&r, "ports", text), "32768 60999");
	assert_string_equal(file_read(&r, "former", text), "");
	rig_fini(&r);
}

static void second_change_does_not_overwrite_the_record(void **state)
{
	const struct object o = sysctl_of("ports", "1 2"), p = sysctl_of("ports", "3 4");
	struct rig r;
	struct err err;
	char text[256];

	(void)state;
	rig_init(&r);
	file_write(&r, "ports", "32768\t60999\n");
	assert_int_equal(apply(&r, NULL, &o, &err), 0);
	assert_int_equal(apply(&r, &o, &p, &err), 0);
	assert_int_equal(apply(&r, NULL, &p, &err), 0);
	assert_string_equal(file_read(&r, "former", text), "sysctl 2 ports\t32768 60999\n");
	rig_fini(&r);
}

static void missing_or_outside_path_is_an_error_and_leaves_no_record(void **state)
{
	const struct object missing = sysctl_of("none", "1"), outside = sysctl_of("../x", "1");
	struct rig r;
	struct err err;

	(void)state;
	rig_init(&r);
	assert_int_equal(apply(&r, NULL, &missing, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "this kernel, or this link, has none"));
	assert_true(apply(&r, NULL, &outside, &err) < 0);
	assert_int_equal(r.sysctls.record->n, 0);
	rig_fini(&r);
}

static void spoilt_record_is_read_as_far_as_it_makes_sense(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_close(&r);
	file_write(&r, "former", "no tab\nsysctl 2 ports\t7\n\tno key\nsysctl 2 ");
	rig_open(&r);
	assert_int_equal(r.sysctls.record->n, 1);
	assert_string_equal(record_find(r.sysctls.record, "sysctl 2 ports")->former, "7");
	rig_fini(&r);
}

/* With accept_ra 1 the kernel forgets the route as soon as it forwards. */
/* As another process asks, which has no driver. */
static void former_value_is_known_to_who_asks_by_folder(void **state)
{
	char value[OBJECT_SYSCTL_MAX] = "";
	struct rig r;

	(void)state;
	rig_init(&r);
	assert_false(sysctl_former(r.dir, "net/ipv4/ip_local_port_range", value));
	file_write(&r, RECORD_MAIN,
		   "sysctl 1 net/ipv4/ip_forward\t0\n"
		   "sysctl 2 net/ipv4/ip_local_port_range\t32768 60999\n");
	assert_true(sysctl_former(r.dir, "net/ipv4/ip_local_port_range", value));
	assert_string_equal(value, "32768 60999");
	assert_false(sysctl_former(r.dir, "net/ipv4/tcp_tw_reuse", value));
	rig_fini(&r);
}

static void uplink_learns_routes_unless_it_forwards_already(void **state)
{
	static const char *const folders[] = {"net", "net/ipv6", "net/ipv6/conf",
					      "net/ipv6/conf/up0"};
	struct rig r;
	struct err err;
	char path[128];

	(void)state;
	rig_init(&r);
	assert_false(sysctl_learns_routes(&r.sysctls, "up0")); /* no such link */
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", r.dir, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	file_write(&r, "net/ipv6/conf/up0/accept_ra", "1\n");
	file_write(&r, "net/ipv6/conf/up0/forwarding", "1\n");
	assert_false(sysctl_learns_routes(&r.sysctls, "up0"));
	file_write(&r, "net/ipv6/conf/up0/forwarding", "0\n");
	assert_true(sysctl_learns_routes(&r.sysctls, "up0"));
	assert_int_equal(record_add(r.sysctls.record, "sysctl 0 net/ipv6/conf/up0/accept_ra", "1",
				    &err),
			 0);
	file_write(&r, "net/ipv6/conf/up0/forwarding", "1\n");
	file_write(&r, "net/ipv6/conf/up0/accept_ra", "2\n");
	assert_true(sysctl_learns_routes(&r.sysctls, "up0"));
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(former_value_outlives_the_run_and_is_put_back),
		cmocka_unit_test(second_change_does_not_overwrite_the_record),
		cmocka_unit_test(missing_or_outside_path_is_an_error_and_leaves_no_record),
		cmocka_unit_test(spoilt_record_is_read_as_far_as_it_makes_sense),
		cmocka_unit_test(former_value_is_known_to_who_asks_by_folder),
		cmocka_unit_test(uplink_learns_routes_unless_it_forwards_already),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
