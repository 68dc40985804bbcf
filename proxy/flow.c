/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The data path; see flow.h. A small request costs one recv and one send here, and every line
 * below is on that path or was put off it on purpose.
 */
#include "proxy/flow.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/pipes.h"
#include "proxy/worker.h"

#define RELAY_SPLICE      (1u << 20) /* bytes asked of one splice; a pipe's pages hold less or more */
#define RELAY_SMALL_FILLS 8          /* in a row, until a bulk flow is copied again */
#define PIPE_STUCK_MS     3000       /* without a byte leaving a pipe: others may have it */
#define RECLAIM_EVERY_MS  1000
#define RECLAIM_BYTES     (2u << 20) /* of pipes that are emptied in one go */

int flow_stash(struct worker *w, struct flow *f, const uint8_t *data, size_t len)
{
	size_t used = f->stash ? f->stash->end : 0;
	size_t size = f->stash ? f->stash->size : 0;
	struct stash *stash = f->stash;

	if (w->stashed + len > 2 * w->stashed_max) {
		return -ENOMEM;
	}
	if (used + len > size) {
		size = used == 0 ? len : 2 * (used + len);
		stash = realloc(f->stash, sizeof(*stash) + size);
		if (!stash) {
			return -ENOMEM;
		}
		if (!f->stash) {
			stash->start = 0;
		}
		f->stash = stash;
		stash->size = (uint32_t)size;
	}
	memcpy(stash->data + used, data, len);
	stash->end = (uint32_t)(used + len);
	w->stashed += len;
	return 0;
}

static void flow_drop_stash(struct worker *w, struct flow *f)
{
	if (f->stash) {
		w->stashed -= f->stash->end - f->stash->start;
		free(f->stash);
		f->stash = NULL;
	}
}

void flow_fini(struct worker *w, struct flow *f)
{
	flow_drop_stash(w, f);
	pipes_put(&w->pipes, f->pipe);
	f->pipe = NULL;
}

bool flow_holds_bytes(const struct flow *f)
{
	return f->stash != NULL || (f->pipe != NULL && f->pipe->held > 0);
}

/*
 * A backend's socket has no listener to inherit options from. A session of one request ends before
 * Nagle's algorithm could hold anything back, so this is done at the second write only.
 */
static void flow_set_nodelay(const struct run *r)
{
	const int on = 1;

	r->flow->nodelay = true;
	/* without it writes are delayed, no more */
	(void)setsockopt(r->to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static ssize_t flow_send(const struct run *r, const uint8_t *data, size_t len)
{
	struct flow *f = r->flow;
	/* the last bytes wait for their FIN, which follows in this callback: one packet, not two */
	int flags = MSG_NOSIGNAL | (f->eof ? MSG_MORE : 0);

	if (!f->nodelay && f->started) {
		flow_set_nodelay(r);
	}
	f->started = true;
	return send(r->to, data, len, flags);
}

enum flow_result flow_write(const struct run *r, const uint8_t *data, size_t len)
{
	struct flow *f = r->flow;
	ssize_t n = flow_send(r, data, len);

	if (n == (ssize_t)len) {
		f->bytes += len;
		return FLOW_AGAIN;
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		return FLOW_SINK_RESET;
	}
	f->writable = n < 0 && errno == EINTR;
	n = n < 0 ? 0 : n;
	f->bytes += (size_t)n;
	if (flow_stash(r->worker, f, data + n, len - (size_t)n) < 0) {
		return FLOW_NO_MEMORY;
	}
	return FLOW_AGAIN;
}

/* After len bytes were read where RELAY_BUFFER were asked for. */
static void flow_note_read(struct run *r, size_t len)
{
	struct flow *f = r->flow;

	r->budget -= len < r->budget ? len : r->budget;
	f->bulk = len >= RELAY_BULK && !f->no_splice;
	/* a short read has emptied the socket; what comes later is a new event */
	if (len < RELAY_BUFFER && !f->no_splice) {
		f->readable = false;
		f->eof = f->fin_seen;
	}
}

/* After a read of no bytes. */
static enum flow_result flow_note_none(struct flow *f, ssize_t n)
{
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		return FLOW_SOURCE_RESET;
	}
	f->readable = n < 0 && errno == EINTR;
	f->eof = n == 0;
	return FLOW_AGAIN;
}

/* One read and one write; what the sink does not take stays in the source's socket. */
static enum flow_result flow_copy_taken(struct run *r)
{
	struct flow *f = r->flow;
	uint8_t *buffer = r->worker->buffer;
	ssize_t n = recv(r->from, buffer, RELAY_BUFFER, MSG_PEEK), sent;

	if (n <= 0) {
		return flow_note_none(f, n);
	}
	sent = flow_send(r, buffer, (size_t)n);
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		return FLOW_SINK_RESET;
	}
	f->writable = sent == n || (sent < 0 && errno == EINTR);
	if (sent <= 0) {
		return FLOW_AGAIN;
	}
	f->bytes += (size_t)sent;
	if (recv(r->from, buffer, (size_t)sent, MSG_TRUNC) != sent) { /* they were there */
		return FLOW_SOURCE_RESET;
	}
	if (sent == n) {
		flow_note_read(r, (size_t)n);
	}
	return FLOW_AGAIN;
}

enum flow_result flow_copy(struct run *r, size_t head)
{
	struct worker *w = r->worker;
	enum flow_result result;
	ssize_t n;

	if (w->stashed >= w->stashed_max) {
		return head > 0 ? flow_write(r, w->buffer, head) : flow_copy_taken(r);
	}
	n = recv(r->from, w->buffer + head, RELAY_BUFFER, 0);
	if (n > 0) {
		flow_note_read(r, (size_t)n);
		return flow_write(r, w->buffer, head + (size_t)n);
	}
	result = flow_note_none(r->flow, n);
	return result == FLOW_AGAIN && head > 0 ? flow_write(r, w->buffer, head) : result;
}

