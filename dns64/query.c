/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DOC: one query
 *
 * A step has a question, and resolver.c finds the answer to it, in the cache or by an upstream.
 * Here is what follows from it: an answer to the client, or another step. RFC 6147 5.1 for AAAA,
 * 5.3.1 for names of addresses, 5.5 for DNSSEC.
 *
 * An AAAA query whose upstream says SERVFAIL counts as one without addresses, unless the data is
 * bogus: then there is no answer. Upstreams that do not say why (RFC 8914) are asked once more
 * without checking (CD): what is there unchecked was bogus.
 */
#include <stdlib.h>
#include <string.h>

#include <libknot/libknot.h>

#include "dns64/answer.h"
#include "dns64/internal.h"
#include "dns64/local_names.h"
#include "dns64/local_records.h"
#include "dns64/reply.h"
#include "dns64/reverse.h"
#include "dns64/trace.h"

#define SYNTHESIS_TTL_S 600 /* RFC 6147 5.1.7: without an SOA */
#define REVERSE_TTL_S   600

/* Why addresses are not synthesised for a client, whatever there is: for the query log, in words.
 */
static const struct obstacle {
	const char *word, *text;
} obstacles[] = {
	{NULL, "what is asked for is no AAAA records"},
	{"off", "dns64.synthesis is off"},
	{"cd", "the client checks data itself (CD)"}, /* RFC 6147 5.5 */
	{"never", "the name is below one of dns64.never"},
};

/* NULL: there is none. */
static const struct obstacle *obstacle(const struct query *q)
{
	const struct policy *policy = &q->tenant->policy;
	const struct question *question = &q->request->q;

	if (question->type != KNOT_RRTYPE_AAAA || question->class != KNOT_CLASS_IN) {
		return &obstacles[0];
	}
	if (!policy->on || policy->n_pref64s == 0) {
		return &obstacles[1];
	}
	if (q->request->cd) {
		return &obstacles[2];
	}
	return policy_never(policy, question->name) ? &obstacles[3] : NULL;
}

static bool synthesises(const struct query *q)
{
	return !obstacle(q);
}

const struct question *query_question(const struct query *q, struct question *room)
{
	if (q->step == QUERY_ASKED) {
		return &q->request->q;
	}
	if (q->step == QUERY_REVERSE) {
		return &q->target;
	}
	memcpy(room, &q->request->q, offsetof(struct question, name) + q->request->q.len);
	if (q->step == QUERY_CHECK) {
		room->flags |= QUESTION_CD;
	} else {
		room->type = KNOT_RRTYPE_A;
	}
	return room;
}

static struct reply reply_from(const struct found *found)
{
	return (struct reply){
		.cached = found->cached,
		.stale = found->stale,
		.authentic = true,
		.ede = found->stale ? KNOT_EDNS_EDE_STALE : found->cached.answer->ede,
	};
}

static void decide(const struct query *q, const char *text)
{
	TRACE(q->client.trace, TRACE_DECISION, "%s", text);
}

/* Why there are no synthesised addresses beside what an answer has: for the query log. */
static const char *word_of(const struct answer *a)
{
	if (answer_is_failure(a)) {
		return answer_is_bogus(a) ? "bogus" : "failed";
	}
	if (a->rcode == KNOT_RCODE_NXDOMAIN) {
		return "no-name";
	}
	return a->n_data > 0 ? "has-ipv6" : "no-ipv4";
}

static size_t send_reply(struct query *q, const struct reply *reply, uint8_t *wire)
{
	q->why = word_of(reply->cached.answer);
	return reply_answer(q->request, reply, wire);
}

static size_t pass(struct query *q, const struct found *found, uint8_t *wire)
{
	struct reply reply = reply_from(found);

	return send_reply(q, &reply, wire);
}

size_t query_fail(const struct query *q, uint8_t *wire)
{
	return reply_error(q->request, KNOT_RCODE_SERVFAIL, ANSWER_NO_EDE, wire);
}

/* Sends an answer made for this client, which it frees; NULL: there was no memory for it. */
static size_t send_local(struct query *q, struct answer *a, uint8_t *wire)
{
	struct found found = {.cached = {.answer = a}};
	size_t len = a ? pass(q, &found, wire) : query_fail(q, wire);

	free(a);
	return len;
}

