/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rolling items out: what each worker is sent, and when a version counts as settled. Workers are
 * the test itself; a model of what each has is kept beside.
 */
#include "gateway/control/items.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "conf/model/message.h"

#define WORKERS 3
#define IDS_MAX 512

struct thing {
	struct item item;
	uint32_t value; /* its content */
	unsigned int settled, refused;
	char why[64];
	bool too_large;
};

static void thing_pack(struct item *item, unsigned int slot, struct buf *out,
		       struct channel_msg *msg)
{
	struct thing *t = container_of(item, struct thing, item);

	(void)slot;
	msg->type = MSG_TENANT;
	buf_u32(out, t->value);
	if (t->too_large) {
		out->bad = true;
	}
}

static void thing_settled(struct item *item)
{
	container_of(item, struct thing, item)->settled++;
}

static void thing_refused(struct item *item, unsigned int slot, struct str why)
{
	struct thing *t = container_of(item, struct thing, item);

	(void)slot;
	t->refused++;
	str_escape(t->why, sizeof(t->why), why);
}

static const struct item_ops early_ops = {
	.stage = STAGE_SET,
	.pack = thing_pack,
	.remove_type = MSG_TENANT_REMOVE,
	.settled = thing_settled,
	.refused = thing_refused,
};

static const struct item_ops late_ops = {
	.stage = STAGE_LATE,
	.pack = thing_pack,
	.remove_type = MSG_LISTENER_REMOVE,
	.settled = thing_settled,
	.refused = thing_refused,
};

static int setup(void **state)
{
	struct items *items = calloc(1, sizeof(*items));

	assert_int_equal(items_init(items, WORKERS), 0);
	*state = items;
	return 0;
}

static int teardown(void **state)
{
	items_fini(*state);
	free(*state);
	return 0;
}

static void add(struct items *items, struct thing *t, const struct item_ops *ops, uint32_t value)
{
	*t = (struct thing){.item.ops = ops, .value = value};
	assert_int_equal(items_add(items, &t->item), 0);
}

/* The next message to slot has this type and, with t, is for it. Returns its serial. */
static uint64_t expect(struct items *items, unsigned int slot, uint16_t type, const struct thing *t)
{
	struct channel_msg msg;

	assert_true(feed_next(items, slot, &msg));
	assert_int_equal(msg.type, type);
	if (t) {
		assert_int_equal(msg.id, t->item.id);
	}
	if (t && type == MSG_TENANT) {
		struct cursor in = cursor_from(msg.data, msg.len);

		assert_int_equal(cursor_u32(&in), t->value);
		assert_true(cursor_done(&in));
	}
	return msg.serial;
}

static void expect_nothing(struct items *items, unsigned int slot)
{
	struct channel_msg msg;

	assert_false(feed_next(items, slot, &msg));
}

static void ack(struct items *items, unsigned int slot, const struct thing *t, uint64_t serial)
{
	assert_int_equal(feed_answer(items, slot, t->item.id, serial, NULL), 0);
}

/* Brings a worker to the end of its full set of no items. */
static void go_live(struct items *items, unsigned int slot)
{
	feed_start(items, slot);
	expect(items, slot, MSG_BEGIN, NULL);
	expect(items, slot, MSG_END, NULL);
	expect_nothing(items, slot);
	assert_int_equal(items->feeds[slot].phase, FEED_LIVE);
}

static void test_full_set_has_late_objects_after_its_end(void **state)
{
	struct items *items = *state;
	struct thing listener, node, tenant;

	add(items, &listener, &late_ops, 1);
	add(items, &node, &early_ops, 2);
	add(items, &tenant, &early_ops, 3);
	feed_start(items, 0);
	expect(items, 0, MSG_BEGIN, NULL);
	expect(items, 0, MSG_TENANT, &node);
	expect(items, 0, MSG_TENANT, &tenant);
	expect(items, 0, MSG_END, NULL);
	expect(items, 0, MSG_TENANT, &listener);
	expect_nothing(items, 0);
}

