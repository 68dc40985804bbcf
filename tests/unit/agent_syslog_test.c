/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The access log on its way to the system's log, which is a datagram socket of the test: the form
 * of a datagram, a log that is started anew, one that does not read. No line is lost uncounted.
 */
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/agent/sink.h"

struct fixture {
	struct sink sink;
	struct sockaddr_un sa;
	char folder[32];
	int log_fd; /* what the system's log reads from; -1: it is down */
};

static void log_up(struct fixture *f)
{
	f->log_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->log_fd, (struct sockaddr *)&f->sa, sizeof(f->sa)), 0);
}

static void log_down(struct fixture *f)
{
	close(f->log_fd);
	f->log_fd = -1;
	assert_int_equal(unlink(f->sa.sun_path), 0);
}

/* As control opens it. */
static void give_socket(struct fixture *f)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct err err;

	assert_int_equal(connect(fd, (struct sockaddr *)&f->sa, sizeof(f->sa)), 0);
	assert_int_equal(sink_take_socket(&f->sink, fd, &err), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "syslog-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	f->sa.sun_family = AF_UNIX;
	strcpy(f->sa.sun_path, f->folder);
	strcat(f->sa.sun_path, "/log");
	sink_init_syslog(&f->sink);
	log_up(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int rc;

	sink_fini(&f->sink);
	log_down(f);
	rc = rmdir(f->folder);
	free(f);
	return rc;
}

static void put(struct fixture *f, const char *lines, uint64_t now_ms)
{
	sink_write(&f->sink, str_from(lines), now_ms);
}

static void check_counts(const struct fixture *f, uint64_t written, uint64_t dropped)
{
	assert_int_equal(f->sink.n_written, written);
	assert_int_equal(f->sink.n_dropped, dropped);
}

/* The next datagram is that line, and is as syslog(3) would have sent it. */
static void expect_line(const struct fixture *f, const char *line)
{
	static const char form[] =
		"^<134>[A-Z][a-z][a-z] [ 1-3][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} sixgate: ";
	char got[256];
	ssize_t n = read(f->log_fd, got, sizeof(got) - 1);
	regmatch_t head;
	regex_t regex;

	assert_true(n > 0);
	got[n] = '\0';
	assert_int_equal(regcomp(&regex, form, REG_EXTENDED), 0);
	assert_int_equal(regexec(&regex, got, 1, &head, 0), 0);
	regfree(&regex);
	assert_string_equal(got + head.rm_eo, line);
}

static void each_line_is_a_datagram(void **state)
{
	struct fixture *f = *state;

	give_socket(f);
	put(f, "one\ntwo\n", 1000);
	put(f, "three 3\n", 1001);
	expect_line(f, "one");
	expect_line(f, "two");
	expect_line(f, "three 3");
	assert_int_equal(read(f->log_fd, &(char){0}, 1), -1);
	check_counts(f, 3, 0);
	assert_false(sink_wants_socket(&f->sink, 9000));
}

static void without_a_socket_lines_are_lost_and_one_is_wanted_once_a_second(void **state)
{
	struct fixture *f = *state;

	put(f, "one\ntwo\n", 1000);
	check_counts(f, 0, 2);
	assert_int_equal(f->sink.cause, -ENOTCONN);
	assert_true(sink_wants_socket(&f->sink, 1000));
	assert_false(sink_wants_socket(&f->sink, 1999));
	assert_true(sink_wants_socket(&f->sink, 2000));
}

static void a_log_started_anew_gets_the_lines_that_come_then(void **state)
{
	struct fixture *f = *state;

	give_socket(f);
	put(f, "one\n", 1000);
	log_down(f);
	put(f, "two\nthree\n", 2000);
	check_counts(f, 1, 2);
	assert_int_equal(f->sink.cause, -ECONNREFUSED);
	assert_true(sink_wants_socket(&f->sink, 2000));
	log_up(f);
	put(f, "four\n", 2001);
	check_counts(f, 1, 3);
	give_socket(f);
	put(f, "five\n", 2002);
	check_counts(f, 2, 3);
	expect_line(f, "five");
}

#define N_LINES 5000

static void a_full_socket_loses_lines_and_is_kept(void **state)
{
	struct fixture *f = *state;
	static char lines[N_LINES * 100];
	uint64_t n_read = 0;

	memset(lines, 'a', sizeof(lines));
	for (size_t i = 99; i < sizeof(lines); i += 100) {
		lines[i] = '\n';
	}
	give_socket(f);
	sink_write(&f->sink, (struct str){.p = lines, .len = sizeof(lines)}, 1000);
	assert_int_equal(f->sink.cause, -EAGAIN);
	assert_true(f->sink.n_written > 0 && f->sink.n_dropped > 0);
	assert_int_equal(f->sink.n_written + f->sink.n_dropped, N_LINES);
	assert_false(sink_wants_socket(&f->sink, 1000));
	while (read(f->log_fd, &(char){0}, 1) == 1) {
		n_read++;
	}
	assert_int_equal(n_read, f->sink.n_written);
	put(f, "after\n", 1001);
	expect_line(f, "after");
}

static void a_socket_is_nothing_for_a_file(void **state)
{
	struct fixture *f = *state;
	struct sink file;
	struct err err;
	int fd = open(f->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

	sink_init(&file, fd, "access.log");
	assert_false(sink_wants_socket(&file, 9000));
	assert_int_equal(sink_take_socket(&file, socket(AF_UNIX, SOCK_DGRAM, 0), &err), -EPROTO);
	sink_fini(&file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_line_is_a_datagram),
		TEST(without_a_socket_lines_are_lost_and_one_is_wanted_once_a_second),
		TEST(a_log_started_anew_gets_the_lines_that_come_then),
		TEST(a_full_socket_loses_lines_and_is_kept),
		TEST(a_socket_is_nothing_for_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
