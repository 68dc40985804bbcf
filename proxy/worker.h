/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_WORKER_H
#define SIXGATE_PROXY_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counters.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/loop.h"
#include "conf/model/node.h"
#include "proxy/access_log.h"
#include "proxy/budget.h"
#include "proxy/client_address.h"
#include "proxy/pipes.h"
#include "proxy/relay.h"
#include "proxy/session.h"
#include "proxy/source.h"
#include "proxy/tenants.h"
#include "worker/link.h"

/* Everything a worker process has; there are no globals. */
struct listen_socket;
struct listener;

/* An order that takes several steps, for its answer. */
struct order {
	uint16_t type; /* enum message; 0: none */
	uint32_t id;
	uint64_t serial;
};

struct worker {
	struct loop loop;
	struct link link; /* to control */

	struct counters *own;              /* owned mapping; NULL before COUNTERS */
	struct counters *all[WORKERS_MAX]; /* owned mappings, read-only */
	size_t n_all;                      /* of these, workers of before an upgrade included */
	size_t n_workers;                  /* without them */
	unsigned int index;                /* own, of all */

	struct node_conf *node; /* owned; NULL before NODE */
	struct tenants tenants;
	struct source_table sources;
	struct table listeners;
	size_t n_listeners; /* sockets */
	size_t n_lent;      /* of these */
	struct log_lines log;
	struct pipes pipes;

	struct session_pool pool;
	struct session_list unrouted; /* sessions without a service yet */
	struct session *ready;        /* stopped at their budget */
	struct service_list walks;    /* whose sessions are being looked at */
	size_t n_ordered;             /* of these, by the order under way */
	size_t n_sessions;
	uint64_t last_number;

	size_t fd_limit; /* RLIMIT_NOFILE */
	struct budget budget;
	struct listen_socket *paused; /* met while accepting was paused */
	struct listener *ending;      /* being removed */
	struct timer accept_timer;    /* armed: descriptors or memory had run out */
	struct log_limit accept_warning, connect_debug;
	bool full; /* the budget is used up */

	struct timer tick;      /* log, gauges */
	struct timer drain_end; /* armed: sessions left then are closed */
	bool draining;          /* ends with the last session */
	struct order order;     /* that is under way */
	size_t kill_at;         /* how far MSG_KILL has looked */
	size_t drain_at;        /* how far that is, once drain_end has come */
	bool drain_over;        /* it has */

	uint8_t *buffer;     /* owned; PROXY_HEADER_MAX + SNI_HELLO_MAX + RELAY_BUFFER */
	size_t stashed;      /* bytes in all flows' stashes */
	size_t stashed_max;  /* of these, before sources wait for their sinks */
	uint64_t reclaim_ms; /* when pipes may be taken back next */
};

#define WORKER_BUFFER (PROXY_HEADER_MAX + SNI_HELLO_MAX + RELAY_BUFFER)

/*
 * What needs /proc, limits and random bytes: before the sandbox closes. Returns 0 or a negative
 * errno with err set.
 */
int worker_init(struct worker *w, struct err *err) CHECKED;
/* Maps the counters of message COUNTERS, whose form was checked. */
int worker_set_counters(struct worker *w, struct channel_msg *msg, size_t n_workers,
			struct err *err) CHECKED;
/* Returns the exit status of the process. */
int worker_run(struct worker *w) CHECKED;
void worker_fini(struct worker *w);

/* No new sessions; the process ends with the last session, or at deadline_ms if not 0. */
void worker_drain(struct worker *w, uint64_t deadline_ms);
/* Shares the descriptors out anew after listeners or the number of workers changed. */
void worker_set_budget(struct worker *w);
/*
 * A session ended: its access log line is written within LOG_LINES_FLUSH_MS, its source forgotten a
 * second after its last session.
 */
void worker_arm_tick(struct worker *w);
/* Brings the gauge of sources up to date. */
void worker_count_sources(struct worker *w);
/* Ends the loop when nothing is left to drain. */
void worker_session_ended(struct worker *w);

#endif
