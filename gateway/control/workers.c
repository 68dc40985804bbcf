/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DOC: supervision
 *
 * DOWN -> STARTING (fork, exec) -> HELLO -> LOADING (full set) -> READY. A worker that ends is
 * started again at once; if it ends again soon, after 1 s, 2 s ... 60 s. One that says nothing for
 * some seconds, or something wrong, is killed, which leads to the same place. While a worker is
 * not READY again its siblings cover for it (cover.c).
 */
#include "gateway/control/workers.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/model/message.h"
#include "gateway/control/items.h"
#include "gateway/control/listeners.h"
#include "gateway/control/problems.h"
#include "gateway/control/slots.h"

#define MOD "workers"

const struct workers_times workers_times_default = {
	.hello_ms = 10000,
	.ping_ms = 2000,
	.silence_ms = 10000,
	.soon_ms = 60000,
	.backoff_ms = 1000,
	.backoff_max_ms = 60000,
	.loan_ms = 1000,
};

static void worker_timer(struct timer *timer);
static void worker_exited(struct io *io, uint32_t events);

const char *worker_what(const struct worker *w, char dst[WORKER_WHAT_MAX])
{
	const char *what = w->workers->what ? w->workers->what : "worker";

	(void)snprintf(dst, WORKER_WHAT_MAX, "%s %u", what, w->slot); /* fits */
	return dst;
}

static int worker_init(struct worker *w, struct workers *ws, unsigned int slot, struct err *err)
{
	*w = (struct worker){
		.workers = ws,
		.slot = slot,
		.feed = ws->first_feed + slot,
		.child = {.pidfd = -1, .channel = -1},
		.exited.fd = -1,
		.readable.fd = -1,
		.channel.fd = -1,
		.covered_by = -1,
		.counters_fd = -1,
		.counters_ro_fd = -1,
		.log_fd = -1,
	};
	timer_init(&w->timer, worker_timer);
	w->counters_fd = counters_create(err);
	if (w->counters_fd < 0) {
		return w->counters_fd;
	}
	w->counters_ro_fd = counters_reopen_readonly(w->counters_fd, err);
	if (w->counters_ro_fd < 0) {
		return w->counters_ro_fd;
	}
	return counters_map(w->counters_fd, 1, &w->counters, err);
}

int workers_init(struct workers *ws, unsigned int n, struct err *err)
{
	int rc = 0;

	timer_init(&ws->loans, workers_lend_again);
	buf_init(&ws->set, CHANNEL_MSG_MAX);
	ws->worker = calloc(n, sizeof(*ws->worker));
	if (!ws->worker) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	for (ws->n = 0; rc == 0 && ws->n < n; ws->n++) {
		rc = worker_init(&ws->worker[ws->n], ws, ws->n, err);
		ws->segments[ws->n] = ws->worker[ws->n].counters;
	}
	return rc;
}

static void close_if_open(int fd)
{
	if (fd >= 0) {
		close(fd);
	}
}

static void worker_fini(struct worker *w)
{
	char how[64];

	wheel_disarm(&w->workers->loop->wheel, &w->timer);
	worker_close_channel(w);
	loop_del(w->workers->loop, &w->exited);
	if (w->child.pidfd >= 0) {
		child_signal(&w->child, SIGKILL);
		child_reap(&w->child, how, sizeof(how));
	}
	counters_unmap(w->counters);
	close_if_open(w->counters_fd);
	close_if_open(w->counters_ro_fd);
	close_if_open(w->log_fd);
}

void workers_fini(struct workers *ws)
{
	wheel_disarm(&ws->loop->wheel, &ws->loans);
	for (unsigned int i = 0; i < ws->n; i++) {
		worker_fini(&ws->worker[i]);
	}
	buf_fini(&ws->set);
	free(ws->worker);
	ws->worker = NULL;
	ws->n = 0;
}

static void worker_arm(struct worker *w, uint64_t ms)
{
	struct loop *loop = w->workers->loop;

	wheel_arm(&loop->wheel, &w->timer, loop->now_ms + ms);
}

