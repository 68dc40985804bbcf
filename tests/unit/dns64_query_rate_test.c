/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A tenant's rate of queries in one worker, and in several that see each other's counters. */
#include "dns64/query_rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>

#define T0 UINT64_C(1000000) /* some time, ms */

/* Asks n times at once. Returns how many may go on. */
static unsigned int ask(struct query_rate *rate, uint64_t others, uint64_t now_ms, unsigned int n)
{
	unsigned int n_admitted = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (rate->at_ms != now_ms) {
			query_rate_fill(rate, others, now_ms);
		}
		n_admitted += query_rate_ask(rate) == QUERY_RATE_ADMIT;
	}
	return n_admitted;
}

static void test_no_limit(void **state)
{
	struct query_rate rate = {0};

	(void)state;
	assert_int_equal(ask(&rate, 0, T0, 100000), 100000);
}

static void test_a_second_at_once_then_the_rate(void **state)
{
	struct query_rate rate = {.per_second = 50};
	unsigned int n = 0;

	(void)state;
	assert_int_equal(ask(&rate, 0, T0, 1000), 50);
	assert_int_equal(ask(&rate, 0, T0 + 19, 1000), 0);
	assert_int_equal(ask(&rate, 0, T0 + 20, 1000), 1);
	for (uint64_t ms = 21; ms <= 10000; ms++) {
		n += ask(&rate, 0, T0 + ms, 3);
	}
	assert_int_equal(n, 499);
	assert_int_equal(ask(&rate, 0, T0 + 100000, 1000), 50);
}

static void test_as_many_are_told_and_the_rest_is_dropped(void **state)
{
	struct query_rate rate = {.per_second = 50};
	unsigned int n[3] = {0};

	(void)state;
	query_rate_fill(&rate, 0, T0);
	for (unsigned int i = 0; i < 1000; i++) {
		n[query_rate_ask(&rate)]++;
	}
	assert_int_equal(n[QUERY_RATE_ADMIT], 50);
	assert_int_equal(n[QUERY_RATE_REFUSE], 50);
	assert_int_equal(n[QUERY_RATE_DROP], 900);
}

static void test_what_others_let_through_counts(void **state)
{
	struct query_rate rate = {.per_second = 50};

	(void)state;
	assert_int_equal(ask(&rate, 700, T0, 10), 10); /* before its time */
	assert_int_equal(ask(&rate, 730, T0 + 1, 1000), 10);
	/* a burst at the same moment is paid for later, but for a second at most */
	assert_int_equal(ask(&rate, 760, T0 + 2, 1000), 0);
	assert_int_equal(ask(&rate, 760, T0 + 602, 1000), 0);
	assert_int_equal(ask(&rate, 760, T0 + 622, 1000), 1);
	assert_int_equal(ask(&rate, 1000000, T0 + 623, 1000), 0);
	assert_int_equal(ask(&rate, 1000000, T0 + 1622, 1000), 0);
	assert_int_equal(ask(&rate, 1000000, T0 + 1643, 1000), 1);
	/* counters that were given out again */
	assert_int_equal(ask(&rate, 3, T0 + 2643, 1000), 50);
	assert_int_equal(ask(&rate, 13, T0 + 3643, 1000), 40);
}

/* Two workers that are pressed all the time share the rate, whoever comes first. */
static void test_two_workers_keep_to_one_rate(void **state)
{
	struct query_rate a = {.per_second = 1000}, b = {.per_second = 1000};
	uint64_t n_a = 0, n_b = 0;

	(void)state;
	for (uint64_t ms = 0; ms < 10000; ms++) {
		n_a += ask(&a, n_b, T0 + ms, 5);
		n_b += ask(&b, n_a, T0 + ms, 5);
	}
	assert_in_range(n_a + n_b, 10000, 12100);
}

static void test_other_rates(void **state)
{
	struct query_rate rate = {.per_second = 1};

	(void)state;
	assert_int_equal(ask(&rate, 0, T0, 10), 1);
	assert_int_equal(ask(&rate, 0, T0 + 999, 10), 0);
	assert_int_equal(ask(&rate, 0, T0 + 1000, 10), 1);
	rate.per_second = 10000000; /* the most there may be */
	assert_int_equal(ask(&rate, 0, T0 + 1001, 20000), 10000);
	assert_int_equal(ask(&rate, UINT64_MAX, T0 + 1002, 20000), 0);
	rate.per_second = 5; /* less than what was left */
	assert_int_equal(ask(&rate, UINT64_MAX, T0 + 10000, 100), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_a_second_at_once_then_the_rate),
		cmocka_unit_test(test_as_many_are_told_and_the_rest_is_dropped),
		cmocka_unit_test(test_what_others_let_through_counts),
		cmocka_unit_test(test_two_workers_keep_to_one_rate),
		cmocka_unit_test(test_other_rates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
