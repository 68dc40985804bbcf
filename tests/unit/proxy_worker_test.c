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
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hello.h"
#include "proxy_rig.h"

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

static void test_tls_goes_by_name_unchanged(void **state)
{
	struct bench b;
	struct buf hello;
	uint8_t seen[4096];
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TLS, NULL);
	buf_init(&hello, 65536);
	hello_usual(&hello, "shop.example", "h2", 16384);
	client = rig_connect("127.0.0.1", b.port);
	rig_write(client, hello.data, hello.len);
	backend = rig_accept(b.backend_fd);
	rig_read(backend, seen, hello.len);
	assert_memory_equal(seen, hello.data, hello.len);
	bench_exchange(backend, client, "server hello");
	close(client);
	rig_expect_eof(backend);
	close(backend);
	rig_expect_log(&b.rig, "\"name\":\"shop.example\"");
	buf_fini(&hello);
	bench_stop(&b);
}

static void test_unknown_name_gets_alert_112(void **state)
{
	static const uint8_t alert[] = {21, 3, 1, 0, 2, 2, 112};
	struct bench b;
	struct buf hello;
	uint8_t seen[sizeof(alert)];
	int client;

	(void)state;
	bench_start(&b, PROTOCOL_TLS, NULL);
	buf_init(&hello, 65536);
	hello_usual(&hello, "other.example", NULL, 16384);
	client = rig_connect("127.0.0.1", b.port);
	rig_write(client, hello.data, hello.len);
	rig_read(client, seen, sizeof(seen));
	assert_int_equal(seen[0], alert[0]);
	assert_memory_equal(seen + 3, alert + 3, sizeof(alert) - 3);
	rig_expect_eof(client);
	close(client);
	rig_expect_log(&b.rig, "\"reason\":\"name-unknown\"");
	buf_fini(&hello);
	bench_stop(&b);
}

static void expect_closed_with(struct bench *b, const char *reason)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "\"reason\":\"%s\"", reason);
	rig_expect_log(&b->rig, text);
}

static struct buf usual_hello(const char *name, const char *alpn)
{
	struct buf hello;

	buf_init(&hello, 1 << 20);
	hello_usual(&hello, name, alpn, 16384);
	assert_false(hello.bad);
	return hello;
}

static void raise_fd_limit(rlim_t n)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < n) {
		skip();
	}
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void test_hello_byte_by_byte_and_bytes_behind_it_arrive(void **state)
{
	struct bench b;
	struct buf hello = usual_hello("SHOP.example.", NULL);
	size_t len = hello.len;
	uint8_t *seen = malloc(len + 300000);
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TLS, NULL);
	for (size_t i = 0; i < 300000; i++) {
		buf_u8(&hello, (uint8_t)(i * 7));
	}
	client = rig_connect("127.0.0.1", b.port);
	for (size_t i = 0; i < len; i++) {
		rig_write(client, hello.data + i, 1);
	}
	rig_write(client, hello.data + len, 300000);
	backend = rig_accept(b.backend_fd);
	rig_read(backend, seen, len + 300000);
	assert_memory_equal(seen, hello.data, len + 300000);
	close(client);
	rig_expect_eof(backend);
	close(backend);
	free(seen);
	buf_fini(&hello);
	bench_stop(&b);
}

/* Clients that each send the start of a large hello, until nothing more of them is kept. */
static void test_hellos_read_ahead_leave_room_for_sessions_that_run(void **state)
{
	enum {
		HELLOS = 3300,
		LARGE = 2300,
		BYTES = 60000
	};

	static uint8_t part[BYTES] = {22, 3, 1, 0x40, 0, 1, 0, 0xff, 0};
	static int hellos[HELLOS];
	struct buf usual = usual_hello("shop.example", NULL);
	const int small = 4096;
	/* an emulated machine needs longer for so many than the default leaves them */
	const struct rig_options options = {.node.timeouts.hello_ms = 600000};
	struct bench b;
	int client, backend;
	char chunk[8000] = {0};

	(void)state;
	raise_fd_limit(HELLOS + 100);
	for (size_t at = 5 + 16384; at + 5 < BYTES; at += 5 + 16384) {
		memcpy(part + at, part, 5);
	}
	bench_start(&b, PROTOCOL_TLS, &options);
	client = rig_connect("127.0.0.1", b.port);
	assert_int_equal(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	rig_write(client, usual.data, usual.len);
	backend = rig_accept(b.backend_fd);
	for (int i = 0; i < HELLOS; i++) {
		hellos[i] = rig_connect("127.0.0.1", b.port);
		/* or it is refused by now; the small ones take the last bytes there are */
		(void)send(hellos[i], part, i < LARGE ? BYTES : 64, MSG_NOSIGNAL);
	}
	/* small reads, so that what the client does not take is read ahead and not in a pipe */
	while (send(backend, chunk, sizeof(chunk), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
		(void)poll(NULL, 0, 1);
	}
	assert_int_equal(b.rig.counters->worker[WORKER_REASON + CLOSE_HELLO_TIMEOUT], 0);
	assert_true(b.rig.counters->worker[WORKER_REASON + CLOSE_NO_MEMORY] > 0);
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_BACKEND, COUNTER_ACTIVE), 1);
	for (int i = 0; i < HELLOS; i++) {
		close(hellos[i]);
	}
	close(client);
	close(backend);
	buf_fini(&usual);
	bench_stop(&b);
}

