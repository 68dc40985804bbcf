/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A file is there as a whole, the old one or the new one, whatever happens. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
	char folder[64], path[80], beside[96];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->folder, "/tmp/file-test-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	snprintf(p->path, sizeof(p->path), "%s/state", p->folder);
	snprintf(p->beside, sizeof(p->beside), "%s.new", p->path);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	unlink(p->path);
	assert_int_equal(rmdir(p->folder), 0); /* nothing is left beside it */
	free(p);
	return 0;
}

static void holds(const struct place *p, const char *text)
{
	int fd = open(p->path, O_RDONLY | O_CLOEXEC);
	char got[64];
	size_t len;

	assert_true(fd >= 0);
	assert_int_equal(file_read(fd, got, sizeof(got), &len), 0);
	close(fd);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(got, text, len);
}

static void a_file_is_replaced_for_its_owner_alone(void **state)
{
	struct place *p = *state;
	struct err err;
	struct stat st;

	assert_int_equal(file_replace(p->path, "one", 3, &err), 0);
	holds(p, "one");
	assert_int_equal(file_replace(p->path, "longer", 6, &err), 0);
	holds(p, "longer");
	assert_int_equal(file_replace(p->path, "", 0, &err), 0);
	holds(p, "");
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void an_abort_leaves_the_old_one(void **state)
{
	struct place *p = *state;
	struct err err;
	int fd;

	assert_int_equal(file_replace(p->path, "old", 3, &err), 0);
	fd = file_replace_begin(p->path, &err);
	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, "new", 3), 0);
	holds(p, "old");
	file_replace_abort(p->path, fd);
	holds(p, "old");
}

static void what_lies_beside_it_is_not_written_through(void **state)
{
	struct place *p = *state;
	struct err err;

	assert_int_equal(file_replace(p->path, "old", 3, &err), 0);
	assert_int_equal(symlink(p->path, p->beside), 0);
	assert_int_equal(file_replace(p->path, "new", 3, &err), 0);
	holds(p, "new");
}

static void a_failure_says_where_and_leaves_the_old_one(void **state)
{
	struct place *p = *state;
	struct err err;
	char longest[8192];

	assert_int_equal(file_replace(p->path, "old", 3, &err), 0);
	assert_int_equal(mkdir(p->beside, 0700), 0);
	assert_true(file_replace(p->path, "new", 3, &err) < 0);
	assert_non_null(strstr(err.msg, p->beside));
	holds(p, "old");
	assert_int_equal(rmdir(p->beside), 0);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(file_replace(longest, "new", 3, &err), -ENAMETOOLONG);
}

static void a_disk_that_is_full_leaves_nothing(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, "x", 1), -ENOSPC);
	close(fd);
	assert_int_equal(file_write(-1, "x", 1), -EBADF);
}

static void reading_ends_at_the_end_or_at_its_room(void **state)
{
	struct place *p = *state;
	char got[3];
	struct err err;
	size_t len;
	int fd;

	assert_int_equal(file_replace(p->path, "12345", 5, &err), 0);
	fd = open(p->path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(file_read(fd, got, sizeof(got), &len), 0);
	assert_int_equal(len, 3);
	assert_int_equal(file_read(fd, got, sizeof(got), &len), 0);
	assert_int_equal(len, 2);
	close(fd);
	assert_int_equal(file_read(fd, got, sizeof(got), &len), -EBADF);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_replaced_for_its_owner_alone),
		TEST(an_abort_leaves_the_old_one),
		TEST(what_lies_beside_it_is_not_written_through),
		TEST(a_failure_says_where_and_leaves_the_old_one),
		cmocka_unit_test(a_disk_that_is_full_leaves_nothing),
		TEST(reading_ends_at_the_end_or_at_its_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
