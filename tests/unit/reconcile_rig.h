/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_RECONCILE_RIG_H
#define SIXGATE_TESTS_RECONCILE_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/kernel/reconcile.h"

/* The reconciler over a kernel that is a set of objects, each step of which can fail. */

/* A kernel: what is there, and which of its calls fails. */
struct fake {
	struct object_set there;
	unsigned int n_calls, n_steps;
	unsigned int fail_at; /* this step; 0: none */
	bool fail_on;         /* and all behind it */
	uint32_t refused;     /* kinds whose steps fail always */
	unsigned int n_kinds; /* most that were read in one go */
	unsigned int n_reads;
	int observe_rc[3]; /* by driver */
	struct driver drivers[3];
	struct fake_driver {
		struct fake *fake;
		int number;
	} ctx[3];
	char told[4096];
	struct reconcile *r;
};

/* A node, two tenants, and their next versions, as lines of plan_text.h. */
extern const char *const node_lines[];
extern const char *const node_lines_2[];
extern const char *const acme_lines[];
extern const char *const acme_lines_2[];
extern const char *const beta_lines[];
extern const char *const no_lines[];

void there_drop(struct fake *k, const struct object *o);
bool there_has(struct fake *k, enum object_kind kind);
bool has_guarded_route(struct fake *k);
struct fake *fake_new(void);
void fake_free(struct fake *k);
void fake_dump(struct fake *k, struct object_set *dump);
void assert_dumps_equal(const struct object_set *a, const struct object_set *b);
void make(struct object_set *set, const char *const *lines);
int set_node(struct fake *k, const char *const *lines);
int set_tenant(struct fake *k, const char *name, const char *const *lines);
struct fake *fake_started(void);
void assert_at_rest(struct fake *k);

#endif
