/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An upstream's answer becomes what the cache keeps. Everything an upstream sends is suspect: what
 * does not belong to the question is left out, aliases are followed from the question on, and a
 * message that libknot does not take is none.
 */
#include <string.h>

#include <libknot/libknot.h>

#include "dns64/answer_internal.h"

#define POINTER_MAX 0x3fff /* RFC 1035 4.1.4 */

static uint16_t name_end(const uint8_t *wire, uint16_t at)
{
	while (wire[at] != 0) {
		if ((wire[at] & 0xc0) == 0xc0) {
			return (uint16_t)(at + 2);
		}
		at = (uint16_t)(at + wire[at] + 1);
	}
	return (uint16_t)(at + 1);
}

/*
 * Whether a record is of the class asked, and has the data of its type: libknot lets data be empty
 * in all classes but IN, where no name, type or number may be read of it then.
 */
static bool belongs(const struct question *q, const knot_rrset_t *rr)
{
	return rr->rclass == q->class && (rr->rclass == KNOT_CLASS_IN || rr->rrs.rdata->len > 0);
}

static bool owned_by(const knot_rrset_t *rr, const knot_dname_t *name)
{
	return knot_dname_is_case_equal(rr->owner, name);
}

static bool owner_is_above(const knot_rrset_t *rr, const knot_dname_t *name)
{
	knot_dname_storage_t owner;

	knot_dname_copy_lower(owner, rr->owner);
	return knot_dname_in_bailiwick(name, owner) > 0;
}

bool reader_put(struct reader *r, const knot_rrset_t *rr)
{
	return knot_pkt_put(r->out, KNOT_COMPR_HINT_NONE, rr, 0) == KNOT_EOK;
}

/* Where the record put last begins. */
static uint16_t last_at(const struct reader *r)
{
	return r->out->rr_info[r->out->rrset_count - 1].pos;
}

/* The signatures of the set of that type, for those who want them. */
static bool put_signatures(struct reader *r, const knot_dname_t *owner, uint16_t type)
{
	const knot_pktsection_t *section = knot_pkt_section(r->in, KNOT_ANSWER);

	if (!(r->q->flags & QUESTION_DO)) {
		return true;
	}
	for (uint16_t i = 0; i < section->count; i++) {
		const knot_rrset_t *rr = knot_pkt_rr(section, i);

		if (rr->type == KNOT_RRTYPE_RRSIG && belongs(r->q, rr) && owned_by(rr, owner) &&
		    knot_rrsig_type_covered(rr->rrs.rdata) == type && !reader_put(r, rr)) {
			return false;
		}
	}
	return true;
}

/* Goes on at where an alias leads. */
static bool follow(struct reader *r, const knot_rrset_t *alias)
{
	uint16_t fixed = name_end(r->out->wire, last_at(r));

	r->tail = (uint16_t)(fixed + ANSWER_RR_FIXED_BYTES);
	r->n_links++;
	knot_dname_copy_lower(r->name, knot_cname_name(alias->rrs.rdata));
	return r->tail <= POINTER_MAX;
}

enum link {
	LINK_NONE,
	LINK_FOLLOWED,
	LINK_BROKEN
};

/* What an alias comes from (RFC 6672), unless that is there already. */
static bool put_dname(struct reader *r, const knot_rrset_t *dname)
{
	for (unsigned int i = 0; i < r->n_dnames; i++) {
		if (r->dnames[i] == dname) {
			return true;
		}
	}
	r->dnames[r->n_dnames++] = dname;
	return reader_put(r, dname) && put_signatures(r, dname->owner, dname->type);
}

/* The alias that r->name is. */
static enum link put_link(struct reader *r)
{
	const knot_pktsection_t *section = knot_pkt_section(r->in, KNOT_ANSWER);
	const knot_rrset_t *alias = NULL, *dname = NULL;

