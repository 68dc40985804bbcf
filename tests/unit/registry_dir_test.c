/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The registry folder with real inotify in a folder of its own.
 */
#include "gateway/registry/dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/text/conf.h"
#include "tests/unit/dir_rig.h"

static void test_only_objects_count(void **state)
{
	struct fixture *f = *state;

	(void)f;
	assert_int_equal(conf_object_name_len("acme.yaml"), 4);
	assert_int_equal(conf_object_name_len("acme.yml"), 4);
	assert_int_equal(conf_object_name_len("acme.json"), 4);
	assert_int_equal(conf_object_name_len(".acme.yaml"), 0);
	assert_int_equal(conf_object_name_len(".yaml"), 0);
	assert_int_equal(conf_object_name_len("acme.yaml~"), 0);
	assert_int_equal(conf_object_name_len("acme.yaml.tmp"), 0);
	assert_int_equal(conf_object_name_len("acme"), 0);
	assert_int_equal(conf_object_name_len("README.md"), 0);
}

static void test_start_hands_out_what_is_there(void **state)
{
	struct fixture *f = *state;

	put(f, "a.yaml", "1");
	put(f, "b.json", "1");
	put(f, ".hidden.yaml", "1");
	put(f, "c.yaml.tmp", "1");
	begin(f);
	run_until(f, 3);
	expect(f, "+a.yaml");
	expect(f, "+b.json");
	expect(f, "scan 2");
	run_quiet(f);
}

static void test_start_asks_for_all_files_before_it_hands_one_out(void **state)
{
	struct fixture *f = *state;

	f->recalls = true;
	put(f, "a.yaml", "1");
	put(f, "known.yaml", "1");
	put(f, "z.yaml", "1");
	begin(f);
	run_until(f, 6);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(f->heard[i][0], '?');
		assert_int_equal(f->heard[3 + i][0], i < 2 ? '+' : 's');
	}
	expect(f, "?known.yaml");
	expect(f, "+a.yaml");
	expect(f, "+z.yaml");
	expect(f, "scan 3");
	f->n = 0;
	put(f, "known.yaml", "2"); /* nor are they asked for again */
	put(f, "new.yaml", "1");
	run_until(f, 2);
	expect(f, "+known.yaml");
	expect(f, "+new.yaml");
}

static void test_file_that_goes_before_it_is_handed_out_is_gone(void **state)
{
	struct fixture *f = *state;

	f->recalls = true;
	put(f, "a.yaml", "1");
	put(f, "drop.yaml", "1"); /* which the rig drops when it is asked for */
	begin(f);
	run_until(f, 5);
	expect(f, "?drop.yaml");
	expect(f, "-drop.yaml");
	expect(f, "+a.yaml");
	expect(f, "scan 1");
}

static void test_one_change_hands_out_one_file(void **state)
{
	struct fixture *f = *state;

	put(f, "a.yaml", "1");
	put(f, "b.yaml", "1");
	begin(f);
	run_until(f, 3);
	f->n = 0;
	put(f, "b.yaml", "2");
	run_until(f, 1);
	expect(f, "+b.yaml");
	/* written beside and renamed into place, as one should */
	put(f, "b.yaml.tmp", "3");
	move(f, "b.yaml.tmp", "b.yaml");
	run_until(f, 1);
	expect(f, "+b.yaml");
	run_quiet(f);
}

/* Nobody writes to these, so that nobody closes them. */
static void test_what_is_made_whole_is_handed_out_and_what_is_written_is_not(void **state)
{
	struct fixture *f = *state;
	int folder = open(f->path, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

	begin(f);
	run_until(f, 1);
	f->n = 0;
	put(f, "a.tmp", "1");
	assert_int_equal(linkat(folder, "a.tmp", folder, "hard.yaml", 0), 0);
	run_until(f, 1);
	expect(f, "+hard.yaml");
	assert_int_equal(symlinkat("a.tmp", folder, "soft.yaml"), 0);
	assert_int_equal(mkdirat(folder, "folder.yaml", 0700), 0);
	run_until(f, 2);
	expect(f, "+soft.yaml");
	expect(f, "+folder.yaml");
	assert_int_equal(unlinkat(folder, "folder.yaml", AT_REMOVEDIR), 0);
	run_until(f, 1);
	expect(f, "-folder.yaml");
	fd = openat(folder, "b.yaml", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "half", 4), 4);
	assert_int_equal(fchmod(fd, 0644), 0);
	run_quiet(f);
	close(fd);
	close(folder);
	run_until(f, 1);
	expect(f, "+b.yaml");
}