/* The addresses of ipv4only.arpa, by which a host finds its Pref64: for any of DO and CD. */
static size_t send_ipv4only(struct query *q, uint8_t *wire)
{
	struct reply reply = {.ede = ANSWER_NO_EDE};
	struct question a = q->request->q;
	struct answer *answer = NULL;
	size_t len;

	decide(q, "answered from here with the tenant's Pref64 (RFC 8880)");
	a.type = KNOT_RRTYPE_A;
	(void)local_names_find(&a, &answer); /* it is that name */
	if (!answer) {
		return query_fail(q, wire);
	}
	reply.cached.answer = answer;
	len = reply_synthesised(q->request, &reply, &q->tenant->policy, UINT32_MAX, true, wire);
	q->synthesised = true;
	free(answer);
	return len;
}

/* From an IPv4 address that the tenant has of its own for that name. 0: there is none. */
static size_t synthesise_local(struct query *q, uint8_t *wire)
{
	const struct policy *policy = &q->tenant->policy;
	struct reply reply = {.ede = KNOT_EDNS_EDE_SYNTHESIZED, .trace = q->client.trace};
	struct question a = q->request->q;
	struct answer *answer = NULL;
	size_t len = 0;

	a.type = KNOT_RRTYPE_A;
	if (local_records_find(policy->local, policy->n_local, &a, &answer) && answer &&
	    answer->n_data > 0) {
		reply.cached.answer = answer;
		len = reply_synthesised(q->request, &reply, policy, UINT32_MAX, false, wire);
		q->synthesised = len > 0;
	}
	free(answer);
	return len;
}

static size_t begin_local(struct query *q, uint8_t *wire)
{
	const struct policy *policy = &q->tenant->policy;
	struct answer *answer = NULL;
	size_t len = 0;

	if (!local_records_find(policy->local, policy->n_local, &q->request->q, &answer)) {
		return 0;
	}
	decide(q, "the name is of dns64.records: answered from there");
	if (answer && answer->n_data == 0 && synthesises(q)) {
		len = synthesise_local(q, wire);
	}
	if (len == 0) {
		return send_local(q, answer, wire);
	}
	free(answer);
	return len;
}

static size_t send_nothing(struct query *q, uint16_t rcode, const uint8_t *zone, uint8_t *wire)
{
	const struct local_record soa = local_records_soa(zone);

	return send_local(q, local_records_answer(NULL, 0, &q->request->q, rcode, &soa), wire);
}

static size_t begin_reverse(struct query *q, uint8_t *wire)
{
	struct answer *answer = NULL;
	const uint8_t *zone = NULL;
	struct addr v4;

	if (!q->tenant->policy.on || q->request->q.class != KNOT_CLASS_IN) {
		return 0;
	}
	switch (reverse_find(&q->tenant->policy, &q->request->q, &v4, &zone)) {
	case REVERSE_OTHER:
		return 0;
	case REVERSE_ABOVE:
		decide(q, "a name above those of addresses in Pref64");
		return send_nothing(q, KNOT_RCODE_NOERROR, zone, wire);
	case REVERSE_NONE:
		decide(q, "no address in Pref64 has that name");
		return send_nothing(q, KNOT_RCODE_NXDOMAIN, zone, wire);
	case REVERSE_ADDRESS:
		break;
	}
	if (local_names_pointer(&q->request->q, &v4, &answer)) {
		return send_local(q, answer, wire);
	}
	decide(q, "an address in Pref64: an alias of the reverse name of the IPv4 address in it");
	reverse_target(&q->request->q, &v4, &q->target);
	q->step = QUERY_REVERSE;
	return 0;
}

/* What is answered here lies below arpa: the names of addresses, and ipv4only.arpa. */
static bool is_below_arpa(const struct question *q)
{
	static const uint8_t arpa[] = "\4arpa";

	return q->len > sizeof(arpa) &&
	       memcmp(q->name + q->len - sizeof(arpa), arpa, sizeof(arpa)) == 0;
}

static size_t begin_arpa(struct query *q, uint8_t *wire)
{
	const struct policy *policy = &q->tenant->policy;
	struct answer *answer = NULL;

	if (local_names_is_ipv4only(&q->request->q) && q->request->q.type == KNOT_RRTYPE_AAAA &&
	    policy->on && policy->n_pref64s > 0) {
		return send_ipv4only(q, wire);
	}
	if (local_names_find(&q->request->q, &answer)) {
		decide(q, "a name that is always answered from here");
		return send_local(q, answer, wire);
	}
	return begin_reverse(q, wire);
}

