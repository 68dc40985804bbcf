/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel looked at in steps: each is small, what is wrong is mended at the end of a round, and
 * what is changed between two steps is right.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/plan_text.h"
#include "tests/unit/reconcile_rig.h"

#define STEPS_MAX 200

/* To the end of the round. Returns the steps. */
static unsigned int walk(struct fake *k)
{
	unsigned int n = 0;

	while (reconcile_look_step(k->r)) {
		assert_true(++n < STEPS_MAX);
	}
	return n;
}

static int look_end(struct fake *k, struct buf *text)
{
	buf_init(text, 65536);
	return reconcile_look_end(k->r, text, NULL);
}

static void a_look_reads_one_kind_a_step_and_touches_nothing(void **state)
{
	struct fake *k = fake_started();
	unsigned int n_calls = k->n_calls;
	struct buf text;

	(void)state;
	k->n_kinds = 0;
	assert_false(reconcile_looking(k->r));
	reconcile_look(k->r, RECONCILE_ALL, NULL);
	assert_true(reconcile_looking(k->r));
	assert_true(walk(k) > N_OBJECT_KINDS); /* and sets */
	assert_int_equal(look_end(k, &text), 0);
	assert_int_equal(text.len, 0);
	assert_false(reconcile_looking(k->r));
	assert_int_equal(k->n_kinds, 1);
	assert_int_equal(k->n_calls, n_calls);
	buf_fini(&text);
	fake_free(k);
}

static void drop(struct fake *k, const char *line)
{
	struct object_set set;

	object_set_init(&set);
	plan_text_add(&set, line);
	there_drop(k, &set.items[0]);
	object_set_fini(&set);
}

static void what_is_wrong_is_named_and_mended_at_the_end(void **state)
{
	struct fake *k = fake_started();
	struct object_set before, after;
	struct buf text;
	unsigned int n_calls = k->n_calls;

	(void)state;
	fake_dump(k, &before);
	drop(k, "element 1 01");
	drop(k, "route 2001:db8:a000:3::/64 unicast sg-3");
	plan_text_add(&k->there, "route 2001:db8:a000:3::/64 blackhole");
	plan_text_add(&k->there, "address lo 203.0.113.99/32");
	reconcile_look(k->r, RECONCILE_ALL, "ip (pid 7)");
	while (!reconcile_mending(k->r)) {
		assert_true(reconcile_look_step(k->r));
	}
	assert_int_equal(k->n_calls, n_calls); /* nothing yet */
	(void)walk(k);
	assert_int_equal(look_end(k, &text), 3);
	buf_u8(&text, 0);
	assert_string_equal((char *)text.data,
			    "address 203.0.113.99/32 dev lo was too much, by ip (pid 7)\n"
			    "element 1 01 was missing (acme), by ip (pid 7)\n"
			    "route 2001:db8:a000:3::/64 table 254 was blackhole, not unicast dev "
			    "sg-3 (beta), by ip (pid 7)\n");
	fake_dump(k, &after);
	assert_dumps_equal(&before, &after);
	object_set_fini(&before);
	object_set_fini(&after);
	buf_fini(&text);
	fake_free(k);
}

/* "ip route append": a second one of the same key, whichever of them the kernel tells of first. */
static void what_is_there_twice_is_there_once(void **state)
{
	static const char right[] = "route 2001:db8:a000:3::/64 unicast sg-3";

	(void)state;
	for (int first = 0; first < 2; first++) {
		struct fake *k = fake_started();
		struct object_set before, after;
		struct buf text;

		fake_dump(k, &before);
		if (first) {
			drop(k, right);
		}
		plan_text_add(&k->there, "route 2001:db8:a000:3::/64 blackhole");
		if (first) {
			plan_text_add(&k->there, right);
		}
		reconcile_look(k->r, DRIVER_KIND(OBJECT_ROUTE), NULL);
		(void)walk(k);
		assert_int_equal(look_end(k, &text), 1);
		buf_u8(&text, 0);
		assert_string_equal((char *)text.data,
				    "route 2001:db8:a000:3::/64 table 254 blackhole was too "
				    "much\n");
		fake_dump(k, &after);
		assert_dumps_equal(&before, &after);
		assert_at_rest(k);
		object_set_fini(&before);
		object_set_fini(&after);
		buf_fini(&text);
		fake_free(k);
	}
}

