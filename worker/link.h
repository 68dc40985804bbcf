/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_WORKER_LINK_H
#define SIXGATE_WORKER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/channel.h"
#include "base/err.h"
#include "base/loop.h"
#include "conf/model/message.h"

/*
 * A worker's end of the channel (conf/model/message.h): reads what control orders, finds who
 * carries it out, and answers. A message that breaks its form ends the process: then the two do
 * not speak the same language. One that cannot be carried out is answered NAK, and nothing has
 * changed.
 */
struct link;
struct stream;

#define LINK_ANY_FDS  (-1)
#define LINK_ANSWERED 1 /* or will be, later */

/*
 * One message type. need_fds: how many descriptors it has to come with, LINK_ANY_FDS if run() looks
 * for itself. run() returns 0 (answered ACK), LINK_ANSWERED, -EPROTO (a bad message: the process
 * ends) or another negative errno (answered NAK) with err. Descriptors that it does not take
 * (link_take_fd()) are closed.
 */
struct link_order {
	enum message type;
	int need_fds;
	int (*run)(struct link *link, struct channel_msg *msg, struct err *err);
};

struct link_ops {
	const char *mod; /* of its log lines */
	const struct link_order *orders;
	size_t n_orders;
	/* No order may be read now, so that answers keep their order. NULL: always may. */
	bool (*wait)(const struct link *link);
	/* Control has gone: what is queued is served, what runs may end. */
	void (*ended)(struct link *link);
};

struct link {
	const struct link_ops *ops; /* borrowed, as loop */
	struct loop *loop;
	struct channel channel;
	struct io io;           /* fd -1: closed */
	struct stream *streams; /* owned list: answers that are being told, see stream.h */
	bool writable_wanted;
	unsigned int index; /* of the worker, for its log lines */
	bool failed;        /* the process ends with an error */
};

void link_init(struct link *link, struct loop *loop, const struct link_ops *ops);
/* Takes fd, the channel's, and says HELLO. */
int link_open(struct link *link, int fd, struct err *err) CHECKED;
void link_fini(struct link *link);
/* At the end of each batch of events: what could not be sent yet goes when the channel takes it. */
void link_watch(struct link *link);

/* Carries msg out and answers it; takes its descriptors. Returns 0, or -EPROTO with err. */
int link_handle(struct link *link, struct channel_msg *msg, struct err *err) CHECKED;
void link_ack(struct link *link, enum message type, uint32_t id, uint64_t serial);
void link_nak(struct link *link, enum message type, uint32_t id, uint64_t serial, const char *why);

/* For run(): a descriptor of the message, which is the caller's from here on. */
int link_take_fd(struct channel_msg *msg, size_t i);
/* Orders that all workers carry out the same. */
int link_on_stats(struct link *link, struct channel_msg *msg, struct err *err) CHECKED;
int link_on_quit(struct link *link, struct channel_msg *msg, struct err *err) CHECKED;
int link_on_log_level(struct link *link, struct channel_msg *msg, struct err *err) CHECKED;
/*
 * SET: each entry as if it had come alone, but that those not refused are answered together; msg is
 * what that answer is to.
 */
int link_set(struct link *link, struct channel_msg *msg, struct err *err) CHECKED;
/* The forms of DRAIN and COUNTERS. Each returns 0 or -EPROTO with err. */
int link_drain_ms(const struct channel_msg *msg, uint32_t *ret_ms, struct err *err) CHECKED;
int link_counters(const struct channel_msg *msg, size_t *ret_n_workers, struct err *err) CHECKED;

#endif
