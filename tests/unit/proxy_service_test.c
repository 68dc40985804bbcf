/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Orders that concern the sessions of a service, thousands of them without a socket: each step is
 * bounded, what is half done is in order, and control hears of it at the end.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/container.h"
#include "proxy/listener.h"
#include "proxy/orders.h"
#include "proxy/worker.h"
#include "tests/unit/proxy_rig.h"

#define N_SESSIONS   5000
#define STEP_MOST    1024 /* sessions a step */
#define STEP_ENDS    256
#define SLOT_SERVICE 20 /* of the second object; first what rig_tenant_init() gives */
#define SLOT_BACKEND 21
#define DRAIN_MS     100

/* A worker in this process. */
struct fake {
	struct worker w;
	struct channel control;
	struct listener listener;
	struct rig_tenant tenant;
	uint64_t serial;
};

static void send_order(struct fake *f, enum message type, uint32_t id, const struct buf *data)
{
	struct channel_msg msg = {.type = (uint16_t)type, .id = id, .serial = ++f->serial};
	struct err err;

	if (data) {
		msg.data = data->data;
		msg.len = data->len;
	}
	assert_int_equal(link_handle(&f->w.link, &msg, &err), 0);
}

/* The type of the order that was acknowledged; 0: nothing was said. */
static unsigned int answer(struct fake *f)
{
	struct channel_msg msg;
	struct cursor in;

	if (channel_recv(&f->control, &msg) == 0) {
		return 0;
	}
	assert_int_equal(msg.type, MSG_ACK);
	assert_int_equal(msg.serial, f->serial);
	in = cursor_from(msg.data, msg.len);
	return cursor_u16(&in);
}

static void put_tenant(struct fake *f, uint32_t id)
{
	struct buf data;

	f->tenant.conf.serial++;
	buf_init(&data, CHANNEL_MSG_MAX);
	tenant_conf_pack(&f->tenant.conf, &data);
	send_order(f, MSG_TENANT, id, &data);
	buf_fini(&data);
}

static void give_node(struct worker *w)
{
	struct node_conf node = {.name = "test", .farm = "farm"};
	struct buf data;
	struct err err;

	buf_init(&data, 65536);
	node_conf_pack(&node, &data);
	assert_int_equal(node_conf_unpack(cursor_from(data.data, data.len), &w->node, &err), 0);
	buf_fini(&data);
}

static void fake_start(struct fake *f)
{
	int fds[2], counters;
	struct err err;

	memset(f, 0, sizeof(*f));
	assert_int_equal(worker_init(&f->w, &err), 0);
	assert_int_equal(channel_pair(fds, &err), 0);
	assert_int_equal(channel_init(&f->control, fds[0]), 0);
	assert_int_equal(channel_init(&f->w.link.channel, fds[1]), 0);
	f->w.link.io.fd = fds[1];
	counters = counters_create(&err);
	assert_int_equal(counters_map(counters, 1, &f->w.own, &err), 0);
	close(counters);
	give_node(&f->w);
	f->listener =
		(struct listener){.refs = 1, .slot = RIG_SLOT_LISTENER, .protocol = PROTOCOL_TCP};
	rig_tenant_init(&f->tenant, PROTOCOL_TCP, 22, 22);
	f->tenant.service.drain_ms = DRAIN_MS;
	put_tenant(f, 1);
	assert_int_equal(answer(f), MSG_TENANT);
}

static void fake_stop(struct fake *f)
{
	worker_fini(&f->w);
	assert_int_equal(f->listener.refs, 1);
	channel_fini(&f->control);
}

static void forget(struct deferred *deferred)
{
	struct session *s = container_of(deferred, struct session, deferred);

	session_pool_give(&s->worker->pool, s);
}

/* A session of a tenant's first service, as route and connect leave it. */
static struct session *open_session(struct fake *f, const char *name)
{
	struct tenant *tenant = tenants_find(&f->w.tenants, str_from(name));
	struct service *service = tenant->services[0];
	struct session *s = session_pool_take(&f->w.pool);

	assert_non_null(s);
	*s = (struct session){.client.fd = -1,
			      .backend.fd = -1,
			      .deferred.run = forget,
			      .worker = &f->w,
			      .listener = &f->listener,
			      .service = service,
			      .tenant = tenant_conf_ref(tenant->conf),
			      .conf = service->conf,
			      .expose = &service->conf->exposes[0],
			      .number = ++f->w.last_number,
			      .tries = 1,
			      .tried = 1,
			      .connected = true,
			      .state = SESSION_RELAYING};
	f->listener.refs++;
	service->refs++;
	TAILQ_INSERT_TAIL(&service->sessions, s, entry);
	f->w.n_sessions++;
	for (unsigned int level = 0; level < N_COUNT_LEVELS; level++) {
		session_count(s, (enum count_level)level);
	}
	return s;
}

