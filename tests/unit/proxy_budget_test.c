/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Descriptors and pipes: what is shared out is never more than there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/budget.h"
#include "proxy/pipes.h"

static void test_shares_fit_into_the_limit(void **state)
{
	static const size_t limits[] = {0, 16, 64, 256, 1024, 20000, 1048576, SIZE_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		for (size_t workers = 0; workers <= 64; workers += 8) {
			struct budget b = budget_share(limits[i], workers, 10, 3);

			assert_true(b.sessions == 0 ||
				    2ull * b.sessions + 2 * b.pipes + BUDGET_RESERVE + 13 <=
					    limits[i]);
			assert_true(b.pipes * (workers ? workers : 1) <= BUDGET_PIPES_MAX);
		}
	}
	/* room for as many sockets of a sibling, before they are there and after */
	assert_int_equal(budget_share(20000, 1, 2, 0).sessions, (20000 - 36 - 2000) / 2);
	assert_int_equal(budget_share(20000, 1, 2, 2).sessions, (20000 - 36 - 2000) / 2);
	assert_int_equal(budget_share(20000, 1, 2, 4).sessions, (20000 - 38 - 2000) / 2);
	/* but not at the price of all sessions */
	assert_int_equal(budget_share(1600, 10, 600, 0).sessions, (1600 - 32 - 700 - 200) / 2);
	assert_true(budget_share(64, 1, 1, 0).sessions > 5);
}

static void test_pipes_stay_within_their_pages_and_come_back(void **state)
{
	struct pipes pipes;
	struct pipe *lent[64];
	unsigned int n, n_large = 0;

	(void)state;
	pipes_init(&pipes, 48); /* room for one large one, and usual ones */
	for (n = 0; n < 64; n++) {
		lent[n] = pipes_get(&pipes, NULL, 0);
		if (!lent[n]) {
			break;
		}
		n_large += lent[n]->large;
	}
	assert_true(n_large <= 1); /* none where the system allows none */
	assert_int_equal(n, 48 - n_large * (PIPE_LARGE_UNITS - 1));
	while (n-- > 0) {
		pipes_put(&pipes, lent[n]);
	}
	n = pipes.n_open;
	lent[0] = pipes_get(&pipes, NULL, 0);
	assert_int_equal(pipes.n_open, n); /* the pool's */
	assert_int_equal(lent[0]->large, n_large > 0);
	lent[0]->held = 1;
	pipes_put(&pipes, lent[0]); /* must not be lent with another session's bytes */
	assert_int_equal(pipes.n_open, n - 1);
	pipes_put(&pipes, NULL);
	pipes_fini(&pipes);
	assert_int_equal(pipes.n_open, 0);
	assert_int_equal(pipes.units, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares_fit_into_the_limit),
		cmocka_unit_test(test_pipes_stay_within_their_pages_and_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
