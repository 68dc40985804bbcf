/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_HELPER_H
#define SIXGATE_GATEWAY_HELPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/channel.h"
#include "base/loop.h"
#include "gateway/control/spawn.h"

#define HELPER_ARGS_MAX 16

struct helper;
struct problems;

struct helper_ops {
	const char *mod;  /* of its log lines */
	const char *what; /* its name among the problems */
	/* Fills the arguments behind `--user USER --root DIR`, the first being its mode. */
	void (*arguments)(struct helper *h, const char *argv[HELPER_ARGS_MAX]);
	/* It has just been started: it is told what to do. */
	void (*started)(struct helper *h);
	/* A message of it that is neither HELLO, ACK nor NAK. Returns 0 or -EPROTO. */
	int (*message)(struct helper *h, const struct channel_msg *msg);
	/* It has ended, for whatever reason: what it counted goes to the totals. */
	void (*ended)(struct helper *h);
	/* Before each proof of life, every few seconds while it runs. NULL: nothing. */
	void (*tick)(struct helper *h);
};

/*
 * A process of sixgate-agent beside the workers, started and watched by control: what dies or
 * falls silent is started again, with growing pauses. It is told on its channel what to do.
 */
struct helper {
	const struct helper_ops *ops; /* borrowed, as the next five */
	struct loop *loop;
	struct problems *problems;
	const char *path; /* of the program */
	const char *user; /* it becomes, if we are root */
	const char *root;
	bool on;       /* it shall run */
	bool stopping; /* asked to end, for one with other arguments */
	struct child child;
	struct io exited, readable;
	struct channel channel;
	struct timer timer; /* next start, or next proof of life */
	uint64_t started_ms, heard_ms, serial;
	bool asked;
	unsigned int backoff_s;
};

/* The borrowed members are set before. Starts nothing. */
void helper_init(struct helper *h);
/* Ends it at once. */
void helper_fini(struct helper *h);
bool helper_running(const struct helper *h);
/* Starts it if it does not run; a failure is a problem and tried again. */
void helper_start(struct helper *h);
/* It shall not run: it is asked to end, if it does. */
void helper_stop(struct helper *h);
/* It is asked to end and started anew. */
void helper_replace(struct helper *h);
/*
 * Not while it does not run: then started() tells it all. What cannot be sent ends it, so that it
 * is told all again.
 */
void helper_send(struct helper *h, const struct channel_msg *msg);
void helper_tell(struct helper *h, uint16_t type);

#endif
