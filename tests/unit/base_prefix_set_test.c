/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sets of prefixes. */
#include "base/prefix_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int put(struct prefix_set *set, const char *text, bool in)
{
	struct prefix p;

	assert_int_equal(prefix_parse(str_from(text), &p, NULL), 0);
	return prefix_set_put(set, &p, in);
}

static bool covers(const struct prefix_set *set, const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(str_from(text), &a), 0);
	return prefix_set_covers(set, &a);
}

static void each_length_is_found_and_nothing_beside_it(void **state)
{
	struct prefix_set set;

	(void)state;
	prefix_set_init(&set);
	assert_false(covers(&set, "2001:db8:1::1"));
	assert_int_equal(put(&set, "2001:db8:1::/48", true), 1);
	assert_int_equal(put(&set, "2001:db8:2:0:5::/80", true), 1);
	assert_int_equal(put(&set, "2001:db8:3::7/128", true), 1);
	assert_true(covers(&set, "2001:db8:1:ffff::1"));
	assert_true(covers(&set, "2001:db8:2:0:5:6:7:8"));
	assert_true(covers(&set, "2001:db8:3::7"));
	assert_false(covers(&set, "2001:db8:0:ffff::1"));
	assert_false(covers(&set, "2001:db8:2:0:6::"));
	assert_false(covers(&set, "2001:db8:2::1"));
	assert_false(covers(&set, "2001:db8:3::6"));
	prefix_set_fini(&set);
}

static void what_comes_twice_goes_once(void **state)
{
	struct table_iter it = {0};
	struct prefix_set set;
	size_t n = 0;

	(void)state;
	prefix_set_init(&set);
	assert_int_equal(put(&set, "2001:db8:2:0:5::/80", false), 0);
	assert_int_equal(put(&set, "2001:db8:2:0:5::/80", true), 1);
	assert_int_equal(put(&set, "2001:db8:2:0:5::/80", true), 0);
	assert_int_equal(put(&set, "2001:db8:2::/64", true), 1);
	while (prefix_set_next(&set, &it)) {
		n++;
	}
	assert_int_equal(n, 2);
	assert_int_equal(put(&set, "2001:db8:2::/64", false), 1);
	assert_true(covers(&set, "2001:db8:2:0:5::1"));
	assert_int_equal(put(&set, "2001:db8:2:0:5::/80", false), 1);
	assert_int_equal(put(&set, "2001:db8:2:0:5::/80", false), 0);
	assert_false(covers(&set, "2001:db8:2:0:5::1"));
	prefix_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_length_is_found_and_nothing_beside_it),
		cmocka_unit_test(what_comes_twice_goes_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
