/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How the command shows values: rounding at each unit, hostile text, tables at their block's edge.
 * What it does as a whole is in tests/check-command.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/cli/columns.h"
#include "gateway/cli/internal.h"
#include "gateway/cli/text.h"

#define N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

static void sizes(void **state)
{
	static const struct {
		json_int_t value;
		const char *text;
	} vectors[] = {
		{0, "0"},
		{1, "1"},
		{999, "999"},
		{1000, "1.0k"},
		{1049, "1.0k"},
		{1050, "1.1k"},
		{999949, "999.9k"},
		{999950, "1.0M"},
		{1000000, "1.0M"},
		{999949999, "999.9M"},
		{999950000, "1.0G"},
		{INT64_MAX, "9.2E"},
		{-1, "-1"},
	};
	char text[TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(vectors); i++) {
		json_t *object = json_pack("{s:I}", "n", vectors[i].value);

		assert_string_equal(text_size(object, "n", text), vectors[i].text);
		json_decref(object);
	}
}

static void durations(void **state)
{
	static const struct {
		json_int_t ms;
		const char *text;
	} vectors[] = {
		{0, "0s"},           {999, "0s"},          {1000, "1s"},       {59999, "59s"},
		{60000, "1m00s"},    {3599999, "59m59s"},  {3600000, "1h00m"}, {86399999, "23h59m"},
		{86400000, "1d00h"}, {273600000, "3d04h"},
	};
	char text[TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(vectors); i++) {
		json_t *object = json_pack("{s:I}", "n", vectors[i].ms);

		assert_string_equal(text_duration(object, "n", text), vectors[i].text);
		json_decref(object);
	}
}

static void what_is_not_there_is_a_dash(void **state)
{
	json_t *object = json_pack("{s:n, s:[], s:s}", "null", "list", "empty", "");
	char text[TEXT_MAX];

	(void)state;
	assert_string_equal(text_of(object, "null", text), "-");
	assert_string_equal(text_of(object, "list", text), "-");
	assert_string_equal(text_of(object, "empty", text), "-");
	assert_string_equal(text_of(object, "missing", text), "-");
	assert_string_equal(text_of(NULL, "x", text), "-");
	assert_string_equal(text_size(object, "missing", text), "-");
	assert_string_equal(text_duration(object, "null", text), "-");
	assert_string_equal(text_line_of(object, "missing", text), "-");
	assert_string_equal(text_line_of(object, "empty", text), "-");
	assert_true(text_u64(object, "missing") == 0);
	json_decref(object);
}

/* Any byte a client may send, as base/json writes it, at any length. */
static void long_hostile_text_is_cut_at_whole_escapes(void **state)
{
	char text[TEXT_MAX];

	(void)state;
	for (size_t n = 1; n < 2 * TEXT_MAX; n = n * 5 / 4 + 1) {
		char *raw = malloc(2 * n + 1);
		json_t *object;
		size_t len;

		for (size_t i = 0; i < n; i++) {
			memcpy(raw + 2 * i, "\xc2\x9b", 2); /* U+009B, the one-byte escape */
		}
		object = json_pack("{s:s#}", "n", raw, (int)(2 * n));
		len = strlen(text_of(object, "n", text));
		if (len != 4 * n) {
			assert_true(len > TEXT_MAX - 20);
			len -= strlen(TEXT_CUT);
			assert_string_equal(text + len, TEXT_CUT);
		}
		assert_int_equal(len % 4, 0);
		for (size_t i = 0; i < len; i += 4) {
			assert_memory_equal(text + i, "\\x9b", 4);
		}
		json_decref(object);
		free(raw);
	}
}

static char *table(size_t n_rows, size_t wide_row, size_t n_cells_more)
{
	static const struct column cols[] = {{"NAME", false}, {"N", true}, {"LAST", false}};
	struct columns t;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	columns_init(&t, out, cols, N_ELEMENTS(cols), false);
	for (size_t i = 0; i < n_rows * 3 + n_cells_more; i++) {
		const char *cell = i % 3 == 1          ? "12345"
				   : i / 3 == wide_row ? "very-wide-name"
						       : "a";

		assert_int_equal(columns_cell(&t, cell), 0);
	}
	columns_end(&t);
	columns_fini(&t);
	fclose(out);
	return text;
}

static void tables_align_numbers_right_and_pad_nothing_at_the_end(void **state)
{
	char *text = table(2, 1, 0);

	(void)state;
	assert_string_equal(text, "NAME                N  LAST\n"
				  "a               12345  a\n"
				  "very-wide-name  12345  very-wide-name\n");
	free(text);
}

static void an_empty_table_has_its_titles(void **state)
{
	char *text = table(0, 9, 0);

	(void)state;
	assert_string_equal(text, "NAME  N  LAST\n");
	free(text);
}

/* As when memory ran out in the middle of a row. */
static void an_unfinished_row_is_left_out(void **state)
{
	char *text = table(1, 9, 2);

	(void)state;
	assert_string_equal(text, "NAME      N  LAST\na     12345  a\n");
	free(text);
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++) {
		n += *text == '\n';
	}
	return n;
}

static void tables_of_many_blocks_keep_every_row_and_title_once(void **state)
{
	static const size_t rows[] = {COLUMNS_ROWS - 1, COLUMNS_ROWS, COLUMNS_ROWS + 1,
				      3 * COLUMNS_ROWS + 7};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		char *text = table(rows[i], rows[i] - 1, 0);

		assert_int_equal(count_lines(text), rows[i] + 1);
		assert_null(strstr(text + 4, "NAME"));
		free(text);
	}
}

static void verbs_are_found_whole_and_guessed_when_near(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_cli_verbs; i++) {
		assert_ptr_equal(cli_verb_find(cli_verbs[i].name), &cli_verbs[i]);
		assert_ptr_equal(cli_verb_nearest(cli_verbs[i].name), &cli_verbs[i]);
		assert_true(cli_verbs[i].min_args <= cli_verbs[i].max_args);
	}
	assert_null(cli_verb_find("stat"));
	assert_null(cli_verb_find(""));
	assert_string_equal(cli_verb_nearest("reolad")->name, "reload");
	assert_string_equal(cli_verb_nearest("loglevel")->name, "log-level");
	assert_null(cli_verb_nearest("frobnicate"));
	assert_true(cli_is_family("dns"));
	assert_false(cli_is_family("dn"));
	assert_false(cli_is_family("dns flush"));
	assert_false(cli_is_family("status"));
	assert_false(cli_is_family(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(durations),
		cmocka_unit_test(what_is_not_there_is_a_dash),
		cmocka_unit_test(long_hostile_text_is_cut_at_whole_escapes),
		cmocka_unit_test(tables_align_numbers_right_and_pad_nothing_at_the_end),
		cmocka_unit_test(an_empty_table_has_its_titles),
		cmocka_unit_test(an_unfinished_row_is_left_out),
		cmocka_unit_test(tables_of_many_blocks_keep_every_row_and_title_once),
		cmocka_unit_test(verbs_are_found_whole_and_guessed_when_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
