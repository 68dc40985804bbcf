/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libknot/libknot.h>

#include "base/hash.h"
#include "dns64/answer.h"
#include "dns64/cache.h"

#define N_MANY 100000

static struct question question(const char *name)
{
	struct question q = {.type = KNOT_RRTYPE_A, .class = KNOT_CLASS_IN};

	assert_int_equal(question_set_name(&q, name), 0);
	return q;
}

/* An address, as an upstream says it. */
static struct answer *address(const struct question *q, uint32_t ttl_s)
{
	knot_pkt_t *pkt = knot_pkt_new(NULL, 512, NULL);
	struct answer *a = NULL;
	knot_rrset_t *rr = knot_rrset_new(q->name, KNOT_RRTYPE_A, KNOT_CLASS_IN, ttl_s, NULL);

	assert_int_equal(knot_rrset_add_rdata(rr, (const uint8_t *)"\300\0\2\1", 4, NULL), 0);
	assert_int_equal(knot_pkt_put_question(pkt, q->name, q->class, q->type), 0);
	assert_int_equal(knot_pkt_begin(pkt, KNOT_ANSWER), 0);
	assert_int_equal(knot_pkt_put(pkt, KNOT_COMPR_HINT_NONE, rr, 0), 0);
	knot_wire_set_qr(pkt->wire);
	assert_int_equal(answer_read(q, pkt->wire, pkt->size, &a), ANSWER_READ);
	knot_rrset_free(rr, NULL);
	knot_pkt_free(pkt);
	return a;
}

static void put(struct cache *c, const char *name, uint32_t now_s)
{
	struct question q = question(name);
	struct answer *a = address(&q, 60);

	cache_put(c, &q, a, now_s);
	free(a);
}

static void put_many(struct cache *c, const char *zone, unsigned int n)
{
	char name[64];

	for (unsigned int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "n%u.%s", i, zone);
		put(c, name, 0);
	}
}

static enum cache_found find(struct cache *c, const char *name, uint32_t now_s)
{
	struct question q = question(name);
	struct cached cached;

	return cache_find(c, &q, now_s, &cached);
}

/* Whether what is there is served rather than SERVFAIL for that reason. */
static bool outlasts(struct cache *c, const char *name, uint16_t ede, uint32_t now_s)
{
	struct question q = question(name);
	struct answer *a = answer_failed(&q, ede);
	bool older = cache_outlasts(c, &q, a, now_s);

	free(a);
	return older;
}

static void bytes_are_bounded_and_what_is_used_stays(void **state)
{
	struct cache *c = cache_new(100000);
	char name[32];

	(void)state;
	put(c, "used.example.", 0);
	for (unsigned int i = 0; i < 5000; i++) {
		(void)snprintf(name, sizeof(name), "n%u.example.", i);
		put(c, name, 0);
		assert_true(cache_stats(c)->n_bytes <= 100000);
		assert_int_equal(find(c, "used.example.", 0), CACHE_FRESH);
	}
	assert_true(cache_stats(c)->n_evicted > 4000);
	assert_int_equal(cache_stats(c)->n_entries + cache_stats(c)->n_evicted, 5001);
	assert_int_equal(find(c, "n4999.example.", 0), CACHE_FRESH);
	assert_int_equal(find(c, "n0.example.", 0), CACHE_MISS);
	cache_free(c);
}

static void a_name_is_within_400_bytes(void **state)
{
	struct cache *c = cache_new(1 << 30);
	char name[64];

	(void)state;
	for (unsigned int i = 0; i < N_MANY; i++) {
		(void)snprintf(name, sizeof(name), "host-%06u.some-domain.example.", i);
		put(c, name, 0);
	}
	assert_int_equal(cache_stats(c)->n_entries, N_MANY);
	assert_true(cache_stats(c)->n_bytes / N_MANY <= 200); /* of which it has two: A and AAAA */
	cache_free(c);
}

static void ages_from_fresh_to_stale_to_gone(void **state)
{
	struct cache *c = cache_new(100000);

	(void)state;
	put(c, "a.example.", 100);
	assert_int_equal(find(c, "a.example.", 159), CACHE_FRESH);
	assert_int_equal(find(c, "a.example.", 160), CACHE_STALE);
	assert_int_equal(find(c, "a.example.", 159 + CACHE_STALE_MAX_S), CACHE_STALE);
	assert_int_equal(find(c, "a.example.", 160 + CACHE_STALE_MAX_S), CACHE_MISS);
	assert_int_equal(cache_stats(c)->n_entries, 0);
	assert_int_equal(cache_stats(c)->n_bytes, 0);
	cache_free(c);
}

