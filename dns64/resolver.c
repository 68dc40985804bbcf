/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Queries and the answers to them. A query that finds all it needs in the cache lives on the stack
 * and is answered at once. Any other waits, with all who asked the same, at the fetch of what it
 * needs next.
 */
#include "dns64/resolver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libknot/libknot.h>

#include "base/container.h"
#include "base/counters.h"
#include "dns64/answer.h"
#include "dns64/internal.h"
#include "dns64/reply.h"
#include "dns64/trace.h"

int resolver_init(struct resolver *r, const struct resolver_ops *ops, void *ctx, size_t cache_bytes)
{
	*r = (struct resolver){.ops = ops, .ctx = ctx};
	table_init(&r->fetches);
	TAILQ_INIT(&r->young);
	r->cache = cache_new(cache_bytes);
	r->wire = malloc(KNOT_WIRE_MAX_PKTSIZE);
	if (!r->cache || !r->wire) {
		resolver_fini(r);
		return -ENOMEM;
	}
	return 0;
}

void dns_tenant_unref(struct dns_tenant *t)
{
	if (--t->refs == 0) {
		free(t);
	}
}

static bool has_room(const struct resolver *r, const struct dns_tenant *tenant)
{
	return r->n_waiting < RESOLVER_QUERIES_MAX && tenant->n_queries < RESOLVER_TENANT_MAX;
}

/* One more of what has_room() bounds. */
static void room_take(struct resolver *r, struct dns_tenant *tenant)
{
	r->n_waiting++;
	tenant->n_queries++;
	tenant->refs++;
}

static void room_give(struct resolver *r, struct dns_tenant *tenant)
{
	r->n_waiting--;
	tenant->n_queries--;
	dns_tenant_unref(tenant);
}

static void query_free(struct resolver *r, struct query *q)
{
	if (q->client.trace) {
		q->client.trace->gone(q->client.trace);
	}
	room_give(r, q->tenant);
	free(q);
}

static void fetch_free(struct resolver *r, struct fetch *fetch)
{
	while (fetch->waiting) {
		struct query *q = fetch->waiting;

		fetch->waiting = q->next;
		query_free(r, q);
	}
	if (fetch->ahead) {
		room_give(r, fetch->ahead);
	}
	free(fetch);
}

void resolver_fini(struct resolver *r)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&r->fetches, &it))) {
		fetch_free(r, container_of(node, struct fetch, node));
	}
	table_fini(&r->fetches);
	cache_free(r->cache);
	free(r->wire);
	r->cache = NULL;
	r->wire = NULL;
}

void resolver_set_time(struct resolver *r, uint64_t now_ms)
{
	r->now_ms = now_ms;
}

static bool fetch_eq(const struct table_node *node, const void *key)
{
	return question_eq(&container_of(node, struct fetch, node)->q, key);
}

static void tally(const struct resolver *r, const struct dns_tenant *tenant, enum counter which)
{
	if (r->counters) {
		counter_add(r->counters, tenant->slot, which, 1);
	}
}

static void query_tell(struct resolver *r, const struct query *q, uint16_t rcode)
{
	const struct query_report report = {
		.tenant = q->tenant,
		.client = &q->client,
		.request = q->request,
		.from = q->local                ? "here"
			: q->stale              ? "stale"
			: q->request == &q->own ? "upstream"
						: "cache",
		.synthesis = query_synthesis(q),
		.rcode = rcode,
		.ms = r->now_ms - q->started_ms,
	};

	r->n_unreported = 0;
	r->ops->report(r->ctx, &report);
}

/* The query has its answer. */
static void query_count(struct resolver *r, const struct query *q, uint16_t rcode)
{
	if (q->synthesised) {
		r->stats.n_synthesised++;
		tally(r, q->tenant, COUNTER_SYNTHESISED);
	} else if (rcode == KNOT_RCODE_NXDOMAIN) {
		r->stats.n_nxdomain++;
		tally(r, q->tenant, COUNTER_NXDOMAIN);
	} else if (rcode == KNOT_RCODE_SERVFAIL) {
		r->stats.n_servfail++;
		tally(r, q->tenant, COUNTER_SERVFAIL);
	}
	if (r->report_one_in > 0 && !q->client.trace && ++r->n_unreported >= r->report_one_in) {
		query_tell(r, q, rcode);
	}
}

