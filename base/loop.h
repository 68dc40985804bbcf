/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_LOOP_H
#define SIXGATE_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/err.h"
#include "base/wheel.h"

/*
 * The event loop of a process: epoll and one timer wheel, nothing else. It is this thin because
 * a relay's whole work per wake-up is one read and one write.
 *
 * io.ready is called with the EPOLL* bits. An owner that closes itself inside a callback calls
 * loop_del() and loop_defer(): no event of the running batch reaches a deleted io, and the memory
 * goes after the batch.
 */
struct io {
	int fd;                                        /* -1 when closed */
	void (*ready)(struct io *io, uint32_t events); /* NULL once deleted */
};

struct deferred {
	struct deferred *next; /* loop.deferred */
	void (*run)(struct deferred *d);
};

struct loop {
	int epoll_fd;
	bool stop;
	bool busy;       /* set by a callback that left work: the next wait does not sleep */
	uint64_t now_ms; /* monotonic, taken once a batch */
	struct wheel wheel;
	struct deferred *deferred;
	void (*batch_end)(struct loop *loop); /* after each batch; NULL allowed */
};

int loop_init(struct loop *loop, struct err *err) CHECKED;
void loop_fini(struct loop *loop);
/* Runs until loop->stop. Returns 0, or a negative errno of epoll_wait(2). */
int loop_run(struct loop *loop) CHECKED;
/* Adds io->fd; events as for epoll_ctl(2). Returns 0 or a negative errno (-ENOSPC, -ENOMEM). */
int loop_add(struct loop *loop, struct io *io, uint32_t events) CHECKED;
int loop_mod(struct loop *loop, struct io *io, uint32_t events) CHECKED;
/* Takes io out of the loop; the descriptor stays open. */
void loop_del(struct loop *loop, struct io *io);
/*
 * For an io whose descriptor is closed at once and was never duplicated: as loop_del() and
 * close(2), without the system call that closing makes needless.
 */
void loop_close(struct loop *loop, struct io *io);
/* Calls d->run(d) after the running batch. */
void loop_defer(struct loop *loop, struct deferred *d);
/* Monotonic clock in ms. */
uint64_t clock_ms(void);

#endif
