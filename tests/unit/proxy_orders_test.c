/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What control orders of a real worker: changes and ends. */
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

#include "forever.h"
#include "proxy_rig.h"

static void test_change_of_a_tenant_keeps_its_sessions(void **state)
{
	struct bench b;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	for (int i = 0; i < 50; i++) {
		b.tenant.service.limits.connections = (uint32_t)i + 10;
		bench_update(&b);
		bench_exchange(client, backend, "still here");
	}
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_SERVICE, COUNTER_ACTIVE), 1);
	bench_end(client, backend);
	bench_stop(&b);
}

static void test_sessions_of_a_removed_service_end_after_its_drain_time(void **state)
{
	struct bench b;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	b.tenant.service.drain_ms = 300;
	bench_update(&b);
	bench_open(&b, &client, &backend);
	b.tenant.conf.n_services = 0;
	bench_update(&b);
	/* control may give the slots to others from now on */
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_SERVICE, COUNTER_ACTIVE), 0);
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_BACKEND, COUNTER_ACTIVE), 0);
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_TENANT, COUNTER_ACTIVE), 1);
	bench_exchange(client, backend, "not yet");
	bench_expect_refused(&b, "no-rule");
	bench_expect_closed(&b, "drained");
	rig_expect_reset(client);
	close(client);
	close(backend);
	bench_stop(&b);
}

static void test_sessions_of_a_removed_exposure_end_and_others_stay(void **state)
{
	struct bench b;
	struct expose_conf exposes[2];
	int client, backend, kept, kept_backend;
	uint16_t second;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	second = rig_add_listener(&b.rig, 2, PROTOCOL_TCP);
	exposes[0] = exposes[1] = b.tenant.expose;
	exposes[1].port = second;
	b.tenant.service.exposes = exposes;
	b.tenant.service.n_exposes = 2;
	bench_update(&b);
	bench_open(&b, &client, &backend);
	kept = rig_connect("127.0.0.1", second);
	kept_backend = rig_accept(b.backend_fd);
	b.tenant.service.exposes = &exposes[1];
	b.tenant.service.n_exposes = 1;
	bench_update(&b);
	bench_expect_closed(&b, "drained");
	rig_expect_reset(client);
	bench_exchange(kept, kept_backend, "I stay");
	close(client);
	close(backend);
	bench_end(kept, kept_backend);
	bench_stop(&b);
}

static void test_suspended_tenant_takes_no_sessions_and_loses_those_it_has(void **state)
{
	struct bench b;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	b.tenant.conf.state = TENANT_SUSPENDED;
	bench_update(&b);
	bench_expect_refused(&b, "no-rule");
	rig_expect_reset(client);
	bench_expect_closed(&b, "drained");
	close(client);
	close(backend);
	bench_stop(&b);
}

static void test_removed_tenant_and_full_set_without_it(void **state)
{
	struct bench b;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	rig_do(&b.rig, MSG_TENANT_REMOVE, 1, NULL, -1);
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_TENANT, COUNTER_ACTIVE), 0);
	bench_expect_refused(&b, "no-rule");
	rig_expect_reset(client);
	close(client);
	close(backend);
	bench_update(&b);
	bench_open(&b, &client, &backend);
	rig_do(&b.rig, MSG_BEGIN, 0, NULL, -1);
	rig_do(&b.rig, MSG_END, 0, NULL, -1);
	rig_expect_reset(client);
	close(client);
	close(backend);
	bench_stop(&b);
}

static void test_name_of_another_tenant_is_refused_and_changes_nothing(void **state)
{
	struct bench b;
	struct rig_tenant other;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	rig_tenant_init(&other, PROTOCOL_TCP, b.port, b.to);
	other.conf.name = "intruder";
	assert_int_equal(rig_put_tenant(&b.rig, 2, &other.conf), MSG_NAK);
	bench_open(&b, &client, &backend);
	bench_end(client, backend);
	bench_expect_closed(&b, "done");
	assert_null(strstr(b.rig.log, "intruder"));
	bench_stop(&b);
}