static void a_failure_does_not_replace_what_may_be_served(void **state)
{
	struct cache *c = cache_new(100000);

	(void)state;
	assert_false(outlasts(c, "a.example.", KNOT_EDNS_EDE_NREACH_AUTH, 100));
	put(c, "a.example.", 100);
	assert_true(outlasts(c, "a.example.", KNOT_EDNS_EDE_NREACH_AUTH, 110)); /* not yet old */
	assert_int_equal(find(c, "a.example.", 110), CACHE_FRESH);
	assert_true(outlasts(c, "a.example.", KNOT_EDNS_EDE_NREACH_AUTH, 200));
	assert_int_equal(find(c, "a.example.", 229), CACHE_STALE_TRIED);
	assert_int_equal(find(c, "a.example.", 230), CACHE_STALE);
	put(c, "a.example.", 231);
	assert_int_equal(find(c, "a.example.", 232), CACHE_FRESH);
	assert_false(outlasts(c, "a.example.", KNOT_EDNS_EDE_BOGUS, 300));
	assert_false(
		outlasts(c, "a.example.", KNOT_EDNS_EDE_NREACH_AUTH, 231 + 60 + CACHE_STALE_MAX_S));
	cache_free(c);
}

static void what_has_no_room_or_time_is_not_kept(void **state)
{
	struct cache *c = cache_new(100);
	struct question q = question("a.example.");
	struct answer *a = address(&q, 60), *none = address(&q, 0);

	(void)state;
	cache_put(c, &q, a, 0);
	assert_int_equal(cache_stats(c)->n_entries, 0);
	cache_free(c);
	c = cache_new(1000);
	cache_put(c, &q, none, 0);
	assert_int_equal(cache_stats(c)->n_entries, 0);
	cache_put(c, &q, a, 0);
	assert_int_equal(cache_stats(c)->n_entries, 1);
	cache_put(c, &q, none, 0); /* what was there is no longer so */
	assert_int_equal(cache_stats(c)->n_entries, 0);
	cache_free(c);
	free(a);
	free(none);
}

/* All of it in use: room is made without looking at each of a great many entries. */
static void room_is_made_in_few_steps(void **state)
{
	struct cache *c = cache_new(4000000);
	unsigned int n = 0;
	char name[32];

	(void)state;
	for (; cache_stats(c)->n_evicted == 0; n++) {
		(void)snprintf(name, sizeof(name), "n%u.example.", n);
		put(c, name, 0);
		assert_int_equal(find(c, name, 0), CACHE_FRESH); /* which marks it */
	}
	assert_true(n > 10000);
	assert_int_equal(find(c, "n0.example.", 0), CACHE_FRESH); /* spared */
	assert_int_equal(cache_stats(c)->n_entries, n - 1);
	assert_true(cache_stats(c)->n_bytes <= 4000000);
	cache_free(c);
}

/* It goes in steps, in which it is used; what is used stays for longest. */
static void a_smaller_size_is_come_to_in_steps(void **state)
{
	struct cache *c = cache_new(20000000);
	unsigned int n_steps = 0;
	size_t n;

	(void)state;
	put(c, "used.example.", 0);
	put_many(c, "a.example.", 50000);
	assert_false(cache_shrink(c));
	assert_int_equal(cache_stats(c)->n_entries, 50001);
	cache_set_max(c, 100000);
	for (bool more = true; more; n_steps++) {
		n = cache_stats(c)->n_entries;
		assert_int_equal(find(c, "used.example.", 0), CACHE_FRESH);
		put(c, "new.example.", 0); /* there is no room yet, or a bounded search for it */
		assert_true(n - cache_stats(c)->n_entries <= CACHE_STEP);
		n = cache_stats(c)->n_entries;
		more = cache_shrink(c);
		assert_true(n - cache_stats(c)->n_entries <= CACHE_STEP);
	}
	assert_in_range(n_steps, 50000 / 2 / CACHE_STEP, 50000 / CACHE_STEP + 1);
	assert_true(cache_stats(c)->n_bytes <= 100000);
	assert_true(cache_stats(c)->n_entries > 400);
	put(c, "new.example.", 0);
	assert_int_equal(find(c, "new.example.", 0), CACHE_FRESH);
	cache_set_max(c, 20000000);
	put_many(c, "b.example.", 1000);
	assert_true(cache_stats(c)->n_entries > 1400);
	cache_free(c);
}

static void questions_differ_in_all_they_have(void **state)
{
	struct hash_key key = {{1, 2}};
	struct question q = question("a.example."), other = q;

	(void)state;
	assert_int_equal(question_hash(&key, &q), question_hash(&key, &other));
	other.class = KNOT_CLASS_CH;
	assert_int_not_equal(question_hash(&key, &q), question_hash(&key, &other));
	other = q;
	other.flags = QUESTION_CD;
	assert_int_not_equal(question_hash(&key, &q), question_hash(&key, &other));
	other = q;
	other.type = KNOT_RRTYPE_AAAA;
	assert_int_not_equal(question_hash(&key, &q), question_hash(&key, &other));
}