/* By link(2), and O_TMPFILE: nobody closes them under this name. */
static void test_what_has_no_other_name_any_more_is_handed_out(void **state)
{
	struct fixture *f = *state;
	int folder = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
	char path[64];

	begin(f);
	run_until(f, 1);
	f->n = 0;
	put(f, "a.tmp", "1");
	assert_int_equal(linkat(folder, "a.tmp", folder, "hard.yaml", 0), 0);
	assert_int_equal(unlinkat(folder, "a.tmp", 0), 0);
	run_until(f, 1);
	expect(f, "+hard.yaml");
	fd = openat(folder, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	if (fd < 0) {
		assert_int_equal(errno, EOPNOTSUPP); /* this file system has none */
	} else {
		assert_int_equal(write(fd, "half", 4), 4);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		assert_int_equal(linkat(AT_FDCWD, path, folder, "b.yaml", AT_SYMLINK_FOLLOW), 0);
		run_quiet(f);
		close(fd);
		run_until(f, 1);
		expect(f, "+b.yaml");
		run_quiet(f);
	}
	close(folder);
}

/* What it says of that file. */
static int read_code(struct fixture *f, const char *file)
{
	struct file_identity id;
	char *text = NULL;
	struct err err;
	size_t len;
	int rc = dir_read(f->dir, file, &text, &len, &id, &err);

	free(text);
	return rc;
}

/* To one that may be read they are nothing: its writer may be about to go on. */
static void test_other_rights_are_a_change_of_what_was_refused_for_them(void **state)
{
	struct fixture *f = *state;
	char path[256];
	int fd;

	put(f, "a.yaml", "1");
	begin(f);
	run_until(f, 2);
	assert_int_equal(read_code(f, "a.yaml"), 0);
	f->n = 0;
	snprintf(path, sizeof(path), "%s/a.yaml", f->path);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(fchmod(fd, 0666), 0);
	run_quiet(f);
	close(fd);
	run_until(f, 1);
	expect(f, "+a.yaml");
	assert_int_equal(read_code(f, "a.yaml"), -EPERM);
	f->n = 0;
	assert_int_equal(chmod(path, 0640), 0);
	run_until(f, 1);
	expect(f, "+a.yaml");
	assert_int_equal(read_code(f, "a.yaml"), 0);
}

static void test_same_size_in_the_same_instant_is_a_change(void **state)
{
	struct fixture *f = *state;

	begin(f);
	run_until(f, 1);
	f->n = 0;
	put(f, "a.yaml", "1");
	run_until(f, 1);
	put(f, "a.yaml", "2");
	run_until(f, 2);
	expect(f, "+a.yaml");
	expect(f, "+a.yaml");
}

static void test_burst_of_writes_is_few_reads(void **state)
{
	struct fixture *f = *state;

	begin(f);
	run_until(f, 1);
	f->n = 0;
	for (int i = 0; i < 500; i++) {
		put(f, "a.yaml", "x");
	}
	run_until(f, 1);
	expect(f, "+a.yaml");
	run_quiet(f);
}

static void test_removed_and_renamed_files_are_gone(void **state)
{
	struct fixture *f = *state;

	put(f, "a.yaml", "1");
	put(f, "b.yaml", "1");
	begin(f);
	run_until(f, 3);
	f->n = 0;
	drop(f, "a.yaml");
	move(f, "b.yaml", "c.yaml");
	run_until(f, 3);
	expect(f, "-a.yaml");
	expect(f, "-b.yaml");
	expect(f, "+c.yaml");
	/* one that comes and goes before anybody looks was never there */
	put(f, "d.yaml", "1");
	drop(f, "d.yaml");
	run_quiet(f);
}

static void test_overflow_of_the_queue_loses_nothing(void **state)
{
	struct fixture *f = *state;
	char name[32], line[32] = "";
	long limit = 0;
	FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");

	if (file && fgets(line, sizeof(line), file)) {
		limit = strtol(line, NULL, 10);
	}
	if (file) {
		fclose(file);
	}
	if (limit <= 0 || limit > 100000) {
		skip();
	}
	put(f, "kept.yaml", "1");
	put(f, "dropped.yaml", "1");
	begin(f);
	run_until(f, 3);
	f->n = 0;
	for (long i = 0; i <= limit / 2 + 10; i++) {
		/* events of ignored names, two at least each, until the queue is full */
		snprintf(name, sizeof(name), "x%ld.tmp", i);
		put(f, name, "");
		drop(f, name);
	}
	drop(f, "dropped.yaml");
	put(f, "new.yaml", "1");
	put(f, "kept.yaml", "22");
	run_until(f, 4);
	expect(f, "-dropped.yaml");
	expect(f, "+new.yaml");
	expect(f, "+kept.yaml");
	expect(f, "scan 2");
}

static void test_folder_that_vanishes_takes_no_file_with_it(void **state)
{
	struct fixture *f = *state;
	char away[128];

	put(f, "a.yaml", "1");
	put(f, "b.yaml", "1");
	begin(f);
	run_until(f, 3);
	f->n = 0;
	snprintf(away, sizeof(away), "%s/away", f->top);
	assert_int_equal(rename(f->path, away), 0);
	run_until(f, 1);
	expect(f, "bad");
	run_quiet(f);
	/* another folder takes its place: only what differs is heard of */
	assert_int_equal(mkdir(f->path, 0755), 0);
	put(f, "b.yaml", "other");
	put(f, "c.yaml", "1");
	run_until(f, 5);
	expect(f, "good");
	expect(f, "-a.yaml");
	expect(f, "+b.yaml");
	expect(f, "+c.yaml");
	expect(f, "scan 2");
}

static void test_folder_that_comes_back_unchanged_is_quiet(void **state)
{
	struct fixture *f = *state;
	char away[128];

	put(f, "a.yaml", "1");
	begin(f);
	run_until(f, 2);
	f->n = 0;
	snprintf(away, sizeof(away), "%s/away", f->top);
	assert_int_equal(rename(f->path, away), 0);
	run_until(f, 1);
	expect(f, "bad");
	assert_int_equal(rename(away, f->path), 0);
	run_until(f, 2);
	expect(f, "good");
	expect(f, "scan 1");
}

/* Control has no CAP_DAC_OVERRIDE: a folder it may not search is not an empty one. */
static void test_file_that_cannot_be_looked_at_is_not_gone(void **state)
{
	struct fixture *f = *state;
	uid_t former;

	put(f, "a.yaml", "1");
	begin(f);
	run_until(f, 2);
	f->n = 0;
	assert_int_equal(chmod(f->path, 0), 0);
	former = (uid_t)setfsuid(NOBODY); /* root without its capabilities over files */
	dir_touch(f->dir, "a.yaml");
	run_until(f, 1);
	(void)setfsuid(former);
	expect(f, "+a.yaml"); /* dir_read() says why it cannot be read */
	assert_int_equal(chmod(f->path, 0755), 0);
}

static void test_folder_that_cannot_be_listed_is_tried_again(void **state)
{
	struct fixture *f = *state;
	uid_t former;

	put(f, "a.yaml", "1");
	begin(f);
	run_until(f, 2);
	f->n = 0;
	assert_int_equal(chmod(f->path, 0), 0);
	former = (uid_t)setfsuid(NOBODY); /* root without its capabilities over files */
	dir_rescan(f->dir);
	(void)setfsuid(former);
	assert_int_equal(f->n, 1);
	expect(f, "bad");
	assert_int_equal(chmod(f->path, 0755), 0);
	run_until(f, 3);
	expect(f, "good");
	expect(f, "+a.yaml");
	expect(f, "scan 1");
}

static void test_folder_that_is_not_there_is_waited_for(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rmdir(f->path), 0);
	begin(f);
	run_until(f, 1);
	expect(f, "bad");
	assert_int_equal(mkdir(f->path, 0755), 0);
	put(f, "a.yaml", "1");
	run_until(f, 3);
	expect(f, "good");
	expect(f, "+a.yaml");
	expect(f, "scan 1");
}

