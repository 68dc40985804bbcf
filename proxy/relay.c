/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Both directions of a session and what follows from them; see relay.h. Runs in the callbacks of
 * a session's legs and from the worker's ready list.
 */
#include "proxy/relay.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "proxy/worker.h"

static struct run run_up(struct session *s)
{
	return (struct run){.worker = s->worker,
			    .flow = &s->up,
			    .from = s->client.fd,
			    .to = s->backend.fd,
			    .budget = RELAY_BUDGET};
}

static struct run run_down(struct session *s)
{
	return (struct run){.worker = s->worker,
			    .flow = &s->down,
			    .from = s->backend.fd,
			    .to = s->client.fd,
			    .budget = RELAY_BUDGET};
}

/* Everything of the flow has gone, FIN included or ready to. */
static bool flow_is_done(const struct flow *f)
{
	return f->eof && !flow_holds_bytes(f);
}

/* Passes a FIN on. The half-close time runs from here. */
static void relay_shut(struct session *s, struct flow *f, int to)
{
	struct worker *w = s->worker;

	if (f->shut || !flow_is_done(f)) {
		return;
	}
	f->shut = true;
	(void)shutdown(to, SHUT_WR); /* fails when the sink was reset, which an event tells */
	wheel_arm(&w->loop.wheel, &s->timer, w->loop.now_ms + session_timeouts(s).half_close_ms);
}

/* The client's socket is full for the first time: from now on it says when it is not. */
static int relay_watch_client(struct session *s)
{
	if (s->down.writable || s->client_out) {
		return 0;
	}
	s->client_out = true;
	if (!s->client_added) { /* it will be with this bit */
		return 0;
	}
	return loop_mod(&s->worker->loop, &s->client, RELAY_EVENTS | EPOLLOUT);
}

static enum close_reason relay_failure(enum flow_result result, bool up)
{
	if (result == FLOW_NO_MEMORY) {
		return CLOSE_NO_MEMORY;
	}
	return (result == FLOW_SOURCE_RESET) == up ? CLOSE_CLIENT_RESET : CLOSE_BACKEND_RESET;
}

/* What follows from both flows' results. */
static void relay_finish(struct session *s, enum flow_result up, enum flow_result down)
{
	s->active_ms = s->worker->loop.now_ms;
	if (up > FLOW_MORE || down > FLOW_MORE) {
		session_close(s, up > FLOW_MORE ? relay_failure(up, true)
						: relay_failure(down, false));
		return;
	}
	if (flow_is_done(&s->up) && flow_is_done(&s->down)) {
		session_close(s, CLOSE_DONE);
		return;
	}
	if (relay_watch_client(s) < 0) {
		session_close(s, CLOSE_NO_MEMORY);
		return;
	}
	relay_shut(s, &s->up, s->backend.fd);
	relay_shut(s, &s->down, s->client.fd);
	if (up == FLOW_MORE || down == FLOW_MORE) {
		session_account(s);
		session_set_ready(s);
	}
}

void relay_run(struct session *s)
{
	struct run up = run_up(s), down = run_down(s);
	enum flow_result up_result = flow_run(&up), down_result = flow_run(&down);

	relay_finish(s, up_result, down_result);
}

void relay_start(struct session *s, size_t head_len)
{
	struct worker *w = s->worker;
	struct flow *f = &s->up;
	struct run up = run_up(s);
	enum flow_result result = FLOW_AGAIN;

	f->bytes = -(uint64_t)head_len; /* the header is not the client's */
	f->counted = 0;
	f->writable = true;
	s->down.writable = true;
	s->down.nodelay = true; /* by the listening socket */
	if (f->stash) {
		size_t len = f->stash->end - f->stash->start;

		memcpy(w->buffer + head_len, f->stash->data + f->stash->start, len);
		flow_fini(w, f); /* copied; there is no pipe yet */
		result = flow_write(&up, w->buffer, head_len + len);
	} else if (head_len > 0) {
		result = flow_copy(&up, head_len);
	}
	if (result == FLOW_AGAIN) {
		result = flow_run(&up);
	}
	relay_finish(s, result, FLOW_WAIT);
}

/* A leg's error that no read or write has met, because its flows were waiting for the other leg. */
static void relay_check_error(struct session *s, const struct io *leg, enum close_reason reason)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (s->state != SESSION_RELAYING) {
		return;
	}
	if (getsockopt(leg->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0) {
		session_close(s, reason);
	}
}

static void flow_note_source(struct flow *f, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		f->readable = true;
	}
	if ((events & EPOLLRDHUP) && !(events & EPOLLERR)) { /* a reset looks like a FIN as well */
		f->fin_seen = true;
	}
	if (events & EPOLLPRI) { /* reads stop at the mark, and splice would for ever */
		f->no_splice = true;
		f->bulk = false;
	}
}

void relay_note_client(struct session *s, uint32_t events)
{
	flow_note_source(&s->up, events);
}

void relay_client_ready(struct session *s, uint32_t events)
{
	flow_note_source(&s->up, events);
	if (events & EPOLLOUT) {
		s->down.writable = true;
	}
	relay_run(s);
	if (events & EPOLLERR) {
		relay_check_error(s, &s->client, CLOSE_CLIENT_RESET);
	}
}

void relay_backend_ready(struct session *s, uint32_t events)
{
	flow_note_source(&s->down, events);
	if (events & EPOLLOUT) {
		s->up.writable = true;
	}
	relay_run(s);
	if (events & EPOLLERR) {
		relay_check_error(s, &s->backend, CLOSE_BACKEND_RESET);
	}
}
