/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ipv4only.arpa as its zone is on the Internet, made anew for each query: few ask for it. */
#include "dns64/local_names.h"

#include <string.h>

#include <libknot/libknot.h>

#include "base/addr.h"
#include "dns64/answer.h"

#define TTL_S 3600 /* for a host to notice another Pref64 soon enough */

static const uint8_t ipv4only[] = "\10ipv4only\4arpa";
static const uint8_t name_server[] = "\7sixgate\7invalid";
static const uint8_t first[4] = {192, 0, 0, 170}, second[4] = {192, 0, 0, 171};
static const uint8_t *const reverse[] = {
	(const uint8_t *)"\003170\0010\0010\003192\7in-addr\4arpa",
	(const uint8_t *)"\003171\0010\0010\003192\7in-addr\4arpa",
};

/* server, mailbox, serial, refresh, retry, expire, minimum */
static const uint8_t soa[] = "\7sixgate\7invalid\0\6nobody\7invalid\0"
			     "\0\0\0\1\0\0\16\20\0\0\16\20\0\1\121\200\0\0\16\20";

struct record {
	uint16_t type;
	const uint8_t *data;
	uint16_t len;
};

static const struct record of_ipv4only[] = {
	{KNOT_RRTYPE_A, first, sizeof(first)},
	{KNOT_RRTYPE_A, second, sizeof(second)},
	{KNOT_RRTYPE_SOA, soa, sizeof(soa) - 1},
	{KNOT_RRTYPE_NS, name_server, sizeof(name_server)},
	{0},
};
static const struct record of_reverse[] = {
	{KNOT_RRTYPE_PTR, ipv4only, sizeof(ipv4only)},
	{KNOT_RRTYPE_SOA, soa, sizeof(soa) - 1},
	{KNOT_RRTYPE_NS, name_server, sizeof(name_server)},
	{0},
};

static bool put(knot_pkt_t *pkt, const uint8_t *owner, const struct record *record)
{
	knot_rrset_t *rr = knot_rrset_new(owner, record->type, KNOT_CLASS_IN, TTL_S, NULL);
	bool done = rr && knot_rrset_add_rdata(rr, record->data, record->len, NULL) == KNOT_EOK &&
		    knot_pkt_put(pkt, KNOT_COMPR_HINT_NONE, rr, 0) == KNOT_EOK;

	knot_rrset_free(rr, NULL);
	return done;
}

/* Those of the type asked, or the zone's SOA. */
static bool put_records(knot_pkt_t *pkt, const struct question *q, const struct record *records,
			const uint8_t *zone)
{
	static const struct record zone_soa = {KNOT_RRTYPE_SOA, soa, sizeof(soa) - 1};
	bool any = false;

	for (; records->type != 0; records++) {
		if (records->type != q->type && q->type != KNOT_RRTYPE_ANY) {
			continue;
		}
		any = true;
		if (!put(pkt, q->name, records)) {
			return false;
		}
	}
	return knot_pkt_begin(pkt, KNOT_AUTHORITY) == KNOT_EOK &&
	       (any || put(pkt, zone, &zone_soa));
}

static struct answer *make(const struct question *q, uint16_t rcode, const struct record *records,
			   const uint8_t *zone)
{
	knot_pkt_t *pkt = knot_pkt_new(NULL, KNOT_WIRE_MIN_PKTSIZE * 2, NULL);
	struct answer *a = NULL;

	if (pkt && knot_pkt_put_question(pkt, q->name, q->class, q->type) == KNOT_EOK &&
	    knot_pkt_begin(pkt, KNOT_ANSWER) == KNOT_EOK && put_records(pkt, q, records, zone)) {
		knot_wire_set_qr(pkt->wire);
		knot_wire_set_rcode(pkt->wire, rcode & 0xf);
		if (answer_read(q, pkt->wire, pkt->size, &a) != ANSWER_READ) {
			a = NULL;
		}
	}
	knot_pkt_free(pkt);
	return a;
}

struct answer *local_names_nothing(const struct question *q, uint16_t rcode, const uint8_t *zone)
{
	static const struct record none[] = {{0}};

	return make(q, rcode, none, zone);
}

bool local_names_is_ipv4only(const struct question *q)
{
	return q->class == KNOT_CLASS_IN && knot_dname_is_equal(q->name, ipv4only);
}

/* Whether q is of that zone, which has one name. */
static bool find_in(const struct question *q, const uint8_t *zone, const struct record *records,
		    struct answer **ret_answer)
{
	int depth = knot_dname_in_bailiwick(q->name, zone);

	if (q->class != KNOT_CLASS_IN || depth < 0) {
		return false;
	}
	*ret_answer = depth == 0 ? make(q, KNOT_RCODE_NOERROR, records, zone)
				 : local_names_nothing(q, KNOT_RCODE_NXDOMAIN, zone);
	return true;
}

bool local_names_find(const struct question *q, struct answer **ret_answer)
{
	return find_in(q, ipv4only, of_ipv4only, ret_answer) ||
	       find_in(q, reverse[0], of_reverse, ret_answer) ||
	       find_in(q, reverse[1], of_reverse, ret_answer);
}

bool local_names_pointer(const struct question *q, const struct addr *v4,
			 struct answer **ret_answer)
{
	if (memcmp(v4->b + 12, first, sizeof(first)) != 0 &&
	    memcmp(v4->b + 12, second, sizeof(second)) != 0) {
		return false;
	}
	*ret_answer = make(q, KNOT_RCODE_NOERROR, of_reverse, q->name);
	return true;
}