static void test_hello_has_one_deadline_in_all(void **state)
{
	const struct rig_options options = {.node.timeouts.hello_ms = 300};
	struct bench b;
	struct buf hello = usual_hello("shop.example", NULL);
	int silent, slow;

	(void)state;
	bench_start(&b, PROTOCOL_TLS, &options);
	silent = rig_connect("127.0.0.1", b.port);
	slow = rig_connect("127.0.0.1", b.port);
	for (size_t i = 0; i < 10; i++) {
		if (send(slow, hello.data + i, 1, MSG_NOSIGNAL) < 0) {
			break;
		}
		(void)poll(NULL, 0, 60);
	}
	rig_expect_reset(silent);
	expect_closed_with(&b, "hello-timeout");
	rig_expect_count(&b.rig, RIG_SLOT_LISTENER, COUNTER_REFUSED, 2);
	close(silent);
	close(slow);
	buf_fini(&hello);
	bench_stop(&b);
}

static void test_what_is_not_tls_gets_an_alert(void **state)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
	struct bench b;
	uint8_t alert[7];
	int client;

	(void)state;
	bench_start(&b, PROTOCOL_TLS, NULL);
	client = rig_connect("127.0.0.1", b.port);
	rig_write(client, request, sizeof(request) - 1);
	rig_read(client, alert, sizeof(alert));
	assert_int_equal(alert[0], 21);
	assert_int_equal(alert[6], 50);
	rig_expect_eof(client);
	close(client);
	expect_closed_with(&b, "hello-malformed");
	bench_stop(&b);
}

static void test_client_that_goes_in_its_hello_leaves_nothing(void **state)
{
	struct bench b;
	struct buf hello = usual_hello("shop.example", NULL);
	int gone, reset;

	(void)state;
	bench_start(&b, PROTOCOL_TLS, NULL);
	gone = rig_connect("127.0.0.1", b.port);
	rig_write(gone, hello.data, 100);
	close(gone);
	expect_closed_with(&b, "client-gone");
	reset = rig_connect("127.0.0.1", b.port);
	rig_write(reset, hello.data, 100);
	(void)poll(NULL, 0, 20);
	rig_reset(reset);
	expect_closed_with(&b, "client-reset");
	buf_fini(&hello);
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
	expect_closed_with(&b, "done");

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
	expect_closed_with(&b, "half-close-timeout");
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
	expect_closed_with(&b, "idle");
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
	expect_closed_with(&b, "client-reset");

	bench_open(&b, &client, &backend);
	bench_exchange(client, backend, "x");
	rig_reset(backend);
	rig_expect_reset(client);
	close(client);
	expect_closed_with(&b, "backend-reset");
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

/* Writes len bytes that depend on their place; in a process of its own, so that both ends run. */
static pid_t write_pattern(int fd, size_t len, int then_close)
{
	static uint8_t block[65521]; /* a prime, so that a lost block shows */
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0) {
		return pid;
	}
	/* else a socket of the parent would outlive its close() */
	if (fd > 3) {
		assert_int_equal(close_range(3, (unsigned int)fd - 1, 0), 0);
	}
	assert_int_equal(close_range((unsigned int)fd + 1, ~0U, 0), 0);
	for (size_t i = 0; i < sizeof(block); i++) {
		block[i] = (uint8_t)(i ^ i >> 8);
	}
	for (size_t done = 0; done < len;) {
		size_t at = done % sizeof(block);
		size_t n = sizeof(block) - at < len - done ? sizeof(block) - at : len - done;
		ssize_t sent = send(fd, block + at, n, MSG_NOSIGNAL);

		if (sent <= 0) {
			_exit(1);
		}
		done += (size_t)sent;
	}
	if (then_close) {
		close(fd);
	}
	_exit(0);
}

static void read_pattern(int fd, size_t len)
{
	static uint8_t buf[100000];

	for (size_t done = 0; done < len;) {
		size_t n = len - done < sizeof(buf) ? len - done : sizeof(buf);

		rig_read(fd, buf, n);
		for (size_t i = 0; i < n; i++) {
			size_t at = (done + i) % 65521;

			if (buf[i] != (uint8_t)(at ^ at >> 8)) {
				fail_msg("byte %zu is wrong", done + i);
			}
		}
		done += n;
	}
}

