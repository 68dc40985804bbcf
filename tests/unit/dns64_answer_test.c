/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages of upstreams that are not as they should be, and what is taken of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libknot/libknot.h>

#include "dns64/answer.h"

/* header: id, flags, one question, three counts; all names are a.example. */
#define HEADER(an, ns, ar) "\x12\x34\x81\x80\0\1\0" an "\0" ns "\0" ar
#define QUESTION           "\1a\7example\0\0\1\0\1"
#define SELF               "\xc0\x0c"
#define TTL_LEN(len)       "\0\0\0\x3c\0" len
#define ADDRESS            SELF "\0\1\0\1" TTL_LEN("\4") "\xc0\0\2\1"
#define EMPTY(type, class) SELF "\0" type "\0" class TTL_LEN("\0")
#define CLASS_IN           "\1"
#define CLASS_CH           "\3"

struct vector {
	const char *name;
	const char *wire;
	size_t len;
	uint8_t flags;
	uint16_t class;
	unsigned int n_chain, n_data, n_rr;
};

#define WIRE(text) (text), sizeof(text) - 1

/* libknot takes data of no bytes for any type in any class but IN. */
static const struct vector vectors[] = {
	{"as it should be", WIRE(HEADER("\1", "\0", "\0") QUESTION ADDRESS), 0, 1, 0, 1, 1},
	{"an alias of another class, without a name",
	 WIRE(HEADER("\2", "\0", "\0") QUESTION EMPTY("\5", CLASS_CH) ADDRESS), 0, 1, 0, 1, 1},
	{"only that", WIRE(HEADER("\1", "\0", "\0") QUESTION EMPTY("\5", CLASS_CH)), 0, 1, 0, 0, 0},
	{"DNAME of another class, without a name",
	 WIRE(HEADER("\2", "\0", "\0") QUESTION "\xc0\x0e\0\x27\0\3" TTL_LEN("\0") ADDRESS), 0, 1,
	 0, 1, 1},
	{"a signature of another class, without anything",
	 WIRE(HEADER("\2", "\0", "\0") QUESTION ADDRESS EMPTY("\x2e", CLASS_CH)), QUESTION_DO, 1, 0,
	 1, 1},
	{"SOA of another class, without numbers",
	 WIRE(HEADER("\0", "\1", "\0") QUESTION EMPTY("\6", CLASS_CH)), 0, 1, 0, 0, 0},
	{"all of them, to a question of that class",
	 WIRE(HEADER("\3", "\1", "\0") QUESTION EMPTY("\5", CLASS_CH) EMPTY("\x2e", CLASS_CH)
		      EMPTY("\1", CLASS_CH) EMPTY("\6", CLASS_CH)),
	 QUESTION_DO, 3, 0, 0, 0},
};

static struct question question(uint16_t class, uint8_t flags)
{
	struct question q = {.type = KNOT_RRTYPE_A, .class = class, .flags = flags};

	assert_int_equal(question_set_name(&q, "a.example."), 0);
	return q;
}

/* A copy of its exact size, so that a sanitizer sees what is read beyond it. */
static enum answer_result read_exact(const struct question *q, const char *wire, size_t len,
				     struct answer **ret_answer)
{
	uint8_t *exact = malloc(len);
	enum answer_result result;

	assert_non_null(exact);
	memcpy(exact, wire, len);
	result = answer_read(q, exact, len, ret_answer);
	assert_memory_equal(exact, wire, len);
	free(exact);
	return result;
}

static void data_without_bytes_is_not_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		struct question q = question(v->class, v->flags);
		struct answer *a = NULL;

		print_message("%s\n", v->name);
		assert_int_equal(read_exact(&q, v->wire, v->len, &a), ANSWER_READ);
		assert_int_equal(a->n_chain, v->n_chain);
		assert_int_equal(a->n_data, v->n_data);
		assert_int_equal(answer_n_rr(a), v->n_rr);
		assert_int_equal(a->negative_ttl_s, ANSWER_NO_SOA);
		free(a);
	}
}

static void a_message_is_not_written_to(void **state)
{
	/* TSIG, which libknot would take out of it */
	static const char tsig[] = HEADER("\1", "\0", "\1") QUESTION ADDRESS
		"\0\0\xfa\0\xff\0\0\0\0\0\x1d"
		"\x0bhmac-sha256\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	struct question q = question(KNOT_CLASS_IN, 0);
	struct answer *a = NULL;

	(void)state;
	assert_int_equal(read_exact(&q, tsig, sizeof(tsig) - 1, &a), ANSWER_READ);
	assert_int_equal(answer_n_rr(a), 1);
	free(a);
}

static void what_failed_has_its_reason(void **state)
{
	struct question q = question(KNOT_CLASS_IN, 0);
	struct answer *a = answer_failed(&q, KNOT_EDNS_EDE_INV_DATA);

	(void)state;
	assert_true(answer_is_failure(a) && !answer_is_bogus(a));
	assert_int_equal(a->rcode, KNOT_RCODE_SERVFAIL);
	assert_int_equal(a->ede, KNOT_EDNS_EDE_INV_DATA);
	free(a);
	for (uint16_t ede = 0; ede < 32; ede++) {
		a = answer_failed(&q, ede);
		assert_int_equal(answer_is_bogus(a), ede >= 6 && ede <= 12);
		free(a);
	}
}

/* A chain through as many DNAMEs and aliases as there can be is read in the time of one of each. */
static void each_link_takes_one_dname(void **state)
{
	knot_pkt_t *pkt = knot_pkt_new(NULL, KNOT_WIRE_MAX_PKTSIZE, NULL);
	struct question q = question(KNOT_CLASS_IN, QUESTION_DO);
	knot_rrset_t *rr = knot_rrset_new((const uint8_t *)"\7example", KNOT_RRTYPE_DNAME,
					  KNOT_CLASS_IN, 60, NULL);
	knot_rrset_t *alias = knot_rrset_new(q.name, KNOT_RRTYPE_CNAME, KNOT_CLASS_IN, 60, NULL);
	struct answer *a = NULL;
	unsigned int n = 0;

	(void)state;
	assert_int_equal(knot_rrset_add_rdata(rr, (const uint8_t *)"\1b", 3, NULL), 0);
	assert_int_equal(knot_rrset_add_rdata(alias, (const uint8_t *)"\1a\1b", 5, NULL), 0);
	assert_int_equal(knot_pkt_put_question(pkt, q.name, q.class, q.type), 0);
	assert_int_equal(knot_pkt_put(pkt, KNOT_COMPR_HINT_NONE, alias, 0), 0);
	while (knot_pkt_put(pkt, KNOT_COMPR_HINT_NONE, rr, KNOT_PF_NOTRUNC) == 0) {
		n++;
	}
	knot_wire_set_qr(pkt->wire);
	assert_true(n > 4000);
	assert_int_equal(answer_read(&q, pkt->wire, pkt->size, &a), ANSWER_READ);
	assert_int_equal(a->n_chain, 2);
	assert_int_equal(answer_n_rr(a), 2);
	free(a);
	knot_rrset_free(rr, NULL);
	knot_rrset_free(alias, NULL);
	knot_pkt_free(pkt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_without_bytes_is_not_read),
		cmocka_unit_test(a_message_is_not_written_to),
		cmocka_unit_test(what_failed_has_its_reason),
		cmocka_unit_test(each_link_takes_one_dname),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
