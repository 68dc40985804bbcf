/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages of control, and the answers; see link.h. */
#include "worker/link.h"

#include <errno.h>
#include <unistd.h>

#include "base/container.h"
#include "base/counters.h"
#include "base/cursor.h"
#include "base/log.h"
#include "worker/stream.h"

#define ANSWER_MAX 1024 /* bytes */

static void link_ready(struct io *io, uint32_t events);

void link_init(struct link *link, struct loop *loop, const struct link_ops *ops)
{
	*link = (struct link){.ops = ops, .loop = loop, .channel.fd = -1, .io.fd = -1};
}

void link_fini(struct link *link)
{
	streams_end(link);
	loop_close(link->loop, &link->io);
	link->channel.fd = -1;
	channel_fini(&link->channel);
}

static void link_broken(struct link *link, const char *why)
{
	log_err(link->ops->mod, "worker %u: control: %s", link->index, why);
	link->failed = true;
	link->loop->stop = true;
}

void link_watch(struct link *link)
{
	bool busy = channel_busy(&link->channel);

	if (link->io.fd < 0 || busy == link->writable_wanted) {
		return;
	}
	link->writable_wanted = busy;
	if (loop_mod(link->loop, &link->io, EPOLLIN | (busy ? (uint32_t)EPOLLOUT : 0)) < 0) {
		link_broken(link, "cannot watch the channel");
	}
}

int link_take_fd(struct channel_msg *msg, size_t i)
{
	int fd = msg->fds[i];

	msg->fds[i] = -1;
	return fd;
}

static void send_answer(struct link *link, struct channel_msg *msg, struct buf *data)
{
	int rc = data->bad ? -ENOMEM : 0;

	msg->data = data->data;
	msg->len = data->len;
	if (rc == 0 && link->channel.fd >= 0) { /* else control has gone meanwhile */
		rc = channel_send(&link->channel, msg);
	}
	buf_fini(data);
	/*
	 * Without answers control cannot know what is in force here; at the end of the channel,
	 * which is read next, nobody wants to.
	 */
	if (rc < 0 && rc != -EPIPE) {
		log_err_errno(rc, link->ops->mod, "answer to control");
		link->loop->stop = true;
		link->failed = true;
	}
}

void link_ack(struct link *link, enum message type, uint32_t id, uint64_t serial)
{
	struct channel_msg msg = {.type = MSG_ACK, .id = id, .serial = serial};
	struct buf data;

	buf_init(&data, ANSWER_MAX);
	buf_u16(&data, (uint16_t)type);
	send_answer(link, &msg, &data);
}

void link_nak(struct link *link, enum message type, uint32_t id, uint64_t serial, const char *why)
{
	struct channel_msg msg = {.type = MSG_NAK, .id = id, .serial = serial};
	struct buf data;

	buf_init(&data, ANSWER_MAX);
	buf_u16(&data, (uint16_t)type);
	buf_str(&data, str_from(why));
	send_answer(link, &msg, &data);
}

/* Says who we are; the first message. */
static int link_hello(struct link *link)
{
	struct channel_msg msg = {.type = MSG_HELLO};
	struct buf data;
	int rc;

	buf_init(&data, ANSWER_MAX);
	buf_str(&data, str_from(PACKAGE_VERSION));
	buf_u32(&data, (uint32_t)getpid());
	if (data.bad) {
		return -ENOMEM;
	}
	msg.data = data.data;
	msg.len = data.len;
	rc = channel_send(&link->channel, &msg);
	buf_fini(&data);
	return rc;
}

int link_open(struct link *link, int fd, struct err *err)
{
	int rc = channel_init(&link->channel, fd);

	if (rc < 0) {
		return err_set_errno(err, rc, "channel");
	}
	link->channel.may_lose_fds = true; /* such an order is refused */
	link->io = (struct io){.fd = fd, .ready = link_ready};
	rc = loop_add(link->loop, &link->io, EPOLLIN);
	if (rc == 0) {
		rc = link_hello(link);
	}
	return rc < 0 ? err_set_errno(err, rc, "channel") : 0;
}

static void link_ended(struct link *link)
{
	log_info(link->ops->mod, "worker %u: control has closed the channel, draining",
		 link->index);
	loop_close(link->loop, &link->io);
	link->channel.fd = -1;
	link->ops->ended(link);
}

