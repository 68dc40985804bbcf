/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages of clients, any of which may be anything. */
#include "dns64/request.h"

#include <string.h>

#include <libknot/libknot.h>

#include "dns64/internal.h"

static bool is_cookie_len(uint16_t len)
{
	return len == 8 || (len >= 16 && len <= REQUEST_COOKIE_MAX); /* RFC 7873 5.2.2 */
}

/* False: FORMERR. */
static bool read_options(const knot_pkt_t *pkt, struct request *r)
{
	uint8_t *option = knot_edns_get_option(pkt->opt_rr, KNOT_EDNS_OPTION_COOKIE, NULL);

	r->wants_nsid = knot_edns_get_option(pkt->opt_rr, KNOT_EDNS_OPTION_NSID, NULL) != NULL;
	r->wants_keepalive =
		knot_edns_get_option(pkt->opt_rr, KNOT_EDNS_OPTION_TCP_KEEPALIVE, NULL) != NULL;
	if (!option) {
		return true;
	}
	if (!is_cookie_len(knot_edns_opt_get_length(option))) {
		return false;
	}
	r->cookie_len = (uint8_t)knot_edns_opt_get_length(option);
	memcpy(r->cookie, knot_edns_opt_get_data(option), r->cookie_len);
	return true;
}

static enum request_result read_edns(const knot_pkt_t *pkt, struct request *r)
{
	if (!pkt->opt_rr) {
		return REQUEST_READ;
	}
	if (pkt->opt_rr->owner[0] != 0) {
		return REQUEST_FORMERR; /* RFC 6891 6.1.2: its name is the root */
	}
	r->edns = true;
	r->dnssec = knot_edns_do(pkt->opt_rr);
	r->udp_size = knot_edns_get_payload(pkt->opt_rr);
	if (knot_edns_get_version(pkt->opt_rr) != 0) {
		return REQUEST_BADVERS;
	}
	return read_options(pkt, r) ? REQUEST_READ : REQUEST_FORMERR;
}

static void read_header(const uint8_t *wire, struct request *r)
{
	request_clear(r);
	r->id = knot_wire_get_id(wire);
	r->opcode = knot_wire_get_opcode(wire);
	r->rd = knot_wire_get_rd(wire);
	r->cd = knot_wire_get_cd(wire);
	r->ad = knot_wire_get_ad(wire);
}

static void read_question(const knot_pkt_t *pkt, struct request *r)
{
	r->q.type = knot_pkt_qtype(pkt);
	r->q.class = knot_pkt_qclass(pkt);
	r->q.len = (uint8_t)pkt->qname_size;
	memcpy(r->q.name, pkt->lower_qname, pkt->qname_size);
	memcpy(r->name, knot_pkt_wire_qname(pkt), pkt->qname_size);
}

static enum request_result read_packet(knot_pkt_t *pkt, struct request *r)
{
	enum request_result result;

	if (knot_wire_get_qdcount(pkt->wire) != 1 || knot_wire_get_ancount(pkt->wire) != 0 ||
	    knot_pkt_parse(pkt, KNOT_PF_NOCANON | KNOT_PF_KEEPWIRE) != KNOT_EOK ||
	    pkt->parsed != pkt->size) {
		return REQUEST_FORMERR;
	}
	read_question(pkt, r);
	result = read_edns(pkt, r);
	r->q.flags = (uint8_t)((r->dnssec ? QUESTION_DO : 0) | (r->cd ? QUESTION_CD : 0));
	return result;
}

enum request_result request_read(const uint8_t *wire, size_t len, struct request *ret_request)
{
	return request_plain(wire, len, ret_request) ? REQUEST_READ
						     : request_parse(wire, len, ret_request);
}

enum request_result request_parse(const uint8_t *wire, size_t len, struct request *ret_request)
{
	enum request_result result;
	knot_pkt_t *pkt;

	if (len < DNS_HEADER_BYTES || len > KNOT_WIRE_MAX_PKTSIZE || knot_wire_get_qr(wire)) {
		return REQUEST_DROP;
	}
	read_header(wire, ret_request);
	if (ret_request->opcode != KNOT_OPCODE_QUERY) {
		return REQUEST_NOTIMP;
	}
	pkt = knot_pkt_new((void *)wire, (uint16_t)len, NULL); /* is not written to */
	if (!pkt) {
		return REQUEST_DROP;
	}
	result = read_packet(pkt, ret_request);
	knot_pkt_free(pkt);
	return result;
}

bool request_is_meta(uint16_t type)
{
	return (type >= 128 && type < KNOT_RRTYPE_ANY) || type == KNOT_RRTYPE_OPT || type == 0;
}

size_t request_answer_max(const struct request *r)
{
	if (r->over_tcp) {
		return KNOT_WIRE_MAX_PKTSIZE;
	}
	if (!r->edns || r->udp_size <= REQUEST_UDP_MIN) {
		return REQUEST_UDP_MIN;
	}
	return r->udp_size < REQUEST_UDP_MAX ? r->udp_size : REQUEST_UDP_MAX;
}
