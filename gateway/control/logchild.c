/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Supervision of the log child. It never holds anything up: while it is down, workers' pipes fill,
 * and what does not fit is dropped and counted by them.
 */
#include "gateway/control/logchild.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/model/message.h"
#include "gateway/control/internal.h"
#include "gateway/control/problems.h"
#include "gateway/control/workers.h"

#define MOD           "logchild"
#define WHAT          "access log"
#define PING_MS       5000
#define SILENCE_MS    20000 /* a slow disk is no reason yet */
#define BACKOFF_MAX_S 60
#define READ_BATCH    128 /* messages a wake-up */

static void logchild_exited(struct io *io, uint32_t events);
static void logchild_talk(struct io *io, uint32_t events);
static void logchild_timer(struct timer *timer);

void logchild_init(struct logchild *lc)
{
	lc->child = (struct child){.pidfd = -1, .channel = -1};
	lc->exited.fd = lc->readable.fd = lc->channel.fd = -1;
	timer_init(&lc->timer, logchild_timer);
}

bool logchild_running(const struct logchild *lc)
{
	return lc->child.pidfd >= 0;
}

static void logchild_close_channel(struct logchild *lc)
{
	if (lc->readable.fd >= 0) {
		loop_del(lc->loop, &lc->readable);
		channel_fini(&lc->channel);
		lc->readable.fd = lc->channel.fd = -1;
	}
}

void logchild_fini(struct logchild *lc)
{
	char how[64];

	wheel_disarm(&lc->loop->wheel, &lc->timer);
	logchild_close_channel(lc);
	loop_del(lc->loop, &lc->exited);
	if (logchild_running(lc)) {
		child_signal(&lc->child, SIGKILL);
		child_reap(&lc->child, how, sizeof(how));
	}
	free(lc->folder);
	free(lc->file);
}

static void logchild_send(struct logchild *lc, const struct channel_msg *msg)
{
	int rc;

	if (lc->readable.fd < 0) {
		return;
	}
	rc = channel_send(&lc->channel, msg);
	if (rc < 0 && rc != -EPIPE) {
		log_err_errno(rc, MOD, "message %u", msg->type);
	}
	if (channel_busy(&lc->channel)) {
		io_watch(lc->loop, &lc->readable, EPOLLIN | EPOLLOUT);
	}
}

void logchild_add_pipe(struct logchild *lc, unsigned int slot)
{
	struct channel_msg msg = {.type = MSG_LOG_PIPE, .id = slot, .n_fds = 1};

	msg.fds[0] = lc->workers->worker[slot].log_fd;
	if (msg.fds[0] >= 0) {
		logchild_send(lc, &msg);
	}
}

static int logchild_open_channel(struct logchild *lc)
{
	int rc = channel_init(&lc->channel, lc->child.channel);

	lc->child.channel = -1;
	if (rc < 0) {
		return rc;
	}
	lc->readable = (struct io){.fd = lc->channel.fd, .ready = logchild_talk};
	lc->exited = (struct io){.fd = lc->child.pidfd, .ready = logchild_exited};
	rc = loop_add(lc->loop, &lc->readable, EPOLLIN);
	return rc < 0 ? rc : loop_add(lc->loop, &lc->exited, EPOLLIN);
}

static int logchild_spawn(struct logchild *lc, struct err *err)
{
	char *argv[12] = {(char *)lc->path, "--log",  "--user",
			  (char *)lc->user, "--root", (char *)lc->root};
	size_t n = 6;
	int rc;

	if (lc->file) {
		argv[n++] = "--folder";
		argv[n++] = lc->folder;
		argv[n++] = "--file";
		argv[n++] = lc->file;
	}
	rc = child_spawn(argv, &lc->child, err);
	if (rc < 0) {
		return rc;
	}
	rc = logchild_open_channel(lc);
	if (rc < 0) {
		/* it ends with its channel; its exit is noticed, or it is reaped at our end */
		child_signal(&lc->child, SIGKILL);
		return err_set_errno(err, rc, "channel");
	}
	lc->started_ms = lc->heard_ms = lc->loop->now_ms;
	lc->asked = false;
	for (unsigned int slot = 0; slot < lc->workers->n; slot++) {
		logchild_add_pipe(lc, slot);
	}
	wheel_arm(&lc->loop->wheel, &lc->timer, lc->loop->now_ms + PING_MS);
	return 0;
}

static void logchild_start(struct logchild *lc)
{
	struct err err;

	if (logchild_spawn(lc, &err) < 0) {
		log_err(MOD, "%s", err.msg);
		problem_set(lc->problems, LOG_LEVEL_ERR, WHAT, err.msg);
		wheel_arm(&lc->loop->wheel, &lc->timer, lc->loop->now_ms + PING_MS);
	}
}

