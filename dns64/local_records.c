/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Records of our own become what upstreams' are: an answer, made anew for each query. */
#include "dns64/local_records.h"

#include <libknot/libknot.h>

#include "dns64/answer.h"

/* server, mailbox, serial, refresh, retry, expire, minimum */
static const uint8_t soa_data[] = "\7sixgate\7invalid\0\6nobody\7invalid\0"
				  "\0\0\0\1\0\0\16\20\0\0\16\20\0\1\121\200\0\0\16\20";
#define SOA_TTL_S 3600

static bool put(knot_pkt_t *pkt, const uint8_t *owner, const struct local_record *record)
{
	knot_rrset_t *rr = knot_rrset_new(owner, record->type, KNOT_CLASS_IN, record->ttl_s, NULL);
	bool done = rr && knot_rrset_add_rdata(rr, record->data, record->len, NULL) == KNOT_EOK &&
		    knot_pkt_put(pkt, KNOT_COMPR_HINT_NONE, rr, 0) == KNOT_EOK;

	knot_rrset_free(rr, NULL);
	return done;
}

static bool is_of(const struct local_record *record, const struct question *q)
{
	return knot_dname_is_equal(record->name, q->name);
}

/* Those of the type asked, or the zone's SOA. */
static bool put_records(knot_pkt_t *pkt, const struct local_record *records, size_t n,
			const struct question *q, const struct local_record *soa)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		bool wanted = records[i].type == q->type || q->type == KNOT_RRTYPE_ANY;

		if (!wanted || !is_of(&records[i], q)) {
			continue;
		}
		any = true;
		if (!put(pkt, q->name, &records[i])) {
			return false;
		}
	}
	if (q->type == KNOT_RRTYPE_SOA && knot_dname_is_equal(soa->name, q->name)) {
		return put(pkt, soa->name, soa);
	}
	return knot_pkt_begin(pkt, KNOT_AUTHORITY) == KNOT_EOK && (any || put(pkt, soa->name, soa));
}

struct answer *local_records_answer(const struct local_record *records, size_t n,
				    const struct question *q, uint16_t rcode,
				    const struct local_record *soa)
{
	knot_pkt_t *pkt = knot_pkt_new(NULL, KNOT_WIRE_MAX_PKTSIZE, NULL);
	struct answer *a = NULL;

	if (pkt && knot_pkt_put_question(pkt, q->name, q->class, q->type) == KNOT_EOK &&
	    knot_pkt_begin(pkt, KNOT_ANSWER) == KNOT_EOK && put_records(pkt, records, n, q, soa)) {
		knot_wire_set_qr(pkt->wire);
		knot_wire_set_rcode(pkt->wire, rcode & 0xf);
		if (answer_read(q, pkt->wire, pkt->size, &a) != ANSWER_READ) {
			a = NULL;
		}
	}
	knot_pkt_free(pkt);
	return a;
}

struct local_record local_records_soa(const uint8_t *zone)
{
	return (struct local_record){
		.name = zone,
		.type = KNOT_RRTYPE_SOA,
		.data = soa_data,
		.len = sizeof(soa_data) - 1,
		.ttl_s = SOA_TTL_S,
	};
}

bool local_records_find(const struct local_record *records, size_t n, const struct question *q,
			struct answer **ret_answer)
{
	for (size_t i = 0; q->class == KNOT_CLASS_IN && i < n; i++) {
		if (is_of(&records[i], q)) {
			const struct local_record soa = local_records_soa(q->name);

			*ret_answer = local_records_answer(records, n, q, KNOT_RCODE_NOERROR, &soa);
			return true;
		}
	}
	return false;
}