	for (uint16_t i = 0; i < section->count; i++) {
		const knot_rrset_t *rr = knot_pkt_rr(section, i);

		if (!belongs(r->q, rr)) {
			continue;
		}
		if (!dname && rr->type == KNOT_RRTYPE_DNAME && owner_is_above(rr, r->name)) {
			dname = rr;
		}
		if (!alias && rr->type == KNOT_RRTYPE_CNAME && owned_by(rr, r->name)) {
			alias = rr;
		}
	}
	if (!alias) {
		return LINK_NONE;
	}
	if ((dname && !put_dname(r, dname)) || !reader_put(r, alias) || !follow(r, alias) ||
	    !put_signatures(r, alias->owner, alias->type)) {
		return LINK_BROKEN;
	}
	return LINK_FOLLOWED;
}

static bool is_asked(const struct question *q, const knot_rrset_t *rr)
{
	return rr->type == q->type || q->type == KNOT_RRTYPE_ANY;
}

static bool put_data(struct reader *r)
{
	const knot_pktsection_t *section = knot_pkt_section(r->in, KNOT_ANSWER);

	if (knot_pkt_ext_rcode(r->in) != KNOT_RCODE_NOERROR) {
		return true; /* with an error there are none */
	}
	for (uint16_t i = 0; i < section->count; i++) {
		const knot_rrset_t *rr = knot_pkt_rr(section, i);

		if (!belongs(r->q, rr) || !is_asked(r->q, rr) || !owned_by(rr, r->name)) {
			continue;
		}
		if (!reader_put(r, rr)) {
			return false;
		}
		r->n_data++;
	}
	return r->n_data == 0 || r->q->type == KNOT_RRTYPE_ANY ||
	       put_signatures(r, r->name, r->q->type);
}

static bool has_aliases(const struct question *q)
{
	return q->class == KNOT_CLASS_IN && q->type != KNOT_RRTYPE_CNAME &&
	       q->type != KNOT_RRTYPE_ANY;
}

static enum answer_result put_answer(struct reader *r)
{
	bool aliases = has_aliases(r->q);
	enum link link = LINK_FOLLOWED;

	memcpy(r->name, r->q->name, r->q->len);
	r->tail = QUESTION_NAME_AT;
	while (aliases && (link = put_link(r)) == LINK_FOLLOWED) {
		if (r->n_links > ANSWER_LINKS_MAX) {
			return ANSWER_LOOP;
		}
	}
	r->n_chain = r->out->rrset_count;
	return link != LINK_BROKEN && put_data(r) ? ANSWER_READ : ANSWER_MALFORMED;
}

static bool is_of_message(const knot_rrset_t *rr)
{
	return rr->type == KNOT_RRTYPE_OPT || rr->type == KNOT_RRTYPE_TSIG;
}

static bool put_records(struct reader *r, knot_section_t id)
{
	const knot_pktsection_t *section = knot_pkt_section(r->in, id);

	for (uint16_t i = 0; i < section->count; i++) {
		const knot_rrset_t *rr = knot_pkt_rr(section, i);

		if (!is_of_message(rr) && belongs(r->q, rr) && !reader_put(r, rr)) {
			return false;
		}
	}
	return true;
}

bool reader_put_section(struct reader *r, knot_section_t id)
{
	return knot_pkt_begin(r->out, id) == KNOT_EOK && put_records(r, id);
}

/*
 * INFO-CODE of the RFC 8914 options: the first one, unless another one says that data is bogus,
 * which nothing else must hide.
 */
static uint16_t ede_of(const knot_pkt_t *pkt)
{
	uint16_t ede = ANSWER_NO_EDE;
	uint8_t *option = NULL;

	while (pkt->opt_rr && !ede_is_bogus(ede) &&
	       (option = knot_edns_get_option(pkt->opt_rr, KNOT_EDNS_OPTION_EDE, option))) {
		uint16_t code = knot_edns_opt_get_length(option) < 2
					? ANSWER_NO_EDE
					: knot_wire_read_u16(knot_edns_opt_get_data(option));

		if (ede == ANSWER_NO_EDE || ede_is_bogus(code)) {
			ede = code;
		}
	}
	return ede;
}

