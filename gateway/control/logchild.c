/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The log child. It never holds anything up: while it is down, workers' pipes fill, and what does
 * not fit is dropped and counted by them.
 */
#include "gateway/control/logchild.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/model/message.h"
#include "gateway/control/problems.h"
#include "gateway/control/workers.h"

#define MOD "logchild"

static struct logchild *logchild_of(struct helper *h)
{
	return container_of(h, struct logchild, helper);
}

static void logchild_arguments(struct helper *h, const char *argv[HELPER_ARGS_MAX])
{
	struct logchild *lc = logchild_of(h);
	size_t n = 0;

	argv[n++] = "--log";
	if (lc->file) {
		argv[n++] = "--folder";
		argv[n++] = lc->folder;
		argv[n++] = "--file";
		argv[n++] = lc->file;
	} else if (lc->syslog) {
		argv[n++] = "--syslog";
	}
}

static int socket_open(const char *path, struct err *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(sa.sun_path, path, strnlen(path, sizeof(sa.sun_path) - 1)); /* the schema's bound */
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int rc = err_set_errno(err, -errno, "%s", path);

		if (fd >= 0) {
			close(fd);
		}
		return rc;
	}
	return fd;
}

/* The child cannot open it; when the system's log was started anew it needs another one. */
static void logchild_give_socket(struct logchild *lc)
{
	struct problems *problems = lc->helper.problems;
	const uint64_t now_ms = lc->helper.loop->now_ms;
	struct channel_msg msg = {.type = MSG_LOG_SOCKET, .n_fds = 1};
	struct err err;

	if (!lc->syslog || now_ms < lc->socket_ms) {
		return;
	}
	lc->socket_ms = now_ms + LOG_SOCKET_MS;
	msg.fds[0] = socket_open(lc->syslog, &err);
	if (msg.fds[0] < 0) {
		if (!problem_has(problems, lc->problem)) {
			log_err(MOD, "%s, lines of the %s are lost until it is there", err.msg,
				lc->helper.ops->what);
		}
		problem_set(problems, LOG_LEVEL_ERR, lc->problem, err.msg);
		return;
	}
	problem_clear(problems, lc->problem);
	helper_send(&lc->helper, &msg);
	close(msg.fds[0]);
}

void logchild_add_pipe(struct logchild *lc, unsigned int slot)
{
	struct channel_msg msg = {.type = MSG_LOG_PIPE, .id = slot, .n_fds = 1};

	msg.fds[0] = lc->workers->worker[slot].log_fd;
	if (msg.fds[0] >= 0) {
		helper_send(&lc->helper, &msg);
	}
}

static void logchild_started(struct helper *h)
{
	struct logchild *lc = logchild_of(h);

	lc->socket_ms = 0;
	logchild_give_socket(lc);
	for (unsigned int slot = 0; slot < lc->workers->n; slot++) {
		logchild_add_pipe(lc, slot);
	}
}

static void logchild_ended(struct helper *h)
{
	struct logchild *lc = logchild_of(h);

	lc->lines_before += lc->lines;
	lc->dropped_before += lc->dropped;
	lc->lines = lc->dropped = 0;
	if (!h->on) {
		lc->ended(lc->ctx);
	}
}

static int logchild_message(struct helper *h, const struct channel_msg *msg)
{
	struct logchild *lc = logchild_of(h);
	struct cursor in = cursor_from(msg->data, msg->len);

	if (msg->type == MSG_LOG_SOCKET) {
		logchild_give_socket(lc);
		return 0;
	}
	if (msg->type != MSG_LOG_STATS) {
		return -EPROTO;
	}
	lc->lines = cursor_u64(&in);
	lc->dropped = cursor_u64(&in);
	return cursor_done(&in) ? 0 : -EPROTO;
}

#define OPS(name)                                                                                  \
	{                                                                                          \
		.mod = MOD, .what = (name), .arguments = logchild_arguments,                       \
		.started = logchild_started, .message = logchild_message, .ended = logchild_ended, \
	}

void logchild_init(struct logchild *lc, bool queries)
{
	static const struct helper_ops of_sessions = OPS("access log"),
				       of_queries = OPS("query log");

	lc->helper.ops = queries ? &of_queries : &of_sessions;
	lc->problem = queries ? "syslog of queries" : "syslog";
	helper_init(&lc->helper);
}

void logchild_fini(struct logchild *lc)
{
	helper_fini(&lc->helper);
	free(lc->folder);
	free(lc->file);
	free(lc->syslog);
}

static bool text_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Cuts the file's path into folder and name. Returns 1 when it goes elsewhere, 0 or -ENOMEM. */
static int logchild_set_target(struct logchild *lc, const struct access_log_conf *conf)
{
	const char *path = conf->file, *slash = path ? strrchr(path, '/') : NULL;
	char *folder = NULL, *file = NULL, *syslog = NULL;
	int rc;

	if (slash) {
		folder = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
		file = strdup(slash + 1);
	}
	if (conf->syslog) {
		syslog = strdup(conf->syslog);
	}
	if ((slash && (!folder || !file)) || (conf->syslog && !syslog)) {
		free(folder);
		free(file);
		free(syslog);
		return -ENOMEM;
	}
	rc = !text_same(folder, lc->folder) || !text_same(file, lc->file) ||
	     !text_same(syslog, lc->syslog);
	free(lc->folder);
	free(lc->file);
	free(lc->syslog);
	lc->folder = folder;
	lc->file = file;
	lc->syslog = syslog;
	return rc;
}

int logchild_configure(struct logchild *lc, const struct access_log_conf *conf)
{
	int rc = logchild_set_target(lc, conf);

	if (rc < 0) {
		return rc;
	}
	problem_clear(lc->helper.problems, lc->problem); /* until it is met again */
	if (!conf->on) {
		helper_stop(&lc->helper);
	} else if (rc > 0 || lc->helper.stopping) {
		helper_replace(&lc->helper);
	} else {
		helper_start(&lc->helper);
	}
	return 0;
}

void logchild_reopen(struct logchild *lc)
{
	helper_tell(&lc->helper, MSG_LOG_REOPEN);
}

void logchild_drain(struct logchild *lc)
{
	lc->helper.on = false;
	for (unsigned int slot = 0; slot < lc->workers->n; slot++) {
		struct worker *w = &lc->workers->worker[slot];

		if (w->log_fd >= 0) {
			close(w->log_fd);
			w->log_fd = -1;
		}
	}
	helper_tell(&lc->helper, MSG_DRAIN);
}
