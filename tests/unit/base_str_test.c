/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Strings: what a hostile one looks like in a log line, numbers at their limits, likeness. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

#define BYTES(s) ((struct str){.p = (s), .len = sizeof(s) - 1})

static void eq_compares_length_and_bytes(void **state)
{
	(void)state;
	assert_true(str_eq(BYTES("a\0b"), BYTES("a\0b")));
	assert_false(str_eq(BYTES("a\0b"), BYTES("a\0c")));
	assert_false(str_eq(BYTES("ab"), BYTES("abc")));
	assert_true(str_eq(str_from(NULL), BYTES("")));
}

static void escape_vectors(void **state)
{
	static const struct {
		struct str in;
		const char *out;
	} vectors[] = {
		{BYTES("shop.example"), "shop.example"},
		{BYTES(""), ""},
		{BYTES("a\nb\x1b[2J"), "a\\x0ab\\x1b[2J"},
		{BYTES("it's \\"), "it\\x27s \\x5c"},
		{BYTES("\0\x7f\x80\xff"), "\\x00\\x7f\\x80\\xff"},
		{BYTES(" ~"), " ~"},
	};
	char dst[64];

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		assert_string_equal(str_escape(dst, sizeof(dst), vectors[i].in), vectors[i].out);
	}
}

static void escape_cuts_at_whole_escapes(void **state)
{
	char dst[9];

	(void)state;
	for (size_t size = 1; size <= sizeof(dst); size++) {
		str_escape(dst, size, BYTES("\n\n"));
		assert_int_equal(strlen(dst), (size - 1) / 4 * 4);
		str_escape(dst, size, BYTES("abcdefghi"));
		assert_int_equal(strlen(dst), size - 1);
	}
}

static void numbers(void **state)
{
	static const struct {
		struct str in;
		uint64_t min, max;
		int rc;
		uint64_t value;
	} vectors[] = {
		{BYTES("0"), 0, 9, 0, 0},
		{BYTES("00012"), 0, 99, 0, 12},
		{BYTES("18446744073709551615"), 0, UINT64_MAX, 0, UINT64_MAX},
		{BYTES("18446744073709551616"), 0, UINT64_MAX, -ERANGE, 0},
		{BYTES("99999999999999999999999999"), 0, UINT64_MAX, -ERANGE, 0},
		{BYTES("9"), 10, 20, -ERANGE, 0},
		{BYTES("21"), 10, 20, -ERANGE, 0},
		{BYTES(""), 0, 9, -EINVAL, 0},
		{BYTES("-1"), 0, 9, -EINVAL, 0},
		{BYTES("+1"), 0, 9, -EINVAL, 0},
		{BYTES(" 1"), 0, 9, -EINVAL, 0},
		{BYTES("1 "), 0, 9, -EINVAL, 0},
		{BYTES("0x1"), 0, 9, -EINVAL, 0},
		{BYTES("1\0"), 0, 9, -EINVAL, 0},
		{BYTES("99999999999999999999999999x"), 0, 9, -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		uint64_t value = 4711;

		assert_int_equal(str_to_u64(vectors[i].in, vectors[i].min, vectors[i].max, &value),
				 vectors[i].rc);
		assert_true(value == (vectors[i].rc == 0 ? vectors[i].value : 4711));
	}
}

static void distance_counts_edits(void **state)
{
	char longer[100] = {0};

	(void)state;
	assert_int_equal(str_distance("port", "port"), 0);
	assert_int_equal(str_distance("", "port"), 4);
	assert_int_equal(str_distance("prot", "port"), 1); /* a swap is one */
	assert_int_equal(str_distance("por", "port"), 1);
	assert_int_equal(str_distance("ports", "port"), 1);
	assert_int_equal(str_distance("pork", "port"), 1);
	assert_int_equal(str_distance("listner", "listeners"), 2);
	assert_int_equal(str_distance("ca", "abc"), 3);
	memset(longer, 'a', sizeof(longer) - 1);
	assert_true(str_distance(longer, "a") >= 64);
	longer[64] = '\0';
	assert_int_equal(str_distance(longer, longer), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eq_compares_length_and_bytes), cmocka_unit_test(escape_vectors),
		cmocka_unit_test(escape_cuts_at_whole_escapes), cmocka_unit_test(numbers),
		cmocka_unit_test(distance_counts_edits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
