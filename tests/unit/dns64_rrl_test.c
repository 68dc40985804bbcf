/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How many answers a source's prefix gets, and that what keeps count of it is bounded. */
#include "dns64/rrl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define RATE     50
#define START_MS UINT64_C(1000000)

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(str_from(text), &a), 0);
	return a;
}

/* The n-th of very many IPv6 prefixes. */
static struct addr nth(uint32_t n)
{
	struct addr a = {.b = {0x20, 0x01, 0x0d, [3] = (uint8_t)(n >> 24), (uint8_t)(n >> 16),
			       (uint8_t)(n >> 8), (uint8_t)n, [15] = 1}};

	return a;
}

static int setup(void **state)
{
	static struct rrl r;

	assert_int_equal(rrl_init(&r, RATE), 0);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	rrl_fini(*state);
	return 0;
}

/* How many of n pass; then each second one slips. */
static unsigned int passed(struct rrl *r, const struct addr *from, unsigned int n, uint64_t now_ms)
{
	unsigned int pass = 0;

	for (unsigned int i = 0; i < n; i++) {
		pass += rrl_check(r, from, false, now_ms) == RRL_PASS;
	}
	return pass;
}

static void beyond_the_rate_each_second_answer_is_cut_short(void **state)
{
	const struct addr a = address("198.51.100.7");
	unsigned int n_slip = 0, n_drop = 0;

	assert_int_equal(passed(*state, &a, RATE, START_MS), RATE);
	for (unsigned int i = 0; i < 100; i++) {
		enum rrl_verdict v = rrl_check(*state, &a, false, START_MS);

		n_slip += v == RRL_SLIP;
		n_drop += v == RRL_DROP;
	}
	assert_int_equal(n_slip, 50);
	assert_int_equal(n_drop, 50);
}

static void what_was_not_used_is_there_again_up_to_the_rate(void **state)
{
	const struct addr a = address("2001:db8::1");

	assert_int_equal(passed(*state, &a, 2 * RATE, START_MS), RATE);
	assert_int_equal(passed(*state, &a, 2 * RATE, START_MS + 100), RATE / 10);
	assert_int_equal(passed(*state, &a, 2 * RATE, START_MS + 1000000), RATE);
	assert_int_equal(passed(*state, &a, 2 * RATE, START_MS + 1000000), 0);
}

static void a_prefix_is_one_source(void **state)
{
	static const struct {
		const char *one, *other;
		unsigned int other_passes;
	} cases[] = {
		{"198.51.100.1", "198.51.100.254", 0},
		{"198.51.101.1", "198.51.102.1", RATE},
		{"2001:db8:0:1::1", "2001:db8:0:fe:1::1", 0},
		{"2001:db8:0:200::1", "2001:db8:0:300::1", RATE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct addr one = address(cases[i].one), other = address(cases[i].other);

		assert_int_equal(passed(*state, &one, RATE, START_MS), RATE);
		assert_int_equal(passed(*state, &other, RATE, START_MS), cases[i].other_passes);
	}
}

/* What its neighbours do, or others in its name, is not counted for it; but it has a rate, too. */
static void a_known_source_is_counted_by_itself(void **state)
{
	const struct addr a = address("198.51.100.1"), beside = address("198.51.100.2");
	unsigned int pass = 0;

	assert_int_equal(passed(*state, &a, 2 * RATE, START_MS), RATE);
	for (unsigned int i = 0; i < 20 * RATE; i++) {
		pass += rrl_check(*state, &a, true, START_MS) == RRL_PASS;
	}
	assert_int_equal(pass, RRL_KNOWN * RATE);
	assert_int_equal(rrl_check(*state, &beside, true, START_MS), RRL_PASS);
	for (unsigned int i = 0; i < 20 * RATE; i++) {
		pass += rrl_check(*state, &a, true, START_MS + 100) == RRL_PASS;
	}
	assert_int_equal(pass, RRL_KNOWN * RATE + RATE);
}

/* More prefixes than there are places: none is held up, and nothing grows. */
static void the_table_has_one_size(void **state)
{
	struct rrl *r = *state;
	const struct rrl_entry *before = r->entries;
	size_t n_used = 0;

	for (uint32_t n = 0; n < 40 * RRL_ENTRIES; n++) {
		const struct addr a = nth(n);

		assert_int_equal(rrl_check(r, &a, false, START_MS + n), RRL_PASS);
	}
	assert_ptr_equal(r->entries, before);
	for (size_t i = 0; i < RRL_ENTRIES; i++) {
		n_used += r->entries[i].prefix != 0;
	}
	assert_true(n_used > RRL_ENTRIES * 9 / 10);
}

/* One that asks on and on is not pushed out by those who ask once. */
static void others_do_not_free_who_is_over_the_rate(void **state)
{
	const struct addr busy = address("198.51.100.7");
	unsigned int pass = 0;

	for (uint32_t n = 0; n < 20 * RRL_ENTRIES; n++) {
		const struct addr a = nth(n);
		uint64_t now_ms = START_MS + n / 1000; /* a million a second */

		(void)rrl_check(*state, &a, false, now_ms);
		pass += n % 100 == 0 && rrl_check(*state, &busy, false, now_ms) == RRL_PASS;
	}
	assert_in_range(pass, RATE, 2 * RATE);
}

/* Whoever does not know the key cannot tell who has a place together. */
static void places_are_by_the_key(void **state)
{
	struct rrl *r = *state, other;
	unsigned int same = 0;

	assert_int_equal(rrl_init(&other, RATE), 0);
	for (uint32_t n = 0; n < 64; n++) {
		const struct addr a = nth(n);

		(void)rrl_check(r, &a, false, START_MS);
		(void)rrl_check(&other, &a, false, START_MS);
	}
	for (size_t i = 0; i < RRL_ENTRIES; i++) {
		same += r->entries[i].prefix != 0 && other.entries[i].prefix != 0;
	}
	assert_true(same < 8);
	rrl_fini(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(beyond_the_rate_each_second_answer_is_cut_short),
		TEST(what_was_not_used_is_there_again_up_to_the_rate),
		TEST(a_prefix_is_one_source),
		TEST(a_known_source_is_counted_by_itself),
		TEST(the_table_has_one_size),
		TEST(others_do_not_free_who_is_over_the_rate),
		TEST(places_are_by_the_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
