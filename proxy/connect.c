/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a routed session to an answering backend; see connect.h. */
#include "proxy/connect.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/model/node.h"
#include "proxy/backend.h"
#include "proxy/client_address.h"
#include "proxy/listener.h"
#include "proxy/worker.h"

#define MOD "proxy"

#define KEEPALIVE_IDLE_S     120
#define KEEPALIVE_INTERVAL_S 30
#define KEEPALIVE_PROBES     4
#define USER_TIMEOUT_MS      TIMEOUT_IDLE_MS /* as a pausing reader would be given up, too */

/* An IPv6 client has an IPv6 address already, which no prefix can hold: it is hidden. */
static bool embeds(const struct session *s)
{
	return s->expose->client_address == CLIENT_ADDRESS_EMBED && addr_is_v4(&s->client_addr);
}

/* Backends that may be tried: addresses of the tenant's own, not drained, not yet tried. */
static uint64_t usable_backends(const struct session *s)
{
	const struct service_conf *conf = s->conf;
	uint64_t usable = 0;

	for (size_t i = 0; i < conf->n_backends && i < SERVICE_BACKENDS_MAX; i++) {
		const struct backend_conf *b = &conf->backends[i];

		if (!b->is_name && tenant_conf_owns(s->tenant, &b->address)) {
			usable |= 1ull << i;
		}
	}
	return usable & ~s->tried & ~s->service->drained_backends;
}

/* One key for all workers, so that a source keeps its backend for good. */
static uint64_t source_hash(const struct addr *client)
{
	static const struct hash_key key;
	struct addr source = *client;

	if (!addr_is_v4(client)) {
		addr_mask(&source, 64);
	}
	return hash_bytes(&key, source.b, sizeof(source.b));
}

static int pick(const struct session *s)
{
	const struct worker *w = s->worker;
	uint64_t load[SERVICE_BACKENDS_MAX];
	struct backend_choice choice = {
		.balance = s->conf->balance,
		.usable = usable_backends(s),
		.turn = &s->service->next_backend,
		.load = load,
	};

	if (choice.balance == BALANCE_LEAST_CONNECTIONS) {
		for (size_t i = 0; i < s->conf->n_backends; i++) {
			load[i] = counter_sum(w->all, w->n_all, s->conf->backends[i].slot,
					      COUNTER_ACTIVE);
		}
	} else if (choice.balance == BALANCE_SOURCE_HASH) {
		choice.source_hash = source_hash(&s->client_addr);
	}
	return backend_pick(&choice);
}

/*
 * The handshake's last ACK waits for the bytes that are to follow it and goes in their packet: one
 * packet a session less. Only where there are such bytes, as without it would be late.
 */
static void connect_join_ack(int fd)
{
	const int off = 0;

	/* without it there is one packet more, no harm */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
}

/* Starts a connection to the picked backend. Returns 0 or a negative errno. */
static int connect_start(struct session *s)
{
	struct worker *w = s->worker;
	const struct endpoint to = {.addr = s->conf->backends[s->backend_index].address,
				    .port = s->to};
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&to, true, &sa);
	int rc;

	s->backend.fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->backend.fd < 0) {
		return -errno;
	}
	if (embeds(s)) {
		if (!w->node->has_client_prefix) {
			return -EADDRNOTAVAIL;
		}
		rc = client_address_bind(s->backend.fd, &w->node->client_prefix, &s->client_addr);
		if (rc < 0) {
			return rc == -ENOMEM || rc == -ENOBUFS ? rc : -EADDRNOTAVAIL;
		}
	}
	if (s->up.stash) {
		connect_join_ack(s->backend.fd);
	}
	if (connect(s->backend.fd, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS) {
		return -errno;
	}
	return loop_add(&w->loop, &s->backend, RELAY_EVENTS | EPOLLOUT);
}

static enum close_reason failure_reason(const struct session *s, int rc)
{
	switch (rc) {
	case -ECONNREFUSED:
		return CLOSE_CONNECT_REFUSED;
	case -ETIMEDOUT:
		return CLOSE_CONNECT_TIMEOUT;
	case -EMFILE:
	case -ENFILE:
	case -ENOBUFS:
	case -ENOMEM:
	case -ENOSPC: /* the system's limit of watches */
		return CLOSE_NO_MEMORY;
	case -EADDRNOTAVAIL:
		return embeds(s) ? CLOSE_SOURCE_ADDRESS : CLOSE_CONNECT_FAILED;
	default:
		return CLOSE_CONNECT_FAILED;
	}
}

/* For who looks after one backend: nobody needs it of thousands, so it is debug and bounded. */
static void log_failed_try(const struct session *s, int rc)
{
	struct worker *w = s->worker;
	const struct endpoint to = {.addr = s->conf->backends[s->backend_index].address,
				    .port = s->to};
	char text[ENDPOINT_TEXT_MAX];
	unsigned int suppressed;

	if (log_shows(LOG_LEVEL_DEBUG) &&
	    log_limit_pass(&w->connect_debug, w->loop.now_ms, &suppressed)) {
		log_debug(MOD, "session %u.%llu: backend %s: connect: %s (%u more untold)",
			  w->index, (unsigned long long)s->number, endpoint_format(&to, text),
			  strerror(-rc), suppressed);
	}
}

