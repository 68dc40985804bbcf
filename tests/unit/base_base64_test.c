/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Vectors of RFC 4648 10, and what is no key. */
#include "base/base64.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *bytes, *text;
} vectors[] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
	{"\xff\xfe\xfd", "//79"},
	{"\xfb\xef\xbe", "++++"},
};

static void rfc4648_vectors_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		size_t n = strlen(vectors[i].bytes);
		uint8_t bytes[16];
		char text[32];

		assert_string_equal(base64_encode((const uint8_t *)vectors[i].bytes, n, text),
				    vectors[i].text);
		assert_int_equal(base64_decode(str_from(vectors[i].text), bytes, n), 0);
		assert_memory_equal(bytes, vectors[i].bytes, n);
	}
}

static void bad_text_is_refused(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} bad[] = {
		{"Zg==", 2},    /* another length */
		{"Zg=", 1},     /* padding is missing */
		{"Zg", 1},      /* all of it */
		{"Zg==\n", 1},  /* white space */
		{"Zh==", 1},    /* bits behind the last byte */
		{"Z===", 1},    /* too few */
		{"Zg=A", 1},    /* behind the padding */
		{"Zm9-", 3},    /* the alphabet of RFC 4648 5 */
		{"Zm9\xc3", 3}, /* no ASCII */
		{"=m9v", 3},    /* padding in front */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t bytes[16];

		assert_int_equal(base64_decode(str_from(bad[i].text), bytes, bad[i].n), -EINVAL);
	}
	{
		const struct str nul = {.p = "Zm\0v", .len = 4};
		uint8_t bytes[3];

		assert_int_equal(base64_decode(nul, bytes, 3), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc4648_vectors_both_ways),
		cmocka_unit_test(bad_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
