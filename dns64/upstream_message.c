/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What servers are sent, and how an answer is known for one: question, id, case, cookie. */
#include <string.h>

#include <libknot/libknot.h>

#include "dns64/resolver.h"
#include "dns64/upstream_internal.h"

void ask_prepare(struct ask *a)
{
	const struct question *q = &a->fetch->q;
	uint8_t dice[32];
	bool mixed = a->server->lower_until_ms <= a->u->loop->now_ms;

	a->edns = a->server->plain_until_ms <= a->u->loop->now_ms;
	upstream_random(a->u, dice, sizeof(dice));
	for (size_t i = 0; i < q->len; i++) {
		bool letter = q->name[i] >= 'a' && q->name[i] <= 'z'; /* no length is: 63 at most */
		bool upper = mixed && letter && (dice[i / 8] & (1u << i % 8));

		a->name[i] = upper ? (uint8_t)(q->name[i] - 'a' + 'A') : q->name[i];
	}
}

static size_t write_opt(const struct ask *a, uint8_t *at)
{
	const struct server *s = a->server;
	size_t len = 11;

	at[0] = 0;
	knot_wire_write_u16(at + 1, KNOT_RRTYPE_OPT);
	knot_wire_write_u16(at + 3, REQUEST_UDP_MAX);
	knot_wire_write_u16(at + 5, 0); /* version 0 */
	knot_wire_write_u16(at + 7, a->fetch->q.flags & QUESTION_DO ? 0x8000 : 0);
	knot_wire_write_u16(at + 9, (uint16_t)(s->cookie_len + 4));
	knot_wire_write_u16(at + len, KNOT_EDNS_OPTION_COOKIE);
	knot_wire_write_u16(at + len + 2, s->cookie_len);
	memcpy(at + len + 4, s->cookie, s->cookie_len);
	return len + 4 + s->cookie_len;
}

size_t ask_write(const struct ask *a, uint8_t *wire)
{
	const struct question *q = &a->fetch->q;
	size_t len = question_message_len(q);

	memset(wire, 0, DNS_HEADER_BYTES);
	knot_wire_set_id(wire, a->id);
	knot_wire_set_rd(wire);
	knot_wire_set_ad(wire); /* to hear whether it was checked (RFC 6840 5.7) */
	if (q->flags & QUESTION_CD) {
		knot_wire_set_cd(wire);
	}
	knot_wire_set_qdcount(wire, 1);
	memcpy(wire + QUESTION_NAME_AT, a->name, q->len);
	knot_wire_write_u16(wire + QUESTION_NAME_AT + q->len, q->type);
	knot_wire_write_u16(wire + QUESTION_NAME_AT + q->len + 2, q->class);
	if (a->edns) {
		knot_wire_set_arcount(wire, 1);
		len += write_opt(a, wire + len);
	}
	return len;
}

enum question_match ask_match(const struct ask *a, const uint8_t *wire, size_t len)
{
	const struct question *q = &a->fetch->q;
	const uint8_t *name = wire + QUESTION_NAME_AT;

	if (len < question_message_len(q) || !knot_wire_get_qr(wire) ||
	    knot_wire_get_id(wire) != a->id || knot_wire_get_qdcount(wire) != 1 ||
	    knot_wire_read_u16(name + q->len) != q->type ||
	    knot_wire_read_u16(name + q->len + 2) != q->class) {
		return QUESTION_OTHER;
	}
	if (memcmp(name, a->name, q->len) == 0) {
		return QUESTION_SAME;
	}
	for (size_t i = 0; i < q->len; i++) {
		uint8_t c = name[i] >= 'A' && name[i] <= 'Z' ? (uint8_t)(name[i] + 32) : name[i];

		if (c != q->name[i]) {
			return QUESTION_OTHER;
		}
	}
	return QUESTION_OTHER_CASE;
}

enum cookie server_take_cookie(struct server *s, const uint8_t *wire, size_t len)
{
	knot_pkt_t *pkt = knot_pkt_new((void *)wire, (uint16_t)len, NULL); /* is not written to */
	enum cookie cookie = COOKIE_NONE;
	uint8_t *option = NULL;

	if (pkt && knot_pkt_parse(pkt, KNOT_PF_NOCANON | KNOT_PF_KEEPWIRE) == KNOT_EOK &&
	    pkt->opt_rr) {
		option = knot_edns_get_option(pkt->opt_rr, KNOT_EDNS_OPTION_COOKIE, NULL);
	}
	if (option) {
		const uint8_t *data = knot_edns_opt_get_data(option);
		uint16_t size = knot_edns_opt_get_length(option);
		bool ours = size >= COOKIE_CLIENT_BYTES && size <= COOKIE_MAX &&
			    memcmp(data, s->cookie, COOKIE_CLIENT_BYTES) == 0;

		cookie = ours ? COOKIE_OURS : COOKIE_FOREIGN;
		if (ours && size >= COOKIE_CLIENT_BYTES * 2) {
			memcpy(s->cookie, data, size);
			s->cookie_len = (uint8_t)size;
			s->has_cookies = true;
		}
	}
	knot_pkt_free(pkt);
	return cookie;
}

void server_forget_cookie(struct server *s)
{
	s->has_cookies = false;
	s->cookie_len = COOKIE_CLIENT_BYTES;
}
