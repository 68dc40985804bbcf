/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages of upstreams, and what is synthesised from them. The first bytes choose the Pref64s and
 * the client's flags, then come an answer to AAAA (or HTTPS), with its length, and one to A.
 * Whatever they hold: the client's answer is a message of DNS without an A record, whose addresses
 * are the upstream's, or of its A records under a Pref64; no TTL is longer than the upstream's, and
 * none grows while the answer is in the cache; it is authentic only if all that it is made of is.
 */
#include <stdlib.h>
#include <string.h>

#include <libknot/libknot.h>

#include "dns64/answer.h"
#include "dns64/resolver.h"

#define HEAD_BYTES   16 /* options and Pref64's length, flags, first answer's length, Pref64 */
#define PREFIX_AT    4
#define PREFIX_BYTES 12
#define LATER_S      2
#define ASKED_MAX    2 /* at a time: what SERVFAIL is for, and the A record */

/* Of the first byte. */
#define OPTION_TWO    0x20 /* Pref64s */
#define OPTION_MAPPED 0x40 /* the first one is for half of IPv4 */
#define OPTION_PERMIT 0x80 /* special addresses, too */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct play {
	struct resolver r;
	struct fetch *asked[ASKED_MAX]; /* the first one first */
	unsigned int n_asked;
	struct policy policy;
	struct pref64 pref64s[2];
	struct request request;
	const uint8_t *aaaa, *a;
	size_t aaaa_len, a_len;
	uint32_t ttl_max_s;       /* of what upstreams said */
	uint32_t synthesis_max_s; /* of addresses that are synthesised */
	uint32_t told_s;          /* the longest TTL of the last answer */
	bool authentic;           /* all that were said */
	bool nodata_authentic;    /* that there is no AAAA record, which may be all of the answer */
	bool answered;
};

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

static int play_ask(void *ctx, struct fetch *fetch)
{
	struct play *p = ctx;

	check(p->n_asked < ASKED_MAX);
	p->asked[p->n_asked++] = fetch;
	return 0;
}

static bool is_said(const uint8_t *wire, size_t len, const uint8_t *data, size_t n)
{
	return memmem(wire, len, data, n) != NULL;
}

/* Whether it is of an A record that an upstream sent, under one of the Pref64s. */
static bool is_synthesised(const struct play *p, const struct addr *addr)
{
	struct addr v4;

	for (size_t i = 0; i < p->policy.n_pref64s; i++) {
		if (addr_extract(&p->pref64s[i].prefix, addr, &v4)) {
			return is_said(p->a, p->a_len, v4.b + 12, 4);
		}
	}
	return false;
}

static void check_address(const struct play *p, const knot_rrset_t *rr)
{
	struct addr addr;

	check(rr->rrs.rdata->len == sizeof(addr.b));
	memcpy(addr.b, rr->rrs.rdata->data, sizeof(addr.b));
	check(!addr_is_v4(&addr) || p->request.cd); /* CD: as it is */
	if (!is_said(p->aaaa, p->aaaa_len, addr.b, sizeof(addr.b))) {
		check(!p->request.cd && is_synthesised(p, &addr));
		check(rr->ttl <= p->synthesis_max_s);
	}
}

static void check_record(struct play *p, const knot_rrset_t *rr)
{
	check(rr->type != KNOT_RRTYPE_A);
	check(rr->ttl <= p->ttl_max_s);
	p->told_s = rr->ttl > p->told_s ? rr->ttl : p->told_s;
	if (rr->type == KNOT_RRTYPE_AAAA) {
		check_address(p, rr);
	}
}

static bool has_address(const knot_pktsection_t *answers)
{
	for (uint16_t i = 0; i < answers->count; i++) {
		if (knot_pkt_rr(answers, i)->type == KNOT_RRTYPE_AAAA) {
			return true;
		}
	}
	return false;
}

static void check_answer(struct play *p, const uint8_t *wire, size_t len)
{
	knot_pkt_t *pkt = knot_pkt_new((void *)wire, (uint16_t)len, NULL);
	const knot_pktsection_t *answers;

	p->answered = true;
	p->told_s = 0;
	check(pkt && knot_pkt_parse(pkt, KNOT_PF_NOCANON) == KNOT_EOK && pkt->parsed == len);
	check(len <= request_answer_max(&p->request));
	answers = knot_pkt_section(pkt, KNOT_ANSWER);
	check(!knot_wire_get_ad(wire) || p->authentic ||
	      (p->nodata_authentic && !has_address(answers)));
	for (uint16_t i = 0; i < answers->count; i++) {
		check_record(p, knot_pkt_rr(answers, i));
	}
	knot_pkt_free(pkt);
}

static void play_answer(void *ctx, const struct dns_client *client, const uint8_t *wire, size_t len)
{
	(void)client;
	check_answer(ctx, wire, len);
}

static const struct resolver_ops ops = {.ask = play_ask, .answer = play_answer};

static void ask(struct play *p, struct dns_tenant *tenant)
{
	static uint8_t wire[KNOT_WIRE_MAX_PKTSIZE];
	const struct dns_client client = {.connection = 0};
	struct request request = p->request;
	size_t len = resolver_query(&p->r, tenant, &client, &request, wire);

	if (len > 0) {
		check_answer(p, wire, len);
	}
}

