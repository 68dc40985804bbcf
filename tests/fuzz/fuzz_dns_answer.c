/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages of upstreams, and what is synthesised from them. The first bytes choose the Pref64 and
 * the client's flags, then come an answer to AAAA, with its length, and one to A. Whatever they
 * hold, the client's answer is a message of DNS without an A record, whose addresses are either
 * the upstream's or under the Pref64, whose TTLs are none but the upstreams' or less, and which is
 * authentic only if both of them said so.
 */
#include <stdlib.h>
#include <string.h>

#include <libknot/libknot.h>

#include "dns64/answer.h"
#include "dns64/resolver.h"

#define HEAD_BYTES 4 /* Pref64, flags, length of the first answer */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct play {
	struct resolver r;
	struct fetch *asked;
	struct prefix pref64;
	struct request request;
	const uint8_t *aaaa, *a;
	size_t aaaa_len, a_len;
	uint32_t ttl_max_s;
	bool authentic; /* all that were used */
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

	check(!p->asked);
	p->asked = fetch;
	return 0;
}

static void check_address(const struct play *p, const knot_rrset_t *rr)
{
	struct addr addr, v4;

	check(rr->rrs.rdata->len == sizeof(addr.b));
	memcpy(addr.b, rr->rrs.rdata->data, sizeof(addr.b));
	check(!addr_is_v4(&addr) || p->request.cd); /* CD: as it is */
	if (prefix_contains(&p->pref64, &addr) && p->a_len > 0) {
		/* as it is embedded, or the upstream's own */
		check(addr_extract(&p->pref64, &addr, &v4) ||
		      memmem(p->aaaa, p->aaaa_len, addr.b, sizeof(addr.b)));
	} else {
		check(memmem(p->aaaa, p->aaaa_len, addr.b, sizeof(addr.b)) != NULL);
	}
}

static void check_record(const struct play *p, const knot_rrset_t *rr)
{
	check(rr->type != KNOT_RRTYPE_A);
	check(rr->ttl <= p->ttl_max_s);
	if (rr->type == KNOT_RRTYPE_AAAA) {
		check_address(p, rr);
	}
}

static void play_answer(void *ctx, const struct dns_client *client, const uint8_t *wire, size_t len)
{
	struct play *p = ctx;
	knot_pkt_t *pkt = knot_pkt_new((void *)wire, (uint16_t)len, NULL);
	const knot_pktsection_t *answers;

	(void)client;
	p->answered = true;
	check(pkt && knot_pkt_parse(pkt, KNOT_PF_NOCANON) == KNOT_EOK && pkt->parsed == len);
	check(len <= request_answer_max(&p->request));
	check(!knot_wire_get_ad(wire) || p->authentic);
	answers = knot_pkt_section(pkt, KNOT_ANSWER);
	for (uint16_t i = 0; i < answers->count; i++) {
		check_record(p, knot_pkt_rr(answers, i));
	}
	knot_pkt_free(pkt);
}

static const struct resolver_ops ops = {.ask = play_ask, .answer = play_answer};

static void ask(struct play *p, struct dns_tenant *tenant, uint8_t flags)
{
	static uint8_t wire[KNOT_WIRE_MAX_PKTSIZE];
	const struct dns_client client = {.connection = 0};

	p->request = (struct request){
		.q = {.type = KNOT_RRTYPE_AAAA, .class = KNOT_CLASS_IN},
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
	check(resolver_query(&p->r, tenant, &client, &p->request, wire) == 0);
}

static uint32_t longest_ttl(const struct answer *a)
{
	uint32_t ttl_s = 0;

	for (unsigned int i = 0; a && i < answer_n_rr(a); i++) {
		ttl_s = answer_rr_ttl(a, i) > ttl_s ? answer_rr_ttl(a, i) : ttl_s;
	}
	return ttl_s;
}

/* An upstream says that to what is asked. */
static void say(struct play *p, const uint8_t *wire, size_t len)
{
	struct fetch *fetch = p->asked;
	struct answer *answer = NULL;

	p->asked = NULL;
	if (answer_read(&fetch->q, wire, len, &answer) != ANSWER_READ) {
		answer = NULL;
	}
	p->authentic = p->authentic && answer && answer->authentic;
	p->ttl_max_s = longest_ttl(answer) > p->ttl_max_s ? longest_ttl(answer) : p->ttl_max_s;
	fetch_done(&p->r, fetch, answer);
}

static void play(struct play *p, struct dns_tenant *tenant, uint8_t flags)
{
	ask(p, tenant, flags);
	say(p, p->aaaa, p->aaaa_len);
	while (p->asked) {
		say(p, p->a, p->a_len);
	}
	check(p->answered);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t lengths[] = {32, 40, 48, 56, 64, 96};
	struct pref64 pref64 = {.prefix = {.addr = {.b = {0x20, 0x01, 0x0d, 0xb8}}}};
	struct dns_tenant tenant = {
		.refs = 2, /* is not freed */
		.policy = {.on = true,
			   .pref64s = &pref64,
			   .n_pref64s = 1,
			   .excluded = policy_excluded,
			   .n_excluded = 1},
	};
	struct play p = {.authentic = true};
	size_t first;

	if (size < HEAD_BYTES) {
		return 0;
	}
	pref64.prefix.len = lengths[data[0] % sizeof(lengths)];
	p.pref64 = pref64.prefix;
	first = knot_wire_read_u16(data + 2);
	first = first < size - HEAD_BYTES ? first : size - HEAD_BYTES;
	p.aaaa = data + HEAD_BYTES;
	p.aaaa_len = first;
	p.a = p.aaaa + first;
	p.a_len = size - HEAD_BYTES - first;
	check(resolver_init(&p.r, &ops, &p, 1 << 16) == 0);
	play(&p, &tenant, data[1]);
	resolver_fini(&p.r);
	return 0;
}
