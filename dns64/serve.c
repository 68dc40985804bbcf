/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A client's message, whatever it came by: whose it is, and what a query has to be given before
 * the resolver gets it. Only tenants are served, each at its rate. Who is none is told so, at a
 * rate that makes us no use to somebody who forges sources, and what is over a tenant's rate is
 * refused, or not answered at all (query_rate.h): with no more bytes than the query had, but for
 * what EDNS needs.
 */
#include <string.h>
#include <time.h>

#include <libknot/libknot.h>

#include "dns64/answer.h"
#include "dns64/reply.h"
#include "dns64/worker.h"

#define REFUSALS_PER_S 100
#define COOKIE_CLIENT  8  /* bytes, RFC 7873 4 */
#define COOKIE_SERVER  16 /* RFC 9018 4: */
#define COOKIE_HEAD    8
#define COOKIE_LATE_S  3600 /* RFC 9018 4.3 */
#define COOKIE_EARLY_S 300

static void count(struct dns_worker *w, enum worker_counter which)
{
	worker_counter_add(w->own, which, 1);
}

static bool may_refuse(struct dns_worker *w)
{
	struct refusals *r = &w->refusals;
	uint64_t now_ms = w->loop.now_ms;

	if (now_ms - r->at_ms >= 1000) {
		*r = (struct refusals){.at_ms = now_ms};
	}
	return r->n++ < REFUSALS_PER_S;
}

/* RFC 9018 4.4: of the client's cookie, the head of ours, and the client's address. */
static uint64_t cookie_hash(const struct dns_worker *w, const struct dns_client *client,
			    const uint8_t *cookie)
{
	uint8_t bytes[COOKIE_CLIENT + COOKIE_HEAD + sizeof(client->from.addr)];

	memcpy(bytes, cookie, COOKIE_CLIENT + COOKIE_HEAD);
	memcpy(bytes + COOKIE_CLIENT + COOKIE_HEAD, &client->from.addr, sizeof(client->from.addr));
	return hash_bytes(&w->cookie_key, bytes, sizeof(bytes));
}

/* RFC 9018 4.3: version, time, and a hash that only we can make. */
static void make_cookie(const struct dns_worker *w, const struct dns_client *client,
			struct request *r)
{
	uint8_t *own = r->cookie + COOKIE_CLIENT;
	uint64_t hash;

	memset(own, 0, COOKIE_HEAD);
	own[0] = 1;
	knot_wire_write_u32(own + 4, (uint32_t)time(NULL));
	hash = cookie_hash(w, client, r->cookie);
	memcpy(own + COOKIE_HEAD, &hash, sizeof(hash));
	r->server_cookie_len = COOKIE_SERVER;
}

bool serve_knows(const struct dns_worker *w, const struct dns_client *client,
		 const struct request *r)
{
	const uint8_t *own = r->cookie + COOKIE_CLIENT;
	uint64_t hash;
	int32_t age_s;

	if (r->cookie_len != COOKIE_CLIENT + COOKIE_SERVER) {
		return false;
	}
	memcpy(&hash, own + COOKIE_HEAD, sizeof(hash));
	age_s = (int32_t)((uint32_t)time(NULL) - knot_wire_read_u32(own + 4));
	return hash == cookie_hash(w, client, r->cookie) && age_s >= -COOKIE_EARLY_S &&
	       age_s <= COOKIE_LATE_S;
}

void serve_prepare(const struct dns_worker *w, const struct dns_client *client, bool over_tcp,
		   struct request *r)
{
	r->over_tcp = over_tcp;
	r->keepalive_100ms = (uint16_t)(w->tcp_idle_ms / 100);
	if (r->wants_nsid) {
		r->nsid = str_from(w->nsid);
	}
	if (r->cookie_len > 0) {
		make_cookie(w, client, r);
	}
}

size_t serve_malformed(struct dns_worker *w, enum request_result result, bool over_tcp,
		       struct request *r, uint8_t *wire)
{
	count(w, WORKER_DNS_MALFORMED);
	r->over_tcp = over_tcp;
	switch (result) {
	case REQUEST_READ:
	case REQUEST_DROP:
		break;
	case REQUEST_FORMERR:
		return reply_error(r, KNOT_RCODE_FORMERR, ANSWER_NO_EDE, wire);
	case REQUEST_NOTIMP:
		return reply_error(r, KNOT_RCODE_NOTIMPL, ANSWER_NO_EDE, wire);
	case REQUEST_BADVERS:
		return reply_error(r, KNOT_RCODE_BADVERS, ANSWER_NO_EDE, wire);
	}
	return 0;
}

