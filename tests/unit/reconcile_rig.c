/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A kernel that is a set of objects; see reconcile_rig.h. */
#include "tests/unit/reconcile_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/kernel/survey.h"
#include "tests/unit/plan_text.h"

static void observed(struct fake *k, uint32_t kinds)
{
	unsigned int n = (unsigned int)__builtin_popcount(kinds);

	k->n_kinds = n > k->n_kinds ? n : k->n_kinds;
	k->n_reads++;
}

static int fake_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	struct fake_driver *d = ctx;
	int rc = d->fake->observe_rc[d->number];

	observed(d->fake, kinds);

	for (size_t i = 0; i < d->fake->there.n; i++) {
		struct object o = d->fake->there.items[i];

		if (kinds & DRIVER_KIND(o.kind)) {
			o.owner = NULL; /* a kernel does not know */
			assert_non_null(object_set_add(set, &o));
		}
	}
	return rc == 0 ? 0 : err_set(err, rc, "driver %d: no such module", d->number);
}

static int fake_observe_set(void *ctx, unsigned int id, struct object_set *set, struct err *err)
{
	size_t first = set->n, n = first;
	int rc = fake_observe(ctx, DRIVER_KIND(OBJECT_ELEMENT), set, err);

	for (size_t i = first; i < set->n; i++) {
		if (set->items[i].element.set == id) {
			set->items[n++] = set->items[i];
		}
	}
	set->n = n;
	return rc;
}

/* Of several with its key the one like it. */
void there_drop(struct fake *k, const struct object *o)
{
	size_t found = k->there.n;

	for (size_t i = 0; i < k->there.n; i++) {
		if (object_cmp(&k->there.items[i], o) == 0 &&
		    (found == k->there.n || object_same(&k->there.items[i], o))) {
			found = i;
		}
	}
	if (found < k->there.n) {
		k->there.items[found] = k->there.items[--k->there.n];
	}
}

bool there_has(struct fake *k, enum object_kind kind)
{
	for (size_t i = 0; i < k->there.n; i++) {
		if (k->there.items[i].kind == kind) {
			return true;
		}
	}
	return false;
}

bool has_guarded_route(struct fake *k)
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

struct fake *fake_new(void)
{
	static const uint32_t kinds[] = {
		DRIVER_KIND(OBJECT_RULESET) | DRIVER_KIND(OBJECT_ELEMENT),
		DRIVER_KIND(OBJECT_SYSCTL) | DRIVER_KIND(OBJECT_LINK_DOWN) |
			DRIVER_KIND(OBJECT_OFFLOAD) | DRIVER_KIND(OBJECT_LINK) |
			DRIVER_KIND(OBJECT_WG_DEVICE) | DRIVER_KIND(OBJECT_WG_PEER) |
			DRIVER_KIND(OBJECT_ADDRESS) | DRIVER_KIND(OBJECT_RULE) |
			DRIVER_KIND(OBJECT_ROUTE) | DRIVER_KIND(OBJECT_PROXY_NEIGHBOUR) |
			DRIVER_KIND(OBJECT_PROXY_PREFIX),
		DRIVER_KIND(OBJECT_INSTANCE) | DRIVER_KIND(OBJECT_GLOBAL) |
			DRIVER_KIND(OBJECT_POOL4) | DRIVER_KIND(OBJECT_BIB) |
			DRIVER_KIND(OBJECT_EAM),
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
						.observe_set = i == 0 ? fake_observe_set : NULL,
						.apply = fake_apply};
	}
	assert_int_equal(reconcile_new(k->drivers, 3, fake_failed, k, &k->r, NULL), 0);
	return k;
}

void fake_free(struct fake *k)
{
	reconcile_free(k->r);
	object_set_fini(&k->there);
	free(k);
}

void fake_dump(struct fake *k, struct object_set *dump)
{
	object_set_init(dump);
	object_set_add_all(dump, &k->there);
	assert_int_equal(object_set_sort(dump, NULL), 0);
}

void assert_dumps_equal(const struct object_set *a, const struct object_set *b)
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

void make(struct object_set *set, const char *const *lines)
{
	object_set_init(set);
	for (; *lines; lines++) {
		plan_text_add(set, *lines);
	}
}

const char *const node_lines[] = {"ruleset 1", "sysctl 1 net/ipv6/conf/all/forwarding 1",
				  "element 4 00", "route 2001:db8:a000:ff::/96 local lo", NULL};
const char *const node_lines_2[] = {"ruleset 2", "sysctl 1 net/ipv6/conf/all/forwarding 1",
				    "element 5 00", "route 2001:db8:a000:fe::/96 local lo", NULL};
const char *const acme_lines[] = {"element 1 01",
				  "link sg-1 sit 203.0.113.10 198.51.100.1",
				  "route 2001:db8:a000:1::/64 unicast sg-1",
				  "pool4 203.0.113.10 100 199 1",
				  "bib 2001:db8:a000:1::1 80 203.0.113.10 100",
				  "sysctl 1 net/ipv6/conf/eth1/proxy_ndp 1",
				  NULL};
const char *const acme_lines_2[] = {"element 1 02",
				    "link sg-2 sit 203.0.113.10 198.51.100.1",
				    "route 2001:db8:a000:2::/64 unicast sg-2",
				    "pool4 203.0.113.10 200 299 1",
				    "bib 2001:db8:a000:1::1 80 203.0.113.10 200",
				    NULL};
const char *const beta_lines[] = {"element 1 03", "link sg-3 sit 203.0.113.10 198.51.100.3",
				  "route 2001:db8:a000:3::/64 unicast sg-3",
				  "sysctl 1 net/ipv6/conf/eth1/proxy_ndp 1", NULL};
const char *const no_lines[] = {NULL};

int set_node(struct fake *k, const char *const *lines)
{
	struct object_set set;

	make(&set, lines);
	return reconcile_node(k->r, &set, NULL);
}

int set_tenant(struct fake *k, const char *name, const char *const *lines)
{
	struct object_set set;

	make(&set, lines);
	object_set_own(&set, 0, name);
	return reconcile_tenant(k->r, name, &set, NULL);
}

struct fake *fake_started(void)
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

void assert_at_rest(struct fake *k)
{
	struct survey s;
	struct buf text;

	buf_init(&text, 65536);
	survey_init(&s, k->r, SLICES_ALL);
	assert_int_equal(survey_all(&s, NULL), 0);
	plan_format(&s.plan, &text);
	survey_fini(&s);
	if (text.len > 0) {
		fail_msg("%.*s", (int)text.len, text.data);
	}
	buf_fini(&text);
}
