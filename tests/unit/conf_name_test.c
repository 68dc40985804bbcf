/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Host names and patterns: one form for each name, and nothing that is not a name. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/model/name.h"

#define N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

#define L50  "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"
#define L63  L50 "fffffffffffff"
#define D253 L63 "." L63 "." L63 "." L50 "aaaaaaaaaaa"

static void names_have_one_form(void **state)
{
	static const struct {
		struct str in;
		enum name_result result;
		const char *out;
	} vectors[] = {
		{{"shop.example", 12}, NAME_OK, "shop.example"},
		{{"SHOP.Example", 12}, NAME_OK, "shop.example"},
		{{"shop.example.", 13}, NAME_OK, "shop.example"},
		{{"localhost", 9}, NAME_OK, "localhost"},
		{{"_dmarc.a-b.example", 18}, NAME_OK, "_dmarc.a-b.example"},
		{{"xn--bcher-kva.example", 21}, NAME_OK, "xn--bcher-kva.example"},
		{{"1.example", 9}, NAME_OK, "1.example"},
		{{"a.1b", 4}, NAME_OK, "a.1b"},
		{{"", 0}, NAME_EMPTY, NULL},
		{{".", 1}, NAME_EMPTY, NULL},
		{{"..", 2}, NAME_LABEL_EMPTY, NULL},
		{{"a..b", 4}, NAME_LABEL_EMPTY, NULL},
		{{".a", 2}, NAME_LABEL_EMPTY, NULL},
		{{"a..", 3}, NAME_LABEL_EMPTY, NULL},
		{{"a\0b.example", 11}, NAME_BAD_CHARACTER, NULL},
		{{"a\nb.example", 11}, NAME_BAD_CHARACTER, NULL},
		{{"a b", 3}, NAME_BAD_CHARACTER, NULL},
		{{"a/b", 3}, NAME_BAD_CHARACTER, NULL},
		{{"*.example", 9}, NAME_BAD_CHARACTER, NULL},
		{{"b\xc3\xbc", 3}, NAME_BAD_CHARACTER, NULL},
		{{"a\x7f", 2}, NAME_BAD_CHARACTER, NULL},
		{{"192.0.2.1", 9}, NAME_IP_LITERAL, NULL},
		{{"192.0.2.1.", 10}, NAME_IP_LITERAL, NULL},
		{{"a.256", 5}, NAME_IP_LITERAL, NULL},
		{{"3221225985", 10}, NAME_IP_LITERAL, NULL},
		{{"2001:db8::1", 11}, NAME_IP_LITERAL, NULL},
	};
	char out[NAME_BUF_SIZE];
	size_t len;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(vectors); i++) {
		assert_int_equal(name_normalize(vectors[i].in, out, &len), vectors[i].result);
		if (vectors[i].out) {
			assert_string_equal(out, vectors[i].out);
			assert_int_equal(len, strlen(vectors[i].out));
		}
	}
}

static void lengths_at_their_limits(void **state)
{
	char out[NAME_BUF_SIZE];
	size_t len;

	(void)state;
	assert_int_equal(name_normalize(str_from(L63 ".example"), out, &len), NAME_OK);
	assert_int_equal(name_normalize(str_from("x" L63 ".example"), out, &len),
			 NAME_LABEL_TOO_LONG);
	assert_int_equal(strlen(D253), 253);
	assert_int_equal(name_normalize(str_from(D253), out, &len), NAME_OK);
	assert_int_equal(len, 253);
	assert_int_equal(name_normalize(str_from(D253 "."), out, &len), NAME_OK);
	assert_int_equal(name_normalize(str_from(D253 "x"), out, &len), NAME_TOO_LONG);
}

static void patterns_take_one_wildcard_in_front(void **state)
{
	static const struct {
		const char *in;
		enum name_result result;
		const char *out;
		bool wildcard;
	} vectors[] = {
		{"shop.example", NAME_OK, "shop.example", false},
		{"*.Shop.example.", NAME_OK, "shop.example", true},
		{"*", NAME_WILDCARD_ALONE, NULL, false},
		{"*.example", NAME_WILDCARD_ONE_LABEL, NULL, false},
		{"*.", NAME_EMPTY, NULL, false},
		{"**", NAME_WILDCARD_INSIDE, NULL, false},
		{"a.*.example", NAME_WILDCARD_INSIDE, NULL, false},
		{"*.*.example", NAME_WILDCARD_INSIDE, NULL, false},
		{"*a.example", NAME_WILDCARD_INSIDE, NULL, false},
		{"*.192.0.2.1", NAME_IP_LITERAL, NULL, false},
	};
	char out[NAME_BUF_SIZE];
	bool wildcard;
	size_t len;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(vectors); i++) {
		assert_int_equal(name_pattern_parse(str_from(vectors[i].in), out, &len, &wildcard),
				 vectors[i].result);
		if (vectors[i].out) {
			assert_string_equal(out, vectors[i].out);
			assert_int_equal(wildcard, vectors[i].wildcard);
		}
	}
}

static void every_result_has_a_text(void **state)
{
	(void)state;
	for (int i = NAME_OK; i <= NAME_WILDCARD_INSIDE; i++) {
		assert_string_not_equal(name_result_text((enum name_result)i), "?");
	}
}

static void ids_are_short_and_plain(void **state)
{
	(void)state;
	assert_true(name_is_id(str_from("a")));
	assert_true(name_is_id(str_from("acme-2")));
	assert_true(name_is_id(str_from(L63)));
	assert_false(name_is_id(str_from(L63 "x")));
	assert_false(name_is_id(str_from("")));
	assert_false(name_is_id(str_from("-a")));
	assert_false(name_is_id(str_from("a-")));
	assert_false(name_is_id(str_from("A")));
	assert_false(name_is_id(str_from("a.b")));
	assert_false(name_is_id(str_from("a_b")));
	assert_false(name_is_id(str_from("../a")));
	assert_false(name_is_id((struct str){"a\0b", 3}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_one_form),
		cmocka_unit_test(lengths_at_their_limits),
		cmocka_unit_test(patterns_take_one_wildcard_in_front),
		cmocka_unit_test(every_result_has_a_text),
		cmocka_unit_test(ids_are_short_and_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
