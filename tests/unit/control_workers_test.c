/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Supervision with fake workers (fake_worker.c): processes that die, hang, lie or hang up.
 */
#include "gateway/control/workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "conf/model/message.h"
#include "conf/model/node.h"
#include "gateway/control/items.h"
#include "gateway/control/listeners.h"
#include "gateway/control/problems.h"
#include "gateway/control/slots.h"
#include "tests/unit/forever.h"
#include "tests/unit/workers_rig.h"

static void test_ready_after_the_full_set_and_its_listeners(void **state)
{
	struct fixture *f = *state;

	start(f, "good");
	assert_int_equal(n_ready(f), 0);
	RUN_UNTIL(f, n_ready(f) == WORKERS);
	for (unsigned int i = 0; i < WORKERS; i++) {
		assert_int_equal(count_sent(f, i, MSG_BEGIN), 1);
		assert_int_equal(count_sent(f, i, MSG_END), 1);
		assert_int_equal(count_sent(f, i, MSG_LISTENER), 1);
		assert_int_equal(count_sent(f, i, MSG_LEND), 0);
	}
	assert_int_equal(problems_count(f->problems), 0);
}

struct thing {
	struct item item;
	size_t bytes;
	unsigned int n_settled, n_refused;
};

static void thing_pack(struct item *item, unsigned int slot, struct buf *out,
		       struct channel_msg *msg)
{
	(void)slot;
	msg->type = MSG_TENANT;
	for (size_t i = 0; i < container_of(item, struct thing, item)->bytes; i++) {
		buf_u8(out, 0);
	}
}

static void thing_settled(struct item *item)
{
	container_of(item, struct thing, item)->n_settled++;
}

static void thing_refused(struct item *item, unsigned int slot, struct str why)
{
	(void)slot;
	(void)why;
	container_of(item, struct thing, item)->n_refused++;
}

static const struct item_ops thing_ops = {STAGE_SET,     thing_pack,    MSG_TENANT_REMOVE,
					  thing_settled, thing_refused, 0};

#define THINGS 1000 /* more than may be without an answer at one time */

/* One of them is too large to share a message. */
static void start_with_things(struct fixture *f, struct thing things[THINGS], const char *mode)
{
	start(f, mode);
	for (int i = 0; i < THINGS; i++) {
		things[i] = (struct thing){.item.ops = &thing_ops,
					   .bytes = i == THINGS / 2 ? 100000 : 100};
		assert_int_equal(items_add(f->items, &things[i].item), 0);
		things[i].n_settled = 0;
	}
	RUN_UNTIL(f, n_ready(f) == WORKERS);
}

static void test_full_set_comes_in_few_messages(void **state)
{
	static struct thing things[THINGS];
	struct fixture *f = *state;

	start_with_things(f, things, "good");
	for (unsigned int i = 0; i < WORKERS; i++) {
		assert_int_equal(count_sent(f, i, MSG_TENANT), THINGS);
		assert_in_range(count_sent(f, i, MSG_SET), 4, 20);
	}
	for (int i = 0; i < THINGS; i++) {
		assert_false(item_waiting(&things[i].item));
		assert_int_equal(things[i].n_refused, 0);
	}
}

static void test_those_of_a_full_set_that_are_refused_are_known(void **state)
{
	static struct thing things[THINGS];
	struct fixture *f = *state;

	start_with_things(f, things, "refuse");
	for (int i = 0; i < THINGS; i++) {
		assert_false(item_waiting(&things[i].item));
		assert_int_equal(things[i].n_refused, WORKERS);
	}
}

static void test_nothing_is_sent_before_the_set_is_complete(void **state)
{
	struct fixture *f = *state;
	struct err err;

	set_mode(f, "good");
	assert_int_equal(workers_start(f->workers, &err), 0);
	RUN_UNTIL(f, workers_count(f->workers, WORKER_LOADING) == WORKERS);
	run(f, 600); /* long enough for proofs of life */
	assert_int_equal(workers_count(f->workers, WORKER_LOADING), WORKERS);
	assert_int_equal(count_sent(f, 0, MSG_BEGIN), 0);
	workers_release(f->workers);
	RUN_UNTIL(f, n_ready(f) == WORKERS);
}

