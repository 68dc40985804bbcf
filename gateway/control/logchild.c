/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The log child. It never holds anything up: while it is down, workers' pipes fill, and what does
 * not fit is dropped and counted by them.
 */
#include "gateway/control/logchild.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "conf/model/message.h"
#include "gateway/control/workers.h"

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
	}
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

	if (msg->type != MSG_LOG_STATS) {
		return -EPROTO;
	}
	lc->lines = cursor_u64(&in);
	lc->dropped = cursor_u64(&in);
	return cursor_done(&in) ? 0 : -EPROTO;
}

static const struct helper_ops logchild_ops = {
	.mod = "logchild",
	.what = "access log",
	.arguments = logchild_arguments,
	.started = logchild_started,
	.message = logchild_message,
	.ended = logchild_ended,
};

void logchild_init(struct logchild *lc)
{
	lc->helper.ops = &logchild_ops;
	helper_init(&lc->helper);
}

void logchild_fini(struct logchild *lc)
{
	helper_fini(&lc->helper);
	free(lc->folder);
	free(lc->file);
}

static bool text_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Cuts the path into folder and file. Returns 1 when they are others, 0 or -ENOMEM. */
static int logchild_set_file(struct logchild *lc, const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	char *folder = NULL, *file = NULL;
	int rc;

	if (slash) {
		folder = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
		file = strdup(slash + 1);
		if (!folder || !file) {
			free(folder);
			free(file);
			return -ENOMEM;
		}
	}
	rc = !text_same(folder, lc->folder) || !text_same(file, lc->file);
	free(lc->folder);
	free(lc->file);
	lc->folder = folder;
	lc->file = file;
	return rc;
}

int logchild_configure(struct logchild *lc, const struct access_log_conf *conf)
{
	int rc = logchild_set_file(lc, conf->file);

	if (rc < 0) {
		return rc;
	}
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