size_t query_begin(struct query *q, uint8_t *wire)
{
	size_t len = begin_local(q, wire);

	if (len > 0) {
		return len;
	}
	q->step = QUERY_ASKED;
	if (synthesises(q) && policy_always(&q->tenant->policy, q->request->q.name)) {
		decide(q, "the name is below one of dns64.always: made of A records alone");
		q->step = QUERY_A;
		q->ttl_max_s = SYNTHESIS_TTL_S;
	}
	return is_below_arpa(&q->request->q) ? begin_arpa(q, wire) : 0;
}

static size_t go_on(struct query *q, enum query_step step)
{
	q->step = step;
	return 0;
}

/* How many of the addresses found count (RFC 6147 5.1.4). */
static unsigned int n_counting(const struct query *q, const struct answer *a)
{
	unsigned int n = 0;

	for (unsigned int i = a->n_chain; i < a->n_chain + a->n_data; i++) {
		struct addr addr;
		uint16_t len;
		const uint8_t *data = answer_rr_data(a, i, &len);

		if (len == sizeof(addr.b)) {
			memcpy(addr.b, data, sizeof(addr.b));
			n += !policy_excludes(&q->tenant->policy, &addr);
		}
	}
	return n;
}

static uint32_t negative_ttl_left(const struct found *found)
{
	const struct answer *a = found->cached.answer;
	uint32_t age_s = found->cached.age_s;

	if (a->negative_ttl_s == ANSWER_NO_SOA) {
		return SYNTHESIS_TTL_S;
	}
	return a->negative_ttl_s > age_s ? a->negative_ttl_s - age_s : 0;
}

/* There are no addresses of IPv6: those of IPv4 are to be looked at. */
static size_t want_a(struct query *q, const struct found *found)
{
	const struct answer *a = found->cached.answer;
	bool negative = a->rcode == KNOT_RCODE_NOERROR && a->n_data == 0;

	q->authentic = negative && a->authentic;
	q->ttl_max_s = negative ? negative_ttl_left(found) : SYNTHESIS_TTL_S;
	if (found->stale) {
		q->ttl_max_s = REPLY_STALE_TTL_S;
	}
	return go_on(q, QUERY_A);
}

static size_t step_servfail(struct resolver *r, struct query *q, const struct found *found,
			    uint8_t *wire)
{
	const struct answer *a = found->cached.answer;

	if (answer_is_bogus(a)) {
		decide(q, "the data is bogus: nothing is made up over that");
		return pass(q, found, wire);
	}
	decide(q,
	       a->ede == ANSWER_NO_EDE
		       ? "the upstream does not say why: asked unchecked, as bogus data shows then"
		       : "not for bogus data: counts as no AAAA records");
	q->failed_s = resolver_now_s(r) - found->cached.age_s;
	return a->ede == ANSWER_NO_EDE ? go_on(q, QUERY_CHECK) : want_a(q, found);
}

/* RFC 9460: a hint of IPv4 is of no use to who has only IPv6. */
static bool loses_hint(const struct query *q, const struct answer *a)
{
	const struct question *question = &q->request->q;

	return q->tenant->policy.no_ipv4hint && !q->request->cd &&
	       question->class == KNOT_CLASS_IN &&
	       (question->type == KNOT_RRTYPE_SVCB || question->type == KNOT_RRTYPE_HTTPS) &&
	       answer_has_ipv4hint(a);
}

/* Sends a, which is made of what was found: nobody has signed it. Frees it; NULL: out of memory. */
static size_t send_made(struct query *q, const struct found *found, struct answer *a, uint8_t *wire)
{
	struct reply reply = reply_from(found);
	size_t len;

	if (!a) {
		return query_fail(q, wire);
	}
	reply.authentic = false;
	reply.cached.answer = a;
	len = send_reply(q, &reply, wire);
	free(a);
	return len;
}

/* Without the addresses that do not count. */
static size_t send_filtered(struct query *q, const struct found *found, uint8_t *wire)
{
	struct reply reply = reply_from(found);

	reply.authentic = false;
	q->why = "has-ipv6";
	return reply_filtered(q->request, &reply, &q->tenant->policy, wire);
}