#define BULK ((size_t)32 << 20)

static void test_bulk_both_ways_at_once_is_whole(void **state)
{
	struct bench b;
	int client, backend;
	pid_t pids[2], reader;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	pids[0] = write_pattern(client, BULK, 0);
	pids[1] = write_pattern(backend, BULK, 0);
	reader = fork();
	if (reader == 0) {
		read_pattern(client, BULK);
		_exit(0);
	}
	read_pattern(backend, BULK);
	for (int i = 0; i < 3; i++) {
		int status;

		assert_true(waitpid(i < 2 ? pids[i] : reader, &status, 0) > 0);
		assert_int_equal(status, 0);
	}
	close(client);
	rig_expect_eof(backend);
	close(backend);
	rig_expect_log(&b.rig, "\"bytes_in\":33554432,\"bytes_out\":33554432,");
	bench_stop(&b);
}

static void test_fin_behind_bulk_loses_nothing_with_a_slow_reader(void **state)
{
	struct bench b;
	int client, backend, status;
	pid_t writer;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	writer = write_pattern(backend, BULK, 1);
	close(backend);
	(void)poll(NULL, 0, 300); /* pipe and socket fill up */
	read_pattern(client, BULK);
	rig_expect_eof(client);
	assert_true(waitpid(writer, &status, 0) > 0);
	assert_int_equal(status, 0);
	close(client);
	expect_closed_with(&b, "done");
	bench_stop(&b);
}

static void test_reset_with_a_full_pipe_leaves_nothing(void **state)
{
	struct bench b;
	int client, backend;
	pid_t writer;
	int status;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	writer = write_pattern(backend, BULK, 0);
	(void)poll(NULL, 0, 300);
	rig_reset(client);
	expect_closed_with(&b, "client-reset");
	assert_true(waitpid(writer, &status, 0) > 0);
	assert_int_not_equal(status, 0); /* it met the reset */
	close(backend);
	rig_expect_count(&b.rig, RIG_SLOT_LISTENER, COUNTER_ACTIVE, 0);
	assert_int_equal(b.rig.counters->worker[WORKER_PIPES], 0);
	bench_stop(&b);
}

static void test_urgent_data_does_not_stop_the_stream(void **state)
{
	struct bench b;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	bench_exchange(client, backend, "before");
	rig_write(client, "ab", 2);
	assert_int_equal(send(client, "!", 1, MSG_OOB), 1);
	rig_write(client, "cd", 2);
	bench_exchange(backend, client, "sync");
	{
		char seen[4];

		rig_read(backend, seen, 4); /* the urgent byte itself is out of band */
		assert_memory_equal(seen, "abcd", 4);
	}
	close(client);
	rig_expect_eof(backend);
	close(backend);
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
	int client;
	char byte;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	close(b.backend_fd);
	b.backend_fd = -1;
	client = rig_connect("127.0.0.1", b.port);
	assert_int_equal(recv(client, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(client);
	expect_closed_with(&b, "connect-refused");
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
	int client;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	b.tenant.expose.client_address = CLIENT_ADDRESS_EMBED; /* the node has no client_prefix */
	bench_update(&b);
	client = rig_connect("127.0.0.1", b.port);
	rig_expect_reset(client);
	close(client);
	expect_closed_with(&b, "source-address");
	bench_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_passes_bytes_both_ways_and_is_logged),
		cmocka_unit_test(test_backend_may_speak_first),
		cmocka_unit_test(test_tls_goes_by_name_unchanged),
		cmocka_unit_test(test_unknown_name_gets_alert_112),
		cmocka_unit_test(test_hello_byte_by_byte_and_bytes_behind_it_arrive),
		cmocka_unit_test(test_hellos_read_ahead_leave_room_for_sessions_that_run),
		cmocka_unit_test(test_hello_has_one_deadline_in_all),
		cmocka_unit_test(test_what_is_not_tls_gets_an_alert),
		cmocka_unit_test(test_client_that_goes_in_its_hello_leaves_nothing),
		cmocka_unit_test(test_half_close_is_kept_in_both_directions),
		cmocka_unit_test(test_half_closed_session_ends_by_its_own_time_out),
		cmocka_unit_test(test_idle_session_ends_and_a_busy_one_does_not),
		cmocka_unit_test(test_reset_is_carried_both_ways),
		cmocka_unit_test(test_reset_right_behind_bytes_is_no_end),
		cmocka_unit_test(test_bulk_both_ways_at_once_is_whole),
		cmocka_unit_test(test_fin_behind_bulk_loses_nothing_with_a_slow_reader),
		cmocka_unit_test(test_reset_with_a_full_pipe_leaves_nothing),
		cmocka_unit_test(test_urgent_data_does_not_stop_the_stream),
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
