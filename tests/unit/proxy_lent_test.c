/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sockets of a sibling that has died, which control lends to a real worker. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy_rig.h"

/* A socket of a sibling's, lent to listener 1; the test is the sibling. */
static int lend(struct bench *b, uint16_t *ret_port)
{
	int fd = rig_listen("127.0.0.1", ret_port);

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	rig_do(&b->rig, MSG_LEND, 1, NULL, fd);
	return fd;
}

static void test_removed_listener_takes_nothing_more_from_lent_sockets(void **state)
{
	struct pollfd untouched = {.events = POLLIN};
	struct bench b;
	int client, backend, late;
	uint16_t port;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	untouched.fd = lend(&b, &port);
	client = rig_connect("127.0.0.1", port);
	backend = rig_accept(b.backend_fd);
	bench_exchange(client, backend, "by the lent one");
	rig_do(&b.rig, MSG_LISTENER_REMOVE, 1, NULL, -1);
	late = rig_connect("127.0.0.1", port);
	rig_do(&b.rig, MSG_STATS, 0, NULL, -1);
	assert_int_equal(poll(&untouched, 1, 100), 1); /* still in the queue */
	close(late);
	bench_end(client, backend);
	close(untouched.fd);
	bench_stop(&b);
}

/* Control has to know of a socket that nobody serves; the sessions there are go on. */
static void test_lent_socket_without_a_descriptor_for_it_is_refused(void **state)
{
	enum {
		SOCKETS = 60
	};

	const struct rig_options options = {.nofile = 64};
	unsigned int n_taken = 0;
	int client, backend, fd;
	uint16_t port;
	struct bench b;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, &options);
	bench_open(&b, &client, &backend);
	for (int i = 0; i < SOCKETS; i++) {
		fd = rig_listen("127.0.0.1", &port);
		assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
		rig_send(&b.rig, MSG_LEND, 1, NULL, fd);
		n_taken += rig_answer(&b.rig) == MSG_ACK;
		close(fd);
	}
	assert_in_range(n_taken, 10, SOCKETS - 1);
	bench_exchange(client, backend, "still here");
	rig_do(&b.rig, MSG_LEND_END, 1, NULL, -1);
	fd = rig_listen("127.0.0.1", &port);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	rig_do(&b.rig, MSG_LEND, 1, NULL, fd);
	rig_do(&b.rig, MSG_LEND_END, 1, NULL, -1);
	close(fd);
	bench_end(client, backend);
	bench_stop(&b);
}

static void test_drain_ends_with_its_sessions_though_sockets_are_lent(void **state)
{
	struct bench b;
	int lent, client, backend, late;
	uint16_t port;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	lent = lend(&b, &port);
	bench_open(&b, &client, &backend);
	channel_fini(&b.rig.channel);
	b.rig.channel.fd = -1;
	(void)poll(NULL, 0, 50);
	late = rig_connect("127.0.0.1", port);
	(void)poll(NULL, 0, 50);
	bench_end(client, backend);
	assert_int_equal(rig_wait_exit(&b.rig), 0);
	rig_expect_count(&b.rig, RIG_SLOT_LISTENER, COUNTER_ACCEPTED, 1);
	close(late);
	close(lent);
	bench_stop(&b);
}

static void test_socket_that_goes_back_keeps_its_queue(void **state)
{
	struct pollfd lent = {.events = POLLIN};
	struct bench b;
	uint16_t port;
	int client;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	lent.fd = lend(&b, &port);
	assert_int_equal(kill(b.rig.pid, SIGSTOP), 0);
	rig_send(&b.rig, MSG_LEND_END, 1, NULL, -1);
	client = rig_connect("127.0.0.1", port);
	assert_int_equal(kill(b.rig.pid, SIGCONT), 0);
	assert_int_equal(rig_answer(&b.rig), MSG_ACK);
	assert_int_equal(poll(&lent, 1, 100), 1);
	close(client);
	close(lent.fd);
	bench_stop(&b);
}

static void test_quit_leaves_the_queue_to_the_successor(void **state)
{
	struct pollfd lent = {.events = POLLIN};
	struct bench b;
	uint16_t port;
	int client;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	lent.fd = lend(&b, &port);
	assert_int_equal(kill(b.rig.pid, SIGSTOP), 0);
	rig_send(&b.rig, MSG_QUIT, 0, NULL, -1);
	(void)poll(NULL, 0, 50);
	client = rig_connect("127.0.0.1", port);
	assert_int_equal(kill(b.rig.pid, SIGCONT), 0);
	assert_int_equal(rig_wait_exit(&b.rig), 0);
	assert_int_equal(poll(&lent, 1, 0), 1);
	close(client);
	close(lent.fd);
	bench_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_removed_listener_takes_nothing_more_from_lent_sockets),
		cmocka_unit_test(test_lent_socket_without_a_descriptor_for_it_is_refused),
		cmocka_unit_test(test_drain_ends_with_its_sessions_though_sockets_are_lent),
		cmocka_unit_test(test_socket_that_goes_back_keeps_its_queue),
		cmocka_unit_test(test_quit_leaves_the_queue_to_the_successor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