/* A new worker is as far as the others, also when what changed last is not there any more. */
static void test_the_end_of_a_set_has_the_serial_of_its_last_change(void **state)
{
	struct items *items = *state;
	struct thing tenant, gone, listener;
	uint64_t removed;

	items_begin_at(items, 1000);
	go_live(items, 1);
	add(items, &tenant, &early_ops, 1);
	add(items, &gone, &early_ops, 2);
	items_remove(items, &gone.item);
	removed = items->serial;
	assert_int_equal(removed, 1003);
	add(items, &listener, &late_ops, 3);
	feed_start(items, 0);
	expect(items, 0, MSG_BEGIN, NULL);
	expect(items, 0, MSG_TENANT, &tenant);
	assert_int_equal(expect(items, 0, MSG_END, NULL), removed);
}

/* Feeds 0 and 1 are proxies', 2 is DNS64's. */
static void test_each_kind_of_worker_gets_its_own(void **state)
{
	static const struct item_ops proxy_ops = {.stage = STAGE_LATE,
						  .pack = thing_pack,
						  .remove_type = MSG_LISTENER_REMOVE,
						  .settled = thing_settled,
						  .refused = thing_refused,
						  .not_for = FEED_DNS64};
	static const struct item_ops dns64_ops = {.stage = STAGE_LATE,
						  .pack = thing_pack,
						  .remove_type = MSG_LISTENER_REMOVE,
						  .settled = thing_settled,
						  .refused = thing_refused,
						  .not_for = FEED_PROXY};
	struct items *items = *state;
	struct thing tenant, proxy, dns64;

	items_set_dns64(items, 2, 1);
	assert_string_equal(items->feeds[1].name, "worker 1");
	assert_string_equal(items->feeds[2].name, "dns64 worker 0");
	go_live(items, 0);
	add(items, &tenant, &early_ops, 1);
	add(items, &proxy, &proxy_ops, 2);
	add(items, &dns64, &dns64_ops, 3);
	assert_int_equal(dns64.settled, 1); /* no worker of its kind runs */
	feed_start(items, 2);
	expect(items, 2, MSG_BEGIN, NULL);
	expect(items, 2, MSG_TENANT, &tenant);
	expect(items, 2, MSG_END, NULL);
	ack(items, 2, &dns64, expect(items, 2, MSG_TENANT, &dns64));
	expect_nothing(items, 2);
	expect(items, 0, MSG_TENANT, &tenant);
	ack(items, 0, &proxy, expect(items, 0, MSG_TENANT, &proxy));
	assert_int_equal(proxy.settled, 1); /* without the other's word */
	expect_nothing(items, 0);
	items_change(items, &dns64.item);
	items_change(items, &proxy.item);
	ack(items, 2, &dns64, expect(items, 2, MSG_TENANT, &dns64));
	assert_int_equal(dns64.settled, 2);
	expect_nothing(items, 2);
	expect(items, 0, MSG_TENANT, &proxy);
	expect_nothing(items, 0);
}

static void test_without_workers_a_version_settles_at_once(void **state)
{
	struct items *items = *state;
	struct thing t;

	add(items, &t, &early_ops, 1);
	assert_int_equal(t.settled, 1);
	items_change(items, &t.item);
	assert_int_equal(t.settled, 2);
}

static void test_settles_with_the_last_answer(void **state)
{
	struct items *items = *state;
	struct thing t;
	uint64_t serial[2];

	go_live(items, 0);
	go_live(items, 2);
	add(items, &t, &early_ops, 1);
	serial[0] = expect(items, 0, MSG_TENANT, &t);
	ack(items, 0, &t, serial[0]);
	assert_int_equal(t.settled, 0);
	assert_true(item_waiting(&t.item));
	serial[1] = expect(items, 2, MSG_TENANT, &t);
	ack(items, 2, &t, serial[1]);
	assert_int_equal(t.settled, 1);
	assert_false(item_waiting(&t.item));
	expect_nothing(items, 0);
}

