/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The reconciler over a kernel that is a set of objects: each step can fail, and afterwards what is
 * there is what was there before.
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

#include "tests/unit/plan_text.h"
#include "tests/unit/reconcile_rig.h"

typedef int (*change_fn)(struct fake *k);

static int change_tenant(struct fake *k)
{
	return set_tenant(k, "acme", acme_lines_2);
}

static int change_suspend(struct fake *k)
{
	return set_tenant(k, "acme", no_lines);
}

static int change_remove(struct fake *k)
{
	return reconcile_remove_tenant(k->r, "acme", NULL);
}

static int change_node(struct fake *k)
{
	return set_node(k, node_lines_2);
}

static int change_all(struct fake *k)
{
	struct reconcile_change changes[] = {{.name = NULL}, {.name = "acme"}, {.name = "beta"}};

	make(&changes[0].set, node_lines_2);
	make(&changes[1].set, beta_lines); /* they change places */
	make(&changes[2].set, acme_lines);
	return reconcile_change(k->r, changes, 3, NULL);
}

/* Each step of the change fails once: what is there then is what was there before. */
static void assert_undone(struct fake *(*start)(void), change_fn change)
{
	unsigned int n_steps = 0;

	for (unsigned int at = 0; at <= n_steps; at++) {
		struct fake *k = start();
		struct object_set before, after;
		int rc;

		fake_dump(k, &before);
		k->n_steps = 0;
		k->fail_at = at;
		rc = change(k);
		if (at == 0) {
			assert_int_equal(rc, 0);
			n_steps = k->n_steps;
			assert_true(n_steps > 0);
		} else {
			assert_int_equal(rc, -EIO);
			fake_dump(k, &after);
			assert_dumps_equal(&before, &after);
			object_set_fini(&after);
		}
		assert_at_rest(k);
		k->fail_at = 0;
		assert_int_equal(change(k), 0);
		assert_at_rest(k);
		object_set_fini(&before);
		fake_free(k);
	}
}

static void a_change_that_fails_at_any_step_leaves_what_was(void **state)
{
	static const change_fn fns[] = {change_tenant, change_suspend, change_remove, change_node,
					change_all};

	(void)state;
	for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
		assert_undone(fake_started, fns[i]);
	}
}

/* One object of every kind, and each with another value. */
static const char *const every_node[] = {"ruleset 1",
					 "sysctl 1 net/ipv6/conf/all/forwarding 1",
					 "link-down sit0",
					 "offload eth0 rx-lro",
					 "link sg-wg wireguard",
					 "wg-device sg-wg 51820 01",
					 "address eth0 203.0.113.16/32",
					 "rule 2061 2001:db8:a000::/48 206",
					 "route 2001:db8:a000:ff::/96 local lo",
					 "instance 64:ff9b::/96",
					 "global 26 0",
					 NULL};
static const char *const every_node_2[] = {"ruleset 2",
					   "sysctl 1 net/ipv6/conf/all/forwarding 2",
					   "link-down sit1",
					   "offload eth1 rx-lro",
					   "link sg-wg wireguard",
					   "wg-device sg-wg 51821 02",
					   "address eth1 203.0.113.16/32",
					   "rule 2061 2001:db8:a000::/48 207",
					   "route 2001:db8:a000:fe::/96 local lo",
					   "instance 2001:db8:64::/96",
					   "global 26 10",
					   NULL};
static const char *const every_tenant[] = {"element 1 01",
					   "link sg-1 sit 203.0.113.10 198.51.100.1",
					   "wg-peer sg-wg 05 2001:db8:a000:1::/64",
					   "route 2001:db8:a000:2::/64 unicast sg-1",
					   "proxy-neighbour eth0 2001:db8:a000:1::1",
					   "proxy-prefix 2001:db8:a000:1::/64",
					   "pool4 203.0.113.10 100 199 1",
					   "bib 2001:db8:a000:1::1 80 203.0.113.10 100",
					   "eam 203.0.113.17/32 2001:db8:a000:1::2/128",
					   NULL};
static const char *const every_tenant_2[] = {"element 1 01 02",
					     "link sg-1 sit 203.0.113.10 198.51.100.2",
					     "wg-peer sg-wg 05 2001:db8:a000:3::/64",
					     "route 2001:db8:a000:2::/64 blackhole",
					     "proxy-neighbour eth1 2001:db8:a000:1::1",
					     "proxy-prefix 2001:db8:a000:3::/64",
					     "pool4 203.0.113.10 150 249 1",
					     "bib 2001:db8:a000:1::1 80 203.0.113.10 150",
					     "eam 203.0.113.17/32 2001:db8:a000:1::3/128",
					     NULL};

