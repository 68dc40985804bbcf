/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The life of a session: memory, states, counters, the one way out. What happens inside a state
 * is in hello.c, connect.c and relay.c; these are called from the callbacks here.
 */
#include "proxy/session.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/container.h"
#include "proxy/connect.h"
#include "proxy/hello.h"
#include "proxy/listener.h"
#include "proxy/route.h"
#include "proxy/worker.h"

static void session_free(struct deferred *deferred)
{
	struct session *s = container_of(deferred, struct session, deferred);

	assert(!s->ready);
	session_pool_give(&s->worker->pool, s);
}

void session_set_state(struct session *s, enum session_state state)
{
	assert(state > s->state); /* no way leads back */
	s->state = (uint8_t)state;
}

void session_check(const struct session *s)
{
	switch ((enum session_state)s->state) {
	case SESSION_HELLO:
		assert(!s->service && s->backend.fd < 0 && timer_armed(&s->timer));
		break;
	case SESSION_CONNECTING:
		assert(s->service && s->backend.fd >= 0 && timer_armed(&s->timer));
		break;
	case SESSION_RELAYING:
		assert(s->connected && s->client_added && timer_armed(&s->timer));
		assert(!s->up.pipe || s->up.pipe->held > 0);
		assert(!s->down.pipe || s->down.pipe->held > 0);
		assert(!(s->up.shut && s->down.shut));
		break;
	case SESSION_CLOSED:
		assert(s->client.fd < 0 && s->backend.fd < 0 && !timer_armed(&s->timer));
		assert(!s->up.stash && !s->up.pipe && !s->down.stash && !s->down.pipe);
		break;
	}
}

static void session_client_ready(struct io *io, uint32_t events)
{
	struct session *s = container_of(io, struct session, client);

	switch ((enum session_state)s->state) {
	case SESSION_HELLO:
		hello_ready(s, events);
		break;
	case SESSION_CONNECTING:
		relay_note_client(s, events);
		if (events & EPOLLERR) {
			session_close(s, CLOSE_CLIENT_RESET);
		}
		break;
	case SESSION_RELAYING:
		relay_client_ready(s, events);
		break;
	case SESSION_CLOSED:
		break;
	}
	session_check(s);
}

static void session_backend_ready(struct io *io, uint32_t events)
{
	struct session *s = container_of(io, struct session, backend);

	if (s->state == SESSION_CONNECTING) {
		connect_ready(s, events);
	} else if (s->state == SESSION_RELAYING) {
		relay_backend_ready(s, events);
	}
	session_check(s);
}

/* The time-out that runs while bytes may flow, from the last byte. */
static uint64_t session_idle_end(const struct session *s)
{
	struct timeouts t = session_timeouts(s);

	return s->active_ms + (session_is_half_closed(s) ? t.half_close_ms : t.idle_ms);
}

static void session_timed_out(struct session *s)
{
	struct worker *w = s->worker;
	uint64_t end = session_idle_end(s);

	if (end <= w->loop.now_ms) {
		session_close(s, session_is_half_closed(s) ? CLOSE_HALF_CLOSE_TIMEOUT : CLOSE_IDLE);
		return;
	}
	connect_set_keepalive(s);
	session_account(s);
	wheel_arm(&w->loop.wheel, &s->timer, end);
}

static void session_timer_fired(struct timer *timer)
{
	struct session *s = container_of(timer, struct session, timer);

	switch ((enum session_state)s->state) {
	case SESSION_HELLO:
		session_close(s, CLOSE_HELLO_TIMEOUT);
		break;
	case SESSION_CONNECTING:
		connect_failed(s, -ETIMEDOUT);
		break;
	case SESSION_RELAYING:
		session_timed_out(s);
		break;
	case SESSION_CLOSED:
		break;
	}
	session_check(s);
}

static struct session *session_new(struct listener *listener, int fd, const struct endpoint *client)
{
	struct worker *w = listener->worker;
	struct session *s = session_pool_take(&w->pool);

	if (!s) {
		return NULL;
	}
	*s = (struct session){
		.client = {.fd = fd, .ready = session_client_ready},
		.backend = {.fd = -1, .ready = session_backend_ready},
		.deferred = {.run = session_free},
		.worker = w,
		.listener = listener,
		.number = ++w->last_number,
		.started_ms = w->loop.now_ms,
		.active_ms = w->loop.now_ms,
		.client_addr = client->addr,
		.client_port = client->port,
		.state = SESSION_HELLO,
	};
	listener->refs++;
	atomic_store_explicit(&w->own->worker[WORKER_NUMBER], s->number, memory_order_relaxed);
	timer_init(&s->timer, session_timer_fired);
	TAILQ_INSERT_TAIL(&w->unrouted, s, entry);
	w->n_sessions++;
	return s;
}

int session_start(struct listener *listener, int fd, const struct endpoint *client)
{
	struct worker *w = listener->worker;
	struct session *s = session_new(listener, fd, client);
	enum source_result source;

	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	session_count(s, COUNT_LISTENER);
	source = source_admit(&w->sources, &client->addr, &w->node->source_limits, w->loop.now_ms,
			      &s->source);
	worker_count_sources(w);
	if (source != SOURCE_ADMITTED) {
		session_close(s, CLOSE_SOURCE_LIMIT);
	} else if (listener->protocol == PROTOCOL_TLS) {
		hello_start(s);
	} else {
		s->up.readable = true;
		route_by_endpoint(s);
	}
	session_check(s);
	return 0;
}