static void open_sessions(struct fake *f, const char *name, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		(void)open_session(f, name);
	}
}

static uint64_t active(const struct fake *f, uint32_t slot)
{
	return atomic_load(&f->w.own->slots[slot].v[COUNTER_ACTIVE]);
}

/* How many sessions are left of those that "still" says it of. */
static unsigned int count(const struct fake *f, bool (*still)(const struct session *s))
{
	unsigned int n = 0;
	struct session *s;

	for (size_t i = 0; (s = session_at(&f->w.pool, i)); i++) {
		n += session_is_open(s) && still(s);
	}
	return n;
}

static bool is_open(const struct session *s)
{
	(void)s;
	return true;
}

static bool has_serial_2(const struct session *s)
{
	assert_string_equal(s->tenant->name, "acme"); /* whichever: it is still there */
	return s->tenant->serial == 2;
}

static bool is_not_drained(const struct session *s)
{
	return s->drain_ms == 0;
}

/*
 * Steps until the order is answered; in each at most STEP_MOST are done with, and until the last
 * one control may not think it over. Returns the number of steps.
 */
static unsigned int step_to_answer(struct fake *f, enum message type,
				   bool (*still)(const struct session *s))
{
	unsigned int left = count(f, still), n = 0;
	bool more = true;

	while (more) {
		unsigned int now;

		assert_int_equal(answer(f), 0);
		assert_true(f->w.link.ops->wait(&f->w.link));
		more = orders_step(&f->w);
		now = count(f, still);
		assert_in_range(left - now, 0, STEP_MOST);
		left = now;
		n++;
	}
	assert_int_equal(left, 0);
	assert_false(f->w.link.ops->wait(&f->w.link));
	assert_int_equal(answer(f), type);
	return n;
}

/* Lets the time come that the sessions' end is armed for, as the loop does. */
static void wait_for_drain(struct fake *f)
{
	while (TAILQ_EMPTY(&f->w.walks)) {
		(void)poll(NULL, 0, 10);
		f->w.loop.now_ms = clock_ms();
		wheel_run(&f->w.loop.wheel, f->w.loop.now_ms);
	}
}

static void expect_all_drained(struct fake *f)
{
	unsigned int left = count(f, is_open), now;

	wait_for_drain(f);
	while (orders_step(&f->w)) {
		assert_false(f->w.link.ops->wait(&f->w.link)); /* orders are read meanwhile */
		now = count(f, is_open);
		assert_in_range(left - now, 0, STEP_ENDS);
		left = now;
	}
	assert_int_equal(count(f, is_open), 0);
	assert_int_equal(f->w.n_sessions, 0);
	assert_int_equal(atomic_load(&f->w.own->worker[WORKER_REASON + CLOSE_DRAINED]), N_SESSIONS);
}

static void change_slots(struct fake *f)
{
	f->tenant.service.slot = SLOT_SERVICE;
	f->tenant.backends[0].slot = SLOT_BACKEND;
}

static void test_new_object_reaches_all_sessions_in_steps(void **state)
{
	struct fake f;

	(void)state;
	fake_start(&f);
	open_sessions(&f, "acme", N_SESSIONS);
	assert_int_equal(active(&f, RIG_SLOT_SERVICE), N_SESSIONS);
	change_slots(&f);
	put_tenant(&f, 1);
	assert_int_equal(count(&f, has_serial_2), N_SESSIONS); /* none has moved in the order */
	assert_true(step_to_answer(&f, MSG_TENANT, has_serial_2) >= N_SESSIONS / STEP_MOST);
	/* the slots may be given to others now */
	assert_int_equal(active(&f, RIG_SLOT_SERVICE), 0);
	assert_int_equal(active(&f, RIG_SLOT_BACKEND), 0);
	assert_int_equal(active(&f, RIG_SLOT_TENANT), N_SESSIONS);
	assert_int_equal(count(&f, is_not_drained), N_SESSIONS);
	fake_stop(&f);
}

