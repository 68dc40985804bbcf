/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rolling objects out: what each worker is sent, and when a version counts as settled. Workers are
 * the test itself; a model of what each has is kept beside.
 */
#include "gateway/control/objects.h"

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
	struct object object;
	uint32_t value; /* its content */
	unsigned int settled, refused;
	char why[64];
	bool too_large;
};

static void thing_pack(struct object *object, unsigned int slot, struct buf *out,
		       struct channel_msg *msg)
{
	struct thing *t = container_of(object, struct thing, object);

	(void)slot;
	msg->type = MSG_TENANT;
	buf_u32(out, t->value);
	if (t->too_large) {
		out->bad = true;
	}
}

static void thing_settled(struct object *object)
{
	container_of(object, struct thing, object)->settled++;
}

static void thing_refused(struct object *object, unsigned int slot, struct str why)
{
	struct thing *t = container_of(object, struct thing, object);

	(void)slot;
	t->refused++;
	str_escape(t->why, sizeof(t->why), why);
}

static const struct object_ops early_ops = {
	.stage = STAGE_SET,
	.pack = thing_pack,
	.remove_type = MSG_TENANT_REMOVE,
	.settled = thing_settled,
	.refused = thing_refused,
};

static const struct object_ops late_ops = {
	.stage = STAGE_LATE,
	.pack = thing_pack,
	.remove_type = MSG_LISTENER_REMOVE,
	.settled = thing_settled,
	.refused = thing_refused,
};

static int setup(void **state)
{
	struct objects *objects = calloc(1, sizeof(*objects));

	assert_int_equal(objects_init(objects, WORKERS), 0);
	*state = objects;
	return 0;
}

static int teardown(void **state)
{
	objects_fini(*state);
	free(*state);
	return 0;
}

static void add(struct objects *objects, struct thing *t, const struct object_ops *ops,
		uint32_t value)
{
	*t = (struct thing){.object.ops = ops, .value = value};
	assert_int_equal(objects_add(objects, &t->object), 0);
}

/* The next message to slot has this type and, with t, is for it. Returns its serial. */
static uint64_t expect(struct objects *objects, unsigned int slot, uint16_t type,
		       const struct thing *t)
{
	struct channel_msg msg;

	assert_true(feed_next(objects, slot, &msg));
	assert_int_equal(msg.type, type);
	if (t) {
		assert_int_equal(msg.id, t->object.id);
	}
	if (t && type == MSG_TENANT) {
		struct cursor in = cursor_from(msg.data, msg.len);

		assert_int_equal(cursor_u32(&in), t->value);
		assert_true(cursor_done(&in));
	}
	return msg.serial;
}

static void expect_nothing(struct objects *objects, unsigned int slot)
{
	struct channel_msg msg;

	assert_false(feed_next(objects, slot, &msg));
}

static void ack(struct objects *objects, unsigned int slot, const struct thing *t, uint64_t serial)
{
	assert_int_equal(feed_answer(objects, slot, t->object.id, serial, NULL), 0);
}

/* Brings a worker to the end of its full set of no objects. */
static void go_live(struct objects *objects, unsigned int slot)
{
	feed_start(objects, slot);
	expect(objects, slot, MSG_BEGIN, NULL);
	expect(objects, slot, MSG_END, NULL);
	expect_nothing(objects, slot);
	assert_int_equal(objects->feeds[slot].phase, FEED_LIVE);
}

static void test_full_set_has_late_objects_after_its_end(void **state)
{
	struct objects *objects = *state;
	struct thing listener, node, tenant;

	add(objects, &listener, &late_ops, 1);
	add(objects, &node, &early_ops, 2);
	add(objects, &tenant, &early_ops, 3);
	feed_start(objects, 0);
	expect(objects, 0, MSG_BEGIN, NULL);
	expect(objects, 0, MSG_TENANT, &node);
	expect(objects, 0, MSG_TENANT, &tenant);
	expect(objects, 0, MSG_END, NULL);
	expect(objects, 0, MSG_TENANT, &listener);
	expect_nothing(objects, 0);
}

static void test_without_workers_a_version_settles_at_once(void **state)
{
	struct objects *objects = *state;
	struct thing t;

	add(objects, &t, &early_ops, 1);
	assert_int_equal(t.settled, 1);
	objects_change(objects, &t.object);
	assert_int_equal(t.settled, 2);
}

