/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The log child as control sees it, played by fake_worker.c. */
#include "gateway/control/logchild.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "conf/model/message.h"
#include "gateway/control/problems.h"
#include "gateway/control/workers.h"
#include "tests/unit/control_rig.h"

struct fixture {
	struct rig rig;
	struct logchild *lc;
	char mode[64], path[512];
};

static void set_mode(struct fixture *f, const char *mode)
{
	FILE *file = fopen(f->mode, "we");

	assert_non_null(file);
	fputs(mode, file);
	fclose(file);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = {0};

	strcpy(f->mode, "/tmp/logchild-test-XXXXXX");
	close(mkstemp(f->mode));
	assert_int_equal(setenv("SIXGATE_FAKE_WORKER", f->mode, 1), 0);
	assert_int_equal(program_path("fake_worker", f->path, sizeof(f->path), &err), 0);
	rig_init(&f->rig, 1, NULL);
	f->lc = &f->rig.c.logchild;
	*f->lc = (struct logchild){
		.helper = {.loop = &f->rig.c.loop,
			   .problems = &f->rig.c.problems,
			   .path = f->path,
			   .user = "nobody",
			   .root = "/"},
		.workers = &f->rig.c.workers,
	};
	logchild_init(f->lc, false);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	logchild_fini(f->lc);
	rig_fini(&f->rig);
	(void)unlink(f->mode);
	free(f);
	return 0;
}

static void test_child_that_says_much_is_read_in_batches(void **state)
{
	const struct access_log_conf conf = {.on = true};
	struct fixture *f = *state;
	struct logchild *lc = f->lc;
	uint64_t until_ms = clock_ms() + 10000;

	set_mode(f, "flood");
	assert_int_equal(logchild_configure(lc, &conf), 0);
	while (access(f->mode, F_OK) == 0 && clock_ms() < until_ms) {
		(void)poll(NULL, 0, 1);
	}
	lc->helper.readable.ready(&lc->helper.readable, EPOLLIN);
	assert_true(lc->lines > 0 && lc->lines < 200);
	lc->helper.readable.ready(&lc->helper.readable, EPOLLIN);
	assert_int_equal(lc->lines, 200);
}

/* One that nobody could watch is ended, and another one is started later. */
static void test_child_whose_end_cannot_be_watched_is_tried_again(void **state)
{
	const struct access_log_conf conf = {.on = true};
	struct fixture *f = *state;
	struct helper *h = &f->lc->helper;
	int epoll_fd = f->rig.c.loop.epoll_fd;

	set_mode(f, "good");
	f->rig.c.loop.epoll_fd = -1; /* as without memory in the kernel */
	assert_int_equal(logchild_configure(f->lc, &conf), 0);
	f->rig.c.loop.epoll_fd = epoll_fd;
	assert_false(helper_running(h));
	assert_true(problem_has(&f->rig.c.problems, "access log"));
	assert_true(timer_armed(&h->timer));
	h->timer.fired(&h->timer);
	assert_true(helper_running(h));
	assert_true(h->readable.fd >= 0 && h->exited.fd >= 0);
}

/* A child that asks and asks does not make control open and open. */
static void test_socket_of_syslog_is_opened_at_most_twice_a_second(void **state)
{
	const struct channel_msg wish = {.type = MSG_LOG_SOCKET};
	struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = "logchild-test-syslog"};
	struct fixture *f = *state;
	struct helper *h = &f->lc->helper;
	struct problems *problems = &f->rig.c.problems;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)unlink(sa.sun_path); /* of a run that was broken off */
	f->lc->syslog = strdup(sa.sun_path);
	f->rig.c.loop.now_ms = 1000;
	assert_int_equal(h->ops->message(h, &wish), 0);
	assert_true(problem_has(problems, "syslog"));
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	f->rig.c.loop.now_ms = 1499;
	assert_int_equal(h->ops->message(h, &wish), 0);
	assert_true(problem_has(problems, "syslog"));
	f->rig.c.loop.now_ms = 1500;
	assert_int_equal(h->ops->message(h, &wish), 0);
	assert_false(problem_has(problems, "syslog"));
	close(fd);
	assert_int_equal(unlink(sa.sun_path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_child_that_says_much_is_read_in_batches, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_child_whose_end_cannot_be_watched_is_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_socket_of_syslog_is_opened_at_most_twice_a_second, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
