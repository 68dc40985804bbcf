/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What queries that wait may take. What becomes of one is in tests/replay. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libknot/libknot.h>

#include "base/counters.h"
#include "dns64/answer.h"
#include "dns64/resolver.h"

struct world {
	struct resolver r;
	struct fetch *last, *check; /* of those asked: unchecked ones are the latter */
	struct query_report report; /* the last one */
	unsigned int n_asked, n_answered;
	bool nobody;
};

static int world_ask(void *ctx, struct fetch *fetch)
{
	struct world *w = ctx;

	*(fetch->q.flags & QUESTION_CD ? &w->check : &w->last) = fetch;
	w->n_asked++;
	return w->nobody ? -ENETUNREACH : 0;
}

static void world_answer(void *ctx, const struct dns_client *client, const uint8_t *wire,
			 size_t len)
{
	struct world *w = ctx;

	(void)client;
	assert_true(len > DNS_HEADER_BYTES && knot_wire_get_qr(wire));
	w->n_answered++;
}

static void world_report(void *ctx, const struct query_report *report)
{
	struct world *w = ctx;

	w->report = *report;
}

static const struct resolver_ops ops = {
	.ask = world_ask,
	.answer = world_answer,
	.report = world_report,
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	if (!w || resolver_init(&w->r, &ops, w, 1 << 20) < 0) {
		return -1;
	}
	w->r.report_one_in = 1;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	resolver_fini(&w->r);
	free(w);
	return 0;
}

static struct dns_tenant *tenant(void)
{
	struct dns_tenant *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->refs = 1;
	return t;
}

/* With EDNS's bits. */
static int rcode_of(uint8_t *wire, size_t len)
{
	knot_pkt_t *pkt = knot_pkt_new(wire, (uint16_t)len, NULL);
	int rcode;

	assert_non_null(pkt);
	assert_int_equal(knot_pkt_parse(pkt, 0), KNOT_EOK);
	rcode = knot_pkt_ext_rcode(pkt);
	knot_pkt_free(pkt);
	return rcode;
}

/* What a query for that many's name is answered at once; -1: it waits. */
static int ask_with(struct world *w, struct dns_tenant *t, unsigned int i, uint16_t type,
		    bool unproven)
{
	const struct dns_client client = {.connection = 0};
	struct request r = {.rd = true,
			    .edns = true,
			    .unproven = unproven,
			    .q = {.type = type, .class = KNOT_CLASS_IN}};
	uint8_t wire[REQUEST_UDP_MIN];
	char name[32];
	size_t len;

	(void)snprintf(name, sizeof(name), "n%u.example.", i);
	assert_int_equal(question_set_name(&r.q, name), 0);
	memcpy(r.name, r.q.name, r.q.len);
	len = resolver_query(&w->r, t, &client, &r, wire);
	return len == 0 ? -1 : rcode_of(wire, len);
}

static int ask_for(struct world *w, struct dns_tenant *t, unsigned int i, uint16_t type)
{
	return ask_with(w, t, i, type, false);
}

static int ask(struct world *w, struct dns_tenant *t, unsigned int i)
{
	return ask_for(w, t, i, KNOT_RRTYPE_A);
}

/* Only while there is much that waits. */
static void who_has_a_cookie_shows_it_in_a_crowd(void **state)
{
	struct world *w = *state;
	struct dns_tenant *t = tenant(), *other = tenant();

	for (unsigned int i = 0; i < RESOLVER_TENANT_MAX / 2; i++) {
		assert_int_equal(ask_with(w, t, i, KNOT_RRTYPE_A, true), -1);
	}
	assert_int_equal(ask_with(w, t, 0, KNOT_RRTYPE_A, true), KNOT_RCODE_BADCOOKIE);
	assert_int_equal(w->report.rcode, KNOT_RCODE_BADCOOKIE);
	assert_string_equal(w->report.from, "here");
	assert_int_equal(ask(w, t, 0), -1);
	assert_int_equal(ask_with(w, other, 0, KNOT_RRTYPE_A, true), -1);
	dns_tenant_unref(t);
	dns_tenant_unref(other);
}