static void link_ready(struct io *io, uint32_t events)
{
	struct link *link = container_of(io, struct link, io);
	bool waits = link->ops->wait && link->ops->wait(link);
	struct channel_msg msg;
	struct err err = {0};
	int rc = 0;

	if ((events & EPOLLOUT) && channel_flush(&link->channel) == -EPIPE) {
		link_ended(link);
		return;
	}
	/* level-triggered: one message a time, so that a long set does not hold up the others */
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !waits) {
		rc = channel_recv(&link->channel, &msg);
	}
	if (rc == -EPIPE) {
		link_ended(link);
		return;
	}
	if (rc == 1) {
		rc = link_handle(link, &msg, &err);
	}
	if (rc < 0) {
		link_broken(link, err.msg[0] ? err.msg : "bad message");
		return;
	}
	link_watch(link);
}

static const struct link_order *find_order(const struct link *link, uint16_t type)
{
	for (size_t i = 0; i < link->ops->n_orders; i++) {
		if (link->ops->orders[i].type == type) {
			return &link->ops->orders[i];
		}
	}
	return NULL;
}

static int run_order(struct link *link, struct channel_msg *msg, struct err *err)
{
	const struct link_order *order = find_order(link, msg->type);

	if (!order) {
		return err_set(err, -EPROTO, "message of unknown type %u", msg->type);
	}
	if (msg->fds_lost) { /* only a loan is offered to somebody else */
		return err_set(err, msg->type == MSG_LEND ? -EMFILE : -EPROTO,
			       "no descriptors are left for it");
	}
	if (order->need_fds != LINK_ANY_FDS && msg->n_fds != (size_t)order->need_fds) {
		return err_set(err, -EPROTO, "message of type %u with %zu descriptors", msg->type,
			       msg->n_fds);
	}
	return order->run(link, msg, err);
}

int link_handle(struct link *link, struct channel_msg *msg, struct err *err)
{
	int rc = run_order(link, msg, err);

	for (size_t i = 0; i < msg->n_fds; i++) {
		if (msg->fds[i] >= 0) {
			close(msg->fds[i]);
		}
	}
	if (rc == -EPROTO) {
		return rc;
	}
	if (rc < 0) {
		link_nak(link, (enum message)msg->type, msg->id, msg->serial, err->msg);
	} else if (rc == 0) {
		link_ack(link, (enum message)msg->type, msg->id, msg->serial);
	}
	return 0;
}

int link_set(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct cursor in = cursor_from(msg->data, msg->len);
	uint32_t n_taken = 0;

	while (in.left > 0) {
		struct channel_msg one;
		int rc;

		if (set_entry_unpack(&in, &one) < 0) {
			return err_set(err, -EPROTO, "SET: bad form");
		}
		rc = run_order(link, &one, err);
		if (rc == -EPROTO) {
			return rc;
		}
		if (rc < 0) {
			link_nak(link, (enum message)one.type, one.id, one.serial, err->msg);
		} else {
			n_taken++;
		}
	}
	msg->id = n_taken;
	return 0;
}

int link_on_stats(struct link *link, struct channel_msg *msg, struct err *err)
{
	(void)link;
	(void)msg;
	(void)err;
	return 0;
}

int link_on_quit(struct link *link, struct channel_msg *msg, struct err *err)
{
	(void)msg;
	(void)err;
	link->loop->stop = true;
	return LINK_ANSWERED;
}

int link_on_log_level(struct link *link, struct channel_msg *msg, struct err *err)
{
	(void)link;
	if (msg->id > LOG_LEVEL_DEBUG) {
		return err_set(err, -EPROTO, "LOG_LEVEL: bad level");
	}
	log_set_level((enum log_level)msg->id);
	return 0;
}

int link_drain_ms(const struct channel_msg *msg, uint32_t *ret_ms, struct err *err)
{
	struct cursor in = cursor_from(msg->data, msg->len);

	*ret_ms = cursor_u32(&in);
	return cursor_done(&in) ? 0 : err_set(err, -EPROTO, "DRAIN: bad form");
}

int link_counters(const struct channel_msg *msg, size_t *ret_n_workers, struct err *err)
{
	struct cursor in = cursor_from(msg->data, msg->len);
	size_t n_all = msg->n_fds > 0 ? msg->n_fds - 1 : 0;
	size_t n_workers = msg->len > 0 ? cursor_u8(&in) : n_all;

	if (!cursor_done(&in) || n_all > WORKERS_MAX || n_workers > n_all || msg->id >= n_workers) {
		return err_set(err, -EPROTO, "COUNTERS: bad form");
	}
	*ret_n_workers = n_workers;
	return 0;
}
