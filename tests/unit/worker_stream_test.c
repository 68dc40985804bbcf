/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long an answer may take, by the work and by its reader. The clock is the test's. */
#include "worker/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "worker/link.h"

struct fixture {
	struct loop loop;
	struct link link;
	struct channel control;
	struct stream stream;
	int reader;
	enum stream_step next;
	bool writes, freed;
};

static enum stream_step step(struct stream *s)
{
	struct fixture *f = container_of(s, struct fixture, stream);

	while (f->writes && stream_has_room(s)) {
		buf_bytes(&s->out, "{\"a\":1}\n", 8);
	}
	return f->next;
}

static void freed(struct stream *s)
{
	container_of(s, struct fixture, stream)->freed = true;
}

static const struct stream_ops ops = {.step = step, .free = freed};

/* One batch of the loop, then so long nothing. */
static void turn(struct fixture *f, uint64_t ms)
{
	struct epoll_event event;

	if (epoll_wait(f->loop.epoll_fd, &event, 1, 0) == 1) {
		f->stream.io.ready(&f->stream.io, event.events);
	}
	f->loop.now_ms += ms;
	wheel_run(&f->loop.wheel, f->loop.now_ms);
	if (f->loop.deferred) {
		f->loop.deferred->run(f->loop.deferred);
		f->loop.deferred = NULL;
	}
}

static int setup(void **state)
{
	static struct fixture f;
	struct channel_msg msg = {.type = MSG_DNS_FLUSH, .n_fds = 1};
	static const struct link_ops link_ops = {.mod = "test"};
	int channel[2], ends[2];
	struct err err;

	f = (struct fixture){.next = STREAM_MORE};
	assert_int_equal(loop_init(&f.loop, &err), 0);
	link_init(&f.link, &f.loop, &link_ops);
	assert_int_equal(channel_pair(channel, &err), 0);
	assert_int_equal(channel_init(&f.link.channel, channel[0]), 0);
	assert_int_equal(channel_init(&f.control, channel[1]), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	f.reader = ends[0];
	msg.fds[0] = ends[1];
	assert_int_equal(stream_start(&f.stream, &f.link, &ops, &msg), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	streams_end(&f->link);
	close(f->reader);
	channel_fini(&f->link.channel);
	channel_fini(&f->control);
	loop_fini(&f->loop);
	return 0;
}

/* 0: none yet. */
static uint16_t answer(struct fixture *f)
{
	struct channel_msg msg;

	return channel_recv(&f->control, &msg) == 1 ? msg.type : 0;
}

static void test_long_work_gives_signs_of_life_and_is_not_cut(void **state)
{
	struct fixture *f = *state;
	char text[64];

	for (unsigned int n = 0; n < 2 * READER_MS / 250; n++) {
		ssize_t len;

		turn(f, 250);
		len = recv(f->reader, text, sizeof(text), MSG_DONTWAIT);
		assert_int_equal(len, n > 0 && n % 2 == 0 ? 1 : -1);
		assert_true(len < 0 || text[0] == '\n');
	}
	f->next = STREAM_DONE;
	turn(f, 0);
	assert_int_equal(answer(f), MSG_ACK);
	assert_true(f->freed);
}

static void test_reader_may_pause_but_not_for_ever(void **state)
{
	struct fixture *f = *state;
	static char text[1 << 20];

	f->writes = true;
	for (int i = 0; i < 3; i++) {
		for (int n = 0; n < 100; n++) {
			turn(f, 0);
		}
		turn(f, READER_MS - 1000);
		assert_int_equal(answer(f), 0);
		assert_true(recv(f->reader, text, sizeof(text), MSG_DONTWAIT) > 10000);
	}
	for (int n = 0; n < 100; n++) {
		turn(f, 0);
	}
	turn(f, READER_MS + 1000);
	assert_int_equal(answer(f), MSG_NAK);
	assert_true(f->freed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_long_work_gives_signs_of_life_and_is_not_cut,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_reader_may_pause_but_not_for_ever, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
