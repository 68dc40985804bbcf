/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What control and one worker say to each other. A worker's message that is not what the protocol
 * allows ends the worker: it may have been taken over by what it parses.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/model/message.h"
#include "gateway/control/former.h"
#include "gateway/control/internal.h"
#include "gateway/control/items.h"
#include "gateway/control/workers.h"

#define MOD            "workers"
#define LEAVE_MS       500 /* from the end of its channel to the end of a worker */
#define READ_BATCH     128 /* messages a wake-up */
#define LOG_PIPE_BYTES (256 * 1024)
#define SET_BYTES      16384 /* of a full set in one message, and as much again */

static void worker_talk(struct io *io, uint32_t events);

int worker_open_channel(struct worker *w)
{
	int rc = channel_init(&w->channel, w->child.channel);

	w->child.channel = -1;
	if (rc < 0) {
		return rc;
	}
	w->readable = (struct io){.fd = w->channel.fd, .ready = worker_talk};
	rc = loop_add(w->workers->loop, &w->readable, EPOLLIN);
	if (rc < 0) {
		worker_close_channel(w);
	}
	return rc;
}

void worker_close_channel(struct worker *w)
{
	if (w->readable.fd >= 0) {
		loop_del(w->workers->loop, &w->readable);
		channel_fini(&w->channel);
		w->readable.fd = w->channel.fd = -1;
	}
}

/* Lets the loop say when the channel takes more, and only then. */
static void worker_watch(struct worker *w)
{
	uint32_t events = EPOLLIN | (channel_busy(&w->channel) ? (uint32_t)EPOLLOUT : 0);

	io_watch(w->workers->loop, &w->readable, events);
}

int worker_send(struct worker *w, const struct channel_msg *msg)
{
	char what[WORKER_WHAT_MAX];
	int rc;

	if (w->readable.fd < 0) {
		return -ENOTCONN;
	}
	rc = channel_send(&w->channel, msg);
	if (rc < 0 && rc != -EPIPE) {
		log_err_errno(rc, MOD, "%s: message %u", worker_what(w, what), msg->type);
	}
	if (channel_busy(&w->channel)) {
		worker_watch(w);
	}
	return rc;
}

void worker_ping(struct worker *w)
{
	struct channel_msg msg = {.type = MSG_STATS, .serial = ++w->workers->serial};

	if (worker_send(w, &msg) == 0) {
		w->ping = msg.serial;
		w->ping_sent = w->workers->items->feeds[w->feed].n_sent;
	}
}

static int worker_send_counters(struct worker *w)
{
	struct workers *ws = w->workers;
	const uint8_t n = (uint8_t)ws->n;
	struct channel_msg msg = {.type = MSG_COUNTERS, .id = w->slot, .data = &n, .len = 1};

	msg.fds[msg.n_fds++] = w->counters_fd;
	for (unsigned int i = 0; i < ws->n; i++) {
		msg.fds[msg.n_fds++] = ws->worker[i].counters_ro_fd;
	}
	if (ws->former) { /* limits count their sessions, too */
		msg.n_fds += former_segments(ws->former, msg.fds + msg.n_fds,
					     CHANNEL_FDS_MAX - msg.n_fds);
	}
	return worker_send(w, &msg);
}

/* A pipe of its own: half a line of a dead worker must not meet its successor's. */
static int worker_send_log(struct worker *w)
{
	struct channel_msg msg = {.type = MSG_LOG, .n_fds = 1};
	int ends[2];
	int rc;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		return -errno;
	}
	/* a burst of lines should fit; the default size works too */
	(void)fcntl(ends[1], F_SETPIPE_SZ, LOG_PIPE_BYTES);
	if (w->log_fd >= 0) {
		close(w->log_fd);
	}
	w->log_fd = ends[0];
	msg.fds[0] = ends[1];
	rc = worker_send(w, &msg);
	close(ends[1]);
	w->workers->ops->logs(w->workers->ctx, w->slot);
	return rc;
}

static int worker_hello(struct worker *w)
{
	int rc;

	if (w->state != WORKER_STARTING) {
		return -EPROTO;
	}
	rc = worker_send_counters(w);
	if (rc == 0) {
		rc = worker_send_log(w);
	}
	if (rc < 0) {
		return rc;
	}
	w->state = WORKER_LOADING;
	if (w->workers->released) {
		feed_start(w->workers->items, w->feed);
	}
	worker_ping(w);
	/* from now on the timer asks for proofs of life */
	wheel_arm(&w->workers->loop->wheel, &w->timer, w->workers->loop->now_ms);
	return 0;
}

static int worker_stats(struct worker *w, uint64_t serial)
{
	const struct feed *feed = &w->workers->items->feeds[w->feed];

	if (serial == 0 || serial > w->workers->serial) {
		return -EPROTO;
	}
	if (serial == w->ping) {
		if (feed->n_flight > feed->n_sent - w->ping_sent) {
			return -EPROTO; /* no answer to an object: its change would wait for ever */
		}
		w->ping = 0;
	}
	if (serial == w->loaded_ping) {
		w->loaded_ping = 0;
		worker_ready(w);
	}
	return 0;
}

