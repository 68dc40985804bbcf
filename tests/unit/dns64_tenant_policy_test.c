/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What becomes of a tenant's object and the node config: the policy its queries are answered by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <libknot/libknot.h>

#include "conf/model/node.h"
#include "conf/model/tenant.h"
#include "dns64/local_records.h"
#include "dns64/resolver.h"
#include "dns64/tenant_policy.h"

#define V4(w, x, y, z)                                         \
	{                                                      \
		.b = { [10] = 0xff, 0xff, (w), (x), (y), (z) } \
	}
#define V6(n)                                           \
	{                                               \
		.b = { 0x20, 0x01, 0x0d, 0xb8, 0, (n) } \
	}

static struct prefix permit[] = {{.addr = V4(10, 0, 0, 0), .len = 104}};
static const struct node_conf node = {
	.nat64 = {.on = true,
		  .prefix = {.addr = V6(0x64), .len = 96},
		  .permit = permit,
		  .n_permit = 1},
	.has_siit_prefix = true,
	.siit_prefix = {.addr = V6(0x51), .len = 96},
};

static struct prefix half[] = {{.addr = V4(128, 0, 0, 0), .len = 97}};
static struct dns64_prefix prefixes[] = {
	{.prefix = {.addr = V6(1), .len = 48}, .ipv4 = half, .n_ipv4 = 1},
	{.prefix = {.addr = V6(2), .len = 96}},
};
static struct prefix exclude[] = {{.addr = V6(0xbad & 0xff), .len = 48}};
static const char *never[] = {"intern.example", "lan"};
static const char *always[] = {"broken.example"};
static struct addr addresses[] = {V4(192, 0, 2, 9), V6(9)};
static struct dns64_record records[] = {
	{.name = "printer.lan", .addresses = addresses, .n_addresses = 1},
	{.name = "nas.lan", .addresses = addresses, .n_addresses = 2},
};
static const struct tenant_conf conf = {
	.name = "acme",
	.dns64 = {.ipv4hint = DNS64_HINT_DROP,
		  .prefixes = prefixes,
		  .n_prefixes = 2,
		  .exclude = exclude,
		  .n_exclude = 1,
		  .never = never,
		  .n_never = 2,
		  .always = always,
		  .n_always = 1,
		  .records = records,
		  .n_records = 2},
};
static const struct tenant_conf plain = {.name = "plain"};

static bool name_is(const uint8_t *name, const char *text)
{
	knot_dname_storage_t want;

	assert_non_null(knot_dname_from_str(want, text, sizeof(want)));
	return knot_dname_is_equal(name, want);
}

static void without_a_word_it_is_the_nodes(void **state)
{
	struct dns_tenant *t = tenant_policy_new(&node, &plain, false);
	const struct policy *p = &t->policy;

	(void)state;
	assert_true(p->on && !p->no_ipv4hint);
	assert_int_equal(p->n_pref64s, 1);
	assert_int_equal(prefix_cmp(&p->pref64s[0].prefix, &node.nat64.prefix), 0);
	assert_int_equal(p->pref64s[0].n_mapped, 0);
	assert_int_equal(p->n_permitted, 1);
	assert_int_equal(prefix_cmp(&p->permitted[0], &permit[0]), 0);
	assert_int_equal(p->n_excluded, 1);
	assert_int_equal(prefix_cmp(&p->excluded[0], &policy_excluded[0]), 0);
	assert_int_equal(p->n_never + p->n_always + p->n_local, 0);
	dns_tenant_unref(t);
}

static void all_that_it_says_counts(void **state)
{
	struct dns_tenant *t = tenant_policy_new(&node, &conf, false);
	const struct policy *p = &t->policy;

	(void)state;
	assert_true(p->on && p->no_ipv4hint);
	assert_int_equal(p->n_pref64s, 2);
	assert_int_equal(p->pref64s[0].prefix.len, 48);
	assert_int_equal(p->pref64s[0].n_mapped, 1);
	assert_int_equal(p->pref64s[0].mapped[0].len, 97);
	assert_int_equal(p->pref64s[1].n_mapped, 0);
	assert_int_equal(p->n_excluded, 2);
	assert_int_equal(prefix_cmp(&p->excluded[1], &exclude[0]), 0);
	assert_true(policy_never(p, (const uint8_t *)"\1a\6intern\7example"));
	assert_true(policy_never(p, (const uint8_t *)"\3lan"));
	assert_false(policy_never(p, (const uint8_t *)"\7example"));
	assert_true(policy_always(p, (const uint8_t *)"\6broken\7example"));
	assert_int_equal(p->n_local, 3);
	assert_true(name_is(p->local[0].name, "printer.lan."));
	assert_true(name_is(p->local[2].name, "nas.lan."));
	assert_int_equal(p->local[0].type, KNOT_RRTYPE_A);
	assert_int_equal(p->local[0].len, 4);
	assert_memory_equal(p->local[0].data, "\300\0\2\11", 4);
	assert_int_equal(p->local[2].type, KNOT_RRTYPE_AAAA);
	assert_int_equal(p->local[2].len, 16);
	assert_memory_equal(p->local[2].data, addresses[1].b, 16);
	dns_tenant_unref(t);
}

static void a_mapped_host_goes_by_siit_all_the_same(void **state)
{
	struct dns_tenant *t = tenant_policy_new(&node, &conf, true);

	(void)state;
	assert_int_equal(t->policy.n_pref64s, 1);
	assert_int_equal(prefix_cmp(&t->policy.pref64s[0].prefix, &node.siit_prefix), 0);
	assert_int_equal(t->policy.pref64s[0].n_mapped, 0);
	assert_int_equal(t->policy.n_local, 3);
	dns_tenant_unref(t);
}

static void synthesis_can_be_off(void **state)
{
	struct tenant_conf off = conf;
	struct dns_tenant *t;

	(void)state;
	off.dns64.synthesis = DNS64_SYNTHESIS_OFF;
	t = tenant_policy_new(&node, &off, false);
	assert_false(t->policy.on);
	dns_tenant_unref(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_word_it_is_the_nodes),
		cmocka_unit_test(all_that_it_says_counts),
		cmocka_unit_test(a_mapped_host_goes_by_siit_all_the_same),
		cmocka_unit_test(synthesis_can_be_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