/* At each place of the walk a tenant changes, comes and goes: none of that is drift. */
static void a_change_between_two_steps_is_right(void **state)
{
	struct fake *k = fake_started();
	struct buf text;

	(void)state;
	for (unsigned int at = 0; at < N_SLICES; at++) {
		reconcile_look(k->r, RECONCILE_ALL, NULL);
		for (unsigned int i = 0; i < at; i++) {
			(void)!reconcile_look_step(k->r);
		}
		assert_int_equal(set_tenant(k, "acme", at % 2 ? acme_lines : acme_lines_2), 0);
		if (at % 3 == 0) {
			assert_int_equal(reconcile_remove_tenant(k->r, "beta", NULL), 0);
		} else {
			assert_int_equal(set_tenant(k, "beta", beta_lines), 0);
		}
		(void)walk(k);
		assert_int_equal(look_end(k, &text), 0);
		assert_int_equal(text.len, 0);
		buf_fini(&text);
	}
	assert_at_rest(k);
	fake_free(k);
}

static void what_is_told_of_a_slice_that_was_seen_makes_another_round(void **state)
{
	struct fake *k = fake_started();
	struct buf text;

	(void)state;
	reconcile_look(k->r, DRIVER_KIND(OBJECT_ELEMENT) | DRIVER_KIND(OBJECT_BIB), NULL);
	for (int i = 0; i < 5; i++) {
		assert_true(reconcile_look_step(k->r)); /* elements are among the last, too */
	}
	drop(k, "bib 2001:db8:a000:1::1 80 203.0.113.10 100");
	reconcile_look(k->r, DRIVER_KIND(OBJECT_BIB), NULL);
	(void)walk(k);
	assert_int_equal(look_end(k, &text), 0);
	assert_true(reconcile_looking(k->r));
	assert_int_equal(walk(k), 4); /* one slice, seen, read, and mended */
	assert_int_equal(look_end(k, &text), 1);
	assert_false(reconcile_looking(k->r));
	buf_fini(&text);
	fake_free(k);
}

#define N_MANY 1000

/* A tenant with many elements, none of which is there. Its mending is about to begin. */
static struct fake *fake_bare(bool has_ruleset)
{
	struct fake *k = fake_started();
	struct object_set set;
	size_t n = 0;

	object_set_init(&set);
	for (unsigned int i = 0; i < N_MANY; i++) {
		struct object o = {.kind = OBJECT_ELEMENT, .element = {.set = 2, .key_len = 2}};

		o.element.key[0] = (uint8_t)(i >> 8);
		o.element.key[1] = (uint8_t)i;
		assert_non_null(object_set_add(&set, &o));
	}
	assert_int_equal(reconcile_tenant(k->r, "many", &set, NULL), 0);
	for (size_t i = 0; i < k->there.n; i++) {
		if (slice_of(&k->there.items[i]) != N_OBJECT_KINDS + 2) {
			k->there.items[n++] = k->there.items[i];
		}
	}
	assert_int_equal(k->there.n, n + N_MANY);
	k->there.n = n;
	if (!has_ruleset) {
		drop(k, "ruleset 1");
	}
	reconcile_look(k->r, DRIVER_KIND(OBJECT_RULESET) | DRIVER_KIND(OBJECT_ELEMENT), NULL);
	while (!reconcile_mending(k->r)) {
		assert_true(reconcile_look_step(k->r));
	}
	return k;
}

static void what_is_wrong_is_mended_some_of_it_a_step(void **state)
{
	struct fake *k = fake_bare(true);
	struct buf text;
	bool more = true;

	(void)state;
	while (more) {
		unsigned int n_steps = k->n_steps;

		more = reconcile_look_step(k->r);
		assert_true(k->n_steps - n_steps <= 256);
	}
	assert_int_equal(look_end(k, &text), N_MANY);
	assert_at_rest(k);
	buf_fini(&text);
	fake_free(k);
}

static void a_ruleset_comes_with_all_its_elements(void **state)
{
	struct fake *k = fake_bare(false);
	unsigned int n_steps = k->n_steps;
	struct buf text;

	(void)state;
	while (k->n_steps == n_steps) {
		(void)!reconcile_look_step(k->r);
	}
	assert_true(there_has(k, OBJECT_RULESET));
	assert_true(k->n_steps - n_steps >= N_MANY + 1);
	(void)walk(k);
	assert_int_equal(look_end(k, &text), N_MANY + 1);
	assert_at_rest(k);
	buf_fini(&text);
	fake_free(k);
}

