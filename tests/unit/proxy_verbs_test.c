/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an operator asks of a real worker: kill, drain, sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy_rig.h"

static void test_kill_ends_one_session(void **state)
{
	struct bench b;
	int client, backend, other, other_backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	bench_open(&b, &other, &other_backend);
	rig_do(&b.rig, MSG_KILL, 1, NULL, -1);
	rig_expect_reset(client);
	rig_expect_reset(backend);
	bench_exchange(other, other_backend, "not me");
	rig_send(&b.rig, MSG_KILL, 1, NULL, -1);
	assert_int_equal(rig_answer(&b.rig), MSG_NAK);
	bench_expect_closed(&b, "killed");
	close(client);
	close(backend);
	bench_end(other, other_backend);
	bench_stop(&b);
}

static void test_drained_service_and_backend_take_no_sessions(void **state)
{
	struct bench b;
	struct buf data;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	for (int by_address = 0; by_address < 2; by_address++) {
		bench_open(&b, &client, &backend);
		buf_init(&data, 256);
		buf_str(&data, str_from("acme"));
		buf_str(&data, str_from(by_address ? "::1" : "web"));
		rig_do(&b.rig, MSG_DRAIN_SERVICE, 0, &data, -1);
		buf_fini(&data);
		bench_expect_refused(&b, by_address ? "no-backend" : "drained");
		rig_expect_reset(client);
		close(client);
		close(backend);
		bench_update(&b); /* in force again */
	}
	bench_open(&b, &client, &backend);
	bench_end(client, backend);
	bench_stop(&b);
}

static void read_all(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, text + len, size - 1 - len, 0)) > 0) {
		len += (size_t)n;
	}
	text[len] = '\0';
}

static void test_sessions_are_listed_to_the_callers_stream(void **state)
{
	struct bench b;
	struct buf data;
	char text[8192];
	int client, backend, fds[2];

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	bench_exchange(client, backend, "12345");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	rig_do(&b.rig, MSG_SESSIONS, 0, NULL, fds[1]);
	close(fds[1]);
	read_all(fds[0], text, sizeof(text));
	close(fds[0]);
	assert_non_null(strstr(text, "\"id\":\"0.1\",\"tenant\":\"acme\",\"service\":\"web\""));
	assert_non_null(strstr(text, "\"state\":\"relaying\""));
	assert_non_null(strstr(text, "\"bytes_in\":5,\"bytes_out\":0}\n"));

	buf_init(&data, 64);
	buf_bytes(&data, "other", 5);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	rig_do(&b.rig, MSG_SESSIONS, 0, &data, fds[1]);
	buf_fini(&data);
	close(fds[1]);
	read_all(fds[0], text, sizeof(text));
	close(fds[0]);
	assert_string_equal(text, "");
	bench_end(client, backend);
	bench_stop(&b);
}

static void test_reader_of_sessions_that_does_not_read_holds_nobody_up(void **state)
{
	struct bench b;
	const int small = 2304; /* the least the kernel gives */
	int clients[200], backends[200], fds[2];

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	for (int i = 0; i < 200; i++) {
		bench_open(&b, &clients[i], &backends[i]);
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	rig_send(&b.rig, MSG_SESSIONS, 0, NULL, fds[1]);
	close(fds[1]);
	for (int i = 0; i < 200; i++) {
		bench_exchange(clients[i], backends[i], "served");
	}
	close(fds[0]);
	assert_int_equal(rig_answer(&b.rig), MSG_NAK); /* the reader is gone */
	for (int i = 0; i < 200; i++) {
		bench_end(clients[i], backends[i]);
	}
	bench_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill_ends_one_session),
		cmocka_unit_test(test_drained_service_and_backend_take_no_sessions),
		cmocka_unit_test(test_sessions_are_listed_to_the_callers_stream),
		cmocka_unit_test(test_reader_of_sessions_that_does_not_read_holds_nobody_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
