/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A client's message, whatever it came by: whose it is, and what a query has to be given before
 * the resolver gets it. Only tenants are served. Who is none is told so, at a rate that makes us no
 * use to somebody who forges sources.
 */
#include <string.h>
#include <time.h>

#include <libknot/libknot.h>

#include "dns64/answer.h"
#include "dns64/reply.h"
#include "dns64/worker.h"

#define REFUSALS_PER_S 100
#define COOKIE_CLIENT  8  /* bytes, RFC 7873 4 */
#define COOKIE_SERVER  16 /* RFC 9018 4 */

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

/* RFC 9018 4.3: version, time, and a hash that only we can make. */
static void make_cookie(const struct dns_worker *w, const struct dns_client *client,
			struct request *r)
{
	uint8_t *own = r->cookie + COOKIE_CLIENT,
		bytes[COOKIE_CLIENT + 8 + sizeof(client->from.addr)];
	uint64_t hash;

	memset(own, 0, 8);
	own[0] = 1;
	knot_wire_write_u32(own + 4, (uint32_t)time(NULL));
	memcpy(bytes, r->cookie, COOKIE_CLIENT + 8);
	memcpy(bytes + COOKIE_CLIENT + 8, &client->from.addr, sizeof(client->from.addr));
	hash = hash_bytes(&w->cookie_key, bytes, sizeof(bytes));
	memcpy(own + 8, &hash, sizeof(hash));
	r->server_cookie_len = COOKIE_SERVER;
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

/* source: NULL, the client is no tenant. */
static size_t answer(struct dns_worker *w, const struct dns_client *client,
		     const struct source *source, struct request *r, uint8_t *wire)
{
	if (!source) {
		return reply_error(r, KNOT_RCODE_REFUSED, KNOT_EDNS_EDE_PROHIBITED, wire);
	}
	counter_add(w->own, source->slot, COUNTER_QUERIES, 1);
	resolver_set_time(&w->resolver, w->loop.now_ms);
	return resolver_query(&w->resolver, source->tenant, client, r, wire);
}

size_t serve(struct dns_worker *w, const struct dns_client *client, bool over_tcp,
	     const uint8_t *message, size_t len, uint8_t *wire, bool *ret_waits)
{
	struct source source;
	bool known = tenants_source(&w->tenants, &client->from.addr, &source);
	enum request_result result;
	struct request r;
	size_t n;

	*ret_waits = false;
	count(w, known ? WORKER_DNS_QUERIES : WORKER_DNS_FOREIGN);
	if (!known && !may_refuse(w)) {
		return 0;
	}
	result = request_read(message, len, &r);
	if (result != REQUEST_READ) {
		return serve_malformed(w, result, over_tcp, &r, wire);
	}
	serve_prepare(w, client, over_tcp, &r);
	n = answer(w, client, known ? &source : NULL, &r, wire);
	*ret_waits = n == 0;
	return n;
}