static void test_rescan_and_touch_hand_out_what_looks_the_same(void **state)
{
	struct fixture *f = *state;

	put(f, "a.yaml", "1");
	put(f, "b.yaml", "1");
	begin(f);
	run_until(f, 3);
	f->n = 0;
	dir_touch(f->dir, "b.yaml");
	run_until(f, 1);
	expect(f, "+b.yaml");
	dir_rescan(f->dir);
	run_until(f, 3);
	expect(f, "+a.yaml");
	expect(f, "+b.yaml");
	expect(f, "scan 2");
}

static void test_retry_hands_out_that_file_alone_in_a_moment(void **state)
{
	struct fixture *f = *state;

	put(f, "a.yaml", "1");
	put(f, "b.yaml", "1");
	begin(f);
	run_until(f, 3);
	f->n = 0;
	dir_retry(f->dir, "b.yaml");
	run_until(f, 2);
	expect(f, "+b.yaml");
	expect(f, "scan 2");
	run_quiet(f);
}

static void test_scan_without_a_descriptor_is_made_up_for(void **state)
{
	struct fixture *f = *state;
	struct rlimit former, none;

	put(f, "a.yaml", "1");
	begin(f);
	run_until(f, 2);
	f->n = 0;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &former), 0);
	none = former;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	dir_rescan(f->dir);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &former), 0);
	run_until(f, 4);
	expect(f, "bad");
	expect(f, "good");
	expect(f, "+a.yaml");
	expect(f, "scan 1");
}