/* NULL: there is none of that question. */
static struct fetch *fetch_find(const struct resolver *r, const struct question *q)
{
	struct table_node *node = table_find(&r->fetches, cache_hash(r->cache, q), fetch_eq, q);

	return node ? container_of(node, struct fetch, node) : NULL;
}

/* For tenant. NULL: nobody can be asked. */
static struct fetch *fetch_new(struct resolver *r, const struct dns_tenant *tenant,
			       const struct question *q, struct trace *trace)
{
	struct fetch *fetch = calloc(1, sizeof(*fetch));

	if (!fetch || table_insert(&r->fetches, &fetch->node, cache_hash(r->cache, q)) < 0) {
		free(fetch);
		return NULL;
	}
	fetch->q = *q;
	fetch->started_ms = r->now_ms;
	fetch->trace = trace;
	if (r->ops->ask(r->ctx, fetch) < 0) {
		table_remove(&r->fetches, &fetch->node);
		free(fetch);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&r->young, fetch, link);
	r->stats.n_asked++;
	tally(r, tenant, COUNTER_QUERIES_ASKED);
	return fetch;
}

/* True: what the query's step needs is there. */
static bool lookup(struct resolver *r, const struct query *q, struct found *ret_found)
{
	struct question room;
	const struct question *question = query_question(q, &room);
	enum cache_found had;

	*ret_found = (struct found){.stale = false};
	had = cache_find(r->cache, question, resolver_now_s(r), &ret_found->cached);
	if (q->client.trace) {
		trace_found(q->client.trace, question, had, &ret_found->cached);
	}
	if (q->step == QUERY_CHECK) {
		/* what was there before it failed does not say why */
		return had == CACHE_FRESH &&
		       resolver_now_s(r) - ret_found->cached.age_s >= q->failed_s;
	}
	switch (had) {
	case CACHE_MISS:
		return false;
	case CACHE_STALE:
		ret_found->stale = true;
		return q->take_stale;
	case CACHE_STALE_TRIED:
		ret_found->stale = true;
		return true;
	case CACHE_FRESH:
		return true;
	}
	return false;
}

/* As far as the cache goes. The length of the answer, or 0: it has to wait. */
static size_t query_run(struct resolver *r, struct query *q, uint8_t *wire)
{
	struct found found;
	size_t len = 0;

	while (len == 0 && lookup(r, q, &found)) {
		len = query_step(r, q, &found, wire);
		q->stale = found.stale;
		r->stats.n_stale += len > 0 && found.stale;
	}
	return len;
}

/* When it cannot wait: with what there is of old (RFC 8767), or not at all. */
static size_t query_give_up(struct resolver *r, struct query *q, uint8_t *wire)
{
	size_t len;

	TRACE(q->client.trace, TRACE_DECISION,
	      "nobody can be asked now: what is out of date is used");
	q->take_stale = true;
	len = query_run(r, q, wire);
	if (len == 0) {
		TRACE(q->client.trace, TRACE_DECISION, "there is none");
		r->stats.n_failed++;
		q->local = true;
		len = query_fail(q, wire);
	}
	return len;
}

/*
 * What q needs after its next step, asked meanwhile: one after the other would be too late. As it
 * may outlive q it counts as one more that waits; without room it is asked when it is its turn.
 */
static void ask_ahead(struct resolver *r, const struct query *q)
{
	struct question a = q->request->q;
	struct fetch *fetch = NULL;
	struct cached cached;

	a.type = KNOT_RRTYPE_A;
	if (has_room(r, q->tenant) &&
	    cache_find(r->cache, &a, resolver_now_s(r), &cached) != CACHE_FRESH &&
	    !fetch_find(r, &a)) {
		fetch = fetch_new(r, q->tenant, &a, NULL);
	}
	if (fetch) {
		fetch->ahead = q->tenant;
		room_take(r, fetch->ahead);
	}
}