/* Of that tenant by the other workers; what is over the rate is not counted to it. */
static uint64_t let_through_by_others(const struct dns_worker *w, uint32_t slot)
{
	return counter_sum(w->others, w->n_others, slot, COUNTER_QUERIES) -
	       counter_sum(w->others, w->n_others, slot, COUNTER_OVER_RATE);
}

/* Whether the tenant may ask that much. Counts the query. */
static enum query_rate_result admit(struct dns_worker *w, const struct source *source)
{
	struct query_rate *rate = source->rate;
	enum query_rate_result result;

	count(w, WORKER_DNS_QUERIES);
	counter_add(w->own, source->slot, COUNTER_QUERIES, 1);
	if (rate->per_second == 0) {
		return QUERY_RATE_ADMIT;
	}
	if (rate->at_ms != w->loop.now_ms) {
		query_rate_fill(rate, let_through_by_others(w, source->slot), w->loop.now_ms);
	}
	result = query_rate_ask(rate);
	if (result != QUERY_RATE_ADMIT) {
		count(w, WORKER_DNS_OVER_RATE);
		counter_add(w->own, source->slot, COUNTER_OVER_RATE, 1);
	}
	return result;
}

/* Who is no tenant is told so, at a rate. */
static enum query_rate_result refuse(struct dns_worker *w)
{
	count(w, WORKER_DNS_FOREIGN);
	return may_refuse(w) ? QUERY_RATE_REFUSE : QUERY_RATE_DROP;
}

static size_t answer(struct dns_worker *w, struct arrival *a, uint8_t *wire)
{
	if (a->may == QUERY_RATE_REFUSE && a->known && a->request.unproven) {
		return reply_error(&a->request, KNOT_RCODE_BADCOOKIE, ANSWER_NO_EDE, wire);
	}
	if (a->may == QUERY_RATE_REFUSE) {
		return reply_error(&a->request, KNOT_RCODE_REFUSED,
				   a->known ? KNOT_EDNS_EDE_OTHER : KNOT_EDNS_EDE_PROHIBITED, wire);
	}
	resolver_set_time(&w->resolver, w->loop.now_ms);
	return resolver_query(&w->resolver, a->source.tenant, &a->client, &a->request, wire);
}

/* Whose it is: what is asked comes in bursts, of which the first one is looked up. */
static bool find_source(const struct dns_worker *w, const struct arrival *before, struct arrival *a)
{
	if (before && addr_eq(&before->client.from.addr, &a->client.from.addr)) {
		a->source = before->source;
		return before->known;
	}
	return tenants_source(&w->tenants, &a->client.from.addr, &a->source);
}

bool serve_read(struct dns_worker *w, const struct arrival *before, const uint8_t *message,
		size_t len, struct arrival *a)
{
	a->known = find_source(w, before, a);
	a->may = a->known ? admit(w, &a->source) : refuse(w);
	if (a->may == QUERY_RATE_DROP) {
		return false;
	}
	a->read = request_read(message, len, &a->request);
	return true;
}

void serve_expect(const struct dns_worker *w, struct arrival *a, unsigned int step)
{
	if (a->may == QUERY_RATE_ADMIT && a->read == REQUEST_READ) {
		resolver_expect(&w->resolver, &a->request, step);
	}
}

size_t serve_answer(struct dns_worker *w, struct arrival *a, bool over_tcp, uint8_t *wire,
		    bool *ret_waits)
{
	size_t n;

	*ret_waits = false;
	if (a->read != REQUEST_READ) {
		return serve_malformed(w, a->read, over_tcp, &a->request, wire);
	}
	a->request.unproven =
		a->request.cookie_len > 0 && !over_tcp && !serve_knows(w, &a->client, &a->request);
	serve_prepare(w, &a->client, over_tcp, &a->request);
	n = answer(w, a, wire);
	*ret_waits = n == 0;
	return n;
}
