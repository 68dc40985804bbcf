/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a real worker refuses: denied clients, limits, what the machine has no room for. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy_rig.h"

static void test_denied_client_is_refused_and_counted(void **state)
{
	struct bench b;
	struct prefix deny;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	assert_int_equal(prefix_parse(str_from("127.0.0.0/8"), &deny, NULL), 0);
	b.tenant.expose.deny = &deny;
	b.tenant.expose.n_deny = 1;
	bench_update(&b);
	bench_expect_refused(&b, "denied");
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_SERVICE, COUNTER_DENIED), 1);
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_LISTENER, COUNTER_DENIED), 1);
	bench_stop(&b);
}

static void test_limits_of_sessions_hold_and_are_given_back(void **state)
{
	static const char *const reasons[] = {"service-limit", "tenant-limit", "source-limit"};

	(void)state;
	for (unsigned int which = 0; which < 3; which++) {
		const struct rig_options options = {
			.node.source_limits.connections = which == 2 ? 2 : 0,
		};
		struct bench b;
		int clients[2], backends[2];

		bench_start(&b, PROTOCOL_TCP, &options);
		b.tenant.service.limits.connections = which == 0 ? 2 : 0;
		b.tenant.conf.limits.connections = which == 1 ? 2 : 0;
		bench_update(&b);
		for (int round = 0; round < 3; round++) {
			for (int i = 0; i < 2; i++) {
				bench_open(&b, &clients[i], &backends[i]);
			}
			bench_expect_refused(&b, reasons[which]);
			for (int i = 0; i < 2; i++) {
				bench_end(clients[i], backends[i]);
			}
			rig_expect_count(&b.rig, RIG_SLOT_LISTENER, COUNTER_ACTIVE, 0);
		}
		assert_int_equal(rig_count(&b.rig, RIG_SLOT_LISTENER, COUNTER_LIMITED), 3);
		bench_stop(&b);
	}
}

static void test_rate_of_a_service_holds(void **state)
{
	struct bench b;
	unsigned int served = 0;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	b.tenant.service.limits.new_per_second = 5;
	bench_update(&b);
	for (int i = 0; i < 20; i++) {
		int client = rig_connect("127.0.0.1", b.port);

		rig_expect_count(&b.rig, RIG_SLOT_LISTENER, COUNTER_ACCEPTED, (uint64_t)i + 1);
		rig_reset(client);
	}
	rig_expect_count(&b.rig, RIG_SLOT_LISTENER, COUNTER_ACTIVE, 0);
	served = (unsigned int)(20 - rig_count(&b.rig, RIG_SLOT_SERVICE, COUNTER_LIMITED));
	assert_in_range(served, 5, 10); /* the loop may take longer than a second */
	bench_stop(&b);
}

static void test_budget_of_descriptors_pauses_accepting_until_some_end(void **state)
{
	const struct rig_options options = {.nofile = 64};
	struct bench b;
	int clients[40], backends[40];
	unsigned int budget, n;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, &options);
	budget = (unsigned int)b.rig.counters->worker[WORKER_FDS_BUDGET];
	assert_in_range(budget, 5, 20);
	for (n = 0; n < budget; n++) {
		bench_open(&b, &clients[n], &backends[n]);
	}
	clients[n] = rig_connect("127.0.0.1", b.port); /* into the queue only */
	rig_write(clients[n], "waiting", 7);
	(void)poll(NULL, 0, 100);
	assert_int_equal(rig_count(&b.rig, RIG_SLOT_LISTENER, COUNTER_ACCEPTED), budget);
	for (unsigned int i = 0; i < n; i++) {
		bench_exchange(clients[i], backends[i], "served");
	}
	bench_end(clients[0], backends[0]);
	backends[n] = rig_accept(b.backend_fd);
	{
		char seen[7];

		rig_read(backends[n], seen, 7);
	}
	for (unsigned int i = 1; i <= n; i++) {
		bench_end(clients[i], backends[i]);
	}
	assert_true(b.rig.counters->worker[WORKER_ACCEPT_PAUSES] > 0);
	bench_stop(&b);
}

static void test_full_log_pipe_drops_whole_lines_and_counts_them(void **state)
{
	const struct rig_options options = {.log_pipe_bytes = 4096};
	struct bench b;
	uint64_t dropped;
	unsigned int lines = 0;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, &options);
	for (unsigned int i = 0; i < 1000; i++) {
		int client = rig_connect("127.0.0.1", b.port);
		int backend = rig_accept(b.backend_fd);

		bench_end(client, backend);
	}
	rig_expect_count(&b.rig, RIG_SLOT_LISTENER, COUNTER_ACTIVE, 0);
	dropped = b.rig.counters->worker[WORKER_LOG_DROPPED];
	assert_true(dropped > 0);
	{
		char last[32];

		/* the first line behind the full pipe is the last one that was kept */
		(void)snprintf(last, sizeof(last), "\"session\":\"0.%llu\"",
			       1000 - (unsigned long long)dropped);
		rig_expect_log(&b.rig, last);
	}
	for (const char *p = b.rig.log; (p = strchr(p, '\n')); p++) {
		lines++;
		assert_true(p == b.rig.log || p[-1] == '}');
		assert_true(p[1] == '\0' || p[1] == '{');
	}
	assert_int_equal(lines, 1000 - dropped);
	bench_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_denied_client_is_refused_and_counted),
		cmocka_unit_test(test_limits_of_sessions_hold_and_are_given_back),
		cmocka_unit_test(test_rate_of_a_service_holds),
		cmocka_unit_test(test_budget_of_descriptors_pauses_accepting_until_some_end),
		cmocka_unit_test(test_full_log_pipe_drops_whole_lines_and_counts_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