static int worker_answer(struct worker *w, const struct channel_msg *msg)
{
	struct workers *ws = w->workers;
	struct cursor in = cursor_from(msg->data, msg->len);
	unsigned int type = cursor_u16(&in);
	bool refused = msg->type == MSG_NAK;
	struct str why = refused ? cursor_str(&in) : (struct str){0};
	char safe[ERR_MSG_MAX], what[WORKER_WHAT_MAX];

	if (!cursor_done(&in)) {
		return -EPROTO;
	}
	switch (type) {
	case MSG_NODE:
	case MSG_TENANT:
	case MSG_TENANT_SWAP:
	case MSG_TENANT_REMOVE:
	case MSG_LISTENER:
	case MSG_LISTENER_REMOVE:
		return feed_answer(ws->items, w->feed, msg->id, msg->serial, refused ? &why : NULL);
	case MSG_SET:
		return refused ? -EPROTO : feed_answer_first(ws->items, w->feed, msg->id);
	case MSG_STATS:
		return worker_stats(w, msg->serial);
	case MSG_SESSIONS:
	case MSG_KILL:
	case MSG_DRAIN_SERVICE:
	case MSG_DNS_FLUSH:
	case MSG_DNS_CACHE:
	case MSG_DNS_QUERY:
	case MSG_DNS_ZONE:
		if (!ws->ops->answered) {
			return -EPROTO; /* nobody has asked */
		}
		ws->ops->answered(ws->ctx, w->slot, (uint16_t)type, msg->serial,
				  refused ? &why : NULL);
		return 0;
	}
	if (refused && !(type == MSG_LEND && w->told_refusal)) { /* once, until one is taken */
		log_err(MOD, "%s refuses message %u: %s", worker_what(w, what), type,
			str_escape(safe, sizeof(safe), why));
	}
	if (type == MSG_LEND) {
		w->told_refusal = refused;
	}
	if (refused && type == MSG_LEND) {
		workers_loan_refused(w);
	}
	return 0;
}

/* Returns 0, or a negative errno: the worker has to go. */
static int worker_handle(struct worker *w, const struct channel_msg *msg)
{
	w->heard_ms = w->workers->loop->now_ms;
	if (msg->n_fds > 0) {
		return -EPROTO; /* workers have nothing to hand over */
	}
	switch (msg->type) {
	case MSG_HELLO:
		return worker_hello(w);
	case MSG_ACK:
	case MSG_NAK:
		return w->state == WORKER_STARTING ? -EPROTO : worker_answer(w, msg);
	}
	return -EPROTO;
}

static int worker_read(struct worker *w)
{
	struct channel_msg msg;
	int rc;

	for (int i = 0; i < READ_BATCH; i++) {
		rc = channel_recv(&w->channel, &msg);
		if (rc <= 0) {
			return rc;
		}
		rc = worker_handle(w, &msg);
		for (size_t fd = 0; fd < msg.n_fds; fd++) {
			close(msg.fds[fd]);
		}
		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

static void worker_talk(struct io *io, uint32_t events)
{
	struct worker *w = container_of(io, struct worker, readable);
	int rc = 0;

	if (events & EPOLLOUT) {
		rc = channel_flush(&w->channel);
		rc = rc == -EAGAIN ? 0 : rc;
		worker_watch(w);
	}
	if (rc == 0 && events & ~(uint32_t)EPOLLOUT) {
		rc = worker_read(w);
	}
	if (rc == -EPIPE) {
		/* its process ends, most likely: the timer looks whether it did */
		worker_close_channel(w);
		wheel_arm(&w->workers->loop->wheel, &w->timer, w->workers->loop->now_ms + LEAVE_MS);
	} else if (rc < 0) {
		worker_kill(w, "bad message");
		worker_close_channel(w);
	}
}

/* Sends what has come together for a SET. */
static int worker_send_set(struct worker *w)
{
	struct buf *set = &w->workers->set;
	struct channel_msg msg = {.type = MSG_SET, .data = set->data, .len = set->len};
	int rc = set->bad ? -ENOMEM : set->len > 0 ? worker_send(w, &msg) : 0;

	set->len = 0;
	set->bad = false;
	return rc;
}

/* What is of the first full set goes with others of it. */
static int worker_tell(struct worker *w, const struct channel_msg *msg)
{
	struct workers *ws = w->workers;
	int rc;

	if (ws->items->feeds[w->feed].phase == FEED_SET && msg->len < SET_BYTES &&
	    (msg->type == MSG_NODE || msg->type == MSG_TENANT)) {
		set_entry_pack(msg, &ws->set);
		return ws->set.len < SET_BYTES ? 0 : worker_send_set(w);
	}
	rc = worker_send_set(w);
	return rc < 0 ? rc : worker_send(w, msg);
}

/* The answer comes after all that was sent is in force. */
static void worker_ask_loaded(struct worker *w)
{
	if (w->workers->items->feeds[w->feed].phase == FEED_LIVE && w->state == WORKER_LOADING &&
	    w->loaded_ping == 0) {
		worker_ping(w);
		w->loaded_ping = w->ping;
	}
}

/* Sends what one worker has to be told. True when there is more and the channel would take it. */
static bool worker_pump(struct worker *w, uint64_t until_ms)
{
	struct workers *ws = w->workers;
	bool more = true, late = false;
	struct channel_msg msg;
	int rc = 0;

	while (rc == 0 && more && !late && w->readable.fd >= 0 && !channel_busy(&w->channel)) {
		more = feed_next(ws->items, w->feed, &msg);
		rc = more ? worker_tell(w, &msg) : worker_send_set(w);
		late = ws->set.len == 0 && clock_ms() >= until_ms;
	}
	if (rc == 0 && !more) {
		worker_ask_loaded(w);
	} else if (rc < 0 && rc != -EPIPE) { /* when it ends worker_talk() sees to that */
		worker_kill(w, "cannot be told what has changed");
	}
	return rc == 0 && more && late;
}

bool workers_pump(struct workers *ws, uint64_t until_ms)
{
	bool more = false;

	for (unsigned int i = 0; i < ws->n; i++) {
		more |= worker_pump(&ws->worker[i], until_ms);
	}
	return more;
}