static size_t step_asked(struct resolver *r, struct query *q, const struct found *found,
			 uint8_t *wire)
{
	const struct answer *a = found->cached.answer;
	unsigned int n;

	if (loses_hint(q, a)) {
		decide(q, "its ipv4hint is left out (dns64.ipv4hint)");
		return send_made(q, found, answer_without_ipv4hint(&q->request->q, a), wire);
	}
	if (!synthesises(q) || a->rcode == KNOT_RCODE_NXDOMAIN) {
		TRACE(q->client.trace, TRACE_DECISION, "passed as it is, not synthesised: %s",
		      synthesises(q) ? "there is no such name" : obstacle(q)->text);
		return pass(q, found, wire);
	}
	if (a->rcode == KNOT_RCODE_SERVFAIL) {
		return step_servfail(r, q, found, wire);
	}
	n = a->rcode == KNOT_RCODE_NOERROR ? n_counting(q, a) : 0;
	TRACE(q->client.trace, TRACE_DECISION, "%u of %u addresses count (dns64.exclude)%s", n,
	      a->n_data, n == 0 ? ": A records are looked for" : ": not synthesised");
	if (n == 0) {
		return want_a(q, found);
	}
	if (n == a->n_data) {
		return pass(q, found, wire);
	}
	return send_filtered(q, found, wire);
}

static size_t step_check(struct query *q, const struct found *found, uint8_t *wire)
{
	if (!answer_is_failure(found->cached.answer)) {
		decide(q, "there is data unchecked, so it is bogus: nothing is made up over that");
		q->why = "bogus";
		return reply_error(q->request, KNOT_RCODE_SERVFAIL, KNOT_EDNS_EDE_BOGUS, wire);
	}
	decide(q, "fails unchecked as well: counts as no AAAA records");
	q->authentic = false;
	q->ttl_max_s = SYNTHESIS_TTL_S;
	return go_on(q, QUERY_A);
}

/* No address of IPv4 is for this tenant: it is as without any. */
static size_t send_nodata(struct resolver *r, struct query *q, uint8_t *wire)
{
	struct found found;
	enum cache_found had =
		cache_find(r->cache, &q->request->q, resolver_now_s(r), &found.cached);

	found.stale = had != CACHE_FRESH;
	if (had != CACHE_MISS && found.cached.answer->rcode == KNOT_RCODE_NOERROR &&
	    found.cached.answer->n_data == 0) {
		return pass(q, &found, wire);
	}
	q->why = "no-ipv4";
	return reply_error(q->request, KNOT_RCODE_NOERROR, ANSWER_NO_EDE, wire);
}

/* RFC 6147 5.1.6 and 5.1.7. */
static size_t step_a(struct resolver *r, struct query *q, const struct found *found, uint8_t *wire)
{
	const struct answer *a = found->cached.answer;
	struct reply reply = reply_from(found);
	size_t len;

	reply.trace = q->client.trace;
	if (a->rcode != KNOT_RCODE_NOERROR || a->n_data == 0) {
		decide(q, "there are no A records to make addresses of");
		reply.authentic = q->authentic;
		return send_reply(q, &reply, wire);
	}
	reply.authentic = q->request->dnssec && q->authentic && a->authentic;
	reply.ede = found->stale ? KNOT_EDNS_EDE_STALE : KNOT_EDNS_EDE_SYNTHESIZED;
	len = reply_synthesised(q->request, &reply, &q->tenant->policy, q->ttl_max_s, false, wire);
	decide(q, len > 0 ? "addresses are made of the A records"
			  : "none of the A records is for this tenant: as without any");
	if (len == 0) {
		return send_nodata(r, q, wire);
	}
	q->synthesised = true;
	return len;
}

const char *query_synthesis(const struct query *q)
{
	const struct obstacle *hindered = obstacle(q);

	if (q->synthesised) {
		return "yes";
	}
	if (hindered) {
		return hindered->word;
	}
	return q->why ? q->why : "failed";
}

static size_t step_reverse(struct query *q, const struct found *found, uint8_t *wire)
{
	return send_made(q, found,
			 answer_alias(&q->request->q, REVERSE_TTL_S + found->cached.age_s,
				      &q->target, found->cached.answer),
			 wire);
}

size_t query_step(struct resolver *r, struct query *q, const struct found *found, uint8_t *wire)
{
	switch (q->step) {
	case QUERY_ASKED:
		return step_asked(r, q, found, wire);
	case QUERY_CHECK:
		return step_check(q, found, wire);
	case QUERY_A:
		return step_a(r, q, found, wire);
	case QUERY_REVERSE:
		return step_reverse(q, found, wire);
	}
	return query_fail(q, wire);
}