/* Takes q; false: it cannot wait. */
static bool query_wait(struct resolver *r, struct query *q)
{
	struct question room;
	const struct question *question = query_question(q, &room);
	struct fetch *fetch = fetch_find(r, question);

	if (fetch) {
		r->stats.n_joined++;
		TRACE(q->client.trace, TRACE_UPSTREAM, "is being asked already");
	}
	if ((fetch ? fetch->started_ms : r->now_ms) > q->started_ms + RESOLVER_LAST_MS) {
		return false;
	}
	if (!fetch) {
		fetch = fetch_new(r, q->tenant, question, q->client.trace);
		if (fetch && q->step == QUERY_CHECK) {
			ask_ahead(r, q);
		}
	}
	if (!fetch) {
		return false;
	}
	if (!fetch->trace) {
		fetch->trace = q->client.trace;
	}
	q->next = fetch->waiting;
	fetch->waiting = q;
	return true;
}

/* A query from the stack begins to wait. False: it cannot. */
static bool query_park(struct resolver *r, const struct query *q)
{
	struct query *copy = has_room(r, q->tenant) ? malloc(sizeof(*copy)) : NULL;

	if (!copy) {
		return false;
	}
	*copy = *q;
	copy->own = *q->request;
	copy->request = &copy->own;
	room_take(r, copy->tenant);
	if (!query_wait(r, copy)) {
		query_free(r, copy);
		return false;
	}
	return true;
}

/* What is nobody's to ask; 0: it is none of that. */
static size_t refuse(struct resolver *r, const struct request *request, uint8_t *wire)
{
	bool meta = request_is_meta(request->q.type);

	if (!meta && request->rd) { /* else: what is cached is nobody's to look into */
		return 0;
	}
	r->stats.n_refused++;
	return reply_error(request, meta ? KNOT_RCODE_NOTIMPL : KNOT_RCODE_REFUSED,
			   meta ? ANSWER_NO_EDE : KNOT_EDNS_EDE_NOTAUTH, wire);
}

/* Half of what may wait does: who has a cookie has to show that it gets what we send. */
static bool is_crowded(const struct resolver *r, const struct dns_tenant *tenant)
{
	return r->n_waiting >= RESOLVER_QUERIES_MAX / 2 ||
	       tenant->n_queries >= RESOLVER_TENANT_MAX / 2;
}

static size_t want_cookie(struct resolver *r, struct query *q, uint8_t *wire)
{
	r->stats.n_refused++;
	q->local = true;
	query_count(r, q, KNOT_RCODE_BADCOOKIE);
	return reply_error(q->request, KNOT_RCODE_BADCOOKIE, ANSWER_NO_EDE, wire);
}

/* But for target and own, which are set with what they are for. */
static void query_init(struct query *q, struct dns_tenant *tenant, const struct dns_client *client,
		       const struct request *request, uint64_t now_ms)
{
	memset(q, 0, offsetof(struct query, target));
	q->started_ms = now_ms;
	q->tenant = tenant;
	q->client = *client;
	q->request = request;
}

void resolver_expect(const struct resolver *r, struct request *request, unsigned int step)
{
	cache_expect(r->cache, &request->q, step);
}

size_t resolver_query(struct resolver *r, struct dns_tenant *tenant,
		      const struct dns_client *client, struct request *request, uint8_t *wire)
{
	struct query q; /* most of which is for those that wait */
	size_t len;

	r->stats.n_queries++;
	query_init(&q, tenant, client, request, r->now_ms);
	len = refuse(r, request, wire);
	if (len == 0) {
		len = query_begin(&q, wire);
	}
	q.local = len > 0;
	if (len == 0) {
		len = query_run(r, &q, wire);
	}
	if (len > 0) {
		r->stats.n_cached++;
		tally(r, tenant, COUNTER_QUERIES_CACHED);
	} else if (request->unproven && is_crowded(r, tenant)) {
		return want_cookie(r, &q, wire);
	} else if (query_park(r, &q)) {
		return 0;
	} else {
		len = query_give_up(r, &q, wire);
	}
	query_count(r, &q, knot_wire_get_rcode(wire));
	return len;
}