static void test_settles_with_the_last_answer(void **state)
{
	struct objects *objects = *state;
	struct thing t;
	uint64_t serial[2];

	go_live(objects, 0);
	go_live(objects, 2);
	add(objects, &t, &early_ops, 1);
	serial[0] = expect(objects, 0, MSG_TENANT, &t);
	ack(objects, 0, &t, serial[0]);
	assert_int_equal(t.settled, 0);
	assert_true(object_waiting(&t.object));
	serial[1] = expect(objects, 2, MSG_TENANT, &t);
	ack(objects, 2, &t, serial[1]);
	assert_int_equal(t.settled, 1);
	assert_false(object_waiting(&t.object));
	expect_nothing(objects, 0);
}

static void test_only_the_newest_version_is_sent(void **state)
{
	struct objects *objects = *state;
	struct thing t;
	uint64_t old, serial;

	go_live(objects, 0);
	add(objects, &t, &early_ops, 1);
	old = expect(objects, 0, MSG_TENANT, &t);
	for (uint32_t i = 2; i < 100; i++) {
		t.value = i;
		objects_change(objects, &t.object);
	}
	serial = expect(objects, 0, MSG_TENANT, &t);
	expect_nothing(objects, 0);
	/* the answer to the former version settles nothing */
	ack(objects, 0, &t, old);
	assert_int_equal(t.settled, 0);
	ack(objects, 0, &t, serial);
	assert_int_equal(t.settled, 1);
}

static void test_change_before_its_turn_in_the_full_set_is_sent_once(void **state)
{
	struct objects *objects = *state;
	struct thing a, b, late;

	add(objects, &a, &early_ops, 1);
	add(objects, &b, &early_ops, 2);
	add(objects, &late, &late_ops, 3);
	feed_start(objects, 0);
	expect(objects, 0, MSG_BEGIN, NULL);
	expect(objects, 0, MSG_TENANT, &a);
	b.value = 20;
	objects_change(objects, &b.object);
	late.value = 30;
	objects_change(objects, &late.object);
	a.value = 10; /* its turn is over: after the end */
	objects_change(objects, &a.object);
	expect(objects, 0, MSG_TENANT, &b);
	expect(objects, 0, MSG_END, NULL);
	expect(objects, 0, MSG_TENANT, &late);
	expect(objects, 0, MSG_TENANT, &a);
	expect_nothing(objects, 0);
}

static void test_removal_settles_and_frees_the_id(void **state)
{
	struct objects *objects = *state;
	struct thing a, b;
	uint32_t id;
	uint64_t serial;

	go_live(objects, 0);
	add(objects, &a, &early_ops, 1);
	id = a.object.id;
	ack(objects, 0, &a, expect(objects, 0, MSG_TENANT, &a));
	objects_remove(objects, &a.object);
	serial = expect(objects, 0, MSG_TENANT_REMOVE, &a);
	assert_int_equal(a.settled, 1);
	/* a worker that comes now never hears of it, and is not waited for */
	feed_start(objects, 1);
	expect(objects, 1, MSG_BEGIN, NULL);
	expect(objects, 1, MSG_END, NULL);
	assert_int_equal(feed_answer(objects, 0, id, serial, NULL), 0);
	assert_int_equal(a.settled, 2);
	assert_int_equal(a.object.id, 0);
	add(objects, &b, &early_ops, 2);
	assert_int_equal(b.object.id, id);
}

static void test_refusal_reaches_the_owner_with_its_text(void **state)
{
	struct objects *objects = *state;
	struct str why = str_from("no such thing\n");
	struct thing t;
	uint64_t serial;

	go_live(objects, 0);
	add(objects, &t, &early_ops, 1);
	serial = expect(objects, 0, MSG_TENANT, &t);
	assert_int_equal(feed_answer(objects, 0, t.object.id, serial, &why), 0);
	assert_int_equal(t.refused, 1);
	assert_string_equal(t.why, "no such thing\\x0a");
	/* the owner has not changed it: that was the answer */
	assert_int_equal(t.settled, 1);
}

static void test_object_too_large_for_a_message_is_refused(void **state)
{
	struct objects *objects = *state;
	struct thing large, next;

	go_live(objects, 0);
	add(objects, &large, &early_ops, 1);
	add(objects, &next, &early_ops, 2);
	large.too_large = true;
	expect(objects, 0, MSG_TENANT, &next);
	assert_int_equal(large.refused, 1);
	expect_nothing(objects, 0);
}

static void test_answers_to_what_was_not_sent_are_a_protocol_error(void **state)
{
	struct objects *objects = *state;
	struct thing t;
	uint64_t serial;

	go_live(objects, 0);
	add(objects, &t, &early_ops, 1);
	assert_int_equal(feed_answer(objects, 0, t.object.id, t.object.serial, NULL), -EPROTO);
	serial = expect(objects, 0, MSG_TENANT, &t);
	assert_int_equal(feed_answer(objects, 0, t.object.id, serial + 1, NULL), -EPROTO);
	assert_int_equal(feed_answer(objects, 0, t.object.id + 1, serial, NULL), -EPROTO);
	assert_int_equal(feed_answer(objects, 1, t.object.id, serial, NULL), -EPROTO);
	ack(objects, 0, &t, serial);
	assert_int_equal(feed_answer(objects, 0, t.object.id, serial, NULL), -EPROTO);
}

