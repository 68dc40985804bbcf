/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Orders that take many steps: sessions are served between them, and answers keep their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "tests/unit/proxy_rig.h"

#define QUEUED 300

static bool answered(struct bench *b)
{
	struct pollfd p = {.fd = b->rig.channel.fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static unsigned int answer_type(struct bench *b)
{
	struct channel_msg msg;
	struct pollfd p = {.fd = b->rig.channel.fd, .events = POLLIN};
	struct cursor in;

	assert_int_equal(poll(&p, 1, RIG_WAIT_MS), 1);
	assert_int_equal(channel_recv(&b->rig.channel, &msg), 1);
	assert_int_equal(msg.type, MSG_ACK);
	in = cursor_from(msg.data, msg.len);
	return cursor_u16(&in);
}

/* Clients in the listener's queue, and the orders behind them, all there at once. */
static void fill_queue(struct bench *b, int clients[QUEUED])
{
	assert_int_equal(kill(b->rig.pid, SIGSTOP), 0);
	for (int i = 0; i < QUEUED; i++) {
		clients[i] = rig_connect("127.0.0.1", b->port);
	}
	rig_send(&b->rig, MSG_LISTENER_REMOVE, 1, NULL, -1);
	rig_send(&b->rig, MSG_STATS, 0, NULL, -1);
	assert_int_equal(kill(b->rig.pid, SIGCONT), 0);
}

/*
 * The worker runs only while the test waits for it, on the same core: however busy the machine is,
 * the test has its turn at each of the worker's steps.
 */
static void run_behind_the_test(pid_t worker, bool behind)
{
	const struct sched_param param = {0};
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)sched_getcpu(), &cpus);
	assert_int_equal(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	assert_int_equal(sched_setaffinity(worker, sizeof(cpus), &cpus), 0);
	assert_int_equal(sched_setscheduler(worker, behind ? SCHED_IDLE : SCHED_OTHER, &param), 0);
}

static void test_sessions_are_served_while_a_queue_is_accepted(void **state)
{
	int client, backend, clients[QUEUED];
	unsigned int n_rounds = 0;
	struct bench b;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	run_behind_the_test(b.rig.pid, true);
	fill_queue(&b, clients);
	while (!answered(&b)) {
		bench_exchange(client, backend, "x");
		n_rounds++;
	}
	run_behind_the_test(b.rig.pid, false);
	assert_true(n_rounds >= 5);
	assert_int_equal(answer_type(&b), MSG_LISTENER_REMOVE);
	assert_int_equal(answer_type(&b), MSG_STATS);
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_LISTENER, COUNTER_ACCEPTED), QUEUED + 1);
	close(client);
	close(backend);
	for (int i = 0; i < QUEUED; i++) {
		backend = rig_accept(b.backend_fd);
		close(clients[i]);
		close(backend);
	}
	bench_stop(&b);
}

static void test_end_of_the_channel_while_a_queue_is_accepted_drains(void **state)
{
	int clients[QUEUED];
	struct bench b;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	fill_queue(&b, clients);
	channel_fini(&b.rig.channel);
	for (int i = 0; i < QUEUED; i++) {
		int backend = rig_accept(b.backend_fd);

		close(clients[i]);
		close(backend);
	}
	assert_int_equal(rig_wait_exit(&b.rig), 0);
	bench_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions_are_served_while_a_queue_is_accepted),
		cmocka_unit_test(test_end_of_the_channel_while_a_queue_is_accepted_drains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
