/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The wire reader's sticky error and the buffer it is the counterpart of, at their limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cursor.h"

static void integers_are_in_network_order(void **state)
{
	static const uint8_t wire[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,
				       10, 11, 12, 13, 14, 15, 16, 17, 18};
	struct cursor c = cursor_from(wire, sizeof(wire));

	(void)state;
	assert_int_equal(cursor_u8(&c), 0x01);
	assert_int_equal(cursor_u16(&c), 0x0203);
	assert_int_equal(cursor_u24(&c), 0x040506);
	assert_int_equal(cursor_u32(&c), 0x0708090a);
	assert_true(cursor_u64(&c) == 0x0b0c0d0e0f101112u);
	assert_true(cursor_done(&c));
}

static void a_read_past_the_end_sticks(void **state)
{
	static const uint8_t wire[] = {1, 2, 3};
	struct cursor c = cursor_from(wire, sizeof(wire));

	(void)state;
	assert_int_equal(cursor_u32(&c), 0);
	assert_true(c.bad);
	assert_int_equal(cursor_u8(&c), 0);
	assert_null(cursor_bytes(&c, 0));
	assert_int_equal(cursor_str(&c).len, 0);
	assert_true(cursor_sub(&c, 0).bad);
	assert_false(cursor_done(&c));
}

static void sub_takes_its_bytes_from_the_outer_one(void **state)
{
	static const uint8_t wire[] = {1, 2, 3, 4};
	struct cursor c = cursor_from(wire, sizeof(wire)), sub = cursor_sub(&c, 3);

	(void)state;
	assert_int_equal(cursor_u24(&sub), 0x010203);
	assert_true(cursor_done(&sub));
	assert_int_equal(cursor_u8(&sub), 0);
	assert_true(sub.bad);
	assert_int_equal(cursor_u8(&c), 4);
	assert_true(cursor_done(&c));
	assert_true(cursor_sub(&c, 1).bad);
	assert_true(c.bad);
}

static void nothing_of_nothing_is_no_error(void **state)
{
	struct cursor c = cursor_from(NULL, 0), sub = cursor_sub(&c, 0);

	(void)state;
	assert_true(cursor_done(&sub));
	(void)cursor_bytes(&c, 0); /* only bad is of interest */
	assert_true(cursor_done(&c));
}

static void what_buf_writes_cursor_reads(void **state)
{
	struct str text = {.p = "a\0b", .len = 3};
	struct cursor c;
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	buf_u8(&b, 0xfe);
	buf_u16(&b, 0xfedc);
	buf_u32(&b, 0xfedcba98);
	buf_u64(&b, 0xfedcba9876543210);
	buf_str(&b, text);
	buf_str(&b, (struct str){0});
	buf_printf(&b, "%d", -5);
	c = cursor_from(b.data, b.len);
	assert_int_equal(cursor_u8(&c), 0xfe);
	assert_int_equal(cursor_u16(&c), 0xfedc);
	assert_int_equal(cursor_u32(&c), 0xfedcba98);
	assert_true(cursor_u64(&c) == 0xfedcba9876543210);
	assert_true(str_eq(cursor_str(&c), text));
	assert_int_equal(cursor_str(&c).len, 0);
	assert_memory_equal(cursor_bytes(&c, 2), "-5", 2);
	assert_true(cursor_done(&c));
	buf_fini(&b);
}

static void a_length_beyond_the_bytes_is_bad(void **state)
{
	static const uint8_t wire[] = {0xff, 0xff, 0xff, 0xff, 'a'};
	struct cursor c = cursor_from(wire, sizeof(wire));

	(void)state;
	assert_int_equal(cursor_str(&c).len, 0);
	assert_true(c.bad);
}

static void buf_takes_its_limit_and_no_byte_more(void **state)
{
	struct buf b;

	(void)state;
	for (size_t max = 0; max < 600; max += 3) {
		buf_init(&b, max);
		for (size_t i = 0; i < max; i++) {
			buf_u8(&b, (uint8_t)i);
		}
		assert_false(b.bad);
		assert_int_equal(b.len, max);
		buf_u8(&b, 0);
		assert_true(b.bad);
		assert_int_equal(b.len, max);
		buf_fini(&b);
	}
}

static void buf_printf_takes_the_limit_too(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 5);
	buf_printf(&b, "%s", "12345");
	assert_false(b.bad);
	assert_int_equal(b.len, 5);
	assert_memory_equal(b.data, "12345", 5);
	buf_printf(&b, "%s", "");
	assert_false(b.bad);
	buf_printf(&b, "x");
	assert_true(b.bad);
	buf_fini(&b);
}

static void bad_sticks_and_keeps_what_was_there(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	buf_u16(&b, 1);
	buf_u32(&b, 2);
	assert_true(b.bad);
	buf_u8(&b, 3);
	assert_int_equal(b.len, 2);
	buf_fini(&b);
}

static void consume_moves_the_rest_to_the_front(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_bytes(&b, "abcdef", 6);
	buf_consume(&b, 2);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "cdef", 4);
	buf_consume(&b, 99);
	assert_int_equal(b.len, 0);
	buf_consume(&b, 0);
	buf_bytes(&b, "x", 1);
	assert_memory_equal(b.data, "x", 1);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_in_network_order),
		cmocka_unit_test(a_read_past_the_end_sticks),
		cmocka_unit_test(sub_takes_its_bytes_from_the_outer_one),
		cmocka_unit_test(nothing_of_nothing_is_no_error),
		cmocka_unit_test(what_buf_writes_cursor_reads),
		cmocka_unit_test(a_length_beyond_the_bytes_is_bad),
		cmocka_unit_test(buf_takes_its_limit_and_no_byte_more),
		cmocka_unit_test(buf_printf_takes_the_limit_too),
		cmocka_unit_test(bad_sticks_and_keeps_what_was_there),
		cmocka_unit_test(consume_moves_the_rest_to_the_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
