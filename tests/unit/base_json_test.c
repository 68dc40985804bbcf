/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The JSON writer: commas, numbers at their limits, and every byte a name may hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"

static void commas_are_placed_by_themselves(void **state)
{
	static const char want[] = "{\"a\":1,\"b\":{},\"c\":[[],2,{\"d\":null}],\"e\":true}\n"
				   "{\"f\":false}\n[]\n";
	struct buf out;
	struct json j;

	(void)state;
	buf_init(&out, 1000);
	j = json_to(&out);
	json_open(&j, NULL, '{');
	json_u64(&j, "a", 1);
	json_open(&j, "b", '{');
	json_close(&j, '}');
	json_open(&j, "c", '[');
	json_open(&j, NULL, '[');
	json_close(&j, ']');
	json_u64(&j, NULL, 2);
	json_open(&j, NULL, '{');
	json_text(&j, "d", NULL);
	json_close(&j, '}');
	json_close(&j, ']');
	json_bool(&j, "e", true);
	json_close(&j, '}');
	json_end_line(&j);
	json_open(&j, NULL, '{');
	json_bool(&j, "f", false);
	json_close(&j, '}');
	json_end_line(&j);
	json_open(&j, NULL, '[');
	json_close(&j, ']');
	json_end_line(&j);
	assert_int_equal(out.len, sizeof(want) - 1);
	assert_memory_equal(out.data, want, out.len);
	buf_fini(&out);
}

static void numbers_at_their_limits(void **state)
{
	static const char want[] = "[0,9,10,18446744073709551615]";
	struct buf out;
	struct json j;

	(void)state;
	buf_init(&out, 1000);
	j = json_to(&out);
	json_open(&j, NULL, '[');
	json_u64(&j, NULL, 0);
	json_u64(&j, NULL, 9);
	json_u64(&j, NULL, 10);
	json_u64(&j, NULL, UINT64_MAX);
	json_close(&j, ']');
	assert_int_equal(out.len, sizeof(want) - 1);
	assert_memory_equal(out.data, want, out.len);
	buf_fini(&out);
}

static void every_byte_is_ascii_and_one_character(void **state)
{
	char bytes[256];
	size_t pos = 1;
	struct buf out;
	struct json j;

	(void)state;
	for (int i = 0; i < 256; i++) {
		bytes[i] = (char)i;
	}
	buf_init(&out, 4096);
	j = json_to(&out);
	json_str(&j, NULL, (struct str){bytes, sizeof(bytes)});
	assert_int_equal(out.data[0], '"');
	for (int i = 0; i < 256; i++) {
		bool plain = i >= 0x20 && i < 0x7f && i != '"' && i != '\\';
		char want[8];

		(void)snprintf(want, sizeof(want), plain ? "%c" : "\\u%04x", i); /* fits */
		assert_memory_equal(out.data + pos, want, strlen(want));
		pos += strlen(want);
	}
	assert_int_equal(out.data[pos], '"');
	assert_int_equal(out.len, pos + 1);
	buf_fini(&out);
}

static void keys_are_escaped_too(void **state)
{
	struct buf out;
	struct json j;

	(void)state;
	buf_init(&out, 100);
	j = json_to(&out);
	json_text(&j, "a\"\n", "");
	assert_memory_equal(out.data, "\"a\\u0022\\u000a\":\"\"", out.len);
	buf_fini(&out);
}

static void a_full_buffer_is_bad(void **state)
{
	struct buf out;
	struct json j;

	(void)state;
	buf_init(&out, 4);
	j = json_to(&out);
	json_text(&j, NULL, "abc");
	assert_true(out.bad);
	buf_fini(&out);
}

static void a_string_that_is_nowhere_is_empty(void **state)
{
	struct buf out;
	struct json j;

	(void)state;
	buf_init(&out, 1000);
	j = json_to(&out);
	json_open(&j, NULL, '{');
	json_str(&j, "name", (struct str){0});
	json_close(&j, '}');
	assert_int_equal(out.len, strlen("{\"name\":\"\"}"));
	assert_memory_equal(out.data, "{\"name\":\"\"}", out.len);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_are_placed_by_themselves),
		cmocka_unit_test(numbers_at_their_limits),
		cmocka_unit_test(every_byte_is_ascii_and_one_character),
		cmocka_unit_test(keys_are_escaped_too),
		cmocka_unit_test(a_string_that_is_nowhere_is_empty),
		cmocka_unit_test(a_full_buffer_is_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