static void set_add(struct buf *set, uint32_t id, const struct tenant_conf *conf)
{
	struct channel_msg msg = {.type = MSG_TENANT, .id = id, .serial = 100 + id};
	struct buf data;

	buf_init(&data, 65536);
	tenant_conf_pack(conf, &data);
	msg.data = data.data;
	msg.len = data.len;
	set_entry_pack(&msg, set);
	buf_fini(&data);
}

static void test_of_a_set_all_are_taken_that_are_not_refused(void **state)
{
	struct bench b;
	struct rig_tenant other, third;
	struct buf set;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	rig_tenant_init(&other, PROTOCOL_TCP, b.port, b.to);
	other.conf.name = "intruder";
	rig_tenant_init(&third, PROTOCOL_TCP, 1, b.to);
	third.conf.name = "third";
	buf_init(&set, 65536);
	set_add(&set, 1, &b.tenant.conf);
	set_add(&set, 2, &other.conf);
	set_add(&set, 3, &third.conf);
	rig_do(&b.rig, MSG_BEGIN, 0, NULL, -1);
	rig_send(&b.rig, MSG_SET, 0, &set, -1);
	assert_int_equal(rig_answer(&b.rig), MSG_NAK);
	assert_int_equal(b.rig.answered_id, 2);
	assert_int_equal(rig_answer(&b.rig), MSG_ACK);
	assert_int_equal(b.rig.answered_id, 2); /* how many */
	rig_do(&b.rig, MSG_END, 0, NULL, -1);
	bench_open(&b, &client, &backend);
	bench_end(client, backend);
	bench_expect_closed(&b, "done");
	rig_do(&b.rig, MSG_TENANT_REMOVE, 3, NULL, -1);
	buf_fini(&set);
	bench_stop(&b);
}

static void test_bad_set_ends_the_worker(void **state)
{
	enum {
		NOT_BEGUN,
		CUT,
		NESTED,
		N_CASES,
	};

	(void)state;
	for (int i = NOT_BEGUN; i < N_CASES; i++) {
		const struct channel_msg nested = {.type = MSG_SET};
		struct bench b;
		struct buf set;

		bench_start(&b, PROTOCOL_TCP, NULL);
		buf_init(&set, 65536);
		set_add(&set, 1, &b.tenant.conf);
		if (i == NESTED) {
			set_entry_pack(&nested, &set);
		}
		set.len -= i == CUT;
		if (i != NOT_BEGUN) {
			rig_do(&b.rig, MSG_BEGIN, 0, NULL, -1);
		}
		rig_send(&b.rig, MSG_SET, 0, &set, -1);
		assert_int_equal(rig_wait_exit(&b.rig), 1);
		buf_fini(&set);
		bench_stop(&b);
	}
}

static void test_backend_outside_the_prefixes_ends_the_worker(void **state)
{
	struct bench b;
	struct buf data;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	assert_int_equal(addr_parse(str_from("2001:db8::2"), &b.tenant.backends[0].address), 0);
	buf_init(&data, 65536);
	tenant_conf_pack(&b.tenant.conf, &data);
	rig_send(&b.rig, MSG_TENANT, 1, &data, -1);
	assert_int_equal(rig_wait_exit(&b.rig), 1);
	buf_fini(&data);
	bench_stop(&b);
}

static void test_bad_message_ends_the_worker(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	rig_send(&b.rig, (enum message)999, 0, NULL, -1);
	assert_int_equal(rig_wait_exit(&b.rig), 1);
	bench_stop(&b);
}

static void test_end_of_the_channel_drains(void **state)
{
	struct bench b;
	int client, backend, queued, queued_backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	queued = rig_connect("127.0.0.1", b.port);
	channel_fini(&b.rig.channel);
	b.rig.channel.fd = -1;
	queued_backend = rig_accept(b.backend_fd);
	bench_exchange(client, backend, "still served");
	bench_exchange(queued, queued_backend, "I was in the queue");
	bench_end(client, backend);
	bench_end(queued, queued_backend);
	assert_int_equal(rig_wait_exit(&b.rig), 0);
	bench_stop(&b);
}

