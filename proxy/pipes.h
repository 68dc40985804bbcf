/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_PIPES_H
#define SIXGATE_PROXY_PIPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counters.h"

/*
 * The pipes of a worker for splice(2). A flow borrows one while bytes of it are on their way and
 * gives it back as soon as it is empty, so a few pipes serve many sessions.
 *
 * The kernel counts the pages of all pipes of a user and shrinks what is beyond 16,384 pages to
 * two pages each: max keeps the workers below that together. The first pipes are large (a bulk
 * flow costs half as much CPU by 1 MiB at a time as by 64 KiB), up to half of the pages.
 */
#define PIPE_LARGE_BYTES 1048576 /* /proc/sys/fs/pipe-max-size as the kernel has it */
#define PIPE_LARGE_UNITS 16      /* a usual pipe, of 64 KiB, is one unit */

struct flow;

struct pipe {
	struct pipe *next, *prev; /* pipes.free by next alone, or pipes.lent */
	struct flow *holder;      /* borrowed; while it is lent */
	uint64_t moved_ms;        /* when bytes left it last, or it was lent */
	int fds[2];               /* owned: read end, write end */
	size_t held;              /* bytes in it */
	bool large;
};

struct pipes {
	struct pipe *free[2]; /* usual, large */
	struct pipe *lent;
	unsigned int n_open;       /* lent ones included */
	unsigned int units;        /* of all open ones */
	unsigned int large_units;  /* of these, of large ones */
	unsigned int max;          /* units */
	bool only_usual;           /* no large ones are to be had */
	struct counters *counters; /* borrowed; NULL before control has sent them */
};

void pipes_init(struct pipes *pipes, unsigned int max);
/* Closes what is not lent. */
void pipes_fini(struct pipes *pipes);

/* An empty pipe for holder, or NULL when there is none to be had: copy instead. */
struct pipe *pipes_get(struct pipes *pipes, struct flow *holder, uint64_t now_ms);

/* Takes pipe (NULL allowed); one that still holds bytes is closed. */
void pipes_put(struct pipes *pipes, struct pipe *pipe);

#endif
