/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gateway/control/dirty.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_taken_in_the_order_they_came(void **state)
{
	struct dirty set;
	uint32_t id;

	(void)state;
	dirty_init(&set);
	assert_false(dirty_take(&set, &id));
	assert_int_equal(dirty_reserve(&set, 10), 0);
	dirty_add(&set, 7);
	dirty_add(&set, 3);
	dirty_add(&set, 9);
	assert_true(dirty_take(&set, &id));
	assert_int_equal(id, 7);
	dirty_add(&set, 7);
	assert_true(dirty_take(&set, &id));
	assert_int_equal(id, 3);
	assert_true(dirty_take(&set, &id));
	assert_int_equal(id, 9);
	assert_true(dirty_take(&set, &id));
	assert_int_equal(id, 7);
	assert_false(dirty_take(&set, &id));
	dirty_fini(&set);
}

static void test_a_thousand_changes_are_one_entry(void **state)
{
	struct dirty set;
	uint32_t id;

	(void)state;
	dirty_init(&set);
	assert_int_equal(dirty_reserve(&set, 64), 0);
	for (int i = 0; i < 1000; i++) {
		dirty_add(&set, 5);
		dirty_add(&set, 63);
	}
	assert_int_equal(set.count, 2);
	assert_true(dirty_take(&set, &id));
	assert_false(dirty_has(&set, 5));
	assert_true(dirty_has(&set, 63));
	dirty_fini(&set);
}

static void test_growing_keeps_order_over_the_ring_end(void **state)
{
	struct dirty set;
	uint32_t id;

	(void)state;
	dirty_init(&set);
	assert_int_equal(dirty_reserve(&set, 64), 0);
	for (uint32_t i = 0; i < 64; i++) {
		dirty_add(&set, i);
	}
	for (uint32_t i = 0; i < 40; i++) {
		assert_true(dirty_take(&set, &id));
	}
	for (uint32_t i = 0; i < 20; i++) {
		dirty_add(&set, i); /* behind the end of the ring */
	}
	assert_int_equal(dirty_reserve(&set, 1000), 0);
	dirty_add(&set, 999);
	for (uint32_t i = 40; i < 64; i++) {
		assert_true(dirty_take(&set, &id));
		assert_int_equal(id, i);
	}
	for (uint32_t i = 0; i < 20; i++) {
		assert_true(dirty_take(&set, &id));
		assert_int_equal(id, i);
	}
	assert_true(dirty_take(&set, &id));
	assert_int_equal(id, 999);
	assert_int_equal(set.count, 0);
	dirty_fini(&set);
}

static void test_clear_forgets_all(void **state)
{
	struct dirty set;
	uint32_t id;

	(void)state;
	dirty_init(&set);
	dirty_clear(&set); /* empty is fine */
	assert_int_equal(dirty_reserve(&set, 64), 0);
	dirty_add(&set, 1);
	dirty_clear(&set);
	assert_false(dirty_has(&set, 1));
	assert_false(dirty_take(&set, &id));
	dirty_add(&set, 1);
	assert_int_equal(set.count, 1);
	dirty_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken_in_the_order_they_came),
		cmocka_unit_test(test_a_thousand_changes_are_one_entry),
		cmocka_unit_test(test_growing_keeps_order_over_the_ring_end),
		cmocka_unit_test(test_clear_forgets_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
