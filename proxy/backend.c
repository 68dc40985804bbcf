/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Balancing; see backend.h. No I/O, no counters of its own. */
#include "proxy/backend.h"

#include <errno.h>
#include <stdbool.h>

static bool is_usable(const struct backend_choice *choice, unsigned int i)
{
	return (choice->usable >> i & 1) != 0;
}

/* The first usable backend from *turn on; the turn goes to the one behind it. */
static int pick_in_turn(const struct backend_choice *choice, uint64_t among)
{
	for (unsigned int n = 0; n < SERVICE_BACKENDS_MAX; n++) {
		unsigned int i = (*choice->turn + n) % SERVICE_BACKENDS_MAX;

		if (among >> i & 1) {
			*choice->turn = i + 1;
			return (int)i;
		}
	}
	return -ENOENT;
}

static int pick_least_loaded(const struct backend_choice *choice)
{
	uint64_t least = UINT64_MAX, among = 0;

	for (unsigned int i = 0; i < SERVICE_BACKENDS_MAX; i++) {
		if (!is_usable(choice, i) || choice->load[i] > least) {
			continue;
		}
		among = choice->load[i] < least ? 1ull << i : among | 1ull << i;
		least = choice->load[i];
	}
	return pick_in_turn(choice, among);
}

/* Finalizer of MurmurHash3: every bit of x reaches every bit of the result. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdull;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ull;
	return x ^ x >> 33;
}

static int pick_by_source(const struct backend_choice *choice)
{
	uint64_t best_weight = 0;
	int best = -ENOENT;

	for (unsigned int i = 0; i < SERVICE_BACKENDS_MAX; i++) {
		uint64_t weight = mix(choice->source_hash ^ mix(i + 1));

		if (is_usable(choice, i) && (best < 0 || weight > best_weight)) {
			best_weight = weight;
			best = (int)i;
		}
	}
	return best;
}

int backend_pick(const struct backend_choice *choice)
{
	switch (choice->balance) {
	case BALANCE_ROUND_ROBIN:
		return pick_in_turn(choice, choice->usable);
	case BALANCE_LEAST_CONNECTIONS:
		return pick_least_loaded(choice);
	case BALANCE_SOURCE_HASH:
		return pick_by_source(choice);
	}
	return -ENOENT;
}
