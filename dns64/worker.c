/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The worker as a whole: its parts, its config, its end; see worker.h. */
#include "dns64/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "dns64/cache.h"
#include "dns64/query_verbs.h"
#include "dns64/upstream.h"
#include "worker/program.h"
#include "worker/stream.h"

#define MOD       "dns64"
#define TCP_MAX   1024 /* connections, where descriptors allow it */
#define STALE_MS  200  /* between two looks at who waits */
#define FORMER_MS (2 * UPSTREAM_TOTAL_MS)
#define DRAIN_MS  5000 /* the longest that a query waits */
#define PAUSE_MS  1000

_Static_assert(RESOLVER_LAST_MS + UPSTREAM_TOTAL_MS <= DRAIN_MS, "no query waits for longer");

/* Upstreams of the config before, until all that they were asked is answered. */
struct former_upstreams {
	struct former_upstreams *next; /* dns_worker.former */
	struct dns_worker *worker;
	struct upstreams *upstreams; /* owned */
	struct timer end;
};

/* What the resolver counts for itself, and where all see it. */
static const struct {
	enum worker_counter counter;
	size_t at;
} resolver_counts[] = {
	{WORKER_DNS_CACHED, offsetof(struct resolver_stats, n_cached)},
	{WORKER_DNS_ASKED, offsetof(struct resolver_stats, n_asked)},
	{WORKER_DNS_FAILED, offsetof(struct resolver_stats, n_failed)},
	{WORKER_DNS_SYNTHESISED, offsetof(struct resolver_stats, n_synthesised)},
	{WORKER_DNS_NXDOMAIN, offsetof(struct resolver_stats, n_nxdomain)},
	{WORKER_DNS_SERVFAIL, offsetof(struct resolver_stats, n_servfail)},
	{WORKER_DNS_STALE, offsetof(struct resolver_stats, n_stale)},
};
#define N_RESOLVER_COUNTS (sizeof(resolver_counts) / sizeof(resolver_counts[0]))

/* It goes on where the workers in this slot before us have ended. */
static void count_resolver(const struct dns_worker *w)
{
	for (size_t i = 0; i < N_RESOLVER_COUNTS; i++) {
		const void *n = (const char *)&w->resolver.stats + resolver_counts[i].at;

		atomic_store_explicit(&w->own->worker[resolver_counts[i].counter],
				      *(const uint64_t *)n, memory_order_relaxed);
	}
}

static void count_on(struct dns_worker *w)
{
	for (size_t i = 0; i < N_RESOLVER_COUNTS; i++) {
		void *n = (char *)&w->resolver.stats + resolver_counts[i].at;

		*(uint64_t *)n = atomic_load_explicit(&w->own->worker[resolver_counts[i].counter],
						      memory_order_relaxed);
	}
}

static bool is_drained(const struct dns_worker *w)
{
	return w->draining && w->n_tcp == 0 && (!w->resolving || w->resolver.n_waiting == 0);
}

static void batch_end(struct loop *loop)
{
	struct dns_worker *w = container_of(loop, struct dns_worker, loop);

	tcp_work(w);
	if (w->draining) {
		tcp_close_idle(w, false);
	}
	if (w->resolving) {
		count_resolver(w);
		loop->busy |= cache_shrink(w->resolver.cache);
		if (w->resolver.n_waiting > 0 && !timer_armed(&w->resolver_timer)) {
			wheel_arm(&loop->wheel, &w->resolver_timer, loop->now_ms + STALE_MS);
		}
	}
	link_watch(&w->link);
	if (is_drained(w)) {
		loop->stop = true;
	}
}

/* Those who wait for long get what is old. */
static void resolver_look(struct timer *timer)
{
	struct dns_worker *w = container_of(timer, struct dns_worker, resolver_timer);

	resolver_set_time(&w->resolver, w->loop.now_ms);
	resolver_work(&w->resolver);
}

static int ask(void *ctx, struct fetch *fetch)
{
	struct dns_worker *w = ctx;

	return upstreams_ask(w->upstreams, fetch);
}

static void answer(void *ctx, const struct dns_client *client, const uint8_t *wire, size_t len)
{
	if (client->trace) {
		dns_query_answered(client->trace, wire, len);
	} else if (client->connection > 0) {
		tcp_answer(ctx, client, wire, len);
	} else {
		udp_answer(ctx, client, wire, len);
	}
}