static void test_dead_worker_is_replaced_at_once_with_the_same_sockets(void **state)
{
	struct fixture *f = *state;
	pid_t before;

	start_good(f);
	before = f->workers->worker[1].child.pid;
	forget(f, 1);
	kill_worker(f, 1);
	assert_int_equal(f->n_gone, 1);
	RUN_UNTIL(f, n_ready(f) == WORKERS);
	assert_int_not_equal(f->workers->worker[1].child.pid, before);
	assert_int_equal(f->workers->worker[1].restarts, 1);
	assert_int_equal(count_sent(f, 1, MSG_LISTENER), 1);
	assert_int_equal(problems_count(f->problems), 0);
}

static void test_worker_that_keeps_dying_is_started_ever_later(void **state)
{
	struct fixture *f = *state;
	unsigned int n;

	start(f, "exit");
	/* at once, after 200, after 400, after 400 ... */
	run(f, 1300);
	n = f->workers->worker[0].restarts;
	if (n < 3 || n > 6) {
		fail_msg("%u restarts", n);
	}
	assert_true(problem_has(f->problems, "worker 0"));
	set_mode(f, "good");
	RUN_UNTIL(f, n_ready(f) == WORKERS);
	assert_int_equal(problems_count(f->problems), 0);
}

static void expect_killed(struct fixture *f, const char *mode)
{
	start(f, mode);
	RUN_UNTIL(f, f->workers->worker[0].restarts > 0);
	set_mode(f, "good");
	RUN_UNTIL(f, n_ready(f) == WORKERS);
}

static void test_worker_without_hello_is_killed(void **state)
{
	expect_killed(*state, "mute");
}

static void test_worker_that_answers_for_no_item_is_killed(void **state)
{
	expect_killed(*state, "alive");
}

static void test_worker_that_does_not_answer_is_killed(void **state)
{
	expect_killed(*state, "silent");
}

static void test_worker_that_says_what_it_may_not_is_killed(void **state)
{
	expect_killed(*state, "babble");
}

static void test_worker_that_says_hello_twice_is_killed(void **state)
{
	expect_killed(*state, "twice");
}

static void test_worker_that_sends_a_descriptor_is_killed(void **state)
{
	expect_killed(*state, "gift");
}

static void test_worker_that_answers_what_was_not_asked_is_killed(void **state)
{
	expect_killed(*state, "unasked");
}

static void test_worker_that_closes_its_channel_is_killed(void **state)
{
	expect_killed(*state, "hangup");
}

static void test_stopped_worker_is_killed_and_replaced(void **state)
{
	struct fixture *f = *state;
	pid_t before;

	start_good(f);
	before = f->workers->worker[2].child.pid;
	assert_int_equal(kill(before, SIGSTOP), 0);
	RUN_UNTIL(f, f->workers->worker[2].restarts == 1);
	RUN_UNTIL(f, n_ready(f) == WORKERS);
	assert_int_not_equal(f->workers->worker[2].child.pid, before);
}

static void test_dead_workers_sessions_are_settled(void **state)
{
	struct fixture *f = *state;
	uint32_t slot = 0;
	struct err err;

	start_good(f);
	assert_int_equal(slots_get(f->slots, &slot, &err), 0);
	counter_add(f->workers->segments[1], slot, COUNTER_ACCEPTED, 9);
	counter_add(f->workers->segments[1], slot, COUNTER_ACTIVE, 4);
	kill_worker(f, 1);
	assert_int_equal(counter_sum(f->workers->segments, WORKERS, slot, COUNTER_ACTIVE), 0);
	assert_int_equal(counter_sum(f->workers->segments, WORKERS, slot, COUNTER_CLOSED), 4);
	assert_int_equal(counter_sum(f->workers->segments, WORKERS, slot, COUNTER_ACCEPTED), 9);
}

static void test_drain_ends_all_and_nobody_is_started_again(void **state)
{
	struct fixture *f = *state;

	start_good(f);
	workers_drain(f->workers, 1000);
	RUN_UNTIL(f, workers_count(f->workers, WORKER_DOWN) == WORKERS);
	run(f, 300);
	assert_int_equal(workers_count(f->workers, WORKER_DOWN), WORKERS);
	assert_int_equal(problems_count(f->problems), 0);
}

