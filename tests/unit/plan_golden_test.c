/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each tests/golden/plan/NAME.in, lines of plan_text.h below "observed:" and "desired:", makes the
 * plan NAME.plan to the byte; carried out and compared again there is nothing left to do.
 * With SIXGATE_GOLDEN_UPDATE=1 the .plan files are written instead: review the difference.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/plan/plan.h"
#include "tests/unit/plan_text.h"

#define TEXT_MAX 65536

static void read_sets(const char *path, struct object_set *observed, struct object_set *desired)
{
	struct object_set *set = NULL;
	FILE *f = fopen(path, "r");
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (strcmp(line, "observed:\n") == 0) {
			set = observed;
		} else if (strcmp(line, "desired:\n") == 0) {
			set = desired;
		} else if (line[0] != '#' && line[0] != '\n') {
			assert_non_null(set);
			plan_text_add(set, line);
		}
	}
	fclose(f);
	assert_int_equal(object_set_sort(observed, NULL), 0);
	assert_int_equal(object_set_sort(desired, NULL), 0);
}

static bool text_is(const char *path, const struct buf *text)
{
	char *expect = calloc(1, TEXT_MAX);
	FILE *f;
	bool same;

	assert_non_null(expect);
	if (getenv("SIXGATE_GOLDEN_UPDATE")) {
		f = fopen(path, "w");
		assert_non_null(f);
		fwrite(text->data, 1, text->len, f);
		fclose(f);
	}
	f = fopen(path, "r");
	if (f) {
		(void)!fread(expect, 1, TEXT_MAX - 1, f);
		fclose(f);
	}
	same = f && strlen(expect) == text->len &&
	       (text->len == 0 || memcmp(expect, text->data, text->len) == 0);
	if (!same) {
		print_error("%s:\n--- expected\n%s--- planned\n%.*s", path,
			    f ? expect : "(missing)\n", (int)text->len, text->data);
	}
	free(expect);
	return same;
}

static bool check_case(const char *name)
{
	struct object_set observed, desired;
	struct plan plan, again;
	struct buf text;
	char path[300];
	bool same;

	object_set_init(&observed);
	object_set_init(&desired);
	read_sets(name, &observed, &desired);
	assert_int_equal(plan_diff(&observed, &desired, &plan, NULL), 0);
	buf_init(&text, TEXT_MAX);
	plan_format(&plan, &text);
	assert_false(text.bad);
	snprintf(path, sizeof(path), "%.*s.plan", (int)strlen(name) - 3, name);
	same = text_is(path, &text);
	assert_int_equal(plan_diff(&desired, &desired, &again, NULL), 0);
	assert_int_equal(again.n, 0);
	buf_fini(&text);
	plan_fini(&again);
	plan_fini(&plan);
	object_set_fini(&observed);
	object_set_fini(&desired);
	return same;
}

static int is_case(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 3 && strcmp(entry->d_name + len - 3, ".in") == 0;
}

static void every_pair_of_sets_makes_its_plan(void **state)
{
	const char *srcdir = getenv("SIXGATE_SRCDIR");
	struct dirent **entries;
	size_t n_wrong = 0;
	char dir[512];
	int n;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/tests/golden/plan", srcdir ? srcdir : "..");
	assert_int_equal(chdir(dir), 0);
	n = scandir(".", &entries, is_case, alphasort);
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		n_wrong += !check_case(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	assert_int_equal(n_wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_of_sets_makes_its_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