/* As a worker answers a SET: those that it refuses one by one, then all others together. */
static void test_answers_to_several_are_to_those_sent_first(void **state)
{
	struct items *items = *state;
	const struct str why = str_from("no");
	struct thing t[4];
	uint64_t serial[4];

	for (uint32_t i = 0; i < 4; i++) {
		add(items, &t[i], &early_ops, i);
	}
	feed_start(items, 0);
	for (uint32_t i = 0; i < 4; i++) {
		items_change(items, &t[i].item);
	}
	expect(items, 0, MSG_BEGIN, NULL);
	for (uint32_t i = 0; i < 4; i++) {
		serial[i] = expect(items, 0, MSG_TENANT, &t[i]);
	}
	assert_int_equal(feed_answer(items, 0, t[1].item.id, serial[1], &why), 0);
	assert_int_equal(feed_answer_first(items, 0, 2), 0);
	assert_int_equal(t[0].settled, 2);
	assert_int_equal(t[1].refused, 1);
	assert_int_equal(t[2].settled, 2);
	assert_int_equal(t[3].settled, 1);
	assert_true(item_waiting(&t[3].item));
	assert_int_equal(feed_answer_first(items, 0, 2), -EPROTO); /* there is one */
	assert_int_equal(feed_answer_first(items, 0, 1), 0);
	assert_int_equal(t[3].settled, 2);
	assert_int_equal(feed_answer_first(items, 0, 0), 0);
}

static void test_only_the_newest_version_is_sent(void **state)
{
	struct items *items = *state;
	struct thing t;
	uint64_t old, serial;

	go_live(items, 0);
	add(items, &t, &early_ops, 1);
	old = expect(items, 0, MSG_TENANT, &t);
	for (uint32_t i = 2; i < 100; i++) {
		t.value = i;
		items_change(items, &t.item);
	}
	serial = expect(items, 0, MSG_TENANT, &t);
	expect_nothing(items, 0);
	/* the answer to the former version settles nothing */
	ack(items, 0, &t, old);
	assert_int_equal(t.settled, 0);
	ack(items, 0, &t, serial);
	assert_int_equal(t.settled, 1);
}

static void test_change_before_its_turn_in_the_full_set_is_sent_once(void **state)
{
	struct items *items = *state;
	struct thing a, b, late;

	add(items, &a, &early_ops, 1);
	add(items, &b, &early_ops, 2);
	add(items, &late, &late_ops, 3);
	feed_start(items, 0);
	expect(items, 0, MSG_BEGIN, NULL);
	expect(items, 0, MSG_TENANT, &a);
	b.value = 20;
	items_change(items, &b.item);
	late.value = 30;
	items_change(items, &late.item);
	a.value = 10; /* its turn is over: after the end */
	items_change(items, &a.item);
	expect(items, 0, MSG_TENANT, &b);
	expect(items, 0, MSG_END, NULL);
	expect(items, 0, MSG_TENANT, &late);
	expect(items, 0, MSG_TENANT, &a);
	expect_nothing(items, 0);
}

static void test_removal_settles_and_frees_the_id(void **state)
{
	struct items *items = *state;
	struct thing a, b;
	uint32_t id;
	uint64_t serial;

	go_live(items, 0);
	add(items, &a, &early_ops, 1);
	id = a.item.id;
	ack(items, 0, &a, expect(items, 0, MSG_TENANT, &a));
	items_remove(items, &a.item);
	serial = expect(items, 0, MSG_TENANT_REMOVE, &a);
	assert_int_equal(a.settled, 1);
	/* a worker that comes now never hears of it, and is not waited for */
	feed_start(items, 1);
	expect(items, 1, MSG_BEGIN, NULL);
	expect(items, 1, MSG_END, NULL);
	assert_int_equal(feed_answer(items, 0, id, serial, NULL), 0);
	assert_int_equal(a.settled, 2);
	assert_int_equal(a.item.id, 0);
	add(items, &b, &early_ops, 2);
	assert_int_equal(b.item.id, id);
}

