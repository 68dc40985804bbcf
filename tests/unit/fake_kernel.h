/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_FAKE_KERNEL_H
#define SIXGATE_TESTS_FAKE_KERNEL_H

#include "gateway/kernel/batch.h"
#include "gateway/kernel/elements.h"
#include "gateway/kernel/kernel.h"
#include "gateway/kernel/ops.h"
#include "gateway/kernel/route.h"

/*
 * A kernel for the tests of gateway/kernel: keeps routes, one table and its elements, answers as
 * the real one does, and can fail the n-th request. After each request it asserts that no route
 * of ours is there without a table that guards its prefix.
 */
#define FAKE_ROUTES_MAX 8

struct fake_kernel {
	struct kernel_ops ops; /* ctx is this struct */

	struct fake_route {
		struct prefix prefix;
		uint8_t protocol;
	} routes[FAKE_ROUTES_MAX];
	size_t n_routes;

	bool has_table;
	unsigned int n_table_rules;
	bool changed;             /* what watch_read() says next */
	bool flushed;             /* by others: until a table is put in, a route may be unguarded */
	struct prefix guarded;    /* of chain cpfx; len 0: no such chain */
	struct element *elements; /* owned */
	size_t n_elements;
	struct kernel_counters counters;
	uint32_t generation;

	unsigned int n_requests;
	unsigned int fail_at; /* the request that fails; 0: none */
	int fail_code;        /* negative errno */
	uint32_t fail_seq;    /* of the message to blame */
	const char *fail_text;
	unsigned int stale_generations; /* so many batches are refused as out of date */

	/* of the last batch */
	unsigned int n_messages, n_new_elements, n_deleted_elements, n_rules, n_tables_deleted;
	size_t longest_message; /* bytes */
};

void fake_kernel_init(struct fake_kernel *fk);
/* As `nft flush ruleset` does: the route stays without its guard. */
void fake_kernel_flush(struct fake_kernel *fk);
void fake_kernel_fini(struct fake_kernel *fk);
bool fake_kernel_has_route(const struct fake_kernel *fk, const char *prefix);
bool fake_kernel_has_element(const struct fake_kernel *fk, const char *key, enum tenant_set set);

#endif