static void test_dead_worker_is_not_waited_for(void **state)
{
	struct objects *objects = *state;
	struct thing sent, dirty;

	go_live(objects, 0);
	go_live(objects, 1);
	add(objects, &sent, &early_ops, 1);
	ack(objects, 0, &sent, expect(objects, 0, MSG_TENANT, &sent));
	(void)expect(objects, 1, MSG_TENANT, &sent);
	add(objects, &dirty, &early_ops, 2);
	ack(objects, 0, &dirty, expect(objects, 0, MSG_TENANT, &dirty));
	assert_int_equal(sent.settled + dirty.settled, 0);
	feed_stop(objects, 1);
	assert_int_equal(sent.settled, 1);
	assert_int_equal(dirty.settled, 1);
	expect_nothing(objects, 1);
}

static void test_flight_is_bounded(void **state)
{
	struct objects *objects = *state;
	struct thing *things = calloc(FEED_FLIGHT_MAX + 10, sizeof(*things));
	uint64_t first;

	go_live(objects, 0);
	for (int i = 0; i < FEED_FLIGHT_MAX + 10; i++) {
		add(objects, &things[i], &early_ops, (uint32_t)i);
	}
	first = expect(objects, 0, MSG_TENANT, &things[0]);
	for (int i = 1; i < FEED_FLIGHT_MAX; i++) {
		(void)expect(objects, 0, MSG_TENANT, &things[i]);
	}
	expect_nothing(objects, 0);
	ack(objects, 0, &things[0], first);
	(void)expect(objects, 0, MSG_TENANT, &things[FEED_FLIGHT_MAX]);
	expect_nothing(objects, 0);
	free(things);
}

/* What a worker believes to have, by id; 0: nothing. */
struct model {
	uint32_t has[IDS_MAX];
	struct flight sent[FEED_FLIGHT_MAX];
	unsigned int n_sent;
	bool up;
};

static void model_receive(struct model *m, struct objects *objects, unsigned int slot)
{
	struct channel_msg msg;

	if (!feed_next(objects, slot, &msg)) {
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

static void model_answer(struct model *m, struct objects *objects, unsigned int slot)
{
	if (m->n_sent > 0) {
		struct flight f = m->sent[0];

		memmove(m->sent, m->sent + 1, --m->n_sent * sizeof(f));
		assert_int_equal(feed_answer(objects, slot, f.id, f.serial, NULL), 0);
	}
}

static void test_any_order_of_events_ends_with_equal_workers(void **state)
{
	struct objects *objects = *state;
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
			if (!there[n] && things[n].object.id == 0) {
				add(objects, &things[n], n % 5 ? &early_ops : &late_ops, value++);
				there[n] = true;
			}
			break;
		case 1:
			if (there[n]) {
				things[n].value = value++;
				objects_change(objects, &things[n].object);
			}
			break;
		case 2:
			if (there[n]) {
				there[n] = false;
				objects_remove(objects, &things[n].object);
			}
			break;
		case 3:
			if (rand() % 50 == 0) {
				if (m->up) {
					feed_stop(objects, slot);
				} else {
					feed_start(objects, slot);
				}
				m->up = !m->up;
				m->n_sent = 0;
			}
			break;
		case 4:
		case 5:
		case 6:
			model_answer(m, objects, slot);
			break;
		default:
			model_receive(m, objects, slot);
		}
	}
	for (unsigned int slot = 0; slot < WORKERS; slot++) {
		if (!models[slot].up) {
			models[slot].n_sent = 0;
			feed_start(objects, slot);
		}
		for (int i = 0; i < 1000; i++) {
			model_receive(&models[slot], objects, slot);
			model_answer(&models[slot], objects, slot);
		}
		assert_int_equal(models[slot].n_sent, 0);
	}
	for (int n = 0; n < 40; n++) {
		assert_false(object_waiting(&things[n].object));
		assert_int_equal(things[n].object.id != 0, there[n]);
		for (unsigned int slot = 0; there[n] && slot < WORKERS; slot++) {
			assert_int_equal(models[slot].has[things[n].object.id], things[n].value);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_full_set_has_late_objects_after_its_end),
		TEST(test_without_workers_a_version_settles_at_once),
		TEST(test_settles_with_the_last_answer),
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
