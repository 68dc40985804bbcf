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
#include "tests/unit/control_rig.h"
#include "tests/unit/forever.h"

#define WORKERS 3

static const struct workers_times quick = {
	.hello_ms = 300,
	.ping_ms = 100,
	.silence_ms = 400,
	.soon_ms = 60000,
	.backoff_ms = 200,
	.backoff_max_ms = 400,
	.loan_ms = 100,
};

struct fixture {
	struct rig rig;
	struct loop *loop; /* of rig.c, as the next five */
	struct items *items;
	struct slots *slots;
	struct problems *problems;
	struct listeners *listeners;
	struct workers *workers;
	struct listener_conf listener;
	struct node_conf node;
	char mode_path[64], worker_path[512];
	struct timer end;
	bool done;
	unsigned int n_gone;
	char log[WORKERS][32768];
	size_t n_log[WORKERS];
};

static void on_changed(void *ctx)
{
	(void)ctx;
}

static void on_answered(void *ctx, unsigned int slot, uint16_t type, uint64_t serial,
			const struct str *refused)
{
	(void)ctx;
	(void)slot;
	(void)type;
	(void)serial;
	(void)refused;
}

static void on_gone(void *ctx, unsigned int slot)
{
	(void)slot;
	((struct fixture *)ctx)->n_gone++;
}

static void on_logs(void *ctx, unsigned int slot)
{
	(void)ctx;
	(void)slot;
}

static const struct workers_ops ops = {on_changed, on_answered, on_gone, on_logs};

static void on_batch(struct loop *loop)
{
	struct fixture *f = container_of(loop, struct fixture, rig.c.loop);

	loop->busy = workers_pump(f->workers, clock_ms() + 4) || loop->busy;
	loop->stop = f->done;
}

static void on_end(struct timer *timer)
{
	container_of(timer, struct fixture, end)->done = true;
}

static void run(struct fixture *f, uint64_t ms)
{
	f->done = false;
	f->loop->stop = false;
	f->loop->now_ms = clock_ms();
	wheel_arm(&f->loop->wheel, &f->end, f->loop->now_ms + ms);
	assert_int_equal(loop_run(f->loop), 0);
}

#define RUN_UNTIL(f, condition)                              \
	do {                                                 \
		uint64_t until = clock_ms() + 10000;         \
		while (!(condition) && clock_ms() < until) { \
			run(f, 10);                          \
		}                                            \
		assert_true(condition);                      \
	} while (0)

/* What workers started from now on do. */
static void set_mode(struct fixture *f, const char *mode)
{
	char path[128];
	FILE *file;

	/* replaced, not written over: a worker may be reading it */
	snprintf(path, sizeof(path), "%s.new", f->mode_path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(mode, file);
	fclose(file);
	assert_int_equal(rename(path, f->mode_path), 0);
}

/* What a worker was sent since its start, "type id" a line. */
static const char *sent(struct fixture *f, unsigned int slot)
{
	ssize_t n;

	while ((n = read(f->workers->worker[slot].log_fd, f->log[slot] + f->n_log[slot],
			 sizeof(f->log[0]) - 1 - f->n_log[slot])) > 0) {
		f->n_log[slot] += (size_t)n;
	}
	f->log[slot][f->n_log[slot]] = '\0';
	return f->log[slot];
}

static void forget(struct fixture *f, unsigned int slot)
{
	(void)sent(f, slot);
	f->n_log[slot] = 0;
}

static unsigned int count_sent(struct fixture *f, unsigned int slot, uint16_t type)
{
	const char *text = sent(f, slot);
	unsigned int n = 0;
	char line[16];

	snprintf(line, sizeof(line), "%u ", type);
	for (const char *at = text; (at = strstr(at, line)); at++) {
		n += at == text || at[-1] == '\n';
	}
	return n;
}

static void setup_listener(struct fixture *f)
{
	struct err err = {0};

	f->listener = (struct listener_conf){
		.address.b = {[10] = 0xff, 0xff, 127, 0, 0, 1},
		.port = (uint16_t)f->rig.port,
		.protocol = PROTOCOL_TCP,
	};
	f->node = (struct node_conf){.listeners = &f->listener, .n_listeners = 1};
	if (listeners_configure(f->listeners, &f->node, &err) < 0) {
		fail_msg("%s", err.msg);
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct control *c = &f->rig.c;
	struct err err = {0};
	int fd;

	strcpy(f->mode_path, "/tmp/workers-test-XXXXXX");
	fd = mkstemp(f->mode_path);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(setenv("SIXGATE_FAKE_WORKER", f->mode_path, 1), 0);
	assert_int_equal(program_path("fake_worker", f->worker_path, sizeof(f->worker_path), &err),
			 0);
	c->workers = (struct workers){
		.loop = &c->loop,
		.items = &c->items,
		.listeners = &c->listeners,
		.slots = &c->slots,
		.problems = &c->problems,
		.ops = &ops,
		.ctx = f,
		.times = &quick,
		.path = f->worker_path,
		.user = "nobody",
		.root = "/",
		.log_level = LOG_LEVEL_INFO,
	};
	assert_int_equal(workers_init(&c->workers, WORKERS, &err), 0);
	rig_init(&f->rig, WORKERS, c->workers.segments);
	f->loop = &c->loop;
	f->items = &c->items;
	f->slots = &c->slots;
	f->problems = &c->problems;
	f->listeners = &c->listeners;
	f->workers = &c->workers;
	f->loop->batch_end = on_batch;
	timer_init(&f->end, on_end);
	setup_listener(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->workers->stopping = true;
	workers_fini(f->workers);
	rig_fini(&f->rig);
	unlink(f->mode_path);
	free(f);
	return 0;
}

static unsigned int n_ready(const struct fixture *f)
{
	return workers_count(f->workers, WORKER_READY);
}

static void start(struct fixture *f, const char *mode)
{
	struct err err = {0};

	set_mode(f, mode);
	assert_int_equal(workers_start(f->workers, &err), 0);
	workers_release(f->workers);
}

static void start_good(struct fixture *f)
{
	start(f, "good");
	RUN_UNTIL(f, n_ready(f) == WORKERS);
}

static void kill_worker(struct fixture *f, unsigned int slot)
{
	assert_int_equal(kill(f->workers->worker[slot].child.pid, SIGKILL), 0);
	RUN_UNTIL(f, f->workers->worker[slot].state != WORKER_READY);
}

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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_ready_after_the_full_set_and_its_listeners),
		TEST(test_workers_get_nothing_of_our_environment),
		TEST(test_full_set_comes_in_few_messages),
		TEST(test_those_of_a_full_set_that_are_refused_are_known),
		TEST(test_nothing_is_sent_before_the_set_is_complete),
		TEST(test_dead_worker_is_replaced_at_once_with_the_same_sockets),
		TEST(test_sockets_that_a_worker_shut_listen_again_after_its_end),
		TEST(test_sibling_serves_the_sockets_of_a_dead_worker_until_it_is_back),
		TEST(test_loan_that_is_refused_goes_to_the_next_sibling),
		TEST(test_loans_move_when_the_sibling_dies_too),
		TEST(test_with_all_dead_no_slot_is_left_out),
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