static int worker_spawn(struct worker *w, struct err *err)
{
	struct workers *ws = w->workers;
	char *argv[] = {(char *)ws->path, "--user",         (char *)ws->user,
			"--root",         (char *)ws->root, NULL};
	int rc;

	rc = child_spawn(argv, &w->child, err);
	if (rc < 0) {
		return rc;
	}
	w->exited = (struct io){.fd = w->child.pidfd, .ready = worker_exited};
	rc = loop_add(ws->loop, &w->exited, EPOLLIN);
	if (rc == 0) {
		rc = worker_open_channel(w);
	}
	if (rc < 0) {
		char how[64], what[WORKER_WHAT_MAX];

		err_set_errno(err, rc, "%s", worker_what(w, what));
		loop_del(ws->loop, &w->exited);
		child_signal(&w->child, SIGKILL);
		child_reap(&w->child, how, sizeof(how));
		return rc;
	}
	w->state = WORKER_STARTING;
	w->started_ms = w->heard_ms = ws->loop->now_ms;
	w->ping = w->loaded_ping = 0;
	worker_arm(w, ws->times->hello_ms);
	return 0;
}

int workers_start(struct workers *ws, struct err *err)
{
	for (unsigned int i = 0; i < ws->n; i++) {
		int rc = worker_spawn(&ws->worker[i], err);

		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

/* How long a worker that has just ended stays down. */
static unsigned int worker_backoff_ms(struct worker *w)
{
	const struct workers_times *times = w->workers->times;
	unsigned int ms;

	if (w->workers->loop->now_ms - w->started_ms > times->soon_ms + w->backoff_ms) {
		w->backoff_ms = 0;
	}
	ms = w->backoff_ms;
	w->backoff_ms = ms == 0 ? times->backoff_ms : ms * 2;
	if (w->backoff_ms > times->backoff_max_ms) {
		w->backoff_ms = times->backoff_max_ms;
	}
	return ms;
}

static void worker_restart_later(struct worker *w, const char *how)
{
	unsigned int ms = worker_backoff_ms(w);
	char what[WORKER_WHAT_MAX], text[128];

	w->died = true;
	w->restarts++;
	worker_what(w, what);
	(void)snprintf(text, sizeof(text), "ended: %s, starting it again in %u s", how,
		       ms / 1000); /* cut if longer */
	log_err(MOD, "%s %s", what, text);
	problem_set(w->workers->problems, LOG_LEVEL_ERR, what, text);
	worker_arm(w, ms);
}

/* It may have been taken over, and shut the sockets it had. */
static void worker_leave_sockets(const struct worker *w)
{
	struct workers *ws = w->workers;

	for (unsigned int i = 0; !ws->stopping && i < ws->n; i++) {
		if (i == w->slot || ws->worker[i].covered_by == (int)w->slot) {
			listeners_revive(ws->listeners, i);
		}
	}
}

static void worker_exited(struct io *io, uint32_t events)
{
	struct worker *w = container_of(io, struct worker, exited);
	struct workers *ws = w->workers;
	char how[64], what[WORKER_WHAT_MAX];

	(void)events;
	loop_del(ws->loop, io);
	child_reap(&w->child, how, sizeof(how));
	worker_close_channel(w);
	w->state = WORKER_DOWN;
	w->told_refusal = false;
	worker_leave_sockets(w);
	counters_settle(w->counters, ws->slots->fresh);
	wheel_disarm(&ws->loop->wheel, &w->timer);
	if (ws->stopping) {
		log_info(MOD, "%s ended: %s", worker_what(w, what), how);
	} else {
		worker_restart_later(w, how);
	}
	feed_stop(ws->items, w->feed);
	workers_cover(ws);
	if (ws->ops->gone) {
		ws->ops->gone(ws->ctx, w->slot);
	}
	ws->ops->changed(ws->ctx);
}

void worker_kill(struct worker *w, const char *why)
{
	char what[WORKER_WHAT_MAX];

	log_err(MOD, "%s, pid %d: %s, killing it", worker_what(w, what), (int)w->child.pid, why);
	child_signal(&w->child, SIGKILL);
	wheel_disarm(&w->workers->loop->wheel, &w->timer);
}

static void worker_check_life(struct worker *w)
{
	uint64_t silence_ms = w->workers->loop->now_ms - w->heard_ms;

	if (w->ping && silence_ms >= w->workers->times->silence_ms) {
		worker_kill(w, "does not answer");
		return;
	}
	if (!w->ping && silence_ms >= w->workers->times->ping_ms / 2) {
		worker_ping(w);
	}
	worker_arm(w, w->workers->times->ping_ms);
}

static void worker_timer(struct timer *timer)
{
	struct worker *w = container_of(timer, struct worker, timer);
	struct err err;

	if (w->state != WORKER_DOWN && w->readable.fd < 0) {
		worker_kill(w, "has closed its channel");
		return;
	}
	switch (w->state) {
	case WORKER_DOWN:
		if (worker_spawn(w, &err) < 0) {
			worker_restart_later(w, err.msg);
		}
		w->workers->ops->changed(w->workers->ctx);
		break;
	case WORKER_STARTING:
		worker_kill(w, "did not start in time");
		break;
	case WORKER_LOADING:
	case WORKER_READY:
		worker_check_life(w);
		break;
	}
}

static void worker_send_log_level(struct worker *w)
{
	struct channel_msg msg = {.type = MSG_LOG_LEVEL, .id = w->workers->log_level};

	(void)worker_send(w, &msg); /* logged; it is told again when it is started again */
}

void worker_ready(struct worker *w)
{
	char what[WORKER_WHAT_MAX];

	w->state = WORKER_READY;
	worker_what(w, what);
	problem_clear(w->workers->problems, what);
	log_info(MOD, "%s ready, pid %d", what, (int)w->child.pid);
	if (w->workers->log_level != LOG_LEVEL_INFO) {
		worker_send_log_level(w);
	}
	workers_cover(w->workers);
	w->workers->ops->changed(w->workers->ctx);
}

void workers_release(struct workers *ws)
{
	ws->released = true;
	for (unsigned int i = 0; i < ws->n; i++) {
		if (ws->worker[i].state == WORKER_LOADING) {
			feed_start(ws->items, ws->worker[i].feed);
		}
	}
}

static void workers_tell(struct workers *ws, uint16_t type, const uint8_t *data, size_t len)
{
	struct channel_msg msg = {.type = type, .data = data, .len = len};

	for (unsigned int i = 0; i < ws->n; i++) {
		(void)worker_send(&ws->worker[i], &msg); /* logged; the deadline ends it */
	}
}

void workers_drain(struct workers *ws, uint32_t ms)
{
	uint8_t data[4] = {(uint8_t)(ms >> 24), (uint8_t)(ms >> 16), (uint8_t)(ms >> 8),
			   (uint8_t)ms};

	ws->stopping = true;
	for (unsigned int i = 0; i < ws->n; i++) {
		ws->worker[i].draining = true;
	}
	workers_tell(ws, MSG_DRAIN, data, sizeof(data));
}

void workers_quit(struct workers *ws)
{
	ws->stopping = true;
	workers_tell(ws, MSG_QUIT, NULL, 0);
}

void workers_set_log_level(struct workers *ws, enum log_level level)
{
	ws->log_level = level;
	for (unsigned int i = 0; i < ws->n; i++) {
		worker_send_log_level(&ws->worker[i]);
	}
}

unsigned int workers_count(const struct workers *ws, enum worker_state state)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < ws->n; i++) {
		n += ws->worker[i].state == state;
	}
	return n;
}

const char *worker_state_name(const struct worker *w)
{
	switch (w->state) {
	case WORKER_DOWN:
		return "down";
	case WORKER_STARTING:
		return "starting";
	case WORKER_LOADING:
		return "loading";
	case WORKER_READY:
		return w->draining ? "draining" : "running";
	}
	return "?";
}