static void test_refusal_reaches_the_owner_with_its_text(void **state)
{
	struct items *items = *state;
	struct str why = str_from("no such thing\n");
	struct thing t;
	uint64_t serial;

	go_live(items, 0);
	add(items, &t, &early_ops, 1);
	serial = expect(items, 0, MSG_TENANT, &t);
	assert_int_equal(feed_answer(items, 0, t.item.id, serial, &why), 0);
	assert_int_equal(t.refused, 1);
	assert_string_equal(t.why, "no such thing\\x0a");
	/* the owner has not changed it: that was the answer */
	assert_int_equal(t.settled, 1);
}

static void test_object_too_large_for_a_message_is_refused(void **state)
{
	struct items *items = *state;
	struct thing large, next;

	go_live(items, 0);
	add(items, &large, &early_ops, 1);
	add(items, &next, &early_ops, 2);
	large.too_large = true;
	expect(items, 0, MSG_TENANT, &next);
	assert_int_equal(large.refused, 1);
	expect_nothing(items, 0);
}

static void test_answers_to_what_was_not_sent_are_a_protocol_error(void **state)
{
	struct items *items = *state;
	struct thing t;
	uint64_t serial;

	go_live(items, 0);
	add(items, &t, &early_ops, 1);
	assert_int_equal(feed_answer(items, 0, t.item.id, t.item.serial, NULL), -EPROTO);
	serial = expect(items, 0, MSG_TENANT, &t);
	assert_int_equal(feed_answer(items, 0, t.item.id, serial + 1, NULL), -EPROTO);
	assert_int_equal(feed_answer(items, 0, t.item.id + 1, serial, NULL), -EPROTO);
	assert_int_equal(feed_answer(items, 1, t.item.id, serial, NULL), -EPROTO);
	ack(items, 0, &t, serial);
	assert_int_equal(feed_answer(items, 0, t.item.id, serial, NULL), -EPROTO);
}

static void test_dead_worker_is_not_waited_for(void **state)
{
	struct items *items = *state;
	struct thing sent, dirty;

	go_live(items, 0);
	go_live(items, 1);
	add(items, &sent, &early_ops, 1);
	ack(items, 0, &sent, expect(items, 0, MSG_TENANT, &sent));
	(void)expect(items, 1, MSG_TENANT, &sent);
	add(items, &dirty, &early_ops, 2);
	ack(items, 0, &dirty, expect(items, 0, MSG_TENANT, &dirty));
	assert_int_equal(sent.settled + dirty.settled, 0);
	feed_stop(items, 1);
	assert_int_equal(sent.settled, 1);
	assert_int_equal(dirty.settled, 1);
	expect_nothing(items, 1);
}

static void test_flight_is_bounded(void **state)
{
	struct items *items = *state;
	struct thing *things = calloc(FEED_FLIGHT_MAX + 10, sizeof(*things));
	uint64_t first;

	go_live(items, 0);
	for (int i = 0; i < FEED_FLIGHT_MAX + 10; i++) {
		add(items, &things[i], &early_ops, (uint32_t)i);
	}
	first = expect(items, 0, MSG_TENANT, &things[0]);
	for (int i = 1; i < FEED_FLIGHT_MAX; i++) {
		(void)expect(items, 0, MSG_TENANT, &things[i]);
	}
	expect_nothing(items, 0);
	ack(items, 0, &things[0], first);
	(void)expect(items, 0, MSG_TENANT, &things[FEED_FLIGHT_MAX]);
	expect_nothing(items, 0);
	free(things);
}

/* What a worker believes to have, by id; 0: nothing. */
struct model {
	uint32_t has[IDS_MAX];
	struct flight sent[FEED_FLIGHT_MAX];
	unsigned int n_sent;
	bool up;
};

