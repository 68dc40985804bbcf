/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A real sixgate-proxy over its channel, with real sockets; needs no privilege. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "hello.h"
#include "proxy_rig.h"

/* A worker with one listener and one tenant, and a backend that the test plays. */
struct bench {
	struct rig rig;
	struct rig_tenant tenant;
	int backend_fd;
	uint16_t port; /* of the listener */
};

static void bench_start(struct bench *b, enum protocol protocol, const struct rig_options *options)
{
	uint16_t to;

	rig_start(&b->rig, options);
	b->backend_fd = rig_listen("::1", &to);
	b->port = rig_add_listener(&b->rig, 1, protocol);
	rig_tenant_init(&b->tenant, protocol, b->port, to);
	assert_int_equal(rig_put_tenant(&b->rig, 1, &b->tenant.conf), MSG_ACK);
}

/* Everything is as it was: no session, no descriptor is left. */
static void bench_stop(struct bench *b)
{
	rig_expect_count(&b->rig, RIG_SLOT_LISTENER, COUNTER_ACTIVE, 0);
	assert_in_range(rig_fds(&b->rig), 0, b->rig.fds);
	rig_stop(&b->rig);
	close(b->backend_fd);
}

static void open_session(const struct bench *b, int *ret_client, int *ret_backend)
{
	*ret_client = rig_connect("127.0.0.1", b->port);
	*ret_backend = rig_accept(b->backend_fd);
}

static void expect_exchange(int from, int to, const char *text)
{
	char buf[256];

	rig_write(from, text, strlen(text));
	rig_read(to, buf, strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

static void test_tcp_passes_bytes_both_ways_and_is_logged(void **state)
{
	struct bench b;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	open_session(&b, &client, &backend);
	for (int i = 0; i < 10; i++) {
		expect_exchange(client, backend, "question");
		expect_exchange(backend, client, "the answer");
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
	open_session(&b, &client, &backend);
	expect_exchange(backend, client, "220 ready");
	expect_exchange(client, backend, "HELO");
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
	expect_exchange(backend, client, "server hello");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_passes_bytes_both_ways_and_is_logged),
		cmocka_unit_test(test_backend_may_speak_first),
		cmocka_unit_test(test_tls_goes_by_name_unchanged),
		cmocka_unit_test(test_unknown_name_gets_alert_112),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
