/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Supervision of the processes beside the workers. None of them holds anything up: while one is
 * down, what it does is not done.
 */
#include "gateway/control/helper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/model/message.h"
#include "gateway/control/internal.h"
#include "gateway/control/problems.h"

#define PING_MS       5000
#define SILENCE_MS    20000 /* a slow disk is no reason yet */
#define BACKOFF_MAX_S 60
#define READ_BATCH    128 /* messages a wake-up */

static void helper_exited(struct io *io, uint32_t events);
static void helper_talk(struct io *io, uint32_t events);
static void helper_timer(struct timer *timer);

void helper_init(struct helper *h)
{
	h->child = (struct child){.pidfd = -1, .channel = -1};
	h->exited.fd = h->readable.fd = h->channel.fd = -1;
	timer_init(&h->timer, helper_timer);
}

bool helper_running(const struct helper *h)
{
	return h->child.pidfd >= 0;
}

static void helper_close_channel(struct helper *h)
{
	if (h->readable.fd >= 0) {
		loop_del(h->loop, &h->readable);
		channel_fini(&h->channel);
		h->readable.fd = h->channel.fd = -1;
	}
}

static void helper_end_now(struct helper *h)
{
	char how[64];

	helper_close_channel(h);
	loop_del(h->loop, &h->exited);
	if (helper_running(h)) {
		child_signal(&h->child, SIGKILL);
		child_reap(&h->child, how, sizeof(how));
	}
}

void helper_fini(struct helper *h)
{
	wheel_disarm(&h->loop->wheel, &h->timer);
	helper_end_now(h);
}

void helper_send(struct helper *h, const struct channel_msg *msg)
{
	int rc;

	if (h->readable.fd < 0) {
		return;
	}
	rc = channel_send(&h->channel, msg);
	if (rc < 0 && rc != -EPIPE) {
		log_err_errno(rc, h->ops->mod, "message %u, starting it anew", msg->type);
		child_signal(&h->child, SIGKILL);
	}
	if (channel_busy(&h->channel)) {
		io_watch(h->loop, &h->readable, EPOLLIN | EPOLLOUT);
	}
}

void helper_tell(struct helper *h, uint16_t type)
{
	const struct channel_msg msg = {.type = type};

	helper_send(h, &msg);
}

static int helper_open_channel(struct helper *h)
{
	int rc = channel_init(&h->channel, h->child.channel);

	h->child.channel = -1;
	if (rc < 0) {
		return rc;
	}
	h->readable = (struct io){.fd = h->channel.fd, .ready = helper_talk};
	h->exited = (struct io){.fd = h->child.pidfd, .ready = helper_exited};
	rc = loop_add(h->loop, &h->readable, EPOLLIN);
	return rc < 0 ? rc : loop_add(h->loop, &h->exited, EPOLLIN);
}

static int helper_spawn(struct helper *h, struct err *err)
{
	const char *argv[HELPER_ARGS_MAX + 6] = {h->path, "--user", h->user, "--root", h->root};
	int rc;

	h->ops->arguments(h, argv + 5);
	rc = child_spawn((char *const *)argv, &h->child, err); /* it copies them */
	if (rc < 0) {
		return rc;
	}
	rc = helper_open_channel(h);
	if (rc < 0) {
		helper_end_now(h); /* its exit would go unnoticed */
		return err_set_errno(err, rc, "channel");
	}
	h->started_ms = h->heard_ms = h->loop->now_ms;
	h->asked = false;
	h->ops->started(h);
	wheel_arm(&h->loop->wheel, &h->timer, h->loop->now_ms + PING_MS);
	return 0;
}

void helper_start(struct helper *h)
{
	struct err err;

	h->on = true;
	if (!helper_running(h) && helper_spawn(h, &err) < 0) {
		log_err(h->ops->mod, "%s", err.msg);
		problem_set(h->problems, LOG_LEVEL_ERR, h->ops->what, err.msg);
		wheel_arm(&h->loop->wheel, &h->timer, h->loop->now_ms + PING_MS);
	}
}

void helper_stop(struct helper *h)
{
	h->on = false;
	if (helper_running(h)) {
		helper_tell(h, MSG_QUIT);
	} else {
		wheel_disarm(&h->loop->wheel, &h->timer);
		problem_clear(h->problems, h->ops->what);
	}
}

void helper_replace(struct helper *h)
{
	h->on = true;
	if (helper_running(h)) {
		h->stopping = true;
		helper_tell(h, MSG_QUIT);
	} else {
		helper_start(h);
	}
}

