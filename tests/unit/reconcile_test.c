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

#include "gateway/kernel/reconcile.h"
#include "tests/unit/plan_text.h"

/* A kernel: what is there, and which of its calls fails. */
struct fake {
	struct object_set there;
	unsigned int n_calls, n_steps;
	unsigned int fail_at; /* this step; 0: none */
	bool fail_on;         /* and all behind it */
	uint32_t refused;     /* kinds whose steps fail always */
	int observe_rc[3];    /* by driver */
	struct driver drivers[3];
	struct fake_driver {
		struct fake *fake;
		int number;
	} ctx[3];
	char told[4096];
	struct reconcile *r;
};

static int fake_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	struct fake_driver *d = ctx;
	int rc = d->fake->observe_rc[d->number];

	for (size_t i = 0; i < d->fake->there.n; i++) {
		struct object o = d->fake->there.items[i];

		if (kinds & DRIVER_KIND(o.kind)) {
			o.owner = NULL; /* a kernel does not know */
			assert_non_null(object_set_add(set, &o));
		}
	}
	return rc == 0 ? 0 : err_set(err, rc, "driver %d: no such module", d->number);
}

static void there_drop(struct fake *k, const struct object *o)
{
	for (size_t i = 0; i < k->there.n; i++) {
		if (object_cmp(&k->there.items[i], o) == 0) {
			k->there.items[i] = k->there.items[--k->there.n];
			return;
		}
	}
}

static bool there_has(struct fake *k, enum object_kind kind)
{
	for (size_t i = 0; i < k->there.n; i++) {
		if (k->there.items[i].kind == kind) {
			return true;
		}
	}
	return false;
}

static bool has_guarded_route(struct fake *k)
{
	for (size_t i = 0; i < k->there.n; i++) {
		if (k->there.items[i].kind == OBJECT_ROUTE &&
		    k->there.items[i].route.type == ROUTE_LOCAL) {
			return true;
		}
	}
	return false;
}

static bool step_fails(struct fake *k, const struct step *step)
{
	const struct object *o = step->to ? step->to : step->from;

	k->n_steps++;
	return (k->refused & DRIVER_KIND(o->kind)) || k->n_steps == k->fail_at ||
	       (k->fail_on && k->fail_at > 0 && k->n_steps > k->fail_at);
}

/* Driver 0 is one transaction, as nftables; the others are step by step. */
static int fake_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
		      struct err *err)
{
	struct fake_driver *d = ctx;
	struct fake *k = d->fake;

	k->n_calls++;
	for (size_t i = 0; i < n_steps; i++) {
		if (step_fails(k, &steps[i])) {
			*ret_done = d->number == 0 ? 0 : i;
			return err_set(err, -EIO, "step %u fails", k->n_steps);
		}
		if (d->number == 0) {
			continue;
		}
		there_drop(k, steps[i].from ? steps[i].from : steps[i].to);
		if (steps[i].to) {
			assert_non_null(object_set_add(&k->there, steps[i].to));
		}
		assert_true(!has_guarded_route(k) || there_has(k, OBJECT_RULESET));
	}
	for (size_t i = 0; d->number == 0 && i < n_steps; i++) {
		there_drop(k, steps[i].from ? steps[i].from : steps[i].to);
		if (steps[i].to) {
			assert_non_null(object_set_add(&k->there, steps[i].to));
		}
	}
	assert_true(!has_guarded_route(k) || there_has(k, OBJECT_RULESET));
	*ret_done = n_steps;
	return 0;
}

static void fake_failed(void *ctx, const struct object *o, const char *text)
{
	struct fake *k = ctx;
	size_t len = strlen(k->told);

	snprintf(k->told + len, sizeof(k->told) - len, "%s %s: %s\n", o->owner ? o->owner : "-",
		 object_kind_name(o->kind), text);
}

static struct fake *fake_new(void)
{
	static const uint32_t kinds[] = {
		DRIVER_KIND(OBJECT_RULESET) | DRIVER_KIND(OBJECT_ELEMENT),
		DRIVER_KIND(OBJECT_SYSCTL) | DRIVER_KIND(OBJECT_LINK) |
			DRIVER_KIND(OBJECT_ADDRESS) | DRIVER_KIND(OBJECT_ROUTE),
		DRIVER_KIND(OBJECT_POOL4) | DRIVER_KIND(OBJECT_BIB),
	};
	struct fake *k = calloc(1, sizeof(*k));

	assert_non_null(k);
	object_set_init(&k->there);
	for (int i = 0; i < 3; i++) {
		k->ctx[i] = (struct fake_driver){.fake = k, .number = i};
		k->drivers[i] = (struct driver){.name = "fake",
						.kinds = kinds[i],
						.ctx = &k->ctx[i],
						.observe = fake_observe,
						.apply = fake_apply};
	}
	assert_int_equal(reconcile_new(k->drivers, 3, fake_failed, k, &k->r, NULL), 0);
	return k;
}

static void fake_free(struct fake *k)
{
	reconcile_free(k->r);
	object_set_fini(&k->there);
	free(k);
}