/* Also when a change puts an end to the mending that failed. */
static void a_ruleset_that_cannot_come_takes_guarded_routes_along(void **state)
{
	struct buf text;

	(void)state;
	for (int changed = 0; changed < 2; changed++) {
		struct fake *k = fake_bare(false);

		assert_true(has_guarded_route(k));
		k->refused = DRIVER_KIND(OBJECT_RULESET) | DRIVER_KIND(OBJECT_ELEMENT);
		(void)walk(k);
		if (changed) {
			(void)!set_tenant(k, "beta", beta_lines);
		} else {
			assert_true(look_end(k, &text) < 0);
			buf_fini(&text);
		}
		assert_false(has_guarded_route(k));
		assert_false(reconcile_guarded(k->r));
		k->refused = 0;
		reconcile_look(k->r, DRIVER_KIND(OBJECT_BIB), NULL);
		(void)walk(k);
		assert_true(look_end(k, &text) > 0);
		assert_at_rest(k);
		buf_fini(&text);
		fake_free(k);
	}
}

/* At each step of it a tenant changes: nothing of that is undone, and all is told once. */
static void a_change_while_it_is_mended_is_right(void **state)
{
	struct buf text;

	(void)state;
	for (unsigned int at = 0; at < 7; at++) {
		struct fake *k = fake_bare(true);

		for (unsigned int i = 0; i < at; i++) {
			(void)!reconcile_look_step(k->r);
		}
		assert_int_equal(set_tenant(k, "acme", acme_lines_2), 0);
		assert_int_equal(reconcile_remove_tenant(k->r, "beta", NULL), 0);
		(void)walk(k);
		assert_int_equal(look_end(k, &text), N_MANY);
		assert_false(reconcile_looking(k->r));
		assert_at_rest(k);
		buf_fini(&text);
		fake_free(k);
	}
}

static void changes_do_not_hold_it_up_for_ever(void **state)
{
	struct fake *k = fake_bare(true);
	struct buf text;
	unsigned int n = 0;

	(void)state;
	do {
		assert_true(++n < STEPS_MAX);
		if (reconcile_mending(k->r)) {
			assert_int_equal(set_tenant(k, "acme", n % 2 ? acme_lines : acme_lines_2),
					 0);
		}
	} while (reconcile_look_step(k->r));
	assert_int_equal(look_end(k, &text), N_MANY);
	assert_at_rest(k);
	buf_fini(&text);
	fake_free(k);
}

static void a_part_that_comes_is_filled_and_one_that_goes_is_left_out(void **state)
{
	struct fake *k = fake_started();
	struct buf text;

	(void)state;
	k->observe_rc[2] = -EOPNOTSUPP;
	reconcile_look(k->r, RECONCILE_ALL, NULL);
	(void)walk(k);
	assert_int_equal(look_end(k, &text), 0);
	assert_string_equal(reconcile_absent(k->r, OBJECT_BIB, NS_MAIN),
			    "driver 2: no such module");
	k->observe_rc[2] = 0;
	drop(k, "bib 2001:db8:a000:1::1 80 203.0.113.10 100");
	reconcile_look(k->r, DRIVER_KIND(OBJECT_BIB), NULL);
	(void)walk(k);
	assert_int_equal(look_end(k, &text), 1);
	assert_at_rest(k);
	buf_fini(&text);
	fake_free(k);
}

static void without_its_ruleset_no_guarded_route_stays(void **state)
{
	struct fake *k = fake_started();
	struct buf text;

	(void)state;
	k->observe_rc[0] = -EOPNOTSUPP;
	reconcile_look(k->r, RECONCILE_ALL, NULL);
	(void)walk(k);
	assert_int_equal(look_end(k, &text), -EOPNOTSUPP);
	assert_false(reconcile_guarded(k->r));
	k->observe_rc[0] = 0;
	reconcile_look(k->r, DRIVER_KIND(OBJECT_BIB), NULL); /* whatever is looked at */
	(void)walk(k);
	assert_true(look_end(k, &text) > 0);
	assert_true(reconcile_guarded(k->r));
	assert_at_rest(k);
	buf_fini(&text);
	fake_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_look_reads_one_kind_a_step_and_touches_nothing),
		cmocka_unit_test(what_is_there_twice_is_there_once),
		cmocka_unit_test(what_is_wrong_is_named_and_mended_at_the_end),
		cmocka_unit_test(a_change_between_two_steps_is_right),
		cmocka_unit_test(what_is_wrong_is_mended_some_of_it_a_step),
		cmocka_unit_test(a_ruleset_comes_with_all_its_elements),
		cmocka_unit_test(a_ruleset_that_cannot_come_takes_guarded_routes_along),
		cmocka_unit_test(a_change_while_it_is_mended_is_right),
		cmocka_unit_test(changes_do_not_hold_it_up_for_ever),
		cmocka_unit_test(what_is_told_of_a_slice_that_was_seen_makes_another_round),
		cmocka_unit_test(a_part_that_comes_is_filled_and_one_that_goes_is_left_out),
		cmocka_unit_test(without_its_ruleset_no_guarded_route_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