static void model_receive(struct model *m, struct items *items, unsigned int slot)
{
	struct channel_msg msg;

	if (!feed_next(items, slot, &msg)) {
		return;
	}
	if (msg.type == MSG_BEGIN) {
		memset(m->has, 0, sizeof(m->has));
		return;
	}
	if (msg.type == MSG_END) {
		return;
	}
	assert_true(msg.id < IDS_MAX);
	if (msg.type == MSG_TENANT) {
		struct cursor in = cursor_from(msg.data, msg.len);

		m->has[msg.id] = cursor_u32(&in);
	} else {
		m->has[msg.id] = 0;
	}
	m->sent[m->n_sent++] = (struct flight){.id = msg.id, .serial = msg.serial};
}

static void model_answer(struct model *m, struct items *items, unsigned int slot)
{
	if (m->n_sent > 0) {
		struct flight f = m->sent[0];

		memmove(m->sent, m->sent + 1, --m->n_sent * sizeof(f));
		assert_int_equal(feed_answer(items, slot, f.id, f.serial, NULL), 0);
	}
}

static void test_any_order_of_events_ends_with_equal_workers(void **state)
{
	struct items *items = *state;
	struct model models[WORKERS] = {0};
	static struct thing things[40];
	bool there[40] = {0};
	uint32_t value = 1;

	srand(20);
	for (int step = 0; step < 200000; step++) {
		unsigned int slot = (unsigned int)rand() % WORKERS;
		unsigned int n = (unsigned int)rand() % 40;
		struct model *m = &models[slot];

		switch (rand() % 12) {
		case 0:
			if (!there[n] && things[n].item.id == 0) {
				add(items, &things[n], n % 5 ? &early_ops : &late_ops, value++);
				there[n] = true;
			}
			break;
		case 1:
			if (there[n]) {
				things[n].value = value++;
				items_change(items, &things[n].item);
			}
			break;
		case 2:
			if (there[n]) {
				there[n] = false;
				items_remove(items, &things[n].item);
			}
			break;
		case 3:
			if (rand() % 50 == 0) {
				if (m->up) {
					feed_stop(items, slot);
				} else {
					feed_start(items, slot);
				}
				m->up = !m->up;
				m->n_sent = 0;
			}
			break;
		case 4:
		case 5:
		case 6:
			model_answer(m, items, slot);
			break;
		default:
			model_receive(m, items, slot);
		}
	}
	for (unsigned int slot = 0; slot < WORKERS; slot++) {
		if (!models[slot].up) {
			models[slot].n_sent = 0;
			feed_start(items, slot);
		}
		for (int i = 0; i < 1000; i++) {
			model_receive(&models[slot], items, slot);
			model_answer(&models[slot], items, slot);
		}
		assert_int_equal(models[slot].n_sent, 0);
	}
	for (int n = 0; n < 40; n++) {
		assert_false(item_waiting(&things[n].item));
		assert_int_equal(things[n].item.id != 0, there[n]);
		for (unsigned int slot = 0; there[n] && slot < WORKERS; slot++) {
			assert_int_equal(models[slot].has[things[n].item.id], things[n].value);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_full_set_has_late_objects_after_its_end),
		TEST(test_the_end_of_a_set_has_the_serial_of_its_last_change),
		TEST(test_each_kind_of_worker_gets_its_own),
		TEST(test_without_workers_a_version_settles_at_once),
		TEST(test_settles_with_the_last_answer),
		TEST(test_answers_to_several_are_to_those_sent_first),
		TEST(test_only_the_newest_version_is_sent),
		TEST(test_change_before_its_turn_in_the_full_set_is_sent_once),
		TEST(test_removal_settles_and_frees_the_id),
		TEST(test_refusal_reaches_the_owner_with_its_text),
		TEST(test_object_too_large_for_a_message_is_refused),
		TEST(test_answers_to_what_was_not_sent_are_a_protocol_error),
		TEST(test_dead_worker_is_not_waited_for),
		TEST(test_flight_is_bounded),
		TEST(test_any_order_of_events_ends_with_equal_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
