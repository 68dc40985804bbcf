/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The access log's file: appended to, made anew after a rename, full, a FIFO that is slow or that
 * nobody reads. What is written is checked byte for byte: never half a line before another one.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/agent/sink.h"

struct folder {
	char path[64];
	char file[96];
	struct sink sink;
};

static int setup(void **state)
{
	static struct folder f;

	snprintf(f.path, sizeof(f.path), "sink-test-XXXXXX");
	if (!mkdtemp(f.path)) {
		return -1;
	}
	snprintf(f.file, sizeof(f.file), "%s/access.log", f.path);
	sink_init(&f.sink, open(f.path, O_PATH | O_DIRECTORY | O_CLOEXEC), "access.log");
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct folder *f = *state;
	char old[128];

	snprintf(old, sizeof(old), "%s.1", f->file);
	sink_fini(&f->sink);
	(void)unlink(f->file); /* not every test makes it */
	(void)unlink(old);     /* the same */
	return rmdir(f->path);
}

static void put(struct folder *f, const char *lines, uint64_t now_ms)
{
	sink_write(&f->sink, str_from(lines), now_ms);
}

static void check_file(const char *path, const char *want)
{
	char got[256];
	int fd = open(path, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, got, sizeof(got) - 1);
	assert_true(n >= 0);
	got[n] = '\0';
	close(fd);
	assert_string_equal(got, want);
}

static void check_counts(const struct folder *f, uint64_t written, uint64_t dropped)
{
	assert_int_equal(f->sink.n_written, written);
	assert_int_equal(f->sink.n_dropped, dropped);
}

static void lines_are_appended_to_what_is_there(void **state)
{
	struct folder *f = *state;
	int fd = open(f->file, O_WRONLY | O_CREAT, 0600);

	assert_int_equal(write(fd, "old\n", 4), 4);
	close(fd);
	put(f, "one\ntwo\n", 1);
	put(f, "three\n", 2);
	check_file(f->file, "old\none\ntwo\nthree\n");
	check_counts(f, 3, 0);
}

static void the_file_is_not_for_everybody(void **state)
{
	struct folder *f = *state;
	struct stat st;

	put(f, "one\n", 1);
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_mode & 07, 0);
}

static void after_a_rename_reopen_makes_a_new_file(void **state)
{
	struct folder *f = *state;
	struct err err;
	char old[128];

	snprintf(old, sizeof(old), "%s.1", f->file);
	put(f, "one\n", 1);
	assert_int_equal(rename(f->file, old), 0);
	put(f, "two\n", 2);
	assert_int_equal(sink_reopen(&f->sink, &err), 0);
	put(f, "three\n", 3);
	check_file(old, "one\ntwo\n");
	check_file(f->file, "three\n");
}

static void a_folder_in_the_files_place_drops_and_is_tried_again_each_second(void **state)
{
	struct folder *f = *state;
	struct err err;

	assert_int_equal(mkdir(f->file, 0700), 0);
	put(f, "one\ntwo\n", 1000);
	check_counts(f, 0, 2);
	assert_int_equal(f->sink.cause, -EISDIR);
	assert_int_equal(sink_reopen(&f->sink, &err), -EISDIR);
	assert_non_null(strstr(err.msg, "access.log"));
	assert_int_equal(rmdir(f->file), 0);
	put(f, "three\n", 1999);
	check_counts(f, 0, 3);
	put(f, "four\n", 2000);
	check_counts(f, 1, 3);
	check_file(f->file, "four\n");
}

/* A FIFO with room for one page and a reader. */
static int make_fifo(struct folder *f)
{
	int fd;

	assert_int_equal(mkfifo(f->file, 0600), 0);
	fd = open(f->file, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_SETPIPE_SZ, 4096), 4096);
	return fd;
}

static void nobody_reads_the_fifo(void **state)
{
	struct folder *f = *state;

	assert_int_equal(mkfifo(f->file, 0600), 0);
	put(f, "one\n", 1000);
	check_counts(f, 0, 1);
	assert_int_equal(f->sink.cause, -ENXIO);
}

