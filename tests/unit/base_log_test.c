/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a log line looks like on stderr, as read through a pipe. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

#define LINE_MAX_BYTES 1024

static int saved_stderr;

static void capture(int pipe_fds[2])
{
	assert_int_equal(pipe(pipe_fds), 0);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
}

/* Puts stderr back. dst holds what was written, terminated. */
static size_t captured(int pipe_fds[2], char *dst, size_t size)
{
	ssize_t n;

	assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
	close(saved_stderr);
	close(pipe_fds[1]);
	n = read(pipe_fds[0], dst, size - 1);
	close(pipe_fds[0]);
	assert_true(n >= 0);
	dst[n] = '\0';
	return (size_t)n;
}

static void a_line_has_level_module_and_text(void **state)
{
	char got[4096];
	int fds[2];

	(void)state;
	capture(fds);
	log_err("control", "%s", "a");
	log_warn("control", "b");
	log_info("proxy", "c %d", 1);
	log_err_errno(-ENOENT, "proxy", "file");
	captured(fds, got, sizeof(got));
	assert_string_equal(got, "<3>control: a\n<4>control: b\n<6>proxy: c 1\n"
				 "<3>proxy: file: No such file or directory\n");
}

static void lines_above_the_level_are_left_out(void **state)
{
	char got[4096];
	int fds[2];

	(void)state;
	capture(fds);
	log_debug("m", "hidden at start");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("m", "shown");
	log_set_level(LOG_LEVEL_ERR);
	log_warn("m", "hidden");
	log_err("m", "shown");
	log_set_level(LOG_LEVEL_INFO);
	captured(fds, got, sizeof(got));
	assert_string_equal(got, "<7>m: shown\n<3>m: shown\n");
}

static void errno_is_preserved(void **state)
{
	char got[4096];
	int fds[2];

	(void)state;
	capture(fds);
	errno = EXDEV;
	log_err_errno(-EIO, "m", "x");
	assert_int_equal(errno, EXDEV);
	captured(fds, got, sizeof(got));
}

static void errno_is_preserved_when_nothing_can_be_written(void **state)
{
	int saved = dup(STDERR_FILENO), got;

	(void)state;
	close(STDERR_FILENO);
	errno = EXDEV;
	log_err("m", "x");
	log_debug("m", "x");
	got = errno;
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	assert_int_equal(got, EXDEV);
}

static void a_long_line_is_cut_and_still_ends(void **state)
{
	char text[3 * LINE_MAX_BYTES], got[4096];
	int fds[2];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t len = LINE_MAX_BYTES - 40; len < sizeof(text); len = len * 8 / 7 + 1) {
		size_t n;

		capture(fds);
		log_err_errno(-EIO, "m", "%.*s", (int)len, text);
		n = captured(fds, got, sizeof(got));
		assert_true(n <= LINE_MAX_BYTES);
		assert_int_equal(got[n - 1], '\n');
		assert_ptr_equal(memchr(got, '\n', n), got + n - 1);
		assert_null(memchr(got, '\0', n));
	}
}

static void levels_by_name(void **state)
{
	enum log_level level;

	(void)state;
	assert_int_equal(log_level_parse("err", &level), 0);
	assert_int_equal(level, LOG_LEVEL_ERR);
	assert_int_equal(log_level_parse("warn", &level), 0);
	assert_int_equal(level, LOG_LEVEL_WARN);
	assert_int_equal(log_level_parse("info", &level), 0);
	assert_int_equal(level, LOG_LEVEL_INFO);
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("", &level), -EINVAL);
	assert_int_equal(log_level_parse("DEBUG", &level), -EINVAL);
	assert_int_equal(log_level_parse("debugx", &level), -EINVAL);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
}

static void a_limit_passes_one_a_second_and_counts_the_rest(void **state)
{
	struct log_limit limit = {0};
	unsigned int suppressed = 99;

	(void)state;
	assert_true(log_limit_pass(&limit, 5000, &suppressed));
	assert_int_equal(suppressed, 0);
	for (uint64_t now = 5000; now < 6000; now += 100) {
		assert_false(log_limit_pass(&limit, now, &suppressed));
	}
	assert_true(log_limit_pass(&limit, 6000, &suppressed));
	assert_int_equal(suppressed, 10);
	assert_true(log_limit_pass(&limit, 7000, &suppressed));
	assert_int_equal(suppressed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_level_module_and_text),
		cmocka_unit_test(lines_above_the_level_are_left_out),
		cmocka_unit_test(errno_is_preserved),
		cmocka_unit_test(errno_is_preserved_when_nothing_can_be_written),
		cmocka_unit_test(a_long_line_is_cut_and_still_ends),
		cmocka_unit_test(levels_by_name),
		cmocka_unit_test(a_limit_passes_one_a_second_and_counts_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
