/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sessions whose worker, in this process, has room for two sources only. */
#include "proxy/session.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/listener.h"
#include "proxy/worker.h"
#include "tests/unit/proxy_rig.h"

#define SOURCES_MAX 2

struct fake {
	struct worker w;
	struct node_conf node;
	struct listener listener;
	int listen_fd;
	uint16_t port;
};

static void fake_start(struct fake *f)
{
	struct err err;
	int counters;

	memset(f, 0, sizeof(*f));
	assert_int_equal(worker_init(&f->w, &err), 0);
	source_table_fini(&f->w.sources);
	assert_int_equal(source_table_init(&f->w.sources, SOURCES_MAX), 0);
	counters = counters_create(&err);
	assert_int_equal(counters_map(counters, 1, &f->w.own, &err), 0);
	close(counters);
	f->node = (struct node_conf){.timeouts.hello_ms = RIG_WAIT_MS,
				     .source_limits.connections = 10};
	f->w.node = &f->node;
	f->listener = (struct listener){.refs = 1,
					.slot = RIG_SLOT_LISTENER,
					.worker = &f->w,
					.protocol = PROTOCOL_TLS};
	f->listen_fd = rig_listen("127.0.0.1", &f->port);
}

static void fake_stop(struct fake *f)
{
	f->w.node = NULL; /* not the worker's to free */
	worker_fini(&f->w);
	assert_int_equal(f->listener.refs, 1);
	close(f->listen_fd);
}

/* A client of this address that has yet to say something. Returns its end. */
static int come(struct fake *f, const char *address)
{
	struct endpoint from = {.port = 50000};
	int client = rig_connect("127.0.0.1", f->port), fd = rig_accept(f->listen_fd);

	assert_int_equal(addr_parse(str_from(address), &from.addr), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(session_start(&f->listener, fd, &from), 0);
	return client;
}

static uint64_t count(const struct fake *f, enum counter which)
{
	return atomic_load(&f->w.own->slots[RIG_SLOT_LISTENER].v[which]);
}

/* So many sessions wait for their hello, so many were refused, each for its source. */
static void expect_sessions(const struct fake *f, unsigned int n_waiting, unsigned int n_refused)
{
	assert_int_equal(f->w.n_sessions, n_waiting);
	assert_int_equal(count(f, COUNTER_ACTIVE), n_waiting);
	assert_int_equal(count(f, COUNTER_LIMITED), n_refused);
	assert_int_equal(atomic_load(&f->w.own->worker[WORKER_REASON + CLOSE_SOURCE_LIMIT]),
			 n_refused);
}

static void test_f1_full_table_costs_new_sources_their_session_and_known_ones_nothing(void **state)
{
	struct session *other;
	int client[6];
	struct fake f;

	(void)state;
	fake_start(&f);
	client[0] = come(&f, "192.0.2.1");
	client[1] = come(&f, "192.0.2.2");
	other = TAILQ_LAST(&f.w.unrouted, session_list);
	expect_sessions(&f, 2, 0);
	client[2] = come(&f, "192.0.2.3");
	expect_sessions(&f, 2, 1);
	rig_expect_reset(client[2]);
	client[3] = come(&f, "192.0.2.1");
	expect_sessions(&f, 3, 1);
	/* one of two sessions of a source makes no room */
	session_close(TAILQ_FIRST(&f.w.unrouted), CLOSE_CLIENT_GONE);
	client[4] = come(&f, "192.0.2.3");
	expect_sessions(&f, 2, 2);
	session_close(other, CLOSE_CLIENT_GONE);
	client[5] = come(&f, "192.0.2.3");
	expect_sessions(&f, 2, 2);
	for (size_t i = 0; i < sizeof(client) / sizeof(*client); i++) {
		close(client[i]);
	}
	fake_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_f1_full_table_costs_new_sources_their_session_and_known_ones_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