/* At each number of entries, among them those at which the table is growing. */
static void what_is_expected_is_found_by_the_hash_that_is_kept(void **state)
{
	struct cache *c = cache_new(1000000);
	struct question q = question("n0.example.");
	char name[32];

	(void)state;
	assert_int_equal(find(c, "n0.example.", 0), CACHE_MISS);
	for (unsigned int i = 0; i < 1000; i++) {
		struct cached cached;
		uint64_t hash;

		for (unsigned int step = 0; step < CACHE_EXPECT_STEPS; step++) {
			cache_expect(c, &q, step);
		}
		hash = cache_hash(c, &q);
		assert_true(q.name_hash != 0);
		assert_int_equal(cache_find(c, &q, 0, &cached), i > 0 ? CACHE_FRESH : CACHE_MISS);
		q.type = KNOT_RRTYPE_AAAA;
		assert_int_equal(cache_find(c, &q, 0, &cached), CACHE_MISS);
		q.type = KNOT_RRTYPE_A;
		q.name_hash = 0;
		assert_int_equal(cache_hash(c, &q), hash);
		(void)snprintf(name, sizeof(name), "n%u.example.", i);
		put(c, name, 0);
	}
	assert_int_equal(question_set_name(&q, "n1.example."), 0);
	assert_int_equal(q.name_hash, 0);
	cache_free(c);
}

/* All steps at once. How many. */
static size_t flush(struct cache *c, const char *name, bool below)
{
	struct question q = question(name);
	struct cache_walk walk;
	size_t n = 0;

	cache_walk_begin(c, &walk);
	while (cache_flush(c, &walk, q.name, below, &n)) {
	}
	cache_walk_end(c, &walk);
	return n;
}

static void flush_takes_a_name_or_all_below_it(void **state)
{
	struct cache *c = cache_new(100000);

	(void)state;
	assert_int_equal(flush(c, ".", true), 0);
	put(c, "example.", 0);
	put(c, "a.example.", 0);
	put(c, "b.a.example.", 0);
	put(c, "notexample.", 0);
	assert_int_equal(flush(c, "example.", false), 1);
	assert_int_equal(find(c, "a.example.", 0), CACHE_FRESH);
	assert_int_equal(flush(c, "EXAMPLE.", true), 2);
	assert_int_equal(find(c, "a.example.", 0), CACHE_MISS);
	assert_int_equal(find(c, "notexample.", 0), CACHE_FRESH);
	assert_int_equal(flush(c, ".", true), 1);
	assert_int_equal(cache_stats(c)->n_entries, 0);
	assert_int_equal(cache_stats(c)->n_bytes, 0);
	cache_free(c);
}

/* The cache is used between a walk's steps: entries come, go by the hand, and by another walk. */
static void a_walk_meets_each_entry_whatever_comes_between(void **state)
{
	struct question all = question("."), other = question("b.example.");
	struct cache *c = cache_new(4000000); /* nothing is evicted but what is said here */
	struct cache_walk walk, second;
	size_t n = 0, n_second = 0;

	(void)state;
	put_many(c, "a.example.", 10000);
	put_many(c, "b.example.", 10000);
	cache_walk_begin(c, &walk);
	assert_true(cache_flush(c, &walk, all.name, true, &n));
	assert_int_equal(n, CACHE_STEP);
	cache_walk_begin(c, &second);
	while (cache_flush(c, &second, other.name, true, &n_second)) { /* takes the last one, too */
	}
	cache_walk_end(c, &second);
	assert_int_equal(n_second, 10000);
	put_many(c, "c.example.", 100);
	while (cache_flush(c, &walk, all.name, true, &n)) {
	}
	assert_true(n >= 10000 && n <= 10100);
	assert_int_equal(cache_stats(c)->n_entries, 10100 - n);
	assert_false(cache_flush(c, &walk, all.name, true, &n));
	cache_walk_end(c, &walk);
	cache_free(c);
}

/* What the walk is to come to next is evicted, up to all there is. */
static void a_walk_goes_on_behind_what_is_evicted(void **state)
{
	struct question none = question("none.");
	struct cache *c = cache_new(100000);
	struct cache_walk walk;
	size_t n = 0;

	(void)state;
	put_many(c, "a.example.", 5000);
	cache_walk_begin(c, &walk);
	put_many(c, "b.example.", 5000);
	assert_false(cache_flush(c, &walk, none.name, false, &n)); /* some hundred, in one step */
	cache_walk_end(c, &walk);
	assert_int_equal(n, 0);
	cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_bounded_and_what_is_used_stays),
		cmocka_unit_test(a_name_is_within_400_bytes),
		cmocka_unit_test(ages_from_fresh_to_stale_to_gone),
		cmocka_unit_test(a_failure_does_not_replace_what_may_be_served),
		cmocka_unit_test(what_has_no_room_or_time_is_not_kept),
		cmocka_unit_test(room_is_made_in_few_steps),
		cmocka_unit_test(a_smaller_size_is_come_to_in_steps),
		cmocka_unit_test(questions_differ_in_all_they_have),
		cmocka_unit_test(what_is_expected_is_found_by_the_hash_that_is_kept),
		cmocka_unit_test(flush_takes_a_name_or_all_below_it),
		cmocka_unit_test(a_walk_meets_each_entry_whatever_comes_between),
		cmocka_unit_test(a_walk_goes_on_behind_what_is_evicted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
