/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_COUNTERS_H
#define SIXGATE_BASE_COUNTERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Shared counters: one sealed memfd a worker slot, written by that worker alone, read by control
 * and every worker. The segment outlives its worker, so totals never step back. What is counted
 * (a tenant, service, backend, listener) has one slot number, the same in all segments, given out
 * by control. In a slot accepted = refused + closed + active holds at rest.
 */
#define COUNTERS_SLOTS 262144
#define WORKERS_MAX    64
#define NUMBERS_MAX    UINT64_C(1000000000000000) /* of sessions; more is a worker's nonsense */

enum counter {
	COUNTER_ACTIVE,   /* gauge: sessions now */
	COUNTER_ACCEPTED, /* sessions that reached this tenant, service, backend or listener */
	COUNTER_REFUSED,  /* ended without a backend connection */
	COUNTER_CLOSED,   /* ended after a backend was connected */
	COUNTER_DENIED,   /* of refused: by allow and deny */
	COUNTER_LIMITED,  /* of refused: by a limit of sessions or rate */
	COUNTER_CONNECT_FAILED, /* backend connects that failed, tries included */
	COUNTER_BYTES_IN,       /* bytes from the client */
	COUNTER_BYTES_OUT,      /* bytes to the client */
	COUNTER_QUERIES,        /* of a tenant to DNS64; what follows is of these */
	COUNTER_OVER_RATE,      /* over its rate: refused, or not answered at all */
	COUNTER_QUERIES_CACHED, /* answered at once */
	COUNTER_QUERIES_ASKED,  /* questions to upstreams that they were the first to need */
	COUNTER_SYNTHESISED,    /* answered with addresses made of IPv4's */
	COUNTER_NXDOMAIN,       /* answered so, as the next */
	COUNTER_SERVFAIL,
	N_COUNTERS = 16, /* a slot is 128 bytes */
};

enum worker_counter {
	WORKER_FDS_BUDGET,                  /* sessions the descriptor limit allows */
	WORKER_ACCEPT_PAUSES,               /* accept stopped for want of descriptors or memory */
	WORKER_LOG_DROPPED,                 /* access log lines lost to a full pipe */
	WORKER_PIPES,                       /* gauge: splice pipes that exist */
	WORKER_SOURCES,                     /* gauge: entries of the source table */
	WORKER_REASON,                      /* first of 32: ends by enum close_reason */
	WORKER_NUMBER = WORKER_REASON + 32, /* number of the last session: none comes twice */
	WORKER_DNS_QUERIES,                 /* of tenants */
	WORKER_DNS_FOREIGN,                 /* queries of others: refused, or not answered at all */
	WORKER_DNS_MALFORMED,               /* of both */
	WORKER_DNS_CACHED,                  /* answered at once */
	WORKER_DNS_ASKED,                   /* questions to upstreams */
	WORKER_DNS_FAILED,                  /* answered SERVFAIL, as nobody could be asked */
	WORKER_DNS_UNSENT,                  /* answers that could not be sent */
	WORKER_DNS_OVER_RATE,               /* queries of tenants over their rate */
	WORKER_DNS_SYNTHESISED,             /* as COUNTER_SYNTHESISED, of all; and the next two */
	WORKER_DNS_NXDOMAIN,
	WORKER_DNS_SERVFAIL,
	WORKER_DNS_STALE,       /* answered with what was out of date */
	WORKER_DNS_LOG_DROPPED, /* query log lines lost to a full pipe */
	WORKER_DNS_ZONE,        /* queries for the farm's zone, of anybody */
	WORKER_DNS_SLIPPED,     /* of these, beyond the rate: answered by TC alone */
	WORKER_DNS_LIMITED,     /* the same: not answered */
	WORKER_DNS_CLIENTS,     /* gauge: TCP connections; counters stand before it */
	N_WORKER_COUNTERS,
};

struct counter_slot {
	_Atomic uint64_t v[N_COUNTERS];
};

struct counters {
	_Atomic uint64_t worker[64]; /* enum worker_counter */
	struct counter_slot slots[COUNTERS_SLOTS];
};

/* Makes a sealed segment. Returns its descriptor or a negative errno. */
int counters_create(struct err *err) CHECKED;
/* A read-only descriptor of the same segment (needs /proc). Returns it or a negative errno. */
int counters_reopen_readonly(int fd, struct err *err) CHECKED;
/* Maps fd. On 0 ret_counters is valid until counters_unmap(). */
int counters_map(int fd, int writable, struct counters **ret_counters, struct err *err) CHECKED;
void counters_unmap(struct counters *c);
/* After a worker died: what was active in the first n_slots is closed now. */
void counters_settle(struct counters *c, uint32_t n_slots);
/* Zeroes a slot that is to be given out again; only while no worker uses it. */
void counters_clear_slot(struct counters *c, uint32_t slot);

/* Single writer: a relaxed load and store, no locked instruction. */
static inline void counter_up(_Atomic uint64_t *v, uint64_t n)
{
	atomic_store_explicit(v, atomic_load_explicit(v, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline void counter_add(struct counters *c, uint32_t slot, enum counter which, uint64_t n)
{
	counter_up(&c->slots[slot].v[which], n);
}

static inline void counter_sub(struct counters *c, uint32_t slot, enum counter which, uint64_t n)
{
	counter_add(c, slot, which, -n);
}

static inline void worker_counter_add(struct counters *c, unsigned int which, uint64_t n)
{
	counter_up(&c->worker[which], n);
}

/* Sum of one counter over the n segments of all workers. */
uint64_t counter_sum(struct counters *const *segments, size_t n, uint32_t slot, enum counter which);

#endif
