/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An answer made from another one, for one client. */
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "dns64/answer_internal.h"

/* keys of RFC 9460 14.3.2 */
#define SVCB_MANDATORY 0
#define SVCB_IPV4HINT  4

/* The message that a is of. NULL when out of memory. */
static knot_pkt_t *packet_of(const struct question *q, const struct answer *a)
{
	knot_pkt_t *pkt = knot_pkt_new(NULL, (uint16_t)(a->first + a->len), NULL);

	if (!pkt || knot_pkt_put_question(pkt, q->name, q->class, q->type) != KNOT_EOK) {
		knot_pkt_free(pkt);
		return NULL;
	}
	memcpy(pkt->wire + a->first, answer_bytes(a), a->len);
	pkt->size = (size_t)a->first + a->len;
	knot_wire_set_qr(pkt->wire);
	knot_wire_set_ancount(pkt->wire, a->n_rr[ANSWER_ANSWER]);
	knot_wire_set_nscount(pkt->wire, a->n_rr[ANSWER_AUTHORITY]);
	knot_wire_set_arcount(pkt->wire, a->n_rr[ANSWER_ADDITIONAL]);
	return pkt;
}

/* Begins the answer to q from a, which is the one to `of`. False: out of memory. */
static bool change_begin(struct reader *r, const struct question *q, const struct question *of,
			 const struct answer *a)
{
	*r = (struct reader){.q = q, .in = packet_of(of, a), .tail = QUESTION_NAME_AT};
	r->out = knot_pkt_new(NULL, KNOT_WIRE_MAX_PKTSIZE, NULL);
	return r->in && r->out && knot_pkt_parse(r->in, ANSWER_PARSE_FLAGS) == KNOT_EOK &&
	       knot_pkt_put_question(r->out, q->name, q->class, q->type) == KNOT_EOK &&
	       knot_pkt_begin(r->out, KNOT_ANSWER) == KNOT_EOK;
}

/* done: all is in out. NULL: it is not, or out of memory. */
static struct answer *change_end(struct reader *r, const struct answer *a, bool done)
{
	struct answer *changed = done ? reader_block(r) : NULL;

	if (changed) {
		changed->rcode = a->rcode;
		changed->ede = a->ede;
	}
	knot_pkt_free(r->in);
	knot_pkt_free(r->out);
	return changed;
}

static bool put_data(struct reader *r, const knot_rrset_t *like, const uint8_t *data, uint16_t len)
{
	knot_rrset_t *rr = knot_rrset_new(like->owner, like->type, like->rclass, like->ttl, NULL);
	bool done =
		rr && knot_rrset_add_rdata(rr, data, len, NULL) == KNOT_EOK && reader_put(r, rr);

	knot_rrset_free(rr, NULL);
	return done;
}

struct answer *answer_alias(const struct question *q, uint32_t ttl_s, const struct question *target,
			    const struct answer *a)
{
	knot_rrset_t alias;
	struct reader r;
	bool done;

	knot_rrset_init(&alias, (knot_dname_t *)q->name, KNOT_RRTYPE_CNAME, q->class, ttl_s);
	done = change_begin(&r, q, target, a) && put_data(&r, &alias, target->name, target->len) &&
	       reader_put_section(&r, KNOT_ANSWER) && reader_put_section(&r, KNOT_AUTHORITY) &&
	       reader_put_section(&r, KNOT_ADDITIONAL);
	return change_end(&r, a, done);
}

/* The parameters of an SVCB or HTTPS record (RFC 9460 2.2). */
static struct cursor params_of(const uint8_t *data, uint16_t len)
{
	struct cursor c = cursor_from(data, len);

	(void)cursor_u16(&c);                         /* priority */
	(void)cursor_bytes(&c, knot_dname_size(c.p)); /* libknot has checked it */
	return c;
}

/* Whether they have one of that key; *ret_value: its value. */
static bool find_param(struct cursor params, uint16_t key, struct cursor *ret_value)
{
	while (params.left > 0 && !params.bad) {
		bool found = cursor_u16(&params) == key;

		*ret_value = cursor_sub(&params, cursor_u16(&params));
		if (found) {
			return !params.bad;
		}
	}
	return false;
}

/* Whether a client may do without its ipv4hint: not if it is a part of "mandatory". */
static bool has_hint(const uint8_t *data, uint16_t len)
{
	struct cursor params = params_of(data, len), value;

	if (find_param(params, SVCB_MANDATORY, &value)) {
		while (value.left > 0 && !value.bad) {
			if (cursor_u16(&value) == SVCB_IPV4HINT) {
				return false;
			}
		}
	}
	return find_param(params, SVCB_IPV4HINT, &value);
}

bool answer_has_ipv4hint(const struct answer *a)
{
	for (unsigned int i = a->n_chain; i < a->n_chain + a->n_data; i++) {
		uint16_t len;
		const uint8_t *data = answer_rr_data(a, i, &len);

		if (has_hint(data, len)) {
			return true;
		}
	}
	return false;
}

static bool put_without_hint(struct reader *r, const knot_rrset_t *rr)
{
	const uint8_t *data = rr->rrs.rdata->data;
	uint16_t len = rr->rrs.rdata->len;
	struct cursor hint, params = params_of(data, len);
	uint8_t *rest;
	bool done;

	if (!has_hint(data, len) || !find_param(params, SVCB_IPV4HINT, &hint)) {
		return reader_put(r, rr);
	}
	rest = malloc(len);
	if (!rest) {
		return false;
	}
	/* before its key and length, and behind its value */
	memcpy(rest, data, (size_t)(hint.p - data) - 4);
	memcpy(rest + (hint.p - data) - 4, hint.p + hint.left,
	       (size_t)(data + len - (hint.p + hint.left)));
	done = put_data(r, rr, rest, (uint16_t)(len - hint.left - 4));
	free(rest);
	return done;
}

/* What is left out is not what was signed. */
static bool put_answers_without_hint(struct reader *r)
{
	const knot_pktsection_t *section = knot_pkt_section(r->in, KNOT_ANSWER);

	for (uint16_t i = 0; i < section->count; i++) {
		const knot_rrset_t *rr = knot_pkt_rr(section, i);
		bool signs = rr->type == KNOT_RRTYPE_RRSIG &&
			     knot_rrsig_type_covered(rr->rrs.rdata) == r->q->type;
		bool done = rr->type == r->q->type ? put_without_hint(r, rr)
						   : signs || reader_put(r, rr);

		if (!done) {
			return false;
		}
	}
	return true;
}

struct answer *answer_without_ipv4hint(const struct question *q, const struct answer *a)
{
	struct reader r;
	bool done = change_begin(&r, q, q, a) && put_answers_without_hint(&r) &&
		    reader_put_section(&r, KNOT_AUTHORITY) &&
		    reader_put_section(&r, KNOT_ADDITIONAL);

	return change_end(&r, a, done);
}