static void test_sessions_that_come_and_go_during_a_walk(void **state)
{
	struct session *next, *late;
	struct service *service;
	struct fake f;

	(void)state;
	fake_start(&f);
	open_sessions(&f, "acme", N_SESSIONS);
	change_slots(&f);
	put_tenant(&f, 1);
	assert_true(orders_step(&f.w));
	service = tenants_find(&f.w.tenants, str_from("acme"))->services[0];
	for (int i = 0; i < 3; i++) { /* those the walk would look at next */
		next = service->walk_at;
		assert_non_null(next);
		session_close(next, CLOSE_DONE);
		assert_true(service->walk_at && service->walk_at != next);
	}
	session_close(TAILQ_FIRST(&service->sessions), CLOSE_DONE);
	session_close(TAILQ_LAST(&service->sessions, session_list), CLOSE_DONE);
	late = open_session(&f, "acme");
	assert_int_equal(late->tenant->serial, 3);
	(void)step_to_answer(&f, MSG_TENANT, has_serial_2);
	assert_int_equal(late->tenant->serial, 3);
	assert_int_equal(active(&f, RIG_SLOT_SERVICE), 0);
	assert_int_equal(active(&f, RIG_SLOT_TENANT), N_SESSIONS - 4);
	assert_int_equal(active(&f, RIG_SLOT_LISTENER), N_SESSIONS - 4);
	fake_stop(&f);
}

static void test_all_sessions_end_during_a_walk(void **state)
{
	struct service *service;
	struct session *s;
	struct fake f;

	(void)state;
	fake_start(&f);
	open_sessions(&f, "acme", N_SESSIONS);
	put_tenant(&f, 1);
	assert_true(orders_step(&f.w));
	service = tenants_find(&f.w.tenants, str_from("acme"))->services[0];
	while ((s = TAILQ_FIRST(&service->sessions))) {
		session_close(s, CLOSE_DONE);
	}
	assert_false(orders_step(&f.w));
	assert_int_equal(answer(&f), MSG_TENANT);
	fake_stop(&f);
}

static void test_removed_service_gives_its_slots_up_in_steps_and_its_sessions_end(void **state)
{
	struct fake f;

	(void)state;
	fake_start(&f);
	open_sessions(&f, "acme", N_SESSIONS);
	f.tenant.conf.n_services = 0;
	put_tenant(&f, 1);
	assert_true(step_to_answer(&f, MSG_TENANT, is_not_drained) >= N_SESSIONS / STEP_MOST);
	assert_int_equal(active(&f, RIG_SLOT_SERVICE), 0);
	assert_int_equal(active(&f, RIG_SLOT_BACKEND), 0);
	assert_int_equal(active(&f, RIG_SLOT_TENANT), N_SESSIONS);
	expect_all_drained(&f);
	fake_stop(&f);
}

static void test_full_set_without_tenants_is_answered_when_all_have_left_their_slots(void **state)
{
	struct fake f;

	(void)state;
	fake_start(&f);
	open_sessions(&f, "acme", N_SESSIONS / 2);
	f.tenant.conf.name = "blue";
	f.tenant.expose.port = 23;
	put_tenant(&f, 2);
	assert_int_equal(answer(&f), MSG_TENANT);
	open_sessions(&f, "blue", N_SESSIONS / 2);
	send_order(&f, MSG_BEGIN, 0, NULL);
	assert_int_equal(answer(&f), MSG_BEGIN);
	send_order(&f, MSG_END, 0, NULL);
	assert_true(step_to_answer(&f, MSG_END, is_not_drained) >= N_SESSIONS / STEP_MOST);
	assert_int_equal(active(&f, RIG_SLOT_TENANT), 0);
	assert_int_equal(active(&f, RIG_SLOT_LISTENER), N_SESSIONS);
	expect_all_drained(&f);
	fake_stop(&f);
}

static void order_drain(struct fake *f, const char *what)
{
	struct buf data;

	buf_init(&data, 256);
	buf_str(&data, str_from("acme"));
	buf_str(&data, str_from(what));
	send_order(f, MSG_DRAIN_SERVICE, 0, &data);
	buf_fini(&data);
}

static void test_drained_service_ends_its_sessions_in_steps(void **state)
{
	struct fake f;

	(void)state;
	fake_start(&f);
	open_sessions(&f, "acme", N_SESSIONS);
	order_drain(&f, "web");
	assert_true(step_to_answer(&f, MSG_DRAIN_SERVICE, is_not_drained) >=
		    N_SESSIONS / STEP_MOST);
	expect_all_drained(&f);
	fake_stop(&f);
}

/* As a worker gets it that was started after the order. */
static void test_object_says_what_is_drained(void **state)
{
	const struct service *service;
	struct fake f;

	(void)state;
	fake_start(&f);
	service = tenants_find(&f.w.tenants, str_from("acme"))->services[0];
	open_sessions(&f, "acme", 2);
	f.tenant.backends[0].drained = true;
	put_tenant(&f, 1);
	(void)orders_step(&f.w);
	assert_int_equal(answer(&f), MSG_TENANT);
	assert_false(service->drained);
	assert_int_equal(service->drained_backends, 1);
	f.tenant.backends[0].drained = false;
	f.tenant.service.drained = true;
	put_tenant(&f, 1);
	(void)orders_step(&f.w);
	assert_int_equal(answer(&f), MSG_TENANT);
	assert_true(service->drained);
	assert_int_equal(service->drained_backends, 0);
	wait_for_drain(&f);
	(void)orders_step(&f.w);
	assert_int_equal(count(&f, is_open), 0);
	f.tenant.service.drained = false;
	put_tenant(&f, 1);
	assert_int_equal(answer(&f), MSG_TENANT);
	assert_false(service->drained);
	fake_stop(&f);
}