static void fake_dump(struct fake *k, struct object_set *dump)
{
	object_set_init(dump);
	object_set_add_all(dump, &k->there);
	assert_int_equal(object_set_sort(dump, NULL), 0);
}

static void assert_dumps_equal(const struct object_set *a, const struct object_set *b)
{
	struct plan plan;
	struct buf text;

	assert_int_equal(plan_diff(a, b, &plan, NULL), 0);
	buf_init(&text, 65536);
	plan_format(&plan, &text);
	if (plan.n > 0) {
		fail_msg("%.*s", (int)text.len, text.data);
	}
	buf_fini(&text);
	plan_fini(&plan);
}

static void make(struct object_set *set, const char *const *lines)
{
	object_set_init(set);
	for (; *lines; lines++) {
		plan_text_add(set, *lines);
	}
}

static const char *const node_lines[] = {"ruleset 1", "sysctl 1 net/ipv6/conf/all/forwarding 1",
					 "element 4 00", "route 2001:db8:a000:ff::/96 local lo",
					 NULL};
static const char *const node_lines_2[] = {"ruleset 2", "sysctl 1 net/ipv6/conf/all/forwarding 1",
					   "element 5 00", "route 2001:db8:a000:fe::/96 local lo",
					   NULL};
static const char *const acme_lines[] = {"element 1 01",
					 "link sg-1 sit 203.0.113.10 198.51.100.1",
					 "route 2001:db8:a000:1::/64 unicast sg-1",
					 "pool4 203.0.113.10 100 199 1",
					 "bib 2001:db8:a000:1::1 80 203.0.113.10 100",
					 "sysctl 1 net/ipv6/conf/eth1/proxy_ndp 1",
					 NULL};
static const char *const acme_lines_2[] = {"element 1 02",
					   "link sg-2 sit 203.0.113.10 198.51.100.1",
					   "route 2001:db8:a000:2::/64 unicast sg-2",
					   "pool4 203.0.113.10 200 299 1",
					   "bib 2001:db8:a000:1::1 80 203.0.113.10 200",
					   NULL};
static const char *const beta_lines[] = {"element 1 03", "link sg-3 sit 203.0.113.10 198.51.100.3",
					 "route 2001:db8:a000:3::/64 unicast sg-3",
					 "sysctl 1 net/ipv6/conf/eth1/proxy_ndp 1", NULL};
static const char *const no_lines[] = {NULL};

static int set_node(struct fake *k, const char *const *lines)
{
	struct object_set set;

	make(&set, lines);
	return reconcile_node(k->r, &set, NULL);
}

static int set_tenant(struct fake *k, const char *name, const char *const *lines)
{
	struct object_set set;

	make(&set, lines);
	object_set_own(&set, 0, name);
	return reconcile_tenant(k->r, name, &set, NULL);
}

static struct fake *fake_started(void)
{
	struct fake *k = fake_new();

	assert_int_equal(set_node(k, node_lines), 0);
	assert_int_equal(set_tenant(k, "acme", acme_lines), 0);
	assert_int_equal(set_tenant(k, "beta", beta_lines), 0);
	assert_int_equal(k->n_calls, 0); /* nothing is touched before the start */
	assert_int_equal(reconcile_start(k->r, NULL), 0);
	assert_int_equal(k->there.n, 4 + 6 + 3);
	assert_true(reconcile_guarded(k->r));
	return k;
}

static void assert_at_rest(struct fake *k)
{
	struct buf text;

	buf_init(&text, 65536);
	assert_int_equal(reconcile_plan(k->r, NULL, 0, &text, NULL), 0);
	if (text.len > 0) {
		fail_msg("%.*s", (int)text.len, text.data);
	}
	buf_fini(&text);
}

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

static void a_change_that_fails_at_any_step_leaves_what_was(void **state)
{
	static const change_fn fns[] = {change_tenant, change_suspend, change_remove, change_node,
					change_all};

	(void)state;
	for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
		unsigned int n_steps = 0;

		for (unsigned int at = 0; at <= n_steps; at++) {
			struct fake *k = fake_started();
			struct object_set before, after;
			int rc;

			fake_dump(k, &before);
			k->n_steps = 0;
			k->fail_at = at;
			rc = fns[i](k);
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
			assert_int_equal(fns[i](k), 0);
			assert_at_rest(k);
			object_set_fini(&before);
			fake_free(k);
		}
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
		cmocka_unit_test(a_kernel_that_fails_from_a_step_on_never_has_an_unguarded_route),
		cmocka_unit_test(what_is_there_as_wanted_is_adopted),
		cmocka_unit_test(an_object_of_two_tenants_goes_with_the_last),
		cmocka_unit_test(drift_is_named_and_mended),
		cmocka_unit_test(a_part_that_is_missing_is_left_out_until_it_is_there),
		cmocka_unit_test(what_fails_at_the_start_costs_only_itself),
		cmocka_unit_test(without_the_ruleset_there_is_no_route_of_client_prefix),
		cmocka_unit_test(a_ruleset_that_is_refused_at_the_start_leaves_no_route),
		cmocka_unit_test(a_change_meets_drift_mends_it_and_goes_on),
		cmocka_unit_test(down_takes_all_away),
		cmocka_unit_test(what_is_asked_for_twice_by_one_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