static uint32_t first_set(uint32_t a, uint32_t b, uint32_t c)
{
	return a ? a : b ? b : c;
}

struct timeouts session_timeouts(const struct session *s)
{
	static const struct timeouts none;
	const struct timeouts *a = s->conf ? &s->conf->timeouts : &none;
	const struct timeouts *b = &s->listener->timeouts, *c = &s->worker->node->timeouts;

	return (struct timeouts){
		.hello_ms = first_set(a->hello_ms, b->hello_ms, c->hello_ms),
		.connect_ms = first_set(a->connect_ms, b->connect_ms, c->connect_ms),
		.idle_ms = first_set(a->idle_ms, b->idle_ms, c->idle_ms),
		.half_close_ms = first_set(a->half_close_ms, b->half_close_ms, c->half_close_ms),
		.connect_tries = first_set(a->connect_tries, b->connect_tries, c->connect_tries),
	};
}

void session_set_ready(struct session *s)
{
	struct worker *w = s->worker;

	w->loop.busy = true;
	if (!s->ready) {
		s->ready = true;
		s->next_ready = w->ready;
		w->ready = s;
	}
}

/* Real time, to about a tick of the kernel. */
static uint64_t real_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &ts); /* cannot fail for this clock */
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void session_log(const struct session *s)
{
	struct worker *w = s->worker;
	struct access_record record;

	if (!log_lines_are_on(&w->log)) {
		return;
	}
	record = (struct access_record){
		.time_ms = real_ms() - (w->loop.now_ms - s->started_ms),
		.number = s->number,
		.worker = w->index,
		.tenant = s->tenant ? s->tenant->name : NULL,
		.service = s->conf ? s->conf->name : NULL,
		.name = {.p = s->name, .len = s->name_len},
		.listener = s->listener->local,
		.client = {.addr = s->client_addr, .port = s->client_port},
		.has_backend = s->tries > 0,
		.bytes_in = s->up.counted,
		.bytes_out = s->down.counted,
		.hello_ms = s->hello_ms,
		.connect_ms = s->connect_ms,
		.total_ms = w->loop.now_ms - s->started_ms,
		.reason = s->reason,
	};

	if (record.has_backend) {
		record.backend =
			(struct endpoint){.addr = s->conf->backends[s->backend_index].address,
					  .port = s->to};
	}
	access_log_add(&w->log, &record);
}

/* Reasons that leave a whole stream behind, or an alert that has to arrive. */
static bool closes_by_fin(enum close_reason reason)
{
	return reason == CLOSE_DONE || reason == CLOSE_CLIENT_GONE ||
	       reason == CLOSE_HELLO_MALFORMED || reason == CLOSE_HELLO_TOO_LARGE ||
	       reason == CLOSE_NAME_UNKNOWN || reason == CLOSE_ALPN_UNKNOWN;
}

static void session_close_leg(struct session *s, struct io *leg, bool reset)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = 0};

	if (reset && leg->fd >= 0) {
		/* fails only where there is nothing left to reset */
		(void)setsockopt(leg->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	}
	loop_close(&s->worker->loop, leg);
}

static void session_release(struct session *s)
{
	struct worker *w = s->worker;

	if (s->service) {
		service_leave(s);
	} else {
		TAILQ_REMOVE(&w->unrouted, s, entry);
	}
	source_release(&w->sources, s->source, w->loop.now_ms);
	listener_unref(s->listener);
	tenant_conf_unref(s->tenant);
	free(s->name);
	s->source = NULL;
	s->listener = NULL;
	s->service = NULL;
	s->tenant = NULL;
	s->name = NULL;
}

void session_close(struct session *s, enum close_reason reason)
{
	struct worker *w = s->worker;
	bool reset = !closes_by_fin(reason);

	if (s->state == SESSION_CLOSED) {
		return;
	}
	s->reason = (uint8_t)reason;
	session_account(s);
	session_log(s);
	worker_arm_tick(w);
	session_count_end(s);
	wheel_disarm(&w->loop.wheel, &s->timer);
	session_close_leg(s, &s->client, reset);
	session_close_leg(s, &s->backend, reset);
	flow_fini(w, &s->up);
	flow_fini(w, &s->down);
	session_release(s);
	session_set_state(s, SESSION_CLOSED);
	w->n_sessions--;
	loop_defer(&w->loop, &s->deferred);
	worker_session_ended(w);
}

void session_refuse(struct session *s, enum sni_alert alert, enum close_reason reason)
{
	uint8_t record[SNI_ALERT_BYTES];

	sni_alert(alert, record);
	/* lost if the socket is full, which one that got nothing yet is not */
	(void)send(s->client.fd, record, sizeof(record), MSG_NOSIGNAL);
	/* bytes left unread would turn the FIN into a reset that overtakes the alert */
	(void)recv(s->client.fd, s->worker->buffer, WORKER_BUFFER, 0);
	session_close(s, reason);
}
