/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rate of new sessions from totals that several workers share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/counters.h"
#include "proxy/rate.h"

#define START_MS  1234567 /* the clock's zero is somewhere else */
#define WORKERS_N 4
#define SECONDS   10

/* Workers that see the same total; each is asked at its own pace. */
struct workers {
	struct rate rate[WORKERS_N];
	uint64_t total;
};

/* The object arrived at different times. */
static void workers_init(struct workers *w)
{
	w->total = 77;
	for (unsigned int i = 0; i < WORKERS_N; i++) {
		rate_init(&w->rate[i], w->total, START_MS - 300 * i);
	}
}

/*
 * Offers attempts_per_second for SECONDS, given to the workers by share (of 100, in order), and
 * returns how many were admitted.
 */
static uint64_t run(struct workers *w, uint32_t per_second, unsigned int attempts_per_second,
		    const unsigned int share[WORKERS_N])
{
	uint64_t before = w->total;
	unsigned int n = attempts_per_second * SECONDS;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t now_ms = START_MS + (uint64_t)i * 1000 / attempts_per_second;
		unsigned int turn = i * 37 % 100, worker = 0;

		while (turn >= share[worker]) {
			turn -= share[worker++];
		}
		if (rate_admit(&w->rate[worker], w->total, per_second, now_ms)) {
			w->total++;
		}
	}
	return w->total - before;
}

static void test_f_pressure_is_held_to_the_limit_within_10_percent(void **state)
{
	static const unsigned int shares[][WORKERS_N] = {
		{100, 0, 0, 0},
		{25, 25, 25, 25},
		{70, 20, 9, 1},
		{97, 1, 1, 1},
	};
	static const uint32_t limits[] = {1, 2, 10, 100, 1000, 5000};

	(void)state;
	for (size_t s = 0; s < sizeof(shares) / sizeof(*shares); s++) {
		for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
			uint64_t wanted = (uint64_t)limits[i] * SECONDS, got;
			struct workers w;

			workers_init(&w);
			got = run(&w, limits[i], 20000, shares[s]);
			assert_in_range(got, wanted - wanted / 10, wanted + wanted / 10);
		}
	}
}

static void test_f_load_below_the_limit_is_let_through(void **state)
{
	static const unsigned int shares[][WORKERS_N] = {
		{25, 25, 25, 25},
		{70, 20, 9, 1},
		{97, 1, 1, 1},
	};

	(void)state;
	for (size_t s = 0; s < sizeof(shares) / sizeof(*shares); s++) {
		struct workers w;

		workers_init(&w);
		assert_int_equal(run(&w, 100, 95, shares[s]), 95 * SECONDS);
	}
}

static void test_f_one_worker_sees_what_another_admitted(void **state)
{
	struct rate mine = {0}, other = {0};
	uint64_t total = 0;

	(void)state;
	assert_true(rate_admit(&mine, total, 10, START_MS));
	total++;
	for (int i = 1; i < 10; i++) {
		assert_true(rate_admit(&other, total, 10, START_MS + 5));
		total++;
	}
	assert_false(rate_admit(&mine, total, 10, START_MS + 6));
}

static void test_f_a_burst_of_the_whole_limit_passes_at_once(void **state)
{
	struct rate rate = {0};
	uint64_t total = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		assert_true(rate_admit(&rate, total, 200, START_MS));
		total++;
	}
	assert_false(rate_admit(&rate, total, 200, START_MS));
	assert_false(rate_admit(&rate, total, 200, START_MS + 100));
	/* two idle seconds later nothing of it is left */
	for (int i = 0; i < 200; i++) {
		assert_true(rate_admit(&rate, total, 200, START_MS + 3000));
		total++;
	}
	assert_false(rate_admit(&rate, total, 200, START_MS + 3000));
}

/* Refused sessions are no part of the total: a client that hammers does not lock others out. */
static void test_f_hammering_does_not_lengthen_the_wait(void **state)
{
	struct rate rate = {0};
	uint64_t total = 0, admitted_ms = 0;

	(void)state;
	for (uint64_t ms = 0; ms < 5000; ms++) {
		for (int i = 0; i < 50; i++) {
			if (rate_admit(&rate, total, 2, START_MS + ms)) {
				total++;
				admitted_ms = ms;
			}
		}
	}
	assert_in_range(total, 9, 11);
	assert_true(admitted_ms >= 4000);
}

static void test_a_limit_of_0_is_no_limit(void **state)
{
	struct rate rate = {0};

	(void)state;
	for (uint64_t total = 0; total < 10000; total++) {
		assert_true(rate_admit(&rate, total, 0, START_MS));
	}
}

/* Counters are read one after the other, so that a sum may be behind an earlier one. */
static void test_a_total_that_steps_back_a_little_admits_no_more(void **state)
{
	struct rate rate = {0};

	(void)state;
	assert_true(rate_admit(&rate, 100, 5, START_MS));
	assert_true(rate_admit(&rate, 99, 5, START_MS));
	assert_true(rate_admit(&rate, 104, 5, START_MS));
	assert_false(rate_admit(&rate, 105, 5, START_MS));
	assert_false(rate_admit(&rate, 105, 5, START_MS + 10));
}

static void test_a_slot_given_out_again_starts_anew(void **state)
{
	struct rate rate = {0};

	(void)state;
	assert_true(rate_admit(&rate, 1000000, 1, START_MS));
	assert_false(rate_admit(&rate, 1000001, 1, START_MS + 1));
	assert_true(rate_admit(&rate, 0, 1, START_MS + 2));
	assert_false(rate_admit(&rate, 1, 1, START_MS + 3));
}

static void test_f_years_of_silence_do_not_overflow(void **state)
{
	struct rate rate = {0};
	uint64_t total = UINT64_MAX / 2;

	(void)state;
	assert_true(rate_admit(&rate, 0, 3, START_MS));
	assert_true(rate_admit(&rate, total, UINT32_MAX, START_MS + UINT64_MAX / 4));
	assert_true(rate_admit(&rate, total, 3, START_MS + UINT64_MAX / 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_f_pressure_is_held_to_the_limit_within_10_percent),
		cmocka_unit_test(test_f_load_below_the_limit_is_let_through),
		cmocka_unit_test(test_f_one_worker_sees_what_another_admitted),
		cmocka_unit_test(test_f_a_burst_of_the_whole_limit_passes_at_once),
		cmocka_unit_test(test_f_hammering_does_not_lengthen_the_wait),
		cmocka_unit_test(test_a_limit_of_0_is_no_limit),
		cmocka_unit_test(test_a_total_that_steps_back_a_little_admits_no_more),
		cmocka_unit_test(test_a_slot_given_out_again_starts_anew),
		cmocka_unit_test(test_f_years_of_silence_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