/* A session on an object whose numbers of backends are others is not taken for one of these. */
static void test_drained_backend_is_known_by_its_address(void **state)
{
	struct session *other;
	struct fake f;

	(void)state;
	fake_start(&f);
	other = open_session(&f, "acme");
	assert_int_equal(addr_parse(str_from("::2"), &f.tenant.backends[0].address), 0);
	put_tenant(&f, 1);
	(void)orders_step(&f.w);
	assert_int_equal(answer(&f), MSG_TENANT);
	open_sessions(&f, "acme", 2);
	order_drain(&f, "::2");
	(void)orders_step(&f.w);
	assert_int_equal(answer(&f), MSG_DRAIN_SERVICE);
	assert_int_equal(other->drain_ms, 0);
	assert_int_equal(count(&f, is_not_drained), 1);
	fake_stop(&f);
}

/* An order comes while sessions are being ended: it starts at the first one again. */
static void test_order_during_the_end_of_drained_sessions(void **state)
{
	struct fake f;

	(void)state;
	fake_start(&f);
	open_sessions(&f, "acme", N_SESSIONS);
	order_drain(&f, "web");
	(void)step_to_answer(&f, MSG_DRAIN_SERVICE, is_not_drained);
	wait_for_drain(&f);
	assert_true(orders_step(&f.w));
	assert_in_range(count(&f, is_open), N_SESSIONS - STEP_ENDS, N_SESSIONS - 1);
	change_slots(&f);
	put_tenant(&f, 1);
	(void)step_to_answer(&f, MSG_TENANT, has_serial_2);
	assert_int_equal(active(&f, RIG_SLOT_SERVICE), 0);
	expect_all_drained(&f);
	fake_stop(&f);
}

static void test_worker_that_ends_during_a_walk_leaves_nothing(void **state)
{
	struct fake f;

	(void)state;
	fake_start(&f);
	open_sessions(&f, "acme", N_SESSIONS);
	f.tenant.conf.n_services = 0;
	put_tenant(&f, 1);
	assert_true(orders_step(&f.w));
	fake_stop(&f); /* the sanitizers look for what is lost */
}

/* Each turn of the loop ends some, and the next one does not wait. */
static void test_end_of_a_drain_closes_what_is_left_in_steps(void **state)
{
	struct fake f;
	unsigned int left = N_SESSIONS, n = 0;

	(void)state;
	fake_start(&f);
	open_sessions(&f, "acme", N_SESSIONS);
	worker_drain(&f.w, f.w.loop.now_ms + 1);
	while (timer_armed(&f.w.drain_end)) {
		f.w.loop.batch_end(&f.w.loop);
		assert_int_equal(f.w.n_sessions, N_SESSIONS); /* not yet */
		(void)poll(NULL, 0, 10);
		f.w.loop.now_ms = clock_ms();
		wheel_run(&f.w.loop.wheel, f.w.loop.now_ms);
	}
	while (!f.w.loop.stop) {
		f.w.loop.busy = false;
		f.w.loop.batch_end(&f.w.loop);
		assert_in_range(left - f.w.n_sessions, 1, STEP_ENDS);
		assert_true(f.w.loop.busy || f.w.loop.stop);
		left = (unsigned int)f.w.n_sessions;
		n++;
	}
	assert_int_equal(left, 0);
	assert_int_equal(n, (N_SESSIONS + STEP_ENDS - 1) / STEP_ENDS);
	fake_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_object_reaches_all_sessions_in_steps),
		cmocka_unit_test(test_sessions_that_come_and_go_during_a_walk),
		cmocka_unit_test(test_all_sessions_end_during_a_walk),
		cmocka_unit_test(
			test_removed_service_gives_its_slots_up_in_steps_and_its_sessions_end),
		cmocka_unit_test(
			test_full_set_without_tenants_is_answered_when_all_have_left_their_slots),
		cmocka_unit_test(test_drained_service_ends_its_sessions_in_steps),
		cmocka_unit_test(test_object_says_what_is_drained),
		cmocka_unit_test(test_drained_backend_is_known_by_its_address),
		cmocka_unit_test(test_order_during_the_end_of_drained_sessions),
		cmocka_unit_test(test_end_of_a_drain_closes_what_is_left_in_steps),
		cmocka_unit_test(test_worker_that_ends_during_a_walk_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