static void one_tenant_cannot_take_all_the_room(void **state)
{
	struct world *w = *state;
	struct dns_tenant *greedy = tenant(), *other = tenant();

	for (unsigned int i = 0; i < RESOLVER_TENANT_MAX; i++) {
		assert_int_equal(ask(w, greedy, i), -1);
	}
	assert_int_equal(ask(w, greedy, RESOLVER_TENANT_MAX), KNOT_RCODE_SERVFAIL);
	assert_int_equal(w->n_asked, RESOLVER_TENANT_MAX); /* nobody is asked in vain */
	assert_int_equal(ask(w, other, 0), -1);
	fetch_done(&w->r, w->last, NULL);
	assert_int_equal(w->n_answered, 1);
	assert_int_equal(ask(w, greedy, RESOLVER_TENANT_MAX), -1);
	dns_tenant_unref(greedy); /* its queries keep it */
	dns_tenant_unref(other);
}

static void all_tenants_have_a_bound(void **state)
{
	struct world *w = *state;
	struct dns_tenant *t = NULL;

	for (unsigned int i = 0; i < RESOLVER_QUERIES_MAX; i++) {
		if (i % RESOLVER_TENANT_MAX == 0) {
			if (t) {
				dns_tenant_unref(t);
			}
			t = tenant();
		}
		assert_int_equal(ask(w, t, i), -1);
	}
	dns_tenant_unref(t);
	t = tenant();
	assert_int_equal(ask(w, t, 0), KNOT_RCODE_SERVFAIL);
	dns_tenant_unref(t);
}

/* A query whose upstream fails without a word why, and has data that it did not check. */
static void ask_bogus(struct world *w, struct dns_tenant *t, unsigned int i)
{
	const unsigned int n_answered = w->n_answered;

	assert_int_equal(ask_for(w, t, i, KNOT_RRTYPE_AAAA), -1);
	fetch_done(&w->r, w->last, answer_empty(&w->last->q, KNOT_RCODE_SERVFAIL));
	fetch_done(&w->r, w->check, answer_empty(&w->check->q, KNOT_RCODE_NOERROR));
	assert_int_equal(w->n_answered, n_answered + 1);
}

/* Those of a zone that is always bogus, and whose servers leave open A, which nobody waits for. */
static void what_is_asked_ahead_has_that_bound(void **state)
{
	struct world *w = *state;
	const struct pref64 pref64 = {.prefix = {.len = 96}};
	struct dns_tenant *greedy = tenant(), *other = tenant();

	greedy->policy = (struct policy){.on = true, .pref64s = &pref64, .n_pref64s = 1};
	ask_bogus(w, greedy, 0);
	assert_int_equal(greedy->n_queries, 1);
	fetch_done(&w->r, w->last, NULL);
	assert_int_equal(greedy->n_queries, 0);
	for (unsigned int i = 1; i < 2 * RESOLVER_TENANT_MAX; i++) {
		ask_bogus(w, greedy, i);
	}
	assert_int_equal(w->r.fetches.count, RESOLVER_TENANT_MAX - 1);
	assert_int_equal(ask(w, greedy, 2 * RESOLVER_TENANT_MAX), -1);
	assert_int_equal(ask(w, greedy, 3 * RESOLVER_TENANT_MAX), KNOT_RCODE_SERVFAIL);
	assert_int_equal(ask(w, other, 3 * RESOLVER_TENANT_MAX), -1);
	dns_tenant_unref(greedy); /* what is asked ahead keeps it */
	dns_tenant_unref(other);
}

static void nobody_to_ask_is_told_at_once(void **state)
{
	struct world *w = *state;
	struct dns_tenant *t = tenant();

	w->nobody = true;
	assert_int_equal(ask(w, t, 0), KNOT_RCODE_SERVFAIL);
	assert_int_equal(t->n_queries, 0);
	assert_int_equal(t->refs, 1);
	dns_tenant_unref(t);
}

