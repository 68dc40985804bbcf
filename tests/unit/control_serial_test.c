/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The zone's serials: whatever a run has used, and however it ends, the next one is beyond it. */
#include "gateway/control/serial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/sixgate-serial-XXXXXX";

static void write_file(const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/zone.serial", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/sixgate-serial-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/zone.serial", folder);
	(void)unlink(path); /* one test has none */
	return rmdir(folder);
}

static void the_first_is_the_time(void **state)
{
	uint64_t before = (uint64_t)time(NULL), serial;
	struct serial s;

	(void)state;
	serial = serial_begin(&s, folder);
	assert_in_range(serial, before, (uint64_t)time(NULL));
}

/* Many more than seconds pass, and the last of them is used in the moment of a crash. */
static void what_was_used_is_not_used_again(void **state)
{
	struct serial s, next;
	uint64_t used;

	(void)state;
	used = serial_begin(&s, folder);
	for (unsigned int i = 0; i < 5000; i++) {
		serial_keep(&s, ++used);
		if (i % 997 == 0) {
			assert_true(serial_begin(&next, folder) >= used);
		}
	}
	assert_true(serial_begin(&next, folder) >= used);
}

static void a_step_of_any_size_is_kept(void **state)
{
	struct serial s, next;
	uint64_t used;

	(void)state;
	used = serial_begin(&s, folder) + 1000000;
	serial_keep(&s, used);
	assert_true(serial_begin(&next, folder) >= used);
}

static void a_clock_that_went_back_does_not_matter(void **state)
{
	struct serial s;

	(void)state;
	write_file("9000000000\n");
	assert_int_equal(serial_begin(&s, folder), 9000000000u);
}

static void a_file_of_anything_else_is_passed_over(void **state)
{
	static const char *const texts[] = {"",
					    "\n",
					    "99999999999",
					    "x\n",
					    "-1\n",
					    "99999999999999999999999999999999999999\n"};
	struct serial s;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_file(texts[i]);
		assert_in_range(serial_begin(&s, folder), 1, (uint64_t)time(NULL));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_is_the_time),
		TEST(what_was_used_is_not_used_again),
		TEST(a_step_of_any_size_is_kept),
		TEST(a_clock_that_went_back_does_not_matter),
		TEST(a_file_of_anything_else_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
