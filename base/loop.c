/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Event loop: epoll, a timer wheel, deferred work; see loop.h. */
#include "base/loop.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#define LOOP_BATCH 256 /* events a wait */

uint64_t clock_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int loop_init(struct loop *loop, struct err *err)
{
	*loop = (struct loop){.now_ms = clock_ms()};
	wheel_init(&loop->wheel, loop->now_ms);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		return err_set_errno(err, -errno, "epoll_create1");
	}
	return 0;
}

static void loop_run_deferred(struct loop *loop)
{
	while (loop->deferred) {
		struct deferred *d = loop->deferred;

		loop->deferred = d->next;
		d->run(d);
	}
}

void loop_fini(struct loop *loop)
{
	loop_run_deferred(loop);
	if (loop->epoll_fd >= 0) {
		close(loop->epoll_fd);
		loop->epoll_fd = -1;
	}
}

static int loop_wait_ms(const struct loop *loop)
{
	return loop->busy ? 0 : wheel_wait_ms(&loop->wheel, loop->now_ms);
}

int loop_run(struct loop *loop)
{
	struct epoll_event events[LOOP_BATCH];
	int n;

	while (!loop->stop) {
		n = epoll_wait(loop->epoll_fd, events, LOOP_BATCH, loop_wait_ms(loop));
		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		loop->busy = false;
		loop->now_ms = clock_ms();
		for (int i = 0; i < n; i++) {
			struct io *io = events[i].data.ptr;

			if (io->ready) {
				io->ready(io, events[i].events);
			}
		}
		wheel_run(&loop->wheel, loop->now_ms);
		if (loop->batch_end) {
			loop->batch_end(loop);
		}
		loop_run_deferred(loop);
	}
	return 0;
}

static int loop_ctl(struct loop *loop, int op, struct io *io, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = io};

	return epoll_ctl(loop->epoll_fd, op, io->fd, &ev) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct io *io, uint32_t events)
{
	return loop_ctl(loop, EPOLL_CTL_ADD, io, events);
}

int loop_mod(struct loop *loop, struct io *io, uint32_t events)
{
	return loop_ctl(loop, EPOLL_CTL_MOD, io, events);
}

void loop_del(struct loop *loop, struct io *io)
{
	io->ready = NULL;
	if (io->fd >= 0) {
		(void)loop_ctl(loop, EPOLL_CTL_DEL, io, 0); /* not added is as good */
	}
}

void loop_close(struct loop *loop, struct io *io)
{
	(void)loop;
	io->ready = NULL;
	if (io->fd >= 0) {
		close(io->fd);
		io->fd = -1;
	}
}

void loop_defer(struct loop *loop, struct deferred *d)
{
	d->next = loop->deferred;
	loop->deferred = d;
}
