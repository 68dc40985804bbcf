/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_WORKER_STREAM_H
#define SIXGATE_WORKER_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/loop.h"
#include "conf/model/message.h"

/*
 * An answer in JSON lines to a caller of the control socket, whose stream control has passed on: it
 * never sees what peers put into them. Made in steps, as the caller takes it: neither a long answer
 * nor a caller that does not read holds up the worker. An answer may take as long as its work does;
 * a caller that has not taken more for READER_MS loses it. Control is told ACK at the end, or NAK.
 */
struct link;
struct stream;

#define STREAMS_MAX     8
#define STREAM_SIGN_MS  500  /* of work without a word: then an empty line is a sign of life */
#define STREAM_LINE_MAX 4096 /* bytes */

enum stream_step {
	STREAM_MORE,  /* once what is in out was sent */
	STREAM_WAITS, /* for stream_wake() */
	STREAM_DONE,
};

struct stream_ops {
	/* Appends to out what a few ms of work give, as long as stream_has_room(). */
	enum stream_step (*step)(struct stream *s);
	/* It has ended, whatever for: lets go of what it uses. NULL: nothing. */
	void (*end)(struct stream *s);
	/* Then, after the running batch: frees what s is part of. */
	void (*free)(struct stream *s);
};

/* Embedded in the state of what is told. */
struct stream {
	const struct stream_ops *ops; /* borrowed */
	struct link *link;            /* borrowed */
	struct stream *next;          /* link.streams */
	struct io io;                 /* the caller's; shared with control and the caller */
	struct timer timer;           /* the caller's limit */
	struct deferred gone;
	struct buf out;
	uint64_t told_ms; /* when something was last put into out */
	bool waits, done;
	uint16_t type; /* of the order, as id and serial */
	uint32_t id;
	uint64_t serial;
};

/*
 * Begins; takes the descriptor of msg. Returns 0, then ops.free() will follow, -EBUSY (STREAMS_MAX
 * run) or another negative errno: then no answer was sent, and s is the caller's.
 */
int stream_start(struct stream *s, struct link *link, const struct stream_ops *ops,
		 struct channel_msg *msg) CHECKED;
/* What it waited for is there. Not from within step(). */
void stream_wake(struct stream *s);
/* The first line, of the worker that is asked first. */
void stream_tell_ok(struct stream *s);
bool stream_has_room(const struct stream *s);
/* Ends those of the link that run, without an answer. */
void streams_end(struct link *link);

#endif
