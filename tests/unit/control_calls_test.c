/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long control waits for workers, and for a client to read. The clock is the test's. */
#include "gateway/control/calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "conf/model/message.h"
#include "gateway/control/control.h"

static bool is_late;

static void late(struct timer *timer)
{
	(void)timer;
	is_late = true;
}

static void ended(struct client *c, void *ctx)
{
	(void)ctx;
	client_end(c);
}

static void pass(struct control *control, uint64_t ms)
{
	control->loop.now_ms += ms;
	wheel_run(&control->loop.wheel, control->loop.now_ms);
}

static void test_worker_that_writes_itself_may_take_longer(void **state)
{
	const struct channel_msg msg = {.type = MSG_DNS_FLUSH};
	struct control *control = calloc(1, sizeof(*control));
	struct client *c = calloc(1, sizeof(*c));
	struct worker *w = calloc(1, sizeof(*w));
	struct err err;
	int ends[2];

	(void)state;
	assert_int_equal(loop_init(&control->loop, &err), 0);
	control->dns64.worker = w;
	control->dns64.n = 1;
	w->state = WORKER_READY;
	w->workers = &control->dns64;
	assert_int_equal(channel_pair(ends, &err), 0);
	assert_int_equal(channel_init(&w->channel, ends[0]), 0);
	w->readable.fd = ends[0];
	c->server = &control->server;
	c->server->loop = &control->loop;
	timer_init(&c->timer, late);
	call_begin(c, control, &control->dns64, MSG_DNS_FLUSH, ended);
	assert_true(call_next(c, &msg));
	pass(control, CALL_STREAM_MS - 1000);
	assert_false(is_late);
	pass(control, 2000);
	assert_true(is_late);
	wheel_disarm(&control->loop.wheel, &c->timer);
	channel_fini(&w->channel);
	close(ends[1]);
	loop_fini(&control->loop);
	free(c);
	free(w);
	free(control);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worker_that_writes_itself_may_take_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