static void asked(void *ctx, struct fetch *fetch, struct answer *found)
{
	struct dns_worker *w = ctx;

	resolver_set_time(&w->resolver, w->loop.now_ms);
	fetch_done(&w->resolver, fetch, found);
}

static void report(void *ctx, const struct query_report *r)
{
	dns_log_report(ctx, r);
}

static const struct resolver_ops resolver_ops = {.ask = ask, .answer = answer, .report = report};
static const struct upstreams_ops upstreams_ops = {.done = asked};

static void accept_again(struct timer *timer)
{
	struct dns_worker *w = container_of(timer, struct dns_worker, accept_timer);

	if (dns_listeners_accept(w, true) < 0) {
		w->loop.stop = w->link.failed = true;
	}
}

void tcp_accept_pause(struct dns_worker *w, int rc)
{
	unsigned int suppressed;

	if (dns_listeners_accept(w, false) < 0) {
		w->loop.stop = w->link.failed = true;
	}
	wheel_arm(&w->loop.wheel, &w->accept_timer, w->loop.now_ms + PAUSE_MS);
	if (log_limit_pass(&w->warning, w->loop.now_ms, &suppressed)) {
		log_warn_errno(rc, MOD, "worker %u: no TCP connections for a second",
			       w->link.index);
	}
}

static void drain_over(struct timer *timer)
{
	container_of(timer, struct dns_worker, drain_end)->loop.stop = true;
}

