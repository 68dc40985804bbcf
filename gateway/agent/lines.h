/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_AGENT_LINES_H
#define SIXGATE_GATEWAY_AGENT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/*
 * Cuts what comes out of one worker's pipe at line ends, so that lines of two workers never mix.
 * A line longer than the buffer is dropped whole.
 */
#define LINES_BUFFER 65536 /* bytes; a line of the proxy is at most PIPE_BUF */

struct lines {
	uint8_t *data; /* owned, LINES_BUFFER bytes */
	size_t len;    /* bytes held: a line that has no end yet */
	bool skipping; /* in the middle of a line that is too long */
};

/* Returns 0 or -ENOMEM. */
int lines_init(struct lines *l) __attribute__((warn_unused_result));
void lines_fini(struct lines *l);
/* Where the next bytes go; there is always room. */
uint8_t *lines_space(struct lines *l, size_t *ret_room);
/*
 * Takes the n bytes just put there. ret_whole are the whole lines now held, ends included, or
 * empty; they stay valid until lines_next(). Returns how many lines were dropped.
 */
unsigned int lines_take(struct lines *l, size_t n, struct str *ret_whole);
/* Forgets whole, which lines_take() returned. */
void lines_next(struct lines *l, struct str whole);
/* The pipe has ended: returns 1 when part of a line is lost by that. */
unsigned int lines_end(const struct lines *l);

#endif