static struct fake *every_started(void)
{
	struct fake *k = fake_new();

	assert_int_equal(set_node(k, every_node), 0);
	assert_int_equal(set_tenant(k, "acme", every_tenant), 0);
	assert_int_equal(reconcile_start(k->r, NULL), 0);
	for (int kind = 0; kind < N_OBJECT_KINDS; kind++) {
		assert_true(there_has(k, (enum object_kind)kind));
	}
	return k;
}

static int every_change(struct fake *k)
{
	return set_tenant(k, "acme", every_tenant_2);
}

static int every_reload(struct fake *k)
{
	struct reconcile_change changes[] = {{.name = NULL}, {.name = "acme"}};

	make(&changes[0].set, every_node_2);
	make(&changes[1].set, every_tenant_2);
	return reconcile_change(k->r, changes, 2, NULL);
}

static int every_end(struct fake *k)
{
	struct reconcile_change changes[] = {{.name = NULL}, {.name = "acme"}};

	make(&changes[0].set, no_lines);
	make(&changes[1].set, no_lines);
	return reconcile_change(k->r, changes, 2, NULL);
}

static void of_objects_of_every_kind_each_step_can_be_undone(void **state)
{
	static const change_fn fns[] = {every_change, every_reload, every_end, change_remove};

	(void)state;
	for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
		assert_undone(every_started, fns[i]);
	}
}

static void a_kernel_that_fails_from_a_step_on_never_has_an_unguarded_route(void **state)
{
	(void)state;
	for (unsigned int at = 1; at < 12; at++) {
		struct fake *k = fake_started();
		struct buf drift;

		k->n_steps = 0;
		k->fail_at = at;
		k->fail_on = true;
		(void)!change_all(k); /* the fake asserts */
		k->fail_at = 0;
		buf_init(&drift, 65536);
		(void)!reconcile_check(k->r, RECONCILE_ALL, NULL, &drift, NULL);
		buf_fini(&drift);
		fake_free(k);
	}
}

static void what_is_there_as_wanted_is_adopted(void **state)
{
	struct fake *k = fake_started(), *next = fake_new();

	(void)state;
	object_set_add_all(&next->there, &k->there);
	plan_text_add(&next->there,
		      "route 2001:db8:a000:9::/64 unicast sg-9"); /* a tenant that left */
	assert_int_equal(set_node(next, node_lines), 0);
	assert_int_equal(set_tenant(next, "acme", acme_lines), 0);
	assert_int_equal(set_tenant(next, "beta", beta_lines), 0);
	assert_int_equal(reconcile_start(next->r, NULL), 0);
	assert_int_equal(next->n_steps, 1);
	assert_int_equal(next->there.n, k->there.n);
	fake_free(k);
	fake_free(next);
}

/* A second run over what the first left, whose kernel was probed; broken: and altered before. */
static struct fake *fake_probed(const struct fake *k, bool broken)
{
	struct fake *next = fake_new();

	object_set_add_all(&next->there, &k->there);
	if (broken) {
		there_drop(next, &k->there.items[k->there.n - 1]);
		there_drop(next, &k->there.items[k->there.n - 2]);
		plan_text_add(&next->there, "route 2001:db8:a000:9::/64 unicast sg-9");
	}
	assert_int_equal(reconcile_probe(next->r, 1, NULL), 0);
	assert_int_equal(set_node(next, node_lines), 0);
	assert_int_equal(set_tenant(next, "acme", acme_lines), 0);
	assert_int_equal(set_tenant(next, "beta", beta_lines), 0);
	next->n_reads = 0;
	assert_int_equal(reconcile_start(next->r, NULL), 0);
	return next;
}

static void a_start_goes_by_what_was_probed(void **state)
{
	struct fake *k = fake_started(), *right = fake_probed(k, false), *wrong;
	struct object_set before, after;

	(void)state;
	assert_int_equal(right->n_reads, 0);
	assert_int_equal(right->n_steps, 0);
	wrong = fake_probed(k, true);
	assert_true(wrong->n_steps >= 3);
	fake_dump(k, &before);
	fake_dump(wrong, &after);
	assert_dumps_equal(&before, &after);
	assert_at_rest(wrong);
	object_set_fini(&before);
	object_set_fini(&after);
	fake_free(k);
	fake_free(right);
	fake_free(wrong);
}

static void an_object_of_two_tenants_goes_with_the_last(void **state)
{
	struct fake *k = fake_started();

	(void)state;
	assert_int_equal(reconcile_remove_tenant(k->r, "acme", NULL), 0);
	assert_int_equal(k->there.n, 4 + 4);
	assert_at_rest(k);
	assert_int_equal(reconcile_remove_tenant(k->r, "beta", NULL), 0);
	assert_int_equal(k->there.n, 4);
	assert_null(reconcile_wanted(k->r, "beta"));
	assert_int_equal(reconcile_remove_tenant(k->r, "nobody", NULL), 0);
	fake_free(k);
}