int dns_worker_init(struct dns_worker *w, struct err *err)
{
	size_t n_fds = program_raise_descriptors();
	int rc;

	*w = (struct dns_worker){
		.tcp_max = n_fds / 2 < TCP_MAX ? (unsigned int)n_fds / 2 : TCP_MAX,
		.tcp_idle_ms = DNS_TCP_IDLE_MS,
		.upstream_port = DNS_PORT,
	};
	link_init(&w->link, &w->loop, &dns_link_ops);
	TAILQ_INIT(&w->tcp);
	TAILQ_INIT(&w->tcp_ready);
	table_init(&w->tcp_by_number);
	table_init(&w->tcp_shares);
	table_init(&w->listeners);
	tenants_init(&w->tenants);
	hash_key_init(&w->cookie_key);
	timer_init(&w->resolver_timer, resolver_look);
	timer_init(&w->accept_timer, accept_again);
	timer_init(&w->drain_end, drain_over);
	rc = loop_init(&w->loop, err);
	if (rc < 0) {
		return rc;
	}
	w->loop.batch_end = batch_end;
	w->batch = udp_batch_new();
	w->buffer = malloc(DNS_MESSAGE_MAX);
	rc = dns_log_init(w);
	return rc == 0 && w->batch && w->buffer ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static struct upstreams *make_upstreams(struct dns_worker *w, const struct node_conf *node)
{
	struct endpoint at[UPSTREAMS_MAX];
	size_t n = node->dns64.n_upstream < UPSTREAMS_MAX ? node->dns64.n_upstream : UPSTREAMS_MAX;

	for (size_t i = 0; i < n; i++) {
		at[i] = (struct endpoint){.addr = node->dns64.upstream[i],
					  .port = w->upstream_port};
	}
	return upstreams_new(&w->loop, at, n, &upstreams_ops, w);
}

static void former_free(struct former_upstreams *f)
{
	wheel_disarm(&f->worker->loop.wheel, &f->end);
	upstreams_free(f->upstreams);
	free(f);
}

static void former_end(struct timer *timer)
{
	struct former_upstreams *f = container_of(timer, struct former_upstreams, end);
	struct former_upstreams **at = &f->worker->former;

	while (*at != f) {
		at = &(*at)->next;
	}
	*at = f->next;
	former_free(f);
}

static bool same_upstreams(const struct node_conf *a, const struct node_conf *b)
{
	bool same = a->dns64.n_upstream == b->dns64.n_upstream;

	for (size_t i = 0; same && i < a->dns64.n_upstream; i++) {
		same = addr_eq(&a->dns64.upstream[i], &b->dns64.upstream[i]);
	}
	return same;
}

/* New questions go to node's upstreams; what the former ones were asked they may still answer. */
static int set_upstreams(struct dns_worker *w, const struct node_conf *node)
{
	struct former_upstreams *f = calloc(1, sizeof(*f));
	struct upstreams *u = make_upstreams(w, node);

	if (!f || !u) {
		free(f);
		upstreams_free(u);
		return -ENOMEM;
	}
	*f = (struct former_upstreams){.next = w->former, .worker = w, .upstreams = w->upstreams};
	timer_init(&f->end, former_end);
	wheel_arm(&w->loop.wheel, &f->end, w->loop.now_ms + FORMER_MS);
	w->former = f;
	w->upstreams = u;
	return 0;
}

/* Our part of the cache's size. */
static size_t cache_bytes(const struct dns_worker *w, const struct node_conf *node)
{
	return node->dns64.cache_bytes / w->n_workers;
}

/* With the first config. */
static int start_resolver(struct dns_worker *w, const struct node_conf *node)
{
	w->upstreams = make_upstreams(w, node);
	if (!w->upstreams ||
	    resolver_init(&w->resolver, &resolver_ops, w, cache_bytes(w, node)) < 0) {
		upstreams_free(w->upstreams);
		w->upstreams = NULL;
		return -ENOMEM;
	}
	w->resolver.counters = w->own;
	count_on(w);
	w->resolving = true;
	return 0;
}

int dns_worker_set_node(struct dns_worker *w, struct node_conf *node, struct err *err)
{
	struct node_conf *former = w->node;
	struct zone *zone;
	int rc = authority_prepare(w, node, &zone);

	if (rc < 0) {
		node_conf_free(node);
		return err_set_errno(err, rc, "the zone");
	}
	if (!w->resolving) {
		rc = start_resolver(w, node);
	} else if (!same_upstreams(former, node)) {
		rc = set_upstreams(w, node);
	}
	if (rc == 0) {
		rc = tenants_set_node(&w->tenants, node);
	}
	if (rc < 0) {
		w->tenants.node = former;
		authority_abandon(w, zone);
		node_conf_free(node);
		return err_set(err, rc, "out of memory");
	}
	authority_commit(w, node, zone);
	w->node = node;
	cache_set_max(w->resolver.cache, cache_bytes(w, node));
	memset(w->nsid, 0, sizeof(w->nsid));
	(void)snprintf(w->nsid, sizeof(w->nsid), "%s", node->name); /* the schema's bound fits */
	node_conf_free(former);
	dns_log_configure(w);
	return 0;
}

void dns_worker_drain(struct dns_worker *w, uint32_t ms)
{
	if (!w->draining) {
		w->draining = true;
		if (dns_listeners_drain(w) < 0) {
			w->loop.stop = w->link.failed = true;
		}
	}
	wheel_arm(&w->loop.wheel, &w->drain_end, w->loop.now_ms + (ms < DRAIN_MS ? ms : DRAIN_MS));
	w->loop.busy = true;
}

int dns_worker_run(struct dns_worker *w)
{
	int rc = loop_run(&w->loop);

	if (rc < 0) {
		log_err_errno(rc, MOD, "event loop");
	}
	return rc < 0 || w->link.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

void dns_worker_fini(struct dns_worker *w)
{
	w->loop.stop = true;
	w->draining = true;
	streams_end(&w->link);
	dns_listeners_remove_all(w);
	tcp_close_idle(w, true);
	if (w->resolving) {
		resolver_fini(&w->resolver);
	}
	upstreams_free(w->upstreams);
	while (w->former) {
		struct former_upstreams *f = w->former;

		w->former = f->next;
		former_free(f);
	}
	authority_fini(w);
	tenants_fini(&w->tenants);
	link_fini(&w->link);
	loop_fini(&w->loop);
	table_fini(&w->listeners);
	table_fini(&w->tcp_by_number);
	table_fini(&w->tcp_shares);
	node_conf_free(w->node);
	log_lines_flush(&w->log);
	log_lines_fini(&w->log);
	counters_unmap(w->own);
	while (w->n_others > 0) {
		counters_unmap(w->others[--w->n_others]);
	}
	free(w->batch);
	free(w->buffer);
}