/* So that it means one session in the access log and for "kill". */
static void test_number_of_a_session_goes_on_behind_those_of_the_worker_before(void **state)
{
	static const struct {
		uint64_t last;
		const char *first;
	} cases[] = {
		{0, "\"session\":\"0.1\""},
		{41, "\"session\":\"0.42\""},
		{UINT64_MAX, "\"session\":\"0.1\""}, /* of one that was taken over */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct rig_options options = {.last_number = cases[i].last};
		struct bench b;
		int client, backend;

		bench_start(&b, PROTOCOL_TCP, &options);
		bench_open(&b, &client, &backend);
		bench_end(client, backend);
		rig_expect_log(&b.rig, cases[i].first);
		bench_stop(&b);
	}
}

static void test_drain_with_a_deadline_ends_what_is_left(void **state)
{
	struct bench b;
	struct buf data;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	buf_init(&data, 16);
	buf_u32(&data, 200);
	rig_do(&b.rig, MSG_DRAIN, 0, &data, -1);
	buf_fini(&data);
	rig_expect_reset(client);
	assert_int_equal(rig_wait_exit(&b.rig), 0);
	bench_expect_closed(&b, "worker-exit");
	close(client);
	close(backend);
	bench_stop(&b);
}

static void test_removed_listener_keeps_its_sessions(void **state)
{
	struct bench b;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	rig_do(&b.rig, MSG_LISTENER_REMOVE, 1, NULL, -1);
	/* or `status` would not know of it while it runs, as after SIGTERM */
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_LISTENER, COUNTER_ACTIVE), 1);
	bench_exchange(client, backend, "here");
	bench_end(client, backend);
	bench_expect_closed(&b, "done");
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_LISTENER, COUNTER_ACTIVE), 0);
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_LISTENER, COUNTER_CLOSED), 1);
	bench_stop(&b);
}

static void test_each_backend_that_is_drained_has_its_whole_time(void **state)
{
	struct bench b;
	struct buf data;
	int client[2], backend[2];

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	b.tenant.service.drain_ms = 600;
	bench_update(&b);
	bench_open(&b, &client[0], &backend[0]);
	for (int i = 0; i < 2; i++) {
		buf_init(&data, 256);
		buf_str(&data, str_from("acme"));
		buf_str(&data, str_from("::1"));
		rig_do(&b.rig, MSG_DRAIN_SERVICE, 0, &data, -1);
		buf_fini(&data);
		if (i == 0) {
			(void)poll(NULL, 0, 400);
			bench_update(&b); /* takes sessions again */
			bench_open(&b, &client[1], &backend[1]);
		}
	}
	rig_expect_reset(client[0]);
	bench_exchange(client[1], backend[1], "400 ms are left");
	rig_expect_reset(client[1]);
	for (int i = 0; i < 2; i++) {
		close(client[i]);
		close(backend[i]);
	}
	bench_stop(&b);
}

/* Sends for ever, in a process of its own. */
static pid_t flood(int fd)
{
	static const char block[65536];
	pid_t pid = fork();

	assert_true(pid >= 0);
	while (pid == 0 && send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0) {
	}
	if (pid == 0) {
		_exit(0);
	}
	return pid;
}

static pid_t swallow(int fd)
{
	static char block[65536];
	pid_t pid = fork();

	assert_true(pid >= 0);
	while (pid == 0 && recv(fd, block, sizeof(block), 0) > 0) {
	}
	if (pid == 0) {
		_exit(0);
	}
	return pid;
}

