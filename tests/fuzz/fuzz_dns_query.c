/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages of clients. Whatever the bytes: what is sent back is a message of DNS with their id,
 * no longer than the client can take, and an answer is never answered.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libknot/libknot.h>

#include "dns64/answer.h"
#include "dns64/reply.h"
#include "dns64/resolver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

static int nobody_to_ask(void *ctx, struct fetch *fetch)
{
	(void)ctx;
	(void)fetch;
	return -ENETUNREACH;
}

static void no_answer(void *ctx, const struct dns_client *client, const uint8_t *wire, size_t len)
{
	(void)ctx;
	(void)client;
	(void)wire;
	check(len == 0); /* nothing ever waits */
}

static const struct resolver_ops ops = {.ask = nobody_to_ask, .answer = no_answer};

static size_t answer(struct resolver *r, enum request_result result, struct request *request,
		     uint8_t *wire)
{
	static const struct pref64 pref64 = {
		.prefix = {.addr = {.b = {0x00, 0x64, 0xff, 0x9b}}, .len = 96}};
	struct dns_tenant tenant = {
		.refs = 2, /* is not freed */
		.policy = {.on = true,
			   .pref64s = &pref64,
			   .n_pref64s = 1,
			   .excluded = policy_excluded,
			   .n_excluded = 1},
	};
	const struct dns_client client = {.connection = 0};

	switch (result) {
	case REQUEST_READ:
		return resolver_query(r, &tenant, &client, request, wire);
	case REQUEST_DROP:
		return 0;
	case REQUEST_FORMERR:
		return reply_error(request, KNOT_RCODE_FORMERR, ANSWER_NO_EDE, wire);
	case REQUEST_NOTIMP:
		return reply_error(request, KNOT_RCODE_NOTIMPL, ANSWER_NO_EDE, wire);
	case REQUEST_BADVERS:
		return reply_error(request, KNOT_RCODE_BADVERS, ANSWER_NO_EDE, wire);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t wire[KNOT_WIRE_MAX_PKTSIZE];
	enum request_result result;
	struct request request;
	struct resolver r;
	knot_pkt_t *pkt;
	size_t len;

	check(resolver_init(&r, &ops, NULL, 1 << 16) == 0);
	result = request_read(data, size, &request);
	len = answer(&r, result, &request, wire);
	check((len == 0) == (result == REQUEST_DROP));
	if (len > 0) {
		check(!knot_wire_get_qr(data) && len <= request_answer_max(&request));
		pkt = knot_pkt_new(wire, (uint16_t)len, NULL);
		check(pkt && knot_pkt_parse(pkt, 0) == KNOT_EOK && pkt->parsed == len);
		check(knot_wire_get_id(wire) == knot_wire_get_id(data) && knot_wire_get_qr(wire));
		check(request.edns == (pkt->opt_rr != NULL));
		knot_pkt_free(pkt);
	}
	resolver_fini(&r);
	return 0;
}
