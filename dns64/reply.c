/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages to clients. The fast ones are copies of what the cache has, with the client's question
 * before and the TTLs of now.
 */
#include "dns64/reply.h"

#include <string.h>

#include <libknot/libknot.h>

#include "base/addr.h"
#include "dns64/answer.h"
#include "dns64/policy.h"
#include "dns64/request.h"
#include "dns64/trace.h"

#define OPT_BYTES    11 /* RFC 6891 6.1.2 */
#define OPTION_BYTES 4
#define RR_BYTES     12 /* of one whose name is a pointer, without its data */
#define IPV4_BYTES   4

struct writer {
	const struct request *request;
	uint8_t *wire;
	size_t len;
	size_t max; /* without OPT */
	uint16_t n_rr[N_ANSWER_SECTIONS];
	bool truncated;
	struct trace *trace;
};

static size_t opt_size(const struct request *r, uint16_t ede)
{
	size_t len = OPT_BYTES;

	if (!r->edns) {
		return 0;
	}
	len += ede != ANSWER_NO_EDE ? OPTION_BYTES + 2 : 0;
	len += r->server_cookie_len > 0 ? OPTION_BYTES + 8u + r->server_cookie_len : 0;
	len += r->wants_nsid && r->nsid.len > 0 ? OPTION_BYTES + r->nsid.len : 0;
	len += r->wants_keepalive && r->over_tcp ? OPTION_BYTES + 2 : 0;
	return len;
}

static void put_u16(uint8_t **at, uint16_t v)
{
	knot_wire_write_u16(*at, v);
	*at += 2;
}

static void put_option(uint8_t **at, uint16_t code, const void *data, size_t len)
{
	put_u16(at, code);
	put_u16(at, (uint16_t)len);
	memcpy(*at, data, len);
	*at += len;
}

static void put_opt(struct writer *w, uint16_t rcode, uint16_t ede)
{
	const struct request *r = w->request;
	uint8_t *at = w->wire + w->len, code[2];

	*at++ = 0;
	put_u16(&at, KNOT_RRTYPE_OPT);
	put_u16(&at, REQUEST_UDP_MAX);
	put_u16(&at, (uint16_t)(rcode >> 4 << 8)); /* and version 0 */
	put_u16(&at, r->dnssec ? 0x8000 : 0);
	put_u16(&at, (uint16_t)(opt_size(r, ede) - OPT_BYTES));
	if (r->server_cookie_len > 0) {
		put_option(&at, KNOT_EDNS_OPTION_COOKIE, r->cookie, 8u + r->server_cookie_len);
	}
	if (r->wants_nsid && r->nsid.len > 0) {
		put_option(&at, KNOT_EDNS_OPTION_NSID, r->nsid.p, r->nsid.len);
	}
	if (r->wants_keepalive && r->over_tcp) {
		knot_wire_write_u16(code, r->keepalive_100ms);
		put_option(&at, KNOT_EDNS_OPTION_TCP_KEEPALIVE, code, sizeof(code));
	}
	if (ede != ANSWER_NO_EDE) {
		knot_wire_write_u16(code, ede);
		put_option(&at, KNOT_EDNS_OPTION_EDE, code, sizeof(code));
	}
	w->len = (size_t)(at - w->wire);
	w->n_rr[ANSWER_ADDITIONAL]++;
}

static struct writer writer_begin(const struct request *r, uint16_t ede, uint8_t *wire)
{
	struct writer w = {.request = r, .wire = wire, .len = DNS_HEADER_BYTES};

	w.max = request_answer_max(r) - opt_size(r, ede);
	if (r->q.len > 0) {
		memcpy(wire + w.len, r->name, r->q.len);
		w.len += r->q.len;
		knot_wire_write_u16(wire + w.len, r->q.type);
		knot_wire_write_u16(wire + w.len + 2, r->q.class);
		w.len += QUESTION_TAIL_BYTES;
	}
	return w;
}