static void drift_is_named_and_mended(void **state)
{
	struct fake *k = fake_started();
	struct object_set before, after, wrong;
	struct buf text;

	(void)state;
	buf_init(&text, 65536);
	fake_dump(k, &before);
	object_set_init(&wrong);
	plan_text_add(&wrong, "route 2001:db8:a000:1::/64 blackhole");
	there_drop(k, &wrong.items[0]);
	object_set_add_all(&k->there, &wrong);
	plan_text_add(&k->there, "address lo 203.0.113.99/32");
	object_set_fini(&wrong);
	assert_int_equal(reconcile_check(k->r, DRIVER_KIND(OBJECT_ROUTE), NULL, &text, NULL), 1);
	assert_int_equal(reconcile_check(k->r, RECONCILE_ALL, "ip (pid 7)", &text, NULL), 1);
	buf_u8(&text, 0);
	assert_string_equal((char *)text.data,
			    "route 2001:db8:a000:1::/64 table 254 was blackhole, not unicast dev "
			    "sg-1 (acme)\n"
			    "address 203.0.113.99/32 dev lo was too much, by ip (pid 7)\n");
	fake_dump(k, &after);
	assert_dumps_equal(&before, &after);
	object_set_fini(&before);
	object_set_fini(&after);
	buf_fini(&text);
	fake_free(k);
}

static void a_part_that_is_missing_is_left_out_until_it_is_there(void **state)
{
	struct fake *k = fake_new();
	struct buf text;

	(void)state;
	buf_init(&text, 65536);
	k->observe_rc[2] = -EOPNOTSUPP;
	assert_int_equal(set_node(k, node_lines), 0);
	assert_int_equal(set_tenant(k, "acme", acme_lines), 0);
	assert_int_equal(reconcile_start(k->r, NULL), 0);
	assert_int_equal(k->there.n, 4 + 4);
	assert_string_equal(reconcile_absent(k->r, OBJECT_BIB, NS_MAIN),
			    "driver 2: no such module");
	assert_int_equal(set_tenant(k, "acme", acme_lines_2), 0);
	k->observe_rc[2] = 0;
	assert_int_equal(reconcile_check(k->r, RECONCILE_ALL, NULL, &text, NULL), 2);
	assert_null(reconcile_absent(k->r, OBJECT_BIB, NS_MAIN));
	assert_int_equal(k->there.n, 4 + 5);
	buf_fini(&text);
	fake_free(k);
}

static void what_fails_at_the_start_costs_only_itself(void **state)
{
	struct fake *k = fake_new();

	(void)state;
	assert_int_equal(set_node(k, node_lines), 0);
	assert_int_equal(set_tenant(k, "acme", acme_lines), 0);
	k->refused = DRIVER_KIND(OBJECT_BIB);
	assert_int_equal(reconcile_start(k->r, NULL), 0);
	assert_int_equal(k->there.n, 4 + 5);
	assert_non_null(strstr(k->told, "acme bib: step"));
	assert_true(reconcile_guarded(k->r));
	fake_free(k);
}

/* So what others do to a thing that stands in its place is not done to ours. */
static void what_could_not_be_made_is_not_had(void **state)
{
	struct fake *k = fake_new();
	struct object_set route;
	struct buf drift;

	(void)state;
	buf_init(&drift, 65536);
	object_set_init(&route);
	plan_text_add(&route, "route 2001:db8:a000:1::/64 unicast sg-1");
	assert_int_equal(set_node(k, node_lines), 0);
	assert_int_equal(set_tenant(k, "acme", acme_lines), 0);
	k->refused = DRIVER_KIND(OBJECT_ROUTE);
	assert_int_equal(reconcile_start(k->r, NULL), 0);
	assert_false(reconcile_has(k->r, &route.items[0]));
	k->refused = 0;
	assert_true(reconcile_check(k->r, RECONCILE_ALL, NULL, &drift, NULL) > 0);
	assert_true(reconcile_has(k->r, &route.items[0]));
	buf_fini(&drift);
	object_set_fini(&route);
	fake_free(k);
}