/* Of the SOA among its authority: RFC 2308 5. */
static uint32_t negative_ttl(const struct question *q, const knot_pkt_t *pkt)
{
	const knot_pktsection_t *section = knot_pkt_section(pkt, KNOT_AUTHORITY);

	for (uint16_t i = 0; q->class == KNOT_CLASS_IN && i < section->count; i++) {
		const knot_rrset_t *rr = knot_pkt_rr(section, i);

		if (rr->type == KNOT_RRTYPE_SOA && belongs(q, rr)) {
			uint32_t minimum_s = ttl_of_wire(knot_soa_minimum(rr->rrs.rdata));

			return ttl_least(ANSWER_NEGATIVE_MAX_S,
					 ttl_least(ttl_of_wire(rr->ttl), minimum_s));
		}
	}
	return ANSWER_NO_SOA;
}

struct answer *reader_block(const struct reader *r)
{
	const knot_pkt_t *out = r->out;
	size_t first = question_message_len(r->q);
	struct answer *a = answer_new(r->q, out->rrset_count, out->size - first);

	if (!a) {
		return NULL;
	}
	for (unsigned int s = 0; s < N_ANSWER_SECTIONS; s++) {
		a->n_rr[s] = out->sections[s].count;
	}
	for (uint16_t i = 0; i < out->rrset_count; i++) {
		a->rr[i].owner = out->rr_info[i].pos;
		a->rr[i].fixed = name_end(out->wire, out->rr_info[i].pos);
	}
	memcpy(answer_bytes_of(a), out->wire + first, a->len);
	a->tail = r->tail;
	a->n_chain = r->n_chain;
	a->n_data = r->n_data;
	a->negative_ttl_s = negative_ttl(r->q, r->in);
	return a;
}

static enum answer_result reader_run(struct reader *r, struct answer **ret_answer)
{
	enum answer_result result;
	struct answer *a;

	if (knot_pkt_parse(r->in, ANSWER_PARSE_FLAGS) != KNOT_EOK ||
	    !knot_wire_get_qr(r->in->wire)) {
		return ANSWER_MALFORMED;
	}
	if (knot_wire_get_tc(r->in->wire)) {
		return ANSWER_TRUNCATED;
	}
	if (knot_pkt_put_question(r->out, r->q->name, r->q->class, r->q->type) != KNOT_EOK ||
	    knot_pkt_begin(r->out, KNOT_ANSWER) != KNOT_EOK) {
		return ANSWER_NO_MEMORY;
	}
	result = put_answer(r);
	if (result != ANSWER_READ) {
		return result;
	}
	if (!reader_put_section(r, KNOT_AUTHORITY) || !reader_put_section(r, KNOT_ADDITIONAL)) {
		return ANSWER_MALFORMED;
	}
	a = reader_block(r);
	if (!a) {
		return ANSWER_NO_MEMORY;
	}
	a->rcode = knot_pkt_ext_rcode(r->in);
	a->ede = ede_of(r->in);
	a->authentic = knot_wire_get_ad(r->in->wire);
	a->edns = r->in->opt_rr != NULL;
	answer_settle(a);
	*ret_answer = a;
	return ANSWER_READ;
}

enum answer_result answer_read(const struct question *q, const uint8_t *wire, size_t len,
			       struct answer **ret_answer)
{
	enum answer_result result = ANSWER_NO_MEMORY;
	struct reader r = {.q = q};

	if (len < DNS_HEADER_BYTES || len > KNOT_WIRE_MAX_PKTSIZE) {
		return ANSWER_MALFORMED;
	}
	r.in = knot_pkt_new((void *)wire, (uint16_t)len, NULL); /* is not written to */
	r.out = knot_pkt_new(NULL, KNOT_WIRE_MAX_PKTSIZE, NULL);
	if (r.in && r.out) {
		result = reader_run(&r, ret_answer);
	}
	knot_pkt_free(r.in);
	knot_pkt_free(r.out);
	return result;
}
