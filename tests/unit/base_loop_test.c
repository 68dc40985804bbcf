/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The event loop: who is called in a batch in which others are closed, timers, deferred work. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/container.h"
#include "base/loop.h"

struct end {
	struct io io;
	struct loop *loop;
	struct end *victim; /* closed by the callback, its memory freed after the batch */
	struct deferred deferred;
	struct timer timer;
	unsigned int calls;
	unsigned int *freed;
	bool stops;
	int other_fd; /* of the pipe */
};

static void end_free(struct deferred *d)
{
	struct end *e = container_of(d, struct end, deferred);

	(*e->freed)++;
	close(e->other_fd);
	free(e);
}

static void end_close(struct end *e)
{
	loop_close(e->loop, &e->io);
	e->deferred.run = end_free;
	loop_defer(e->loop, &e->deferred);
}

static void end_ready(struct io *io, uint32_t events)
{
	struct end *e = container_of(io, struct end, io);
	char byte;

	assert_true(events & EPOLLIN);
	assert_int_equal(read(io->fd, &byte, 1), 1);
	e->calls++;
	if (e->victim) {
		end_close(e->victim);
		e->victim = NULL;
	}
	e->loop->stop = e->stops;
}

static struct end *end_new(struct loop *loop, unsigned int *freed)
{
	struct end *e = calloc(1, sizeof(*e));
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	*e = (struct end){.io = {fds[0], end_ready},
			  .loop = loop,
			  .freed = freed,
			  .other_fd = fds[1]};
	assert_int_equal(loop_add(loop, &e->io, EPOLLIN), 0);
	return e;
}

static void stop(struct timer *timer)
{
	container_of(timer, struct end, timer)->loop->stop = true;
}

static void run(struct loop *loop)
{
	loop->stop = false;
	assert_int_equal(loop_run(loop), 0);
}

static void the_closed_are_not_called_in_the_same_batch(void **state)
{
	unsigned int freed = 0;
	struct end *a, *b;
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop, NULL), 0);
	a = end_new(&loop, &freed);
	b = end_new(&loop, &freed);
	a->victim = b;
	b->victim = a; /* whoever comes first */
	a->stops = b->stops = true;
	assert_int_equal(write(a->other_fd, "x", 1), 1);
	assert_int_equal(write(b->other_fd, "x", 1), 1);
	run(&loop);
	assert_int_equal(freed, 1);
	end_close(a->io.fd >= 0 ? a : b);
	loop_fini(&loop); /* runs what is deferred */
	assert_int_equal(freed, 2);
}

static void itself_closed_in_its_callback(void **state)
{
	unsigned int freed = 0;
	struct loop loop;
	struct end *a;

	(void)state;
	assert_int_equal(loop_init(&loop, NULL), 0);
	a = end_new(&loop, &freed);
	a->victim = a;
	a->stops = true;
	assert_int_equal(write(a->other_fd, "xx", 2), 2);
	/* the callback reads one of two bytes: no second call may come */
	run(&loop);
	assert_int_equal(freed, 1);
	loop_fini(&loop);
}

static void deleted_and_added_again(void **state)
{
	unsigned int freed = 0;
	struct loop loop;
	struct end *a;

	(void)state;
	assert_int_equal(loop_init(&loop, NULL), 0);
	a = end_new(&loop, &freed);
	assert_int_equal(write(a->other_fd, "xx", 2), 2);
	loop_del(&loop, &a->io);
	assert_true(a->io.fd >= 0);
	loop_del(&loop, &a->io); /* not in is as good */
	timer_init(&a->timer, stop);
	wheel_arm(&loop.wheel, &a->timer, clock_ms() + 60);
	run(&loop);
	assert_int_equal(a->calls, 0);
	a->io.ready = end_ready;
	a->stops = true;
	assert_int_equal(loop_add(&loop, &a->io, 0), 0);
	assert_int_equal(loop_add(&loop, &a->io, EPOLLIN), -EEXIST);
	assert_int_equal(loop_mod(&loop, &a->io, EPOLLIN), 0);
	run(&loop);
	assert_int_equal(a->calls, 1);
	end_close(a);
	loop_fini(&loop);
}

static void a_timer_ends_a_sleep_on_time(void **state)
{
	struct end e = {0};
	struct loop loop;
	uint64_t start;

	(void)state;
	assert_int_equal(loop_init(&loop, NULL), 0);
	e.loop = &loop;
	timer_init(&e.timer, stop);
	start = clock_ms();
	wheel_arm(&loop.wheel, &e.timer, start + 120);
	run(&loop);
	assert_true(clock_ms() >= start + 120);
	assert_true(loop.now_ms >= start + 120);
	loop_fini(&loop);
}

static void count_batch(struct loop *loop)
{
	loop->stop = true;
}

static void busy_does_not_sleep(void **state)
{
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop, NULL), 0);
	loop.batch_end = count_batch;
	loop.busy = true;
	run(&loop); /* without busy this would sleep for ever: no timer, no descriptor */
	assert_false(loop.busy);
	loop_fini(&loop);
}

struct twice {
	struct deferred deferred;
	struct loop *loop;
	unsigned int runs;
};

static void run_twice(struct deferred *d)
{
	struct twice *t = container_of(d, struct twice, deferred);

	if (++t->runs < 2) {
		loop_defer(t->loop, d);
	}
}

static void deferred_work_may_defer_itself(void **state)
{
	struct twice t = {.deferred.run = run_twice};
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop, NULL), 0);
	t.loop = &loop;
	loop_defer(&loop, &t.deferred);
	loop_fini(&loop);
	assert_int_equal(t.runs, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_closed_are_not_called_in_the_same_batch),
		cmocka_unit_test(itself_closed_in_its_callback),
		cmocka_unit_test(deleted_and_added_again),
		cmocka_unit_test(a_timer_ends_a_sleep_on_time),
		cmocka_unit_test(busy_does_not_sleep),
		cmocka_unit_test(deferred_work_may_defer_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