/* Takes q. */
static void query_end(struct resolver *r, struct query *q, size_t len)
{
	query_count(r, q, knot_wire_get_rcode(r->wire));
	r->ops->answer(r->ctx, &q->client, r->wire, len);
	query_free(r, q);
}

/* Goes on with a query that waited; found: what it waited for, NULL: look in the cache. */
static void query_resume(struct resolver *r, struct query *q, const struct found *found)
{
	size_t len = found ? query_step(r, q, found, r->wire) : 0;

	if (len == 0) {
		len = query_run(r, q, r->wire);
	}
	if (len == 0 && query_wait(r, q)) {
		return;
	}
	if (len == 0) {
		len = query_give_up(r, q, r->wire);
	}
	query_end(r, q, len);
}

/*
 * Those who wait for it, each of whom may begin to wait for something else. older: there is data to
 * be served rather than what was found.
 */
static void resume_all(struct resolver *r, struct query *waiting, const struct found *found,
		       bool older)
{
	while (waiting) {
		struct query *q = waiting;

		waiting = q->next;
		if (older) {
			TRACE(q->client.trace, TRACE_DECISION,
			      "that is a failure: what is out of date is used");
		}
		query_resume(r, q, older && q->step != QUERY_CHECK ? NULL : found);
	}
}

/* There is no memory to run them once more; a failure needs none. */
static void fail_all(struct resolver *r, struct query *waiting)
{
	while (waiting) {
		struct query *q = waiting;

		waiting = q->next;
		query_end(r, q, query_fail(q, r->wire));
	}
}

static void fetch_end(struct resolver *r, struct fetch *fetch, struct query *waiting,
		      struct answer *a)
{
	const struct found found = {.cached = {.answer = a}};
	bool older = cache_outlasts(r->cache, &fetch->q, a, resolver_now_s(r));

	if (!older) {
		cache_put(r->cache, &fetch->q, a, resolver_now_s(r));
	}
	resume_all(r, waiting, &found, older);
	free(a);
}

void fetch_done(struct resolver *r, struct fetch *fetch, struct answer *answer)
{
	struct query *waiting = fetch->waiting;
	struct answer *a = answer ? answer : answer_failed(&fetch->q, KNOT_EDNS_EDE_NREACH_AUTH);

	table_remove(&r->fetches, &fetch->node);
	if (!fetch->old) {
		TAILQ_REMOVE(&r->young, fetch, link);
	}
	fetch->waiting = NULL;
	if (a) {
		fetch_end(r, fetch, waiting, a);
	} else {
		fail_all(r, waiting);
	}
	fetch_free(r, fetch);
}

/* Who waits for it gets what there is of old, if there is. */
static void fetch_grow_old(struct resolver *r, struct fetch *fetch)
{
	struct query *waiting = fetch->waiting;

	TAILQ_REMOVE(&r->young, fetch, link);
	fetch->old = true;
	fetch->waiting = NULL;
	fetch->trace = NULL;
	while (waiting) {
		struct query *q = waiting;

		waiting = q->next;
		TRACE(q->client.trace, TRACE_DECISION,
		      "no upstream has answered in %d ms: what is out of date is used",
		      RESOLVER_STALE_MS);
		q->take_stale = true;
		query_resume(r, q, NULL);
	}
}

void resolver_work(struct resolver *r)
{
	struct fetch *fetch;

	while ((fetch = TAILQ_FIRST(&r->young)) &&
	       fetch->started_ms + RESOLVER_STALE_MS <= r->now_ms) {
		fetch_grow_old(r, fetch);
	}
}
