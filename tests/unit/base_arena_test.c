/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Arenas: alignment, zeroes, the limit, and sizes that overflow. */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
	struct arena *a = arena_new(1 << 24);
	uint8_t *pieces[200];

	(void)state;
	assert_non_null(a);
	for (size_t i = 0; i < 200; i++) {
		size_t size = i * i + 1;

		pieces[i] = arena_alloc(a, size);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
		for (size_t j = 0; j < size; j++) {
			assert_int_equal(pieces[i][j], 0);
		}
		memset(pieces[i], (int)i, size);
	}
	for (size_t i = 0; i < 200; i++) {
		assert_int_equal(pieces[i][0], i);
		assert_int_equal(pieces[i][i * i], i);
	}
	arena_free(a);
}

static void the_limit_holds(void **state)
{
	struct arena *a = arena_new(1000);
	size_t n = 0;

	(void)state;
	assert_null(arena_alloc(a, 1001));
	while (arena_alloc(a, 16)) {
		n++;
	}
	assert_int_equal(n, 1000 / 16);
	assert_int_equal(arena_size(a), n * 16);
	assert_null(arena_alloc(a, 9));
	arena_free(a);
}

static void sizes_that_overflow_are_refused(void **state)
{
	struct arena *a = arena_new(SIZE_MAX);

	(void)state;
	assert_non_null(arena_alloc(a, 1));
	assert_null(arena_alloc(a, SIZE_MAX));
	assert_null(arena_alloc(a, SIZE_MAX - 16));
	assert_null(arena_array(a, SIZE_MAX / 2, 3));
	assert_null(arena_array(a, 2, SIZE_MAX));
	assert_non_null(arena_array(a, 3, 5));
	arena_free(a);
}

static void nothing_is_something(void **state)
{
	struct arena *a = arena_new(100);

	(void)state;
	assert_non_null(arena_alloc(a, 0));
	assert_non_null(arena_array(a, 0, 8));
	assert_int_equal(arena_size(a), 0);
	arena_free(a);
	arena_free(NULL);
}

static void strdup_terminates_and_keeps_every_byte(void **state)
{
	struct arena *a = arena_new(100);
	char *copy = arena_strdup(a, (struct str){"a\0bc", 3});

	(void)state;
	assert_memory_equal(copy, "a\0b", 4);
	assert_string_equal(arena_strdup(a, (struct str){0}), "");
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
		cmocka_unit_test(the_limit_holds),
		cmocka_unit_test(sizes_that_overflow_are_refused),
		cmocka_unit_test(nothing_is_something),
		cmocka_unit_test(strdup_terminates_and_keeps_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