static void expect_unreadable(struct fixture *f, const char *name, const char *part)
{
	struct file_identity id;
	char *text = NULL;
	struct err err = {0};
	size_t len;

	assert_true(dir_read(f->dir, name, &text, &len, &id, &err) < 0);
	assert_null(text);
	if (!strstr(err.msg, part)) {
		fail_msg("%s: '%s' has no '%s'", name, err.msg, part);
	}
}

static void test_reads_only_plain_files_of_the_owner(void **state)
{
	struct fixture *f = *state;
	char path[256], *text = NULL;
	struct file_identity id;
	struct err err;
	size_t len;

	begin(f);
	put(f, "a.yaml", "tenant: a\n");
	assert_int_equal(dir_read(f->dir, "a.yaml", &text, &len, &id, &err), 0);
	assert_int_equal(len, 10);
	assert_int_equal(id.size, 10);
	assert_string_equal(text, "tenant: a\n");
	free(text);

	expect_unreadable(f, "none.yaml", "No such file");
	snprintf(path, sizeof(path), "%s/pipe.yaml", f->path);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_unreadable(f, "pipe.yaml", "not a regular file");
	snprintf(path, sizeof(path), "%s/link.yaml", f->path);
	assert_int_equal(symlink("a.yaml", path), 0);
	expect_unreadable(f, "link.yaml", "is a symbolic link");
	put(f, "open.yaml", "x");
	snprintf(path, sizeof(path), "%s/open.yaml", f->path);
	assert_int_equal(chmod(path, 0666), 0);
	expect_unreadable(f, "open.yaml", "written by others");
	put(f, "large.yaml", "x");
	snprintf(path, sizeof(path), "%s/large.yaml", f->path);
	assert_int_equal(truncate(path, (1 << 20) + 1), 0); /* what the parser would refuse */
	expect_unreadable(f, "large.yaml", "is larger than 1 MiB");
	if (geteuid() == 0) {
		put(f, "foreign.yaml", "x");
		snprintf(path, sizeof(path), "%s/foreign.yaml", f->path);
		assert_int_equal(chown(path, 65534, 65534), 0);
		expect_unreadable(f, "foreign.yaml", "belongs neither");
	}
}

static void test_files_over_the_limit_are_told_of(void **state)
{
	struct fixture *f = *state;
	char name[32];

	f->deaf = true;
	for (unsigned int i = 0; i < FILES_MAX; i++) {
		snprintf(name, sizeof(name), "t%u.yaml", i);
		put(f, name, "x");
	}
	begin(f);
	run_until(f, 1);
	expect(f, "scan 1000");
	put(f, "more.yaml", "x");
	run_until(f, 1);
	expect(f, "ignored 1");
	drop(f, "t7.yaml");
	run_until(f, 2);
	expect(f, "ignored 0");
	expect(f, "scan 1000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, dir_setup, dir_teardown)
		TEST(test_only_objects_count),
		TEST(test_start_hands_out_what_is_there),
		TEST(test_start_asks_for_all_files_before_it_hands_one_out),
		TEST(test_file_that_goes_before_it_is_handed_out_is_gone),
		TEST(test_one_change_hands_out_one_file),
		TEST(test_what_is_made_whole_is_handed_out_and_what_is_written_is_not),
		TEST(test_what_has_no_other_name_any_more_is_handed_out),
		TEST(test_other_rights_are_a_change_of_what_was_refused_for_them),
		TEST(test_same_size_in_the_same_instant_is_a_change),
		TEST(test_burst_of_writes_is_few_reads),
		TEST(test_removed_and_renamed_files_are_gone),
		TEST(test_overflow_of_the_queue_loses_nothing),
		TEST(test_folder_that_vanishes_takes_no_file_with_it),
		TEST(test_folder_that_comes_back_unchanged_is_quiet),
		TEST(test_file_that_cannot_be_looked_at_is_not_gone),
		TEST(test_folder_that_cannot_be_listed_is_tried_again),
		TEST(test_folder_that_is_not_there_is_waited_for),
		TEST(test_rescan_and_touch_hand_out_what_looks_the_same),
		TEST(test_retry_hands_out_that_file_alone_in_a_moment),
		TEST(test_scan_without_a_descriptor_is_made_up_for),
		TEST(test_reads_only_plain_files_of_the_owner),
		TEST(test_files_over_the_limit_are_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