/* The longest of a message, as a client that it came to would take it (RFC 2181 8). */
static uint32_t longest_ttl(const uint8_t *wire, size_t len)
{
	knot_pkt_t *pkt = knot_pkt_new((void *)wire, (uint16_t)len, NULL);
	uint32_t ttl_s = 0;

	check(pkt != NULL);
	if (knot_pkt_parse(pkt, KNOT_PF_NOCANON | KNOT_PF_KEEPWIRE) == KNOT_EOK) {
		for (uint16_t i = 0; i < pkt->rrset_count; i++) {
			uint32_t own_s = pkt->rr[i].ttl > INT32_MAX ? 0 : pkt->rr[i].ttl;

			ttl_s = own_s > ttl_s ? own_s : ttl_s;
		}
	}
	knot_pkt_free(pkt);
	return ttl_s;
}

/* An upstream says that to what is asked. */
static void say(struct play *p, const uint8_t *wire, size_t len)
{
	struct fetch *fetch = p->asked[0];
	struct answer *answer = NULL;
	uint32_t ttl_s = len > 0 && len <= UINT16_MAX ? longest_ttl(wire, len) : 0;

	p->asked[0] = p->asked[1];
	p->n_asked--;
	if (answer_read(&fetch->q, wire, len, &answer) != ANSWER_READ) {
		answer = NULL;
	}
	p->authentic = p->authentic && answer && answer->authentic;
	p->ttl_max_s = ttl_s > p->ttl_max_s ? ttl_s : p->ttl_max_s;
	if (fetch->q.type == KNOT_RRTYPE_A && ttl_s < p->synthesis_max_s) {
		p->synthesis_max_s = ttl_s;
	} else if (fetch->q.type == KNOT_RRTYPE_AAAA && answer && answer->rcode == 0 &&
		   answer->n_data == 0 && !(fetch->q.flags & QUESTION_CD)) {
		p->synthesis_max_s = answer->negative_ttl_s;
		p->nodata_authentic = answer->authentic;
	}
	fetch_done(&p->r, fetch, answer);
}

static void answer_all(struct play *p)
{
	bool first = true;

	while (p->n_asked > 0) {
		if (first && p->asked[0]->q.type != KNOT_RRTYPE_A) {
			say(p, p->aaaa, p->aaaa_len);
		} else {
			say(p, p->a, p->a_len);
		}
		first = false;
	}
	check(p->answered);
}

/* Asks, and once more when it is cached, as much of it as is. */
static void play(struct play *p, struct dns_tenant *tenant)
{
	uint32_t before_s;

	ask(p, tenant);
	answer_all(p);
	before_s = p->told_s;
	p->answered = false;
	resolver_set_time(&p->r, p->r.now_ms + LATER_S * 1000);
	ask(p, tenant);
	if (p->answered) {
		check(p->told_s <= before_s);
		check(p->told_s == 0 || p->told_s + LATER_S <= p->ttl_max_s);
	}
	answer_all(p);
}

static void set_request(struct play *p, uint8_t flags)
{
	p->request = (struct request){
		.q = {.type = flags & 32 ? KNOT_RRTYPE_HTTPS : KNOT_RRTYPE_AAAA,
		      .class = KNOT_CLASS_IN},
		.rd = true,
		.edns = flags & 1,
		.dnssec = (flags & 3) == 3,
		.cd = flags & 4,
		.ad = flags & 8,
		.udp_size = 1232,
		.over_tcp = flags & 16,
	};
	check(question_set_name(&p->request.q, "a.example.") == 0);
	memcpy(p->request.name, p->request.q.name, p->request.q.len);
	p->request.q.flags = (uint8_t)((p->request.dnssec ? QUESTION_DO : 0) |
				       (p->request.cd ? QUESTION_CD : 0));
}

static void set_policy(struct play *p, const uint8_t *data)
{
	static const uint8_t lengths[] = {32, 40, 48, 56, 64, 96};
	static const struct prefix half = {.addr = {.b = {[10] = 0xff, [11] = 0xff}}, .len = 97};
	static const struct prefix all = {.addr = {.b = {[10] = 0xff, [11] = 0xff}}, .len = 96};
	struct prefix *prefix = &p->pref64s[0].prefix;

	prefix->len = lengths[(data[0] & 0x1f) % sizeof(lengths)];
	memcpy(prefix->addr.b, data + PREFIX_AT, PREFIX_BYTES);
	prefix->addr.b[0] |= 0x20;
	prefix->addr.b[8] = 0; /* RFC 6052 2.2 */
	addr_mask(&prefix->addr, prefix->len);
	p->pref64s[1] = p->pref64s[0];
	p->pref64s[1].prefix.addr.b[1] ^= 0xff;
	if (data[0] & OPTION_MAPPED) {
		p->pref64s[0].mapped = &half;
		p->pref64s[0].n_mapped = 1;
	}
	p->policy = (struct policy){
		.on = true,
		.pref64s = p->pref64s,
		.n_pref64s = data[0] & OPTION_TWO ? 2 : 1,
		.excluded = policy_excluded,
		.n_excluded = 1,
		.permitted = &all,
		.n_permitted = data[0] & OPTION_PERMIT ? 1 : 0,
		.no_ipv4hint = true,
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct play p = {.authentic = true, .synthesis_max_s = UINT32_MAX};
	struct dns_tenant tenant = {.refs = 2}; /* is not freed */
	size_t first;

	if (size < HEAD_BYTES) {
		return 0;
	}
	set_policy(&p, data);
	set_request(&p, data[1]);
	tenant.policy = p.policy;
	first = knot_wire_read_u16(data + 2);
	first = first < size - HEAD_BYTES ? first : size - HEAD_BYTES;
	p.aaaa = data + HEAD_BYTES;
	p.aaaa_len = first;
	p.a = p.aaaa + first;
	p.a_len = size - HEAD_BYTES - first;
	check(resolver_init(&p.r, &ops, &p, 1 << 16) == 0);
	play(&p, &tenant);
	resolver_fini(&p.r);
	return 0;
}
