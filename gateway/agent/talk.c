/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The agent's end of the channel; see talk.h. */
#include "gateway/agent/talk.h"

#include <errno.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/model/message.h"

static void talk_ready(struct io *io, uint32_t events);

static int talk_init(struct talk *t, const struct talk_ops *ops, struct err *err)
{
	int rc;

	t->ops = ops;
	t->channel.fd = -1;
	rc = loop_init(&t->loop, err);
	if (rc < 0) {
		return rc;
	}
	rc = channel_init(&t->channel, CHANNEL_FD);
	if (rc < 0) {
		return err_set_errno(err, rc, "channel");
	}
	t->io = (struct io){.fd = t->channel.fd, .ready = talk_ready};
	rc = loop_add(&t->loop, &t->io, EPOLLIN);
	return rc < 0 ? err_set_errno(err, rc, "channel on descriptor %d", CHANNEL_FD) : 0;
}

void talk_fini(struct talk *t)
{
	channel_fini(&t->channel);
	loop_fini(&t->loop);
}

void talk_stop(struct talk *t, int rc)
{
	t->rc = t->rc < 0 ? t->rc : rc;
	t->loop.stop = true;
}

static void talk_watch(struct talk *t)
{
	uint32_t events = EPOLLIN | (channel_busy(&t->channel) ? EPOLLOUT : 0u);
	int rc = loop_mod(&t->loop, &t->io, events);

	if (rc < 0) {
		log_err_errno(rc, t->ops->mod, "channel to control");
		talk_stop(t, rc);
	}
}

/* It is never much that control waits for, so a full channel means that it is broken. */
void talk_say(struct talk *t, const struct channel_msg *msg)
{
	int rc = channel_send(&t->channel, msg);

	if (rc == -EPIPE) {
		return; /* control is gone; what it sent before is still to be read, then comes the
			   end */
	}
	if (rc < 0) {
		log_err_errno(rc, t->ops->mod, "answer to control");
		talk_stop(t, rc);
	}
	if (channel_busy(&t->channel)) {
		talk_watch(t);
	}
}

static void talk_say_data(struct talk *t, struct channel_msg *msg, struct buf *data)
{
	msg->data = data->data;
	msg->len = data->len;
	talk_say(t, msg);
	buf_fini(data);
}

void talk_say_counts(struct talk *t, uint16_t type, const uint64_t *counts, size_t n)
{
	struct channel_msg msg = {.type = type};
	struct buf data;

	buf_init(&data, 256);
	for (size_t i = 0; i < n; i++) {
		buf_u64(&data, counts[i]);
	}
	talk_say_data(t, &msg, &data);
}

void talk_answer(struct talk *t, const struct channel_msg *to, const struct err *failure)
{
	struct channel_msg msg = {.type = failure ? MSG_NAK : MSG_ACK,
				  .id = to->id,
				  .serial = to->serial};
	struct buf data;

	buf_init(&data, 1024);
	buf_u16(&data, to->type);
	if (failure) {
		buf_str(&data, str_from(failure->msg));
	}
	talk_say_data(t, &msg, &data);
}

static void talk_hello(struct talk *t)
{
	struct channel_msg msg = {.type = MSG_HELLO};
	struct buf data;

	buf_init(&data, 256);
	buf_str(&data, str_from(PACKAGE_VERSION));
	buf_u32(&data, (uint32_t)getpid());
	talk_say_data(t, &msg, &data);
}

void talk_close_fds(const struct channel_msg *msg)
{
	for (size_t i = 0; i < msg->n_fds; i++) {
		close(msg->fds[i]);
	}
}

void talk_other(struct talk *t, const struct channel_msg *msg)
{
	talk_close_fds(msg);
	if (msg->type == MSG_LOG_LEVEL) {
		log_set_level((enum log_level)msg->id);
		talk_answer(t, msg, NULL);
		return;
	}
	log_err(t->ops->mod, "message %u from control is unknown", msg->type);
	talk_stop(t, -EPROTO);
}

static void talk_ready(struct io *io, uint32_t events)
{
	struct talk *t = container_of(io, struct talk, io);
	struct channel_msg msg;
	int rc = 1;

	if ((events & EPOLLOUT) && channel_flush(&t->channel) == 0) {
		talk_watch(t);
	}
	while (!t->loop.stop && rc == 1) {
		rc = channel_recv(&t->channel, &msg);
		if (rc == 1) {
			t->ops->message(t, &msg);
		}
	}
	if (rc == -EPIPE) {
		loop_del(&t->loop, io);
		t->ops->ended(t);
	} else if (rc < 0) {
		log_err_errno(rc, t->ops->mod, "channel to control");
		talk_stop(t, rc);
	}
	if (t->ops->rested) {
		t->ops->rested(t);
	}
}

int talk_run(struct talk *t, const struct talk_ops *ops, struct err *err)
{
	int rc = talk_init(t, ops, err);

	if (rc < 0) {
		return rc;
	}
	talk_hello(t);
	rc = loop_run(&t->loop);
	if (rc < 0) {
		return err_set_errno(err, rc, "event loop");
	}
	return t->rc < 0 ? err_set_errno(err, t->rc, "ended by control") : 0;
}
