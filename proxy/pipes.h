/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_PIPES_H
#define SIXGATE_PROXY_PIPES_H

#include <stddef.h>

#include "base/counters.h"

/*
 * The pipes of a worker for splice(2). A flow borrows one while bytes of it are on their way and
 * gives it back as soon as it is empty, so a few pipes serve many sessions. The kernel counts the
 * pages of all pipes of a user and shrinks the ones beyond 16,384 pages to two pages each: max
 * keeps the workers below that together.
 */
struct pipe {
	struct pipe *next; /* pipes.free */
	int fds[2];        /* owned: read end, write end */
	size_t held;       /* bytes in it */
};

struct pipes {
	struct pipe *free;
	unsigned int n_open;       /* lent ones included */
	unsigned int max;          /* open at a time */
	struct counters *counters; /* borrowed; NULL before control has sent them */
};

void pipes_init(struct pipes *pipes, unsigned int max);
/* Closes what is not lent. */
void pipes_fini(struct pipes *pipes);

/* An empty pipe, or NULL when there is none to be had: copy instead. */
struct pipe *pipes_get(struct pipes *pipes);

/* Takes pipe (NULL allowed); one that still holds bytes is closed. */
void pipes_put(struct pipes *pipes, struct pipe *pipe);

#endif
