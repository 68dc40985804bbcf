/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A real sixgate-proxy over its channel, with real sockets; needs no privilege. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "hello.h"
#include "proxy_rig.h"

static struct buf usual_hello(const char *name, const char *alpn)
{
	struct buf hello;

	buf_init(&hello, 1 << 20);
	hello_usual(&hello, name, alpn, 16384);
	assert_false(hello.bad);
	return hello;
}

static void test_tcp_passes_bytes_both_ways_and_is_logged(void **state)
{
	struct bench b;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	for (int i = 0; i < 10; i++) {
		bench_exchange(client, backend, "question");
		bench_exchange(backend, client, "the answer");
	}
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_SERVICE, COUNTER_ACTIVE), 1);
	close(client);
	rig_expect_eof(backend);
	close(backend);
	rig_expect_log(&b.rig, "\"bytes_in\":80,\"bytes_out\":100,");
	rig_expect_log(&b.rig, "\"tenant\":\"acme\",\"service\":\"web\"");
	rig_expect_log(&b.rig, "\"reason\":\"done\"");
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_BACKEND, COUNTER_BYTES_IN), 80);
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_BACKEND, COUNTER_CLOSED), 1);
	bench_stop(&b);
}

static void test_backend_may_speak_first(void **state)
{
	struct bench b;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	bench_exchange(backend, client, "220 ready");
	bench_exchange(client, backend, "HELO");
	close(backend);
	rig_expect_eof(client);
	close(client);
	bench_stop(&b);
}

static void test_half_close_is_kept_in_both_directions(void **state)
{
	struct bench b;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	bench_exchange(client, backend, "the whole request");
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	rig_expect_eof(backend);
	bench_exchange(backend, client, "a late answer");
	bench_exchange(backend, client, "and more");
	close(backend);
	rig_expect_eof(client);
	close(client);
	bench_expect_closed(&b, "done");

	bench_open(&b, &client, &backend);
	assert_int_equal(shutdown(backend, SHUT_WR), 0);
	rig_expect_eof(client);
	bench_exchange(client, backend, "still talking");
	close(client);
	rig_expect_eof(backend);
	close(backend);
	bench_stop(&b);
}

static void test_half_closed_session_ends_by_its_own_time_out(void **state)
{
	const struct rig_options options = {.node.timeouts.half_close_ms = 200};
	struct bench b;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, &options);
	bench_open(&b, &client, &backend);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	rig_expect_eof(backend);
	bench_expect_closed(&b, "half-close-timeout");
	rig_expect_reset(client);
	close(client);
	close(backend);
	bench_stop(&b);
}

static void test_idle_session_ends_and_a_busy_one_does_not(void **state)
{
	const struct rig_options options = {.node.timeouts.idle_ms = 300};
	struct bench b;
	int client, backend, idle, idle_backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, &options);
	bench_open(&b, &idle, &idle_backend);
	bench_open(&b, &client, &backend);
	for (int i = 0; i < 10; i++) {
		bench_exchange(client, backend, "x");
		(void)poll(NULL, 0, 60);
	}
	rig_expect_reset(idle);
	bench_exchange(backend, client, "here");
	bench_expect_closed(&b, "idle");
	close(idle);
	close(idle_backend);
	close(client);
	rig_expect_eof(backend);
	close(backend);
	bench_stop(&b);
}

static void test_reset_is_carried_both_ways(void **state)
{
	struct bench b;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	bench_exchange(client, backend, "x");
	rig_reset(client);
	rig_expect_reset(backend);
	close(backend);
	bench_expect_closed(&b, "client-reset");

	bench_open(&b, &client, &backend);
	bench_exchange(client, backend, "x");
	rig_reset(backend);
	rig_expect_reset(client);
	close(client);
	bench_expect_closed(&b, "backend-reset");
	bench_stop(&b);
}

/* Bytes and the reset behind them meet the worker in one go. */
static void test_reset_right_behind_bytes_is_no_end(void **state)
{
	struct bench b;
	int client, backend;
	char seen[8];

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	for (int backend_ended = 0; backend_ended < 2; backend_ended++) {
		bench_open(&b, &client, &backend);
		bench_exchange(client, backend, "x");
		if (backend_ended) {
			assert_int_equal(shutdown(backend, SHUT_WR), 0);
			rig_expect_eof(client);
		}
		assert_int_equal(kill(b.rig.pid, SIGSTOP), 0);
		rig_write(client, "half a", 6);
		rig_reset(client);
		assert_int_equal(kill(b.rig.pid, SIGCONT), 0);
		while (recv(backend, seen, sizeof(seen), 0) > 0) {
		}
		assert_int_equal(errno, ECONNRESET);
		close(backend);
		rig_expect_count(&b.rig, RIG_SLOT_LISTENER, COUNTER_ACTIVE, 0);
	}
	assert_int_equal(b.rig.counters->worker[WORKER_REASON + CLOSE_CLIENT_RESET], 2);
	bench_stop(&b);
}

static void test_next_backend_when_the_first_refuses(void **state)
{
	struct bench b;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	/* nobody listens at ::2, which is not even an address of this machine */
	b.tenant.backends[1] = b.tenant.backends[0];
	assert_int_equal(addr_parse(str_from("::2"), &b.tenant.backends[0].address), 0);
	b.tenant.backends[1].slot = RIG_SLOT_BACKEND + 1;
	b.tenant.service.n_backends = 2;
	bench_update(&b);
	bench_open(&b, &client, &backend);
	bench_exchange(client, backend, "x");
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_BACKEND, COUNTER_CONNECT_FAILED), 1);
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_BACKEND, COUNTER_REFUSED), 1);
	close(client);
	rig_expect_eof(backend);
	close(backend);
	bench_stop(&b);
}

