/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_AGENT_TALK_H
#define SIXGATE_GATEWAY_AGENT_TALK_H

#include "base/channel.h"
#include "base/err.h"
#include "base/loop.h"

struct talk;

struct talk_ops {
	const char *mod; /* of its log lines */
	/* One message; its descriptors are the callee's. */
	void (*message)(struct talk *t, const struct channel_msg *msg);
	/* Control has closed its end. */
	void (*ended)(struct talk *t);
	/* All that had come was handled. NULL: nothing to do then. */
	void (*rested)(struct talk *t);
};

/* The agent's end of the channel to control, the same for all its modes, and its event loop. */
struct talk {
	const struct talk_ops *ops; /* borrowed */
	struct loop loop;
	struct channel channel;
	struct io io;
	int rc; /* why the loop stopped */
};

/*
 * Takes CHANNEL_FD, says HELLO and works until talk_stop(). Returns 0, or what was given to that.
 * The loop stays for what is still in it: talk_fini() is due, on failure too.
 */
int talk_run(struct talk *t, const struct talk_ops *ops, struct err *err) CHECKED;
void talk_fini(struct talk *t);
/* The first failure is kept. */
void talk_stop(struct talk *t, int rc);

void talk_say(struct talk *t, const struct channel_msg *msg);
/* A message of one or two counters. */
void talk_say_counts(struct talk *t, uint16_t type, const uint64_t *counts, size_t n);
/* ACK, or with failure NAK. */
void talk_answer(struct talk *t, const struct channel_msg *to, const struct err *failure);
void talk_close_fds(const struct channel_msg *msg);
/*
 * What every mode answers the same: LOG_LEVEL; a number that is none of control's ends us. The
 * message's descriptors are closed.
 */
void talk_other(struct talk *t, const struct channel_msg *msg);

#endif