/* What waits in the flow's pipe goes into memory; the pipe is free then. */
static void flow_empty_pipe(struct worker *w, struct flow *f)
{
	struct pipe *pipe = f->pipe;
	struct stash *stash = f->stash ? NULL : malloc(sizeof(*stash) + pipe->held);
	ssize_t n = 1;

	if (!stash) {
		return;
	}
	*stash = (struct stash){.size = (uint32_t)pipe->held};
	while (pipe->held > 0 && n > 0) {
		n = read(pipe->fds[0], stash->data + stash->end, pipe->held);
		if (n > 0) {
			stash->end += (uint32_t)n;
			pipe->held -= (size_t)n;
		}
	}
	if (stash->end == 0) {
		free(stash);
		return;
	}
	w->stashed += stash->end;
	f->stash = stash; /* goes before what is still in the pipe */
	if (pipe->held == 0) {
		f->pipe = NULL;
		pipes_put(&w->pipes, pipe);
	}
}

/* Takes pipes from flows whose reader has taken nothing for a while. */
static void flow_reclaim_pipes(struct worker *w)
{
	size_t budget = RECLAIM_BYTES;
	struct pipe *pipe, *next;

	if (w->loop.now_ms < w->reclaim_ms) {
		return;
	}
	w->reclaim_ms = w->loop.now_ms + RECLAIM_EVERY_MS;
	for (pipe = w->pipes.lent; pipe; pipe = next) {
		next = pipe->next;
		if (w->loop.now_ms - pipe->moved_ms >= PIPE_STUCK_MS && pipe->held <= budget &&
		    w->stashed + pipe->held <= w->stashed_max) {
			budget -= pipe->held;
			flow_empty_pipe(w, pipe->holder);
		}
	}
}

static struct pipe *flow_get_pipe(struct worker *w, struct flow *f)
{
	struct pipe *pipe = pipes_get(&w->pipes, f, w->loop.now_ms);

	if (!pipe) {
		flow_reclaim_pipes(w);
		pipe = pipes_get(&w->pipes, f, w->loop.now_ms);
	}
	return pipe;
}

/* Bytes of the source into an empty pipe. */
static enum flow_result flow_fill(struct run *r)
{
	struct flow *f = r->flow;
	ssize_t n;

	if (!f->pipe) {
		f->pipe = flow_get_pipe(r->worker, f);
		f->bulk = f->pipe != NULL; /* none: copy */
		if (!f->pipe) {
			return FLOW_AGAIN;
		}
	}
	if (!f->nodelay) {
		flow_set_nodelay(r);
	}
	n = splice(r->from, NULL, f->pipe->fds[1], NULL, RELAY_SPLICE,
		   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n > 0) {
		f->pipe->held = (size_t)n;
		r->budget -= (size_t)n < r->budget ? (size_t)n : r->budget;
		f->small = n < RELAY_BULK ? f->small + 1 : 0;
		if (f->small >= RELAY_SMALL_FILLS) {
			f->small = 0;
			f->bulk = false;
		}
		return FLOW_AGAIN;
	}
	if (n == 0) {
		f->readable = false;
		f->eof = true;
	} else if (errno == EAGAIN) { /* the pipe is empty, so it was the socket */
		f->readable = false;
	} else if (errno == EINVAL || errno == ENOSYS || errno == ENOMEM) {
		f->bulk = false;
		f->no_splice = true;
	} else if (errno != EINTR) {
		return FLOW_SOURCE_RESET;
	}
	return FLOW_AGAIN;
}

static enum flow_result flow_drain_pipe(struct run *r)
{
	struct flow *f = r->flow;
	ssize_t n = splice(f->pipe->fds[0], NULL, r->to, NULL, f->pipe->held,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n > 0) {
		f->pipe->held -= (size_t)n;
		f->pipe->moved_ms = r->worker->loop.now_ms;
		f->bytes += (size_t)n;
	} else if (n < 0 && errno == EAGAIN) {
		f->writable = false;
	} else if (n == 0 || errno != EINTR) {
		return FLOW_SINK_RESET;
	}
	return FLOW_AGAIN;
}

static enum flow_result flow_drain_stash(struct run *r)
{
	struct flow *f = r->flow;
	struct stash *stash = f->stash;
	size_t len = stash->end - stash->start;
	ssize_t n = send(r->to, stash->data + stash->start, len, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		return FLOW_SINK_RESET;
	}
	if (n < (ssize_t)len) {
		f->writable = n < 0 && errno == EINTR;
	}
	if (n > 0) {
		f->bytes += (size_t)n;
		r->worker->stashed -= (size_t)n;
		stash->start += (uint32_t)n;
	}
	if (stash->start == stash->end) {
		flow_drop_stash(r->worker, f);
	}
	return FLOW_AGAIN;
}

enum flow_result flow_run(struct run *r)
{
	struct flow *f = r->flow;
	enum flow_result result = FLOW_AGAIN;

	while (result == FLOW_AGAIN) {
		if (flow_holds_bytes(f)) {
			if (!f->writable) {
				return FLOW_WAIT;
			}
			result = f->stash ? flow_drain_stash(r) : flow_drain_pipe(r);
		} else if (f->eof || !f->readable || !f->writable) {
			result = FLOW_WAIT;
		} else if (r->budget == 0) {
			result = FLOW_MORE;
		} else {
			result = f->bulk ? flow_fill(r) : flow_copy(r, 0);
		}
	}
	if (f->pipe && f->pipe->held == 0) {
		pipes_put(&r->worker->pipes, f->pipe);
		f->pipe = NULL;
	}
	return result;
}