static void without_the_ruleset_there_is_no_route_of_client_prefix(void **state)
{
	struct fake *k = fake_started();
	struct buf text;

	(void)state;
	buf_init(&text, 65536);
	there_drop(k, &(struct object){.kind = OBJECT_RULESET});
	assert_int_equal(reconcile_check(k->r, RECONCILE_ALL, NULL, &text, NULL), 1);
	k->observe_rc[0] = -EOPNOTSUPP;
	assert_int_equal(reconcile_check(k->r, RECONCILE_ALL, NULL, &text, NULL), -EOPNOTSUPP);
	assert_false(has_guarded_route(k));
	assert_false(reconcile_guarded(k->r));
	k->observe_rc[0] = 0;
	assert_true(reconcile_check(k->r, DRIVER_KIND(OBJECT_SYSCTL), NULL, &text, NULL) > 0);
	assert_true(has_guarded_route(k));
	assert_true(reconcile_guarded(k->r));
	assert_at_rest(k);
	buf_fini(&text);
	fake_free(k);
}

static void a_ruleset_that_is_refused_at_the_start_leaves_no_route(void **state)
{
	struct fake *k = fake_new();

	(void)state;
	make(&k->there, node_lines_2); /* of an earlier run */
	k->refused = DRIVER_KIND(OBJECT_ELEMENT);
	assert_int_equal(set_node(k, node_lines), 0);
	assert_int_equal(set_tenant(k, "acme", acme_lines), 0);
	assert_int_equal(reconcile_start(k->r, NULL), -EIO);
	assert_false(has_guarded_route(k));
	assert_true(there_has(k, OBJECT_LINK));
	fake_free(k);
}

static void a_change_meets_drift_mends_it_and_goes_on(void **state)
{
	struct fake *k = fake_started();

	(void)state;
	/* the first try fails, as it does where something of ours is gone */
	there_drop(k, &(struct object){.kind = OBJECT_LINK, .link = {.name = "sg-3"}});
	k->n_steps = 0;
	k->fail_at = 1;
	assert_int_equal(set_tenant(k, "acme", acme_lines_2), 0);
	assert_at_rest(k);
	fake_free(k);
}

static void down_takes_all_away(void **state)
{
	struct fake *k = fake_started();

	(void)state;
	assert_int_equal(reconcile_down(k->r, NULL), 0);
	assert_int_equal(k->there.n, 0);
	assert_false(reconcile_guarded(k->r));
	assert_int_equal(reconcile_start(k->r, NULL), 0);
	assert_int_equal(k->there.n, 4 + 6 + 3);
	fake_free(k);
}

static void down_takes_away_what_it_can_and_says_what_it_cannot(void **state)
{
	(void)state;
	for (int kind = 0; kind < N_OBJECT_KINDS; kind++) {
		struct fake *k = every_started();
		struct err err = {0};

		k->refused = DRIVER_KIND(kind);
		assert_int_equal(reconcile_down(k->r, &err), -EIO);
		assert_non_null(strstr(err.msg, "fails"));
		for (size_t i = 0; i < k->there.n; i++) {
			/* a route that stays keeps its guard */
			assert_true(k->there.items[i].kind == (enum object_kind)kind ||
				    has_guarded_route(k));
		}
		k->refused = 0;
		assert_int_equal(reconcile_down(k->r, &err), 0);
		assert_int_equal(k->there.n, 0);
		fake_free(k);
	}
}

static void what_is_asked_for_twice_by_one_is_refused(void **state)
{
	static const char *const twice[] = {"element 1 07", "element 1 07", NULL};
	struct fake *k = fake_started();

	(void)state;
	k->n_calls = 0;
	assert_int_equal(set_tenant(k, "acme", twice), -EEXIST);
	assert_int_equal(k->n_calls, 0);
	assert_at_rest(k);
	fake_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_that_fails_at_any_step_leaves_what_was),
		cmocka_unit_test(of_objects_of_every_kind_each_step_can_be_undone),
		cmocka_unit_test(a_kernel_that_fails_from_a_step_on_never_has_an_unguarded_route),
		cmocka_unit_test(what_is_there_as_wanted_is_adopted),
		cmocka_unit_test(a_start_goes_by_what_was_probed),
		cmocka_unit_test(an_object_of_two_tenants_goes_with_the_last),
		cmocka_unit_test(drift_is_named_and_mended),
		cmocka_unit_test(a_part_that_is_missing_is_left_out_until_it_is_there),
		cmocka_unit_test(what_fails_at_the_start_costs_only_itself),
		cmocka_unit_test(what_could_not_be_made_is_not_had),
		cmocka_unit_test(without_the_ruleset_there_is_no_route_of_client_prefix),
		cmocka_unit_test(a_ruleset_that_is_refused_at_the_start_leaves_no_route),
		cmocka_unit_test(a_change_meets_drift_mends_it_and_goes_on),
		cmocka_unit_test(down_takes_all_away),
		cmocka_unit_test(down_takes_away_what_it_can_and_says_what_it_cannot),
		cmocka_unit_test(what_is_asked_for_twice_by_one_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
