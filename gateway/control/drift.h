/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_DRIFT_H
#define SIXGATE_GATEWAY_DRIFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/loop.h"

struct kernel;
struct problems;

/*
 * Watches over the kernel's state: looks when it tells of a change, and every DRIFT_POLL_MS for
 * what it does not tell. What others changed is mended, logged and kept for `drift`; what cannot be
 * mended, and what the kernel lacks, is among the problems.
 */
#define DRIFT_POLL_MS   20000
#define DRIFT_AROUND_MS 1000
#define DRIFT_KEPT      100

struct drift {
	struct loop *loop;     /* borrowed, as the next two */
	struct kernel *kernel; /* NULL: without */
	struct problems *problems;
	struct io watch; /* descriptor of kernel */
	struct timer poll;
	bool sweep_turn;     /* of two steps one is a sweep's, when there is other work */
	struct timer around; /* armed after a change: for a look at what is not ours */
	struct drift_line {
		uint64_t at_s; /* since the epoch */
		char *text;    /* owned */
	} lines[DRIFT_KEPT];
	size_t n; /* all that ever were; the newest is lines[(n - 1) % DRIFT_KEPT] */
};

void drift_init(struct drift *d);
void drift_fini(struct drift *d);
/* From now on; called again, nothing. Returns 0 or a negative errno. */
int drift_watch(struct drift *d, struct err *err) CHECKED;
/* To be called after each batch of events: a bounded step. True when more is to be done. */
bool drift_work(struct drift *d);
/* After anything was done to the kernel: what it says of failures and missing parts. */
void drift_problems(struct drift *d);
/* What others changed and was put back, a JSON object each. */
void drift_write(const struct drift *d, struct buf *out);
/* The same of lines that tell what is not as wanted now. */
void drift_write_now(const struct buf *lines, struct buf *out);

#endif