static void logchild_exited(struct io *io, uint32_t events)
{
	struct logchild *lc = container_of(io, struct logchild, exited);
	char how[64];

	(void)events;
	loop_del(lc->loop, io);
	child_reap(&lc->child, how, sizeof(how));
	logchild_close_channel(lc);
	lc->lines_before += lc->lines;
	lc->dropped_before += lc->dropped;
	lc->lines = lc->dropped = 0;
	wheel_disarm(&lc->loop->wheel, &lc->timer);
	if (!lc->on) {
		lc->ended(lc->ctx);
		return;
	}
	if (lc->stopping) {
		/* it was asked to, for one with other settings */
		lc->stopping = false;
		logchild_start(lc);
		return;
	}
	if (lc->loop->now_ms - lc->started_ms > UINT64_C(1000) * BACKOFF_MAX_S) {
		lc->backoff_s = 0;
	}
	log_err(MOD, "ended: %s, starting it again in %u s", how, lc->backoff_s);
	problem_set(lc->problems, LOG_LEVEL_ERR, WHAT, how);
	wheel_arm(&lc->loop->wheel, &lc->timer, lc->loop->now_ms + lc->backoff_s * UINT64_C(1000));
	lc->backoff_s = lc->backoff_s == 0 ? 1 : lc->backoff_s * 2;
	if (lc->backoff_s > BACKOFF_MAX_S) {
		lc->backoff_s = BACKOFF_MAX_S;
	}
}

static void logchild_timer(struct timer *timer)
{
	struct logchild *lc = container_of(timer, struct logchild, timer);
	struct channel_msg msg = {.type = MSG_STATS};

	if (!logchild_running(lc)) {
		logchild_start(lc);
		return;
	}
	if (lc->asked && lc->loop->now_ms - lc->heard_ms > SILENCE_MS) {
		log_err(MOD, "does not answer, killing it");
		child_signal(&lc->child, SIGKILL);
		return;
	}
	if (!lc->asked) {
		msg.serial = ++lc->serial;
		lc->asked = true;
		logchild_send(lc, &msg);
	}
	wheel_arm(&lc->loop->wheel, timer, lc->loop->now_ms + PING_MS);
}

/* Returns 0 or -EPROTO. */
static int logchild_handle(struct logchild *lc, const struct channel_msg *msg)
{
	struct cursor in = cursor_from(msg->data, msg->len);

	lc->heard_ms = lc->loop->now_ms;
	switch (msg->type) {
	case MSG_HELLO:
		problem_clear(lc->problems, WHAT);
		return 0;
	case MSG_ACK:
		lc->asked &= cursor_u16(&in) != MSG_STATS;
		return 0;
	case MSG_NAK:
		log_err(MOD, "refuses message %u", cursor_u16(&in));
		return 0;
	case MSG_LOG_STATS:
		lc->lines = cursor_u64(&in);
		lc->dropped = cursor_u64(&in);
		return cursor_done(&in) ? 0 : -EPROTO;
	}
	return -EPROTO;
}

static void logchild_talk(struct io *io, uint32_t events)
{
	struct logchild *lc = container_of(io, struct logchild, readable);
	struct channel_msg msg;
	int rc = 0;

	if (events & EPOLLOUT) {
		rc = channel_flush(&lc->channel);
		if (rc == 0) {
			io_watch(lc->loop, io, EPOLLIN);
		}
		rc = rc == -EAGAIN ? 0 : rc;
	}
	/* level-triggered: what is beyond the batch is told again */
	for (int n = 0; rc == 0 && n < READ_BATCH && (rc = channel_recv(&lc->channel, &msg)) > 0;
	     n++) {
		rc = msg.n_fds > 0 ? -EPROTO : logchild_handle(lc, &msg);
		for (size_t i = 0; i < msg.n_fds; i++) {
			close(msg.fds[i]);
		}
	}
	if (rc < 0) {
		if (rc != -EPIPE) {
			log_err_errno(rc, MOD, "bad message, killing it");
			child_signal(&lc->child, SIGKILL);
		}
		logchild_close_channel(lc);
	}
}

static bool text_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void logchild_tell(struct logchild *lc, uint16_t type)
{
	struct channel_msg msg = {.type = type};

	logchild_send(lc, &msg);
}

/* Cuts the path into folder and file. Returns 0 or -ENOMEM. */
static int logchild_set_file(struct logchild *lc, const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	char *folder = NULL, *file = NULL;

	if (slash) {
		folder = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
		file = strdup(slash + 1);
		if (!folder || !file) {
			free(folder);
			free(file);
			return -ENOMEM;
		}
	}
	if (!text_same(folder, lc->folder) || !text_same(file, lc->file)) {
		lc->stopping = logchild_running(lc);
	}
	free(lc->folder);
	free(lc->file);
	lc->folder = folder;
	lc->file = file;
	return 0;
}

int logchild_configure(struct logchild *lc, const struct access_log_conf *conf)
{
	int rc = logchild_set_file(lc, conf->file);

	if (rc < 0) {
		return rc;
	}
	lc->on = conf->on;
	if (!logchild_running(lc)) {
		if (lc->on) {
			logchild_start(lc);
		} else {
			wheel_disarm(&lc->loop->wheel, &lc->timer);
			problem_clear(lc->problems, WHAT);
		}
	} else if (lc->stopping || !lc->on) {
		logchild_tell(lc, MSG_QUIT);
	}
	return 0;
}

void logchild_reopen(struct logchild *lc)
{
	logchild_tell(lc, MSG_LOG_REOPEN);
}

void logchild_drain(struct logchild *lc)
{
	lc->on = false;
	for (unsigned int slot = 0; slot < lc->workers->n; slot++) {
		struct worker *w = &lc->workers->worker[slot];

		if (w->log_fd >= 0) {
			close(w->log_fd);
			w->log_fd = -1;
		}
	}
	logchild_tell(lc, MSG_DRAIN);
}
