/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Random pairs of sets: carried out step by step, a plan never asks for what a kernel would refuse,
 * ends at what is desired, and undone from any step on is back where it began. Seeds are fixed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/plan/plan.h"
#include "tests/unit/plan_text.h"

#define ROUNDS  400
#define TENANTS 6

static unsigned int pick(unsigned int *seed, unsigned int n)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % n;
}

static void add(struct object_set *set, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void add(struct object_set *set, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	plan_text_add(set, line);
}

/* Each value that only one may have is given once: by a rotation of the tenants. */
static void make_set(struct object_set *set, unsigned int *seed)
{
	unsigned int turn = pick(seed, TENANTS);

	object_set_init(set);
	add(set, "ruleset %u", pick(seed, 3));
	add(set, "instance %s", pick(seed, 3) ? "64:ff9b::/96" : "2001:db8:64::/96");
	for (unsigned int i = 0; i < TENANTS; i++) {
		unsigned int other = (i + turn) % TENANTS;

		if (pick(seed, 4) == 0) {
			continue;
		}
		add(set, "t%u: element 1 0%u 0%u", i, i, pick(seed, 3));
		if (pick(seed, 3) == 0) {
			add(set, "t%u: link sg-%u wireguard", i, i);
			add(set, "t%u: wg-device sg-%u %u aa", i, i, 51820 + other);
			add(set, "t%u: wg-peer sg-%u 0%u 2001:db8:%u::/64", i, i, i, i);
		} else {
			add(set, "t%u: link sg-%u sit 203.0.113.10 198.51.100.%u", i, i, other);
		}
		add(set, "t%u: route 2001:db8:%u::/64 unicast sg-%u", i, i, i);
		add(set, "t%u: pool4 203.0.113.10 %u %u %u", i, other * 100, other * 100 + 99, i);
		add(set, "t%u: bib 2001:db8:%u::1 80 203.0.113.10 %u", i, i, other * 100);
		if (pick(seed, 2)) {
			add(set, "t%u: eam 203.0.113.%u/32 2001:db8:%u::7/128", i, i, other);
		}
	}
	assert_int_equal(object_set_sort(set, NULL), 0);
}

/* What is there, as a kernel would have it: pointers into the sets of the test. */
struct world {
	const struct object *there[256];
	size_t n;
};

static const struct object **world_find(struct world *w, const struct object *o)
{
	for (size_t i = 0; i < w->n; i++) {
		if (object_cmp(w->there[i], o) == 0) {
			return &w->there[i];
		}
	}
	return NULL;
}

static bool has_link(struct world *w, const char *name)
{
	struct object o = {.kind = OBJECT_LINK};

	snprintf(o.link.name, sizeof(o.link.name), "%s", name);
	return world_find(w, &o);
}

/* What a kernel refuses, or takes away unasked. */
static void world_check(struct world *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct object *a = w->there[i];

		assert_true(a->kind != OBJECT_ROUTE || has_link(w, a->route.link));
		assert_true(a->kind != OBJECT_WG_PEER || has_link(w, a->wg_peer.link));
		for (size_t j = 0; j < i; j++) {
			const struct object *b = w->there[j];

			if (a->kind != b->kind) {
				continue;
			}
			assert_false(a->kind == OBJECT_LINK && a->link.kind == LINK_SIT &&
				     b->link.kind == LINK_SIT &&
				     addr_eq(&a->link.remote, &b->link.remote));
			assert_false(a->kind == OBJECT_WG_DEVICE &&
				     a->wg_device.port == b->wg_device.port);
			assert_false(a->kind == OBJECT_BIB &&
				     a->bib.outside.port == b->bib.outside.port);
			assert_false(a->kind == OBJECT_EAM &&
				     prefix_overlaps(&a->eam.inside, &b->eam.inside));
		}
	}
}

static void world_step(struct world *w, const struct step *step)
{
	const struct object **at = world_find(w, step->from ? step->from : step->to);

	switch (step->verb) {
	case STEP_ADD:
		assert_null(at);
		assert_true(w->n < 256);
		w->there[w->n++] = step->to;
		break;
	case STEP_CHANGE:
		assert_non_null(at);
		assert_false(step->to->kind == OBJECT_LINK &&
			     (*at)->link.kind != step->to->link.kind);
		assert_int_not_equal(step->to->kind, OBJECT_INSTANCE);
		*at = step->to;
		break;
	case STEP_REMOVE:
		assert_non_null(at);
		*at = w->there[--w->n];
		break;
	}
	world_check(w);
}

static void world_is(struct world *w, const struct object_set *set)
{
	assert_int_equal(w->n, set->n);
	for (size_t i = 0; i < w->n; i++) {
		const struct object *o = object_set_find(set, w->there[i]);

		assert_non_null(o);
		assert_true(object_same(o, w->there[i]));
	}
}

static void world_from(struct world *w, const struct object_set *set)
{
	w->n = 0;
	for (size_t i = 0; i < set->n; i++) {
		w->there[w->n++] = &set->items[i];
	}
}

static void random_sets_are_reached_and_left_again(void **state)
{
	unsigned int seed = 1;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct object_set a, b;
		struct plan plan, undo;
		struct world w;

		make_set(&a, &seed);
		make_set(&b, &seed);
		assert_int_equal(plan_diff(&a, &b, &plan, NULL), 0);
		for (size_t n = 0; n <= plan.n; n++) {
			world_from(&w, &a);
			for (size_t i = 0; i < n; i++) {
				world_step(&w, &plan.steps[i]);
			}
			if (n == plan.n) {
				world_is(&w, &b);
			}
			assert_int_equal(plan_undo(&plan, n, &undo, NULL), 0);
			for (size_t i = 0; i < undo.n; i++) {
				world_step(&w, &undo.steps[i]);
			}
			world_is(&w, &a);
			plan_fini(&undo);
		}
		plan_fini(&plan);
		object_set_fini(&a);
		object_set_fini(&b);
	}
}

static void an_object_asked_for_twice_is_refused_by_name(void **state)
{
	struct object_set set;
	struct err err;

	(void)state;
	object_set_init(&set);
	plan_text_add(&set, "route 2001:db8::/64 unicast sg-1");
	plan_text_add(&set, "link sg-1 wireguard");
	plan_text_add(&set, "route 2001:db8::/64 blackhole");
	assert_int_equal(object_set_sort(&set, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "route 2001:db8::/64 table 254"));
	object_set_fini(&set);
}

static void a_set_keeps_what_its_objects_point_to(void **state)
{
	struct object_set from, set;

	(void)state;
	object_set_init(&from);
	object_set_init(&set);
	plan_text_add(&from, "acme: wg-peer sg-wg 01 2001:db8:1::/64 2001:db8:2::/64");
	object_set_add_all(&set, &from);
	object_set_fini(&from);
	assert_int_equal(set.n, 1);
	assert_string_equal(set.items[0].owner, "acme");
	assert_int_equal(set.items[0].wg_peer.n_allowed, 2);
	assert_int_equal(set.items[0].wg_peer.allowed[1].addr.b[5], 2);
	object_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_sets_are_reached_and_left_again),
		cmocka_unit_test(an_object_asked_for_twice_is_refused_by_name),
		cmocka_unit_test(a_set_keeps_what_its_objects_point_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