static void test_log_level_reaches_workers_that_come_later(void **state)
{
	struct fixture *f = *state;

	start_good(f);
	assert_int_equal(count_sent(f, 0, MSG_LOG_LEVEL), 0);
	workers_set_log_level(f->workers, LOG_LEVEL_DEBUG);
	run(f, 50);
	assert_int_equal(count_sent(f, 0, MSG_LOG_LEVEL), 1);
	forget(f, 0);
	kill_worker(f, 0);
	RUN_UNTIL(f, n_ready(f) == WORKERS);
	run(f, 50);
	assert_int_equal(count_sent(f, 0, MSG_LOG_LEVEL), 1);
}

static void test_workers_get_nothing_of_our_environment(void **state)
{
	struct fixture *f = *state;
	char path[64], environment[4096] = "";
	size_t n = 0;
	FILE *file;

	assert_int_equal(setenv("SECRET_TOKEN", "hunter2", 1), 0);
	start_good(f);
	assert_int_equal(unsetenv("SECRET_TOKEN"), 0);
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)f->workers->worker[0].child.pid);
	file = fopen(path, "re");
	assert_non_null(file);
	n = fread(environment, 1, sizeof(environment) - 1, file);
	fclose(file);
	assert_true(n > 0);
	assert_non_null(memmem(environment, n, "SIXGATE_FAKE_WORKER=", 20));
	assert_null(memmem(environment, n, "hunter2", 7));
	assert_null(memmem(environment, n, "HOME=", 5));
}

/* A worker of its own, without a process: the other end of its channel is the test's. */
static void test_workers_are_told_in_bytes_that_never_change(void **state)
{
	struct feed feed = {0};
	struct items items = {.feeds = &feed, .n_feeds = 1};
	struct loop loop;
	struct worker w;
	struct workers ws = {.loop = &loop,
			     .items = &items,
			     .worker = &w,
			     .n = 1,
			     .serial = FOREVER_SERIAL - 1};
	struct err err;
	int ends[2];

	(void)state;
	assert_int_equal(loop_init(&loop, &err), 0);
	assert_int_equal(channel_pair(ends, &err), 0);
	w = (struct worker){.workers = &ws, .child = {.channel = ends[0], .pidfd = -1}};
	assert_int_equal(worker_open_channel(&w), 0);
	worker_ping(&w);
	expect_part(ends[1], forever_stats, sizeof(forever_stats));
	workers_drain(&ws, FOREVER_DRAIN_MS);
	expect_part(ends[1], forever_drain, sizeof(forever_drain));
	workers_quit(&ws);
	expect_part(ends[1], forever_quit, sizeof(forever_quit));
	worker_close_channel(&w);
	close(ends[1]);
	loop_fini(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ready_after_the_full_set_and_its_listeners),
		TEST(test_workers_get_nothing_of_our_environment),
		TEST(test_full_set_comes_in_few_messages),
		TEST(test_those_of_a_full_set_that_are_refused_are_known),
		TEST(test_nothing_is_sent_before_the_set_is_complete),
		TEST(test_dead_worker_is_replaced_at_once_with_the_same_sockets),
		TEST(test_worker_that_keeps_dying_is_started_ever_later),
		TEST(test_worker_without_hello_is_killed),
		TEST(test_worker_that_answers_for_no_item_is_killed),
		TEST(test_worker_that_does_not_answer_is_killed),
		TEST(test_worker_that_says_what_it_may_not_is_killed),
		TEST(test_worker_that_says_hello_twice_is_killed),
		TEST(test_worker_that_sends_a_descriptor_is_killed),
		TEST(test_worker_that_answers_what_was_not_asked_is_killed),
		TEST(test_worker_that_closes_its_channel_is_killed),
		TEST(test_stopped_worker_is_killed_and_replaced),
		TEST(test_dead_workers_sessions_are_settled),
		TEST(test_drain_ends_all_and_nobody_is_started_again),
		TEST(test_log_level_reaches_workers_that_come_later),
		cmocka_unit_test(test_workers_are_told_in_bytes_that_never_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
