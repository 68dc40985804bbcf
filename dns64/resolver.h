/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_RESOLVER_H
#define SIXGATE_DNS64_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/hash.h"
#include "dns64/policy.h"
#include "dns64/question.h"
#include "dns64/request.h"

/*
 * From a tenant's query to its answer (RFC 6147 5): what the cache has, what upstreams are asked,
 * what is synthesised. No I/O: the owner gives messages and asks upstreams, by resolver_ops.
 */
struct answer;
struct cache;
struct counters;
struct query;
struct trace;

#define RESOLVER_STALE_MS    1800  /* RFC 8767 5: how long a client waits before it gets that */
#define RESOLVER_LAST_MS     2800  /* nobody is asked later: a client waits for 5 s at most */
#define RESOLVER_QUERIES_MAX 10000 /* waiting at a time */
#define RESOLVER_TENANT_MAX  1000  /* of one tenant */

/* A tenant, shared by those of its queries that wait. */
struct dns_tenant {
	unsigned int refs;
	unsigned int n_queries; /* that wait, and fetches that none waits for yet */
	uint32_t slot;          /* counters; 0: the tenant is gone */
	const char *name;       /* borrowed, as what policy has */
	struct policy policy;
};

/* Who is to get the answer; the resolver only carries it. */
struct dns_client {
	struct endpoint from;
	struct addr to;      /* which of our addresses was asked; of UDP */
	uint32_t listener;   /* by which */
	uint64_t connection; /* of TCP; 0: none */
	struct trace *trace; /* who watches its query, instead of a client; NULL: nobody */
};

/* A question that upstreams are asked; owned by the resolver until fetch_done(). */
struct fetch {
	struct table_node node;  /* resolver.fetches */
	TAILQ_ENTRY(fetch) link; /* resolver.young, while it is in there */
	struct question q;
	uint64_t started_ms;
	struct query *waiting;    /* owned */
	struct dns_tenant *ahead; /* counted: whose query will need it; NULL: one does */
	struct trace *trace;      /* of one that waits */
	bool old;                 /* who could be answered with stale data, was */
};

/* A query that has its answer. All is borrowed. */
struct query_report {
	const struct dns_tenant *tenant;
	const struct dns_client *client;
	const struct request *request;
	const char *from; /* "here", "cache", "upstream", or "stale": from the cache, out of date */
	const char *synthesis; /* "yes", or why not; NULL: no IPv6 addresses were asked for */
	uint16_t rcode;        /* with EDNS's bits */
	uint64_t ms;           /* since it came */
};

struct resolver_ops {
	/* Asks: fetch_done() follows, not from within, soon enough. Returns 0 or -errno. */
	int (*ask)(void *ctx, struct fetch *fetch);
	void (*answer)(void *ctx, const struct dns_client *client, const uint8_t *wire, size_t len);
	/* Of one query in resolver.report_one_in. */
	void (*report)(void *ctx, const struct query_report *report);
};

struct resolver_stats {
	uint64_t n_queries, n_cached, n_asked, n_joined, n_synthesised, n_nxdomain, n_servfail,
		n_stale, n_refused, n_failed;
};

struct resolver {
	const struct resolver_ops *ops;
	void *ctx;
	struct cache *cache; /* owned */
	struct table fetches;
	TAILQ_HEAD(fetch_list, fetch) young; /* the oldest first */
	struct counters *counters;           /* borrowed: of tenants; NULL: they are not counted */
	uint64_t now_ms;                     /* of resolver_set_time() */
	uint32_t report_one_in;              /* 0: none is reported */
	uint32_t n_unreported;               /* since the last one */
	unsigned int n_waiting;              /* the n_queries of all tenants */
	uint8_t *wire;                       /* owned: for answers that were waited for */
	struct resolver_stats stats;
};

/* Returns 0 or -ENOMEM. */
int resolver_init(struct resolver *r, const struct resolver_ops *ops, void *ctx,
		  size_t cache_bytes) CHECKED;
/* Queries that wait are not answered any more. */
void resolver_fini(struct resolver *r);
/* Of a clock that never goes back; before the other calls. */
void resolver_set_time(struct resolver *r, uint64_t now_ms);
/* Of many messages, each before resolver_query() of the first one, in steps as cache_expect(). */
void resolver_expect(const struct resolver *r, struct request *request, unsigned int step);
/*
 * A tenant's message. Returns the length of the answer in wire, which has room for
 * request_answer_max(), or 0: none now, perhaps later by ops.answer.
 */
size_t resolver_query(struct resolver *r, struct dns_tenant *tenant,
		      const struct dns_client *client, struct request *request, uint8_t *wire);
/* What an upstream said; takes answer. NULL: none of them said anything. The fetch is gone. */
void fetch_done(struct resolver *r, struct fetch *fetch, struct answer *answer);
/* Answers with stale data who has waited long enough. */
void resolver_work(struct resolver *r);
void dns_tenant_unref(struct dns_tenant *t);

#endif
