/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The first bytes of a tls session, with a real worker. */
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
#include <unistd.h>

#include <cmocka.h>

#include "hello.h"
#include "proxy_rig.h"

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
	bench_expect_closed(&b, "hello-timeout");
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
	bench_expect_closed(&b, "hello-malformed");
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
	bench_expect_closed(&b, "client-gone");
	reset = rig_connect("127.0.0.1", b.port);
	rig_write(reset, hello.data, 100);
	(void)poll(NULL, 0, 20);
	rig_reset(reset);
	bench_expect_closed(&b, "client-reset");
	buf_fini(&hello);
	bench_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls_goes_by_name_unchanged),
		cmocka_unit_test(test_unknown_name_gets_alert_112),
		cmocka_unit_test(test_hello_byte_by_byte_and_bytes_behind_it_arrive),
		cmocka_unit_test(test_hellos_read_ahead_leave_room_for_sessions_that_run),
		cmocka_unit_test(test_hello_has_one_deadline_in_all),
		cmocka_unit_test(test_what_is_not_tls_gets_an_alert),
		cmocka_unit_test(test_client_that_goes_in_its_hello_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
