/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages of clients. Whatever the bytes: what is sent back is a message of DNS with their id,
 * no longer than the client can take, and an answer is never answered.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libknot/libknot.h>

#include "conf/model/node.h"
#include "conf/model/tenant.h"
#include "dns64/answer.h"
#include "dns64/reply.h"
#include "dns64/resolver.h"
#include "dns64/zone.h"

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

static void check_reply(const uint8_t *data, const struct request *request, uint8_t *wire,
			size_t len)
{
	knot_pkt_t *pkt = knot_pkt_new(wire, (uint16_t)len, NULL);

	check(!knot_wire_get_qr(data) && len <= request_answer_max(request));
	check(pkt && knot_pkt_parse(pkt, 0) == KNOT_EOK && pkt->parsed == len);
	check(knot_wire_get_id(wire) == knot_wire_get_id(data) && knot_wire_get_qr(wire));
	check(request->edns == (pkt->opt_rr != NULL));
	knot_pkt_free(pkt);
}

/* A zone with a name, a wildcard and what lies between. */
static struct zone *zone_make(void)
{
	static const struct node_conf node = {.dns64 = {.on = true, .zone = "example"}};
	static struct backend_conf backend = {.address = {.b = {0x20, 0x01, 0x0d, 0xb8}}};
	static struct name_pattern names[] = {{.text = "w.example", .wildcard = true},
					      {.text = "b.c.w.example"}};
	static struct expose_conf expose = {.protocol = PROTOCOL_TLS,
					    .names = names,
					    .n_names = 2,
					    .port = 8443};
	static struct service_conf service = {.name = "a",
					      .backends = &backend,
					      .n_backends = 1,
					      .exposes = &expose,
					      .n_exposes = 1};
	static struct tenant_conf tenant = {.refs = 1,
					    .name = "t",
					    .services = &service,
					    .n_services = 1};
	struct zone *z = NULL;

	check(zone_new(&node, &z) == 0 && zone_put(z, &tenant) == 0);
	return z;
}

/* With authority: nothing but what the zone has, and never on behalf of others. */
static void try_zone(const uint8_t *data, struct request *request, uint8_t *wire)
{
	struct zone *z = zone_make();
	size_t len = zone_query(z, request, wire);
	uint16_t rcode = knot_wire_get_rcode(wire);
	bool answers = rcode == KNOT_RCODE_NOERROR || rcode == KNOT_RCODE_NXDOMAIN;

	check_reply(data, request, wire, len);
	check(!knot_wire_get_ra(wire) && !knot_wire_get_ad(wire));
	check((knot_wire_get_aa(wire) != 0) == answers);
	check(answers || knot_wire_get_ancount(wire) + knot_wire_get_nscount(wire) == 0);
	zone_free(z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t wire[KNOT_WIRE_MAX_PKTSIZE];
	enum request_result result;
	struct request request;
	struct resolver r;
	size_t len;

	check(resolver_init(&r, &ops, NULL, 1 << 16) == 0);
	result = request_read(data, size, &request);
	len = answer(&r, result, &request, wire);
	check((len == 0) == (result == REQUEST_DROP));
	if (len > 0) {
		check_reply(data, &request, wire, len);
	}
	if (result == REQUEST_READ) {
		try_zone(data, &request, wire);
	}
	resolver_fini(&r);
	return 0;
}