/*
 * Closes the present try's leg. Returns the reason if the session has to end, or CLOSE_DONE if
 * another backend may be tried.
 */
static enum close_reason connect_give_up(struct session *s, int rc)
{
	enum close_reason reason = failure_reason(s, rc);

	session_add(s, COUNTER_CONNECT_FAILED, 1);
	log_failed_try(s, rc);
	if (reason == CLOSE_NO_MEMORY) {
		accept_pause(s->worker, rc);
	}
	if (reason == CLOSE_NO_MEMORY || reason == CLOSE_SOURCE_ADDRESS ||
	    s->tries >= session_timeouts(s).connect_tries || usable_backends(s) == 0) {
		return reason;
	}
	return CLOSE_DONE;
}

/* The leg of a failed try, whose io is used again for the next one. */
static void connect_drop_leg(struct session *s)
{
	void (*ready)(struct io *, uint32_t) = s->backend.ready;

	loop_close(&s->worker->loop, &s->backend);
	s->backend.ready = ready;
}

/* One try. Returns false with ret_reason when the session has to end. */
static bool connect_try(struct session *s, enum close_reason *ret_reason)
{
	struct worker *w = s->worker;
	enum close_reason reason;
	int i = pick(s), rc;

	if (i < 0) {
		*ret_reason = CLOSE_NO_BACKEND;
		return false;
	}
	s->backend_index = (uint8_t)i;
	s->tried |= 1ull << i;
	s->tries++;
	session_count(s, COUNT_BACKEND);
	rc = connect_start(s);
	if (rc == 0) {
		wheel_arm(&w->loop.wheel, &s->timer,
			  w->loop.now_ms + session_timeouts(s).connect_ms);
		return true;
	}
	reason = connect_give_up(s, rc);
	if (reason != CLOSE_DONE) {
		*ret_reason = reason;
		return false;
	}
	connect_drop_leg(s);
	session_uncount(s, COUNT_BACKEND, false);
	return connect_try(s, ret_reason); /* at most once for each backend */
}

void connect_next(struct session *s)
{
	enum close_reason reason;

	if (!connect_try(s, &reason)) {
		session_close(s, reason);
	} else if (s->state != SESSION_CONNECTING) {
		session_set_state(s, SESSION_CONNECTING);
	}
}

void connect_failed(struct session *s, int rc)
{
	enum close_reason reason = connect_give_up(s, rc);

	if (reason != CLOSE_DONE) {
		session_close(s, reason);
		return;
	}
	connect_drop_leg(s);
	session_uncount(s, COUNT_BACKEND, false);
	connect_next(s);
}

/* Puts the PROXY header, if there is to be one, at the start of the worker's buffer. */
static size_t put_header(struct session *s)
{
	const struct endpoint client = {.addr = s->client_addr, .port = s->client_port};
	const struct endpoint *local = &s->listener->local;
	const struct str name = {.p = s->name, .len = s->name_len};
	const struct str protocol = {.p = s->name ? s->name + s->name_len : NULL,
				     .len = s->protocol_len};
	uint8_t *out = s->worker->buffer;

	if (s->acme) { /* the tenant's responder knows no PROXY */
		return 0;
	}
	switch (s->expose->client_address) {
	case CLIENT_ADDRESS_PROXY_V1:
		return proxy_v1_write(&client, local, out);
	case CLIENT_ADDRESS_PROXY_V2:
		return proxy_v2_write(&client, local, name, protocol, out);
	case CLIENT_ADDRESS_EMBED:
	case CLIENT_ADDRESS_HIDE:
		break;
	}
	return 0;
}

static void connect_done(struct session *s)
{
	struct worker *w = s->worker;
	uint64_t idle_end = w->loop.now_ms + session_timeouts(s).idle_ms;
	int rc;

	s->connected = true;
	s->connect_ms = (uint32_t)(w->loop.now_ms - s->started_ms - s->hello_ms);
	session_set_state(s, SESSION_RELAYING);
	/* the connect timer is left to fire, so that a short session arms but one */
	if (idle_end < s->timer.deadline_ms) {
		wheel_arm(&w->loop.wheel, &s->timer, idle_end);
	}
	relay_start(s, put_header(s));
	if (s->state != SESSION_RELAYING || s->client_added) {
		return;
	}
	rc = loop_add(&w->loop, &s->client,
		      RELAY_EVENTS | (s->client_out ? (uint32_t)EPOLLOUT : 0));
	if (rc < 0) {
		accept_pause(w, rc);
		session_close(s, CLOSE_NO_MEMORY);
		return;
	}
	s->client_added = true;
}

void connect_ready(struct session *s, uint32_t events)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (events & (EPOLLERR | EPOLLHUP)) {
		if (getsockopt(s->backend.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
			error = errno;
		}
		connect_failed(s, error ? -error : -ECONNRESET);
		return;
	}
	if (!(events & EPOLLOUT)) {
		return;
	}
	connect_done(s);
	if (s->state == SESSION_RELAYING && (events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI))) {
		relay_backend_ready(s, events);
	}
}

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

void connect_set_keepalive(struct session *s)
{
	int fd = s->backend.fd;

	if (s->keepalive) {
		return;
	}
	s->keepalive = true;
	/* without these a lost backend is found by the idle time-out */
	(void)set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	(void)set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	(void)set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	(void)set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
	(void)set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
}
