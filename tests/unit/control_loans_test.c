/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What becomes of a dead worker's sockets until it is back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "conf/model/message.h"
#include "tests/unit/workers_rig.h"

/* The socket is the same in all processes: what a worker does to it outlives the worker. */
static void test_sockets_that_a_worker_shut_listen_again_after_its_end(void **state)
{
	struct fixture *f = *state;
	struct table_iter it = {0};
	struct listener *listener;
	int listens = -1;
	socklen_t len = sizeof(listens);

	start_good(f);
	listener = listeners_next(f->listeners, &it);
	assert_non_null(listener);
	assert_int_equal(shutdown(listener->fds[1], SHUT_RDWR), 0);
	kill_worker(f, 1);
	RUN_UNTIL(f, n_ready(f) == WORKERS);
	assert_int_equal(getsockopt(listener->fds[1], SOL_SOCKET, SO_ACCEPTCONN, &listens, &len),
			 0);
	assert_int_equal(listens, 1);
}

static void test_sibling_serves_the_sockets_of_a_dead_worker_until_it_is_back(void **state)
{
	struct fixture *f = *state;

	start_good(f);
	set_mode(f, "mute");
	kill_worker(f, 0);
	assert_int_equal(f->listeners->selector.live, 6); /* all but the first */
	run(f, 50);
	assert_int_equal(count_sent(f, 1, MSG_LEND), 1);
	assert_int_equal(count_sent(f, 1, MSG_LEND_END), 0);
	assert_int_equal(count_sent(f, 2, MSG_LEND), 0);
	assert_true(problem_has(f->problems, "worker 0"));
	set_mode(f, "good");
	RUN_UNTIL(f, n_ready(f) == WORKERS);
	assert_int_equal(f->listeners->selector.live, 7);
	run(f, 50);
	assert_int_equal(count_sent(f, 1, MSG_LEND_END), 1);
	assert_false(problem_has(f->problems, "worker 0"));
}

static void test_loans_move_when_the_sibling_dies_too(void **state)
{
	struct fixture *f = *state;

	start_good(f);
	set_mode(f, "mute");
	kill_worker(f, 0);
	kill_worker(f, 1);
	run(f, 50);
	/* the last one has the sockets of both */
	assert_int_equal(f->listeners->selector.live, 4);
	assert_int_equal(count_sent(f, 2, MSG_LEND), 2);
	set_mode(f, "good");
	RUN_UNTIL(f, n_ready(f) == WORKERS);
	run(f, 50);
	/* the first return ended both loans and lent the other one again */
	assert_int_equal(count_sent(f, 2, MSG_LEND_END), 2);
	assert_int_equal(count_sent(f, 2, MSG_LEND), 3);
}

/* Or what waits in the dead worker's sockets would wait for its return. */
static void test_loan_that_is_refused_goes_to_the_next_sibling(void **state)
{
	struct fixture *f = *state;

	start(f, "full");
	RUN_UNTIL(f, n_ready(f) == WORKERS);
	set_mode(f, "mute");
	kill_worker(f, 0);
	run(f, 60);
	assert_int_equal(count_sent(f, 1, MSG_LEND), 1);
	RUN_UNTIL(f, count_sent(f, 2, MSG_LEND) == 1);
	assert_int_equal(count_sent(f, 1, MSG_LEND_END), 1);
	RUN_UNTIL(f, count_sent(f, 1, MSG_LEND) == 2); /* it may have room by now */
	set_mode(f, "good");
	RUN_UNTIL(f, n_ready(f) == WORKERS);
	run(f, 300);
	forget(f, 1);
	forget(f, 2);
	run(f, 300);
	assert_int_equal(count_sent(f, 1, MSG_LEND), 0);
	assert_int_equal(count_sent(f, 2, MSG_LEND), 0);
}

static void test_with_all_dead_no_slot_is_left_out(void **state)
{
	struct fixture *f = *state;

	start_good(f);
	set_mode(f, "mute");
	for (unsigned int i = 0; i < WORKERS; i++) {
		kill_worker(f, i);
	}
	assert_int_equal(f->listeners->selector.live, 0); /* means all: they wait in the queues */
	set_mode(f, "good");
	RUN_UNTIL(f, n_ready(f) == WORKERS);
	assert_int_equal(f->listeners->selector.live, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sockets_that_a_worker_shut_listen_again_after_its_end),
		TEST(test_sibling_serves_the_sockets_of_a_dead_worker_until_it_is_back),
		TEST(test_loans_move_when_the_sibling_dies_too),
		TEST(test_loan_that_is_refused_goes_to_the_next_sibling),
		TEST(test_with_all_dead_no_slot_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