static void test_refused_backend_is_a_reset_for_the_client(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	close(b.backend_fd);
	b.backend_fd = -1;
	rig_expect_refused("127.0.0.1", b.port);
	bench_expect_closed(&b, "connect-refused");
	bench_stop(&b);
}

static void test_proxy_v1_header_comes_first_and_alone_if_need_be(void **state)
{
	struct bench b;
	char expected[128], seen[128];
	struct sockaddr_in self;
	socklen_t len = sizeof(self);
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	b.tenant.expose.client_address = CLIENT_ADDRESS_PROXY_V1;
	bench_update(&b);
	bench_open(&b, &client, &backend);
	assert_int_equal(getsockname(client, (struct sockaddr *)&self, &len), 0);
	(void)snprintf(expected, sizeof(expected), "PROXY TCP4 127.0.0.1 127.0.0.1 %u %u\r\n",
		       ntohs(self.sin_port), b.port);
	rig_read(backend, seen, strlen(expected)); /* before the client has said anything */
	assert_memory_equal(seen, expected, strlen(expected));
	bench_exchange(client, backend, "hello");
	close(client);
	rig_expect_eof(backend);
	close(backend);
	rig_expect_log(&b.rig, "\"bytes_in\":5,"); /* the header is not the client's */
	bench_stop(&b);
}

static void test_proxy_v2_and_hello_leave_in_one_write(void **state)
{
	struct bench b;
	struct buf hello = usual_hello("shop.example", "h2,http/1.1");
	uint8_t seen[4096];
	int client, backend;
	ssize_t n;

	(void)state;
	bench_start(&b, PROTOCOL_TLS, NULL);
	b.tenant.expose.client_address = CLIENT_ADDRESS_PROXY_V2;
	bench_update(&b);
	client = rig_connect("127.0.0.1", b.port);
	rig_write(client, hello.data, hello.len);
	backend = rig_accept(b.backend_fd);
	n = recv(backend, seen, sizeof(seen), 0); /* one segment holds it all */
	assert_int_equal(n, 28 + 3 + 2 + 3 + 12 + hello.len);
	assert_memory_equal(seen, "\r\n\r\n\0\r\nQUIT\n\x21\x11", 14);
	assert_memory_equal(seen + 28, "\x01\x00\x02h2\x02\x00\x0cshop.example", 20);
	assert_memory_equal(seen + 48, hello.data, hello.len);
	close(client);
	rig_expect_eof(backend);
	close(backend);
	buf_fini(&hello);
	bench_stop(&b);
}

static void test_acme_probe_reaches_the_backend_without_header(void **state)
{
	struct bench b;
	struct buf hello = usual_hello("shop.example", "acme-tls/1");
	uint8_t seen[4096];
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TLS, NULL);
	b.tenant.expose.client_address = CLIENT_ADDRESS_PROXY_V2;
	bench_update(&b);
	client = rig_connect("127.0.0.1", b.port);
	rig_write(client, hello.data, hello.len);
	backend = rig_accept(b.backend_fd);
	rig_read(backend, seen, hello.len);
	assert_memory_equal(seen, hello.data, hello.len);
	close(client);
	rig_expect_eof(backend);
	close(backend);
	buf_fini(&hello);
	bench_stop(&b);
}

static void test_acme_among_other_protocols_is_no_way_around_the_header(void **state)
{
	struct bench b;
	struct buf hello = usual_hello("shop.example", "acme-tls/1,h2");
	uint8_t seen[16];
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TLS, NULL);
	b.tenant.expose.client_address = CLIENT_ADDRESS_PROXY_V2;
	bench_update(&b);
	client = rig_connect("127.0.0.1", b.port);
	rig_write(client, hello.data, hello.len);
	backend = rig_accept(b.backend_fd);
	rig_read(backend, seen, sizeof(seen));
	assert_memory_equal(seen, "\r\n\r\n\0\r\nQUIT\n", 12);
	close(client);
	close(backend);
	buf_fini(&hello);
	bench_stop(&b);
}

static void test_source_that_cannot_be_bound_ends_the_session(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	b.tenant.expose.client_address = CLIENT_ADDRESS_EMBED; /* the node has no client_prefix */
	bench_update(&b);
	bench_expect_refused(&b, "source-address");
	bench_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_passes_bytes_both_ways_and_is_logged),
		cmocka_unit_test(test_backend_may_speak_first),
		cmocka_unit_test(test_half_close_is_kept_in_both_directions),
		cmocka_unit_test(test_half_closed_session_ends_by_its_own_time_out),
		cmocka_unit_test(test_idle_session_ends_and_a_busy_one_does_not),
		cmocka_unit_test(test_reset_is_carried_both_ways),
		cmocka_unit_test(test_reset_right_behind_bytes_is_no_end),
		cmocka_unit_test(test_next_backend_when_the_first_refuses),
		cmocka_unit_test(test_refused_backend_is_a_reset_for_the_client),
		cmocka_unit_test(test_proxy_v1_header_comes_first_and_alone_if_need_be),
		cmocka_unit_test(test_proxy_v2_and_hello_leave_in_one_write),
		cmocka_unit_test(test_acme_probe_reaches_the_backend_without_header),
		cmocka_unit_test(test_acme_among_other_protocols_is_no_way_around_the_header),
		cmocka_unit_test(test_source_that_cannot_be_bound_ends_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
