/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_SESSION_H
#define SIXGATE_PROXY_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "base/counters.h"
#include "base/loop.h"
#include "conf/model/message.h"
#include "conf/model/tenant.h"
#include "proxy/flow.h"
#include "proxy/sni.h"

/*
 * A session: one client connection and its backend connection. It is small, because most of the
 * many there are sit idle: what only a busy one needs (bytes read ahead, a pipe) is borrowed.
 */
struct listener;
struct service;
struct source;
struct worker;

enum session_state {
	SESSION_HELLO,      /* of a tls listener: the ClientHello is not complete */
	SESSION_CONNECTING, /* a backend is being tried */
	SESSION_RELAYING,
	SESSION_CLOSED, /* freed after the running batch */
};

struct session {
	TAILQ_ENTRY(session) entry; /* worker.unrouted or service.sessions */
	struct session *next_ready; /* worker.ready, or session_pool.free */
	struct timer timer;
	struct deferred deferred;
	struct io client, backend; /* the legs */
	struct flow up, down;      /* client to backend, backend to client */

	struct worker *worker;            /* borrowed */
	struct listener *listener;        /* counted */
	struct service *service;          /* counted; NULL until routed */
	struct tenant_conf *tenant;       /* counted; the object it was routed by */
	const struct service_conf *conf;  /* of tenant */
	const struct expose_conf *expose; /* of conf */
	struct source *source;            /* lent by worker.sources; NULL: not counted */
	char *name;                       /* owned; the name asked for, then the protocol */

	uint64_t number;     /* of this worker, from 1 */
	uint64_t started_ms; /* monotonic, as all here */
	uint64_t active_ms;  /* last byte */
	uint64_t drain_ms;   /* when it is drained: ends then; 0: it is not */
	uint32_t hello_ms;   /* from the start to the end of the hello */
	uint32_t connect_ms; /* from there to the backend's answer */
	struct addr client_addr;
	uint16_t client_port, to; /* to: the backend's port */
	uint64_t tried;           /* bits: backends of conf that were tried */
	struct sni_scan scan;     /* SESSION_HELLO */

	uint8_t state;         /* enum session_state */
	uint8_t reason;        /* enum close_reason; SESSION_CLOSED */
	uint8_t name_len;      /* bytes of name; may be 0 */
	uint8_t protocol_len;  /* bytes behind it: the ALPN name; may be 0 */
	uint8_t tries;         /* backends tried */
	uint8_t backend_index; /* of conf->backends, the last one tried */
	uint8_t settled;       /* bits of enum count_level: no longer in that slot */
	uint8_t counted;       /* bits of enum count_level: active in that slot */
	bool connected;        /* a backend has answered */
	bool client_added;     /* the loop knows the client's leg */
	bool client_out;       /* and is asked for EPOLLOUT of it */
	bool acme;             /* a certificate authority's probe */
	bool by_default;       /* by the listener's default, not by a rule */
	bool keepalive;        /* SO_KEEPALIVE and what belongs to it, too */
	bool ready;            /* in worker.ready */
};

TAILQ_HEAD(session_list, session);

/* The slots a session is counted in; a session reaches them in this order. */
enum count_level {
	COUNT_LISTENER,
	COUNT_TENANT,
	COUNT_SERVICE,
	COUNT_BACKEND,
	N_COUNT_LEVELS,
};

/* Blocks of sessions, never given back, so that thousands coming and going leave no holes. */
struct session_pool {
	struct session **blocks; /* owned */
	size_t n_blocks;
	struct session *free;
};

#define SESSION_BLOCK 64 /* sessions a block */

/* NULL when out of memory. The session's contents are what they were. */
struct session *session_pool_take(struct session_pool *pool);
/* Its number is 0 from now on. */
void session_pool_give(struct session_pool *pool, struct session *s);
/* Frees all, whoever may use one. */
void session_pool_fini(struct session_pool *pool);
/* The i-th session of all blocks, in use (state and number tell) or not; NULL behind the last. */
struct session *session_at(const struct session_pool *pool, size_t i);
static inline bool session_is_open(const struct session *s)
{
	return s->number != 0 && s->state != SESSION_CLOSED;
}

/*
 * A client was accepted: admits it or not, and goes on as far as it can at once. Takes fd.
 * Out of memory: the client is closed and -ENOMEM returned, so that accepting pauses.
 */
int session_start(struct listener *listener, int fd, const struct endpoint *client) CHECKED;

void session_set_state(struct session *s, enum session_state state);
/* Asserts what holds between callbacks. */
void session_check(const struct session *s);

/*
 * The one way out: counts, logs, closes both legs, gives back what is borrowed. The memory goes
 * after the running batch. Reasons that speak of a reset, a kill or a worker's end close by RST.
 */
void session_close(struct session *s, enum close_reason reason);

/* As session_close(), after the fatal alert was sent to a tls client. */
void session_refuse(struct session *s, enum sni_alert alert, enum close_reason reason);

/* Counts the session in the slot of level: accepted and active there until it ends. */
void session_count(struct session *s, enum count_level level);
/* Ends that: closed when a backend was connected, else refused, and whichever more says why. */
void session_uncount(struct session *s, enum count_level level, bool closed);
/* The slot behind level; only for a level that was counted. */
uint32_t session_slot(const struct session *s, enum count_level level);
/* The session ends for s->reason: leaves all slots. */
void session_count_end(struct session *s);
/* Adds n to a counter at all levels the session is counted in. */
void session_add(const struct session *s, enum counter which, uint64_t n);
/* Passes on the bytes since the last call to the counters. */
void session_account(struct session *s);

/* The time-outs that hold: the service's, else the listener's, else the node's. */
struct timeouts session_timeouts(const struct session *s);

/* Has the relay run it again after this batch, because it stopped at its budget. */
void session_set_ready(struct session *s);

static inline bool session_is_half_closed(const struct session *s)
{
	return s->up.shut || s->down.shut;
}

#endif