/* Header and OPT. Returns the message's length. */
static size_t writer_end(struct writer *w, uint16_t rcode, uint16_t ede, bool authentic)
{
	const struct request *r = w->request;

	if (r->edns) {
		put_opt(w, rcode, ede);
	}
	memset(w->wire, 0, DNS_HEADER_BYTES);
	knot_wire_set_id(w->wire, r->id);
	knot_wire_set_qr(w->wire);
	knot_wire_set_opcode(w->wire, r->opcode);
	if (!r->authoritative) {
		knot_wire_set_ra(w->wire);
	} else if (rcode == KNOT_RCODE_NOERROR || rcode == KNOT_RCODE_NXDOMAIN) {
		knot_wire_set_aa(w->wire);
	}
	knot_wire_set_rcode(w->wire, rcode & 0xf);
	if (r->rd) {
		knot_wire_set_rd(w->wire);
	}
	if (r->cd) {
		knot_wire_set_cd(w->wire);
	}
	if (authentic && (r->dnssec || r->ad)) { /* RFC 6840 5.8 */
		knot_wire_set_ad(w->wire);
	}
	if (w->truncated) {
		knot_wire_set_tc(w->wire);
	}
	knot_wire_set_qdcount(w->wire, r->q.len > 0);
	knot_wire_set_ancount(w->wire, w->n_rr[ANSWER_ANSWER]);
	knot_wire_set_nscount(w->wire, w->n_rr[ANSWER_AUTHORITY]);
	knot_wire_set_arcount(w->wire, w->n_rr[ANSWER_ADDITIONAL]);
	return w->len;
}

size_t reply_error(const struct request *r, uint16_t rcode, uint16_t ede, uint8_t *wire)
{
	struct writer w = writer_begin(r, ede, wire);

	return writer_end(&w, rcode, ede, false);
}

size_t reply_slip(const struct request *r, uint8_t *wire)
{
	struct writer w = writer_begin(r, ANSWER_NO_EDE, wire);

	w.truncated = true;
	return writer_end(&w, KNOT_RCODE_NOERROR, ANSWER_NO_EDE, false);
}

static uint32_t ttl_now(const struct reply *reply, uint32_t ttl_s)
{
	if (reply->stale) {
		return REPLY_STALE_TTL_S;
	}
	return ttl_s > reply->cached.age_s ? ttl_s - reply->cached.age_s : 0;
}

/* The first n records as the cache has them, which are n_bytes. */
static void put_copies(struct writer *w, const struct reply *reply, unsigned int n, size_t n_bytes)
{
	const struct answer *a = reply->cached.answer;

	memcpy(w->wire + w->len, answer_bytes(a), n_bytes);
	for (unsigned int i = 0; i < n; i++) {
		knot_wire_write_u32(w->wire + a->rr[i].fixed + 4,
				    ttl_now(reply, answer_rr_ttl(a, i)));
	}
	w->len += n_bytes;
}

/* Bytes of the first n records. */
static size_t bytes_of(const struct answer *a, unsigned int n)
{
	return n == answer_n_rr(a) ? a->len : (size_t)(a->rr[n].owner - a->first);
}

/* EDNS's errors are between an upstream and us (RFC 6891 6.1.3, RFC 7873 5.2.3). */
static uint16_t rcode_for_client(const struct answer *a)
{
	return a->rcode > 0xf ? KNOT_RCODE_SERVFAIL : a->rcode;
}

size_t reply_answer(const struct request *r, const struct reply *reply, uint8_t *wire)
{
	const struct answer *a = reply->cached.answer;
	struct writer w = writer_begin(r, reply->ede, wire);
	unsigned int n = answer_n_rr(a);

	memcpy(w.n_rr, a->n_rr, sizeof(w.n_rr));
	if (w.len + bytes_of(a, n) > w.max) {
		n -= a->n_rr[ANSWER_ADDITIONAL];
		w.n_rr[ANSWER_ADDITIONAL] = 0;
	}
	if (w.len + bytes_of(a, n) > w.max) {
		w.truncated = true;
		memset(w.n_rr, 0, sizeof(w.n_rr));
	} else {
		put_copies(&w, reply, n, bytes_of(a, n));
	}
	return writer_end(&w, rcode_for_client(a), reply->ede, reply->authentic && a->authentic);
}

/* The aliases that lead to the data. */
static void put_chain(struct writer *w, const struct reply *reply)
{
	const struct answer *a = reply->cached.answer;
	size_t n_bytes = bytes_of(a, a->n_chain);

	if (w->len + n_bytes > w->max) {
		w->truncated = true;
		return;
	}
	put_copies(w, reply, a->n_chain, n_bytes);
	w->n_rr[ANSWER_ANSWER] = a->n_chain;
}