static void a_fifo_whose_reader_went_away_gets_the_next_reader(void **state)
{
	struct folder *f = *state;
	char got[16] = "";
	int fd = make_fifo(f);

	put(f, "one\n", 1000);
	check_counts(f, 1, 0);
	close(fd);
	put(f, "two\n", 2000);
	check_counts(f, 1, 1);
	assert_int_equal(f->sink.cause, -EPIPE);
	fd = open(f->file, O_RDONLY | O_NONBLOCK);
	put(f, "three\n", 3000);
	assert_int_equal(read(fd, got, sizeof(got)), 6);
	assert_string_equal(got, "three\n");
	check_counts(f, 2, 1);
	close(fd);
}

static size_t read_all(int fd, char *got, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, got + len, size - len)) > 0) {
		len += (size_t)n;
	}
	return len;
}

/* 100 lines of 99 letters and an end, each of another letter: more than the FIFO takes. */
#define N_LINES  100
#define LINE_LEN 100

static void a_full_fifo_drops_whole_lines_and_finishes_the_one_cut(void **state)
{
	struct folder *f = *state;
	static char lines[N_LINES * LINE_LEN], got[4 * N_LINES * LINE_LEN];
	int fd = make_fifo(f);
	size_t len;

	for (size_t i = 0; i < sizeof(lines); i++) {
		lines[i] = i % LINE_LEN == LINE_LEN - 1 ? '\n' : (char)('a' + i / LINE_LEN % 26);
	}
	sink_write(&f->sink, (struct str){.p = lines, .len = sizeof(lines)}, 1000);
	assert_int_equal(f->sink.cause, -EAGAIN);
	assert_int_equal(f->sink.n_written, 40);
	assert_int_equal(f->sink.n_dropped, N_LINES - 41);
	sink_write(&f->sink, (struct str){.p = lines, .len = LINE_LEN}, 1001);
	assert_int_equal(f->sink.n_dropped, N_LINES - 41 + 1);
	len = read_all(fd, got, sizeof(got));
	assert_int_equal(len, 4096);
	put(f, "after\n", 1002);
	len += read_all(fd, got + len, sizeof(got) - len);
	assert_int_equal(len, 41 * LINE_LEN + 6);
	assert_memory_equal(got, lines, 41 * LINE_LEN);
	assert_memory_equal(got + 41 * LINE_LEN, "after\n", 6);
	check_counts(f, 42, N_LINES - 41 + 1);
	close(fd);
}

static void the_rest_of_a_cut_line_is_lost_when_the_file_is_made_anew(void **state)
{
	struct folder *f = *state;
	static char line[8192];
	struct err err;
	int fd = make_fifo(f);

	memset(line, 'a', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	sink_write(&f->sink, (struct str){.p = line, .len = sizeof(line)}, 1000);
	check_counts(f, 0, 0);
	assert_int_equal(sink_reopen(&f->sink, &err), 0);
	check_counts(f, 0, 1);
	close(fd);
}

static void losses_are_told_at_most_once_a_minute(void **state)
{
	struct folder *f = *state;
	uint64_t n;

	assert_false(sink_report(&f->sink, 1000, true, &n));
	sink_lost(&f->sink, 3, -ENOSPC);
	assert_true(sink_report(&f->sink, 1000, false, &n));
	assert_int_equal(n, 3);
	sink_lost(&f->sink, 1, -ENOSPC);
	assert_false(sink_report(&f->sink, 60999, false, &n));
	sink_lost(&f->sink, 1, -ENOSPC);
	assert_true(sink_report(&f->sink, 61000, false, &n));
	assert_int_equal(n, 2);
	sink_lost(&f->sink, 1, -ENOSPC);
	assert_true(sink_report(&f->sink, 61001, true, &n));
	assert_int_equal(n, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_are_appended_to_what_is_there),
		TEST(the_file_is_not_for_everybody),
		TEST(after_a_rename_reopen_makes_a_new_file),
		TEST(a_folder_in_the_files_place_drops_and_is_tried_again_each_second),
		TEST(nobody_reads_the_fifo),
		TEST(a_fifo_whose_reader_went_away_gets_the_next_reader),
		TEST(a_full_fifo_drops_whole_lines_and_finishes_the_one_cut),
		TEST(the_rest_of_a_cut_line_is_lost_when_the_file_is_made_anew),
		TEST(losses_are_told_at_most_once_a_minute),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