static void test_quit_amid_bulk_ends_cleanly(void **state)
{
	enum {
		PAIRS = 4
	};

	int client[PAIRS], backend[PAIRS];
	pid_t pids[2 * PAIRS];
	struct bench b;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	for (int i = 0; i < PAIRS; i++) {
		bench_open(&b, &client[i], &backend[i]);
		pids[2 * i] = flood(backend[i]);
		pids[2 * i + 1] = swallow(client[i]);
	}
	(void)poll(NULL, 0, 200);
	rig_send(&b.rig, MSG_QUIT, 0, NULL, -1);
	assert_int_equal(rig_wait_exit(&b.rig), 0);
	for (int i = 0; i < PAIRS; i++) {
		close(client[i]);
		close(backend[i]);
	}
	for (int i = 0; i < 2 * PAIRS; i++) {
		(void)kill(pids[i], SIGKILL);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	}
	bench_stop(&b);
}

static void send_part(const struct rig *rig, const uint8_t *data, size_t len)
{
	assert_int_equal(send(rig->channel.fd, data, len, 0), len);
}

/* HELLO's header, then the version and the process. */
static void expect_hello(const struct rig *rig)
{
	struct buf want;

	buf_init(&want, sizeof(rig->hello));
	buf_bytes(&want, forever_hello, sizeof(forever_hello));
	for (int i = 0; i < 3; i++) {
		buf_u8(&want, 0);
	}
	buf_u8(&want, sizeof(PACKAGE_VERSION) - 1);
	buf_bytes(&want, PACKAGE_VERSION, sizeof(PACKAGE_VERSION) - 1);
	for (int shift = 24; shift >= 0; shift -= 8) {
		buf_u8(&want, (uint8_t)(rig->pid >> shift));
	}
	assert_int_equal(rig->hello_len, want.len);
	assert_memory_equal(rig->hello, want.data, want.len);
	buf_fini(&want);
}

static void test_messages_that_never_change_are_said_and_understood(void **state)
{
	struct bench b;
	struct rig rig;
	int client, backend;

	(void)state;
	rig_start(&rig, NULL);
	expect_hello(&rig);
	send_part(&rig, forever_stats, sizeof(forever_stats));
	expect_part(rig.channel.fd, forever_ack, sizeof(forever_ack));
	send_part(&rig, forever_quit, sizeof(forever_quit));
	assert_int_equal(rig_wait_exit(&rig), 0);
	rig_stop(&rig);

	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	send_part(&b.rig, forever_drain, sizeof(forever_drain));
	rig_expect_reset(client);
	assert_int_equal(rig_wait_exit(&b.rig), 0);
	bench_expect_closed(&b, "worker-exit");
	close(client);
	close(backend);
	bench_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_change_of_a_tenant_keeps_its_sessions),
		cmocka_unit_test(test_sessions_of_a_removed_service_end_after_its_drain_time),
		cmocka_unit_test(test_sessions_of_a_removed_exposure_end_and_others_stay),
		cmocka_unit_test(test_suspended_tenant_takes_no_sessions_and_loses_those_it_has),
		cmocka_unit_test(test_removed_tenant_and_full_set_without_it),
		cmocka_unit_test(test_name_of_another_tenant_is_refused_and_changes_nothing),
		cmocka_unit_test(test_of_a_set_all_are_taken_that_are_not_refused),
		cmocka_unit_test(test_bad_set_ends_the_worker),
		cmocka_unit_test(test_backend_outside_the_prefixes_ends_the_worker),
		cmocka_unit_test(test_bad_message_ends_the_worker),
		cmocka_unit_test(test_end_of_the_channel_drains),
		cmocka_unit_test(
			test_number_of_a_session_goes_on_behind_those_of_the_worker_before),
		cmocka_unit_test(test_drain_with_a_deadline_ends_what_is_left),
		cmocka_unit_test(test_removed_listener_keeps_its_sessions),
		cmocka_unit_test(test_each_backend_that_is_drained_has_its_whole_time),
		cmocka_unit_test(test_quit_amid_bulk_ends_cleanly),
		cmocka_unit_test(test_messages_that_never_change_are_said_and_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