/* That name's address, which an upstream says, is known but out of date from now on. */
static void make_stale(struct world *w, struct dns_tenant *t, unsigned int i)
{
	static const uint8_t rr[] = "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1";
	struct question q;
	struct answer *a = NULL;
	uint8_t wire[REQUEST_UDP_MIN] = {0};
	size_t len;

	assert_int_equal(ask(w, t, i), -1);
	q = w->last->q;
	len = question_message_len(&q);
	knot_wire_set_qr(wire);
	knot_wire_set_qdcount(wire, 1);
	knot_wire_set_ancount(wire, 1);
	memcpy(wire + QUESTION_NAME_AT, q.name, q.len);
	knot_wire_write_u16(wire + QUESTION_NAME_AT + q.len, q.type);
	knot_wire_write_u16(wire + QUESTION_NAME_AT + q.len + 2, q.class);
	memcpy(wire + len, rr, sizeof(rr) - 1);
	assert_int_equal(answer_read(&q, wire, len + sizeof(rr) - 1, &a), ANSWER_READ);
	fetch_done(&w->r, w->last, a);
	resolver_set_time(&w->r, w->r.now_ms + 61000);
}

/* RFC 8767: rather than SERVFAIL. */
static void nobody_to_ask_is_answered_with_what_is_old(void **state)
{
	struct world *w = *state;
	struct dns_tenant *t = tenant();

	make_stale(w, t, 0);
	w->nobody = true;
	assert_int_equal(ask(w, t, 0), KNOT_RCODE_NOERROR);
	assert_int_equal(ask(w, t, 1), KNOT_RCODE_SERVFAIL);
	assert_int_equal(w->r.stats.n_stale, 1);
	assert_int_equal(w->r.stats.n_failed, 1);
	dns_tenant_unref(t);
}

static void who_may_not_wait_is_answered_with_what_is_old(void **state)
{
	struct world *w = *state;
	struct dns_tenant *t = tenant();

	make_stale(w, t, RESOLVER_TENANT_MAX);
	for (unsigned int i = 0; i < RESOLVER_TENANT_MAX; i++) {
		assert_int_equal(ask(w, t, i), -1);
	}
	assert_int_equal(ask(w, t, RESOLVER_TENANT_MAX), KNOT_RCODE_NOERROR);
	assert_int_equal(w->r.stats.n_stale, 1);
	dns_tenant_unref(t);
}

static uint64_t counted(const struct world *w, const struct dns_tenant *t, enum counter which)
{
	return atomic_load(&w->r.counters->slots[t->slot].v[which]);
}

/* To the tenant that asked, and the question to upstreams to the one that came first. */
static void what_becomes_of_queries_is_counted(void **state)
{
	struct world *w = *state;
	struct dns_tenant *first = tenant(), *second = tenant();

	w->r.counters = calloc(1, sizeof(*w->r.counters));
	assert_non_null(w->r.counters);
	first->slot = 3;
	second->slot = 4;
	assert_int_equal(ask(w, first, 0), -1);
	assert_int_equal(ask(w, second, 0), -1);
	fetch_done(&w->r, w->last, answer_empty(&w->last->q, KNOT_RCODE_NXDOMAIN));
	assert_int_equal(w->n_answered, 2);
	w->nobody = true;
	assert_int_equal(ask(w, second, 1), KNOT_RCODE_SERVFAIL);
	assert_int_equal(counted(w, first, COUNTER_QUERIES_ASKED), 1);
	assert_int_equal(counted(w, second, COUNTER_QUERIES_ASKED), 0);
	assert_int_equal(counted(w, first, COUNTER_NXDOMAIN), 1);
	assert_int_equal(counted(w, second, COUNTER_NXDOMAIN), 1);
	assert_int_equal(counted(w, first, COUNTER_SERVFAIL), 0);
	assert_int_equal(counted(w, second, COUNTER_SERVFAIL), 1);
	assert_int_equal(w->r.stats.n_nxdomain, 2);
	assert_int_equal(w->r.stats.n_servfail, 1);
	free(w->r.counters);
	w->r.counters = NULL;
	dns_tenant_unref(first);
	dns_tenant_unref(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_has_a_cookie_shows_it_in_a_crowd, setup,
						teardown),
		cmocka_unit_test_setup_teardown(one_tenant_cannot_take_all_the_room, setup,
						teardown),
		cmocka_unit_test_setup_teardown(all_tenants_have_a_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_asked_ahead_has_that_bound, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nobody_to_ask_is_told_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_to_ask_is_answered_with_what_is_old, setup,
						teardown),
		cmocka_unit_test_setup_teardown(who_may_not_wait_is_answered_with_what_is_old,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_becomes_of_queries_is_counted, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