static void helper_back_off(struct helper *h, const char *how)
{
	char text[128];

	if (h->loop->now_ms - h->started_ms > UINT64_C(1000) * BACKOFF_MAX_S) {
		h->backoff_s = 0;
	}
	log_err(h->ops->mod, "ended: %s, starting it again in %u s", how, h->backoff_s);
	(void)snprintf(text, sizeof(text), "its process ended, %s: sixgated's log says why",
		       how); /* fits */
	problem_set(h->problems, LOG_LEVEL_ERR, h->ops->what, text);
	wheel_arm(&h->loop->wheel, &h->timer, h->loop->now_ms + h->backoff_s * UINT64_C(1000));
	h->backoff_s = h->backoff_s == 0 ? 1 : h->backoff_s * 2;
	if (h->backoff_s > BACKOFF_MAX_S) {
		h->backoff_s = BACKOFF_MAX_S;
	}
}

static void helper_exited(struct io *io, uint32_t events)
{
	struct helper *h = container_of(io, struct helper, exited);
	bool planned = !h->on || h->stopping;
	char how[64];

	(void)events;
	loop_del(h->loop, io);
	child_reap(&h->child, how, sizeof(how));
	helper_close_channel(h);
	wheel_disarm(&h->loop->wheel, &h->timer);
	h->stopping = false;
	h->ops->ended(h);
	if (h->on && planned) {
		helper_start(h);
	} else if (h->on) {
		helper_back_off(h, how);
	}
}

static void helper_timer(struct timer *timer)
{
	struct helper *h = container_of(timer, struct helper, timer);
	struct channel_msg msg = {.type = MSG_STATS};

	if (!helper_running(h)) {
		helper_start(h);
		return;
	}
	if (h->asked && h->loop->now_ms - h->heard_ms > SILENCE_MS) {
		log_err(h->ops->mod, "does not answer, killing it");
		child_signal(&h->child, SIGKILL);
		return;
	}
	if (h->ops->tick) {
		h->ops->tick(h);
	}
	if (!h->asked) {
		msg.serial = ++h->serial;
		h->asked = true;
		helper_send(h, &msg);
	}
	wheel_arm(&h->loop->wheel, timer, h->loop->now_ms + PING_MS);
}

/* in: the text of a NAK. Returns 0 or -EPROTO. */
static int helper_refused(const struct helper *h, struct cursor in)
{
	unsigned int type = cursor_u16(&in);
	struct str why = cursor_str(&in);
	char safe[ERR_MSG_MAX];

	if (!cursor_done(&in)) {
		return -EPROTO;
	}
	log_err(h->ops->mod, "message %u refused: %s", type, str_escape(safe, sizeof(safe), why));
	return 0;
}

/* Returns 0 or -EPROTO. */
static int helper_handle(struct helper *h, const struct channel_msg *msg)
{
	struct cursor in = cursor_from(msg->data, msg->len);

	h->heard_ms = h->loop->now_ms;
	switch (msg->type) {
	case MSG_HELLO:
		problem_clear(h->problems, h->ops->what);
		return 0;
	case MSG_ACK:
		h->asked &= cursor_u16(&in) != MSG_STATS;
		return 0;
	case MSG_NAK:
		return helper_refused(h, in);
	}
	return h->ops->message(h, msg);
}

static void helper_talk(struct io *io, uint32_t events)
{
	struct helper *h = container_of(io, struct helper, readable);
	struct channel_msg msg;
	int rc = 0;

	if (events & EPOLLOUT) {
		rc = channel_flush(&h->channel);
		if (rc == 0) {
			io_watch(h->loop, io, EPOLLIN);
		}
		rc = rc == -EAGAIN ? 0 : rc;
	}
	/* level-triggered: what is beyond the batch is told again */
	for (int n = 0; rc == 0 && n < READ_BATCH && (rc = channel_recv(&h->channel, &msg)) > 0;
	     n++) {
		rc = msg.n_fds > 0 ? -EPROTO : helper_handle(h, &msg);
		for (size_t i = 0; i < msg.n_fds; i++) {
			close(msg.fds[i]);
		}
	}
	if (rc < 0) {
		if (rc != -EPIPE) {
			log_err_errno(rc, h->ops->mod, "bad message, killing it");
			child_signal(&h->child, SIGKILL);
		}
		helper_close_channel(h);
	}
}