/* An address of the name that the chain ends at. */
static void put_aaaa(struct writer *w, uint16_t owner, uint32_t ttl_s, const struct addr *addr)
{
	uint8_t *at = w->wire + w->len;

	if (w->truncated || w->len + RR_BYTES + sizeof(addr->b) > w->max) {
		w->truncated = true;
		return;
	}
	put_u16(&at, (uint16_t)(0xc000 | owner));
	put_u16(&at, KNOT_RRTYPE_AAAA);
	put_u16(&at, w->request->q.class);
	knot_wire_write_u32(at, ttl_s);
	at += 4;
	put_u16(&at, sizeof(addr->b));
	memcpy(at, addr->b, sizeof(addr->b));
	w->len += RR_BYTES + sizeof(addr->b);
	w->n_rr[ANSWER_ANSWER]++;
}

/* A truncated message has no records: the client is to ask by TCP. */
static size_t writer_end_addresses(struct writer *w, const struct reply *reply)
{
	if (w->truncated) {
		w->len = question_message_len(&w->request->q);
		w->n_rr[ANSWER_ANSWER] = 0;
	}
	return writer_end(w, reply->cached.answer->rcode, reply->ede, reply->authentic);
}

static bool read_aaaa(const struct answer *a, unsigned int i, struct addr *ret_addr)
{
	uint16_t len;
	const uint8_t *data = answer_rr_data(a, i, &len);

	if (len != sizeof(ret_addr->b)) {
		return false;
	}
	memcpy(ret_addr->b, data, sizeof(ret_addr->b));
	return true;
}

size_t reply_filtered(const struct request *r, const struct reply *reply,
		      const struct policy *policy, uint8_t *wire)
{
	const struct answer *a = reply->cached.answer;
	struct writer w = writer_begin(r, reply->ede, wire);
	struct addr addr;

	put_chain(&w, reply);
	for (unsigned int i = a->n_chain; i < a->n_chain + a->n_data; i++) {
		if (read_aaaa(a, i, &addr) && !policy_excludes(policy, &addr)) {
			put_aaaa(&w, a->tail, ttl_now(reply, answer_rr_ttl(a, i)), &addr);
		}
	}
	return writer_end_addresses(&w, reply);
}

static bool read_a(const struct answer *a, unsigned int i, struct addr *ret_addr)
{
	uint16_t len;
	const uint8_t *data = answer_rr_data(a, i, &len);

	if (len != IPV4_BYTES) {
		return false;
	}
	*ret_addr = (struct addr){.b = {[10] = 0xff, [11] = 0xff}};
	memcpy(ret_addr->b + 12, data, IPV4_BYTES);
	return true;
}

/* Under each Pref64 that is for it (RFC 6147 5.2). */
static unsigned int put_synthesised(struct writer *w, const struct policy *policy, bool special,
				    const struct addr *v4, uint16_t owner, uint32_t ttl_s)
{
	char text[ADDR_TEXT_MAX], at[ADDR_TEXT_MAX];
	unsigned int n = 0;

	for (size_t i = 0; i < policy->n_pref64s; i++) {
		struct addr addr = addr_embed(&policy->pref64s[i].prefix, v4);

		if (special || policy_maps(policy, &policy->pref64s[i], v4)) {
			put_aaaa(w, owner, ttl_s, &addr);
			n++;
		} else {
			TRACE(w->trace, TRACE_DECISION,
			      "%s is not put into %s: it is special-use, or not mapped there",
			      addr_format(v4, text), prefix_format(&policy->pref64s[i].prefix, at));
		}
	}
	return n;
}

size_t reply_synthesised(const struct request *r, const struct reply *reply,
			 const struct policy *policy, uint32_t ttl_s, bool special, uint8_t *wire)
{
	const struct answer *a = reply->cached.answer;
	struct writer w = writer_begin(r, reply->ede, wire);
	unsigned int n = 0;
	struct addr v4;

	w.trace = reply->trace;
	put_chain(&w, reply);
	for (unsigned int i = a->n_chain; i < a->n_chain + a->n_data; i++) {
		uint32_t own_s = ttl_now(reply, answer_rr_ttl(a, i));

		if (read_a(a, i, &v4)) {
			n += put_synthesised(&w, policy, special, &v4, a->tail,
					     own_s < ttl_s ? own_s : ttl_s);
		}
	}
	return n > 0 ? writer_end_addresses(&w, reply) : 0;
}
