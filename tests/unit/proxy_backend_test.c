/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/backend.h"

static void test_round_robin_takes_each_in_turn_and_passes_over_the_unusable(void **state)
{
	uint32_t turn = 0;
	struct backend_choice choice = {.balance = BALANCE_ROUND_ROBIN,
					.usable = 0x0d,
					.turn = &turn};
	const int expected[] = {0, 2, 3, 0, 2, 3};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(backend_pick(&choice), expected[i]);
	}
	turn = UINT32_MAX; /* wherever it stands */
	assert_true(backend_pick(&choice) >= 0);
}

static void test_least_connections_takes_the_emptiest_and_shares_ties(void **state)
{
	uint64_t load[SERVICE_BACKENDS_MAX] = {5, 2, 2, 0};
	uint32_t turn = 0;
	struct backend_choice choice = {.balance = BALANCE_LEAST_CONNECTIONS,
					.usable = 0x07,
					.turn = &turn,
					.load = load};
	unsigned int n[4] = {0};

	(void)state;
	for (int i = 0; i < 10; i++) {
		n[backend_pick(&choice)]++;
	}
	assert_int_equal(n[0], 0);
	assert_int_equal(n[1], 5);
	assert_int_equal(n[2], 5);
	assert_int_equal(n[3], 0); /* emptiest of all, but not usable */
}

static void test_source_hash_keeps_sources_and_moves_only_those_of_a_lost_backend(void **state)
{
	uint32_t turn = 0;
	struct backend_choice choice = {.balance = BALANCE_SOURCE_HASH, .turn = &turn};
	unsigned int n[4] = {0};

	(void)state;
	for (uint64_t source = 0; source < 4000; source++) {
		int before, after;

		choice.source_hash = source * 0x9e3779b97f4a7c15ull;
		choice.usable = 0x0f;
		before = backend_pick(&choice);
		assert_int_equal(backend_pick(&choice), before);
		n[before]++;
		choice.usable = 0x0b;
		after = backend_pick(&choice);
		assert_int_not_equal(after, 2);
		assert_true(before == 2 || after == before);
	}
	for (int i = 0; i < 4; i++) {
		assert_in_range(n[i], 800, 1200);
	}
}

static void test_nothing_usable_is_enoent(void **state)
{
	uint64_t load[SERVICE_BACKENDS_MAX] = {0};
	uint32_t turn = 0;

	(void)state;
	for (int balance = BALANCE_ROUND_ROBIN; balance <= BALANCE_SOURCE_HASH; balance++) {
		struct backend_choice choice = {.balance = (enum balance)balance,
						.turn = &turn,
						.load = load};

		assert_int_equal(backend_pick(&choice), -ENOENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_robin_takes_each_in_turn_and_passes_over_the_unusable),
		cmocka_unit_test(test_least_connections_takes_the_emptiest_and_shares_ties),
		cmocka_unit_test(
			test_source_hash_keeps_sources_and_moves_only_those_of_a_lost_backend),
		cmocka_unit_test(test_nothing_usable_is_enoent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
