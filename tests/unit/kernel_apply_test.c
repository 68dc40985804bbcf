/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What control asks of gateway/kernel, against the fake kernel: order of table and route, every
 * request failing once, one tenant's change, the messages for a kernel that cannot do it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake_kernel.h"

#define PREFIX_A     "2001:db8:a000:ff::/96"
#define PREFIX_B     "2001:db8:a000:fe::/96"
#define REQUESTS_MAX 40 /* more than any call makes */

static const struct kernel_uids uids = {.proxy = 101, .agent = 102};

struct fixture {
	struct fake_kernel fk;
	struct kernel *k;
	struct err err;
};

static int setup(void **state)
{
	static struct fixture f;

	fake_kernel_init(&f.fk);
	*state = &f;
	return kernel_new(&f.fk.ops, &f.k, &f.err);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kernel_free(f->k);
	fake_kernel_fini(&f->fk);
	return 0;
}

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(str_from(text), &p, NULL), 0);
	return p;
}

/* client_prefix NULL: none. */
static int apply(struct fixture *f, const char *client_prefix)
{
	struct node_conf node = {.has_client_prefix = client_prefix};

	if (client_prefix) {
		node.client_prefix = prefix(client_prefix);
	}
	memset(&f->err, 0, sizeof(f->err));
	return kernel_apply_node(f->k, &node, &uids, &f->err);
}

/* A pool of one range that is routed here and one that is not. */
static int apply_routed(struct fixture *f, const char *client_prefix, const char *range)
{
	struct pool_range pool[] = {
		{.range = prefix(range), .delivery = DELIVERY_ROUTED},
		{.range = prefix("198.51.100.1/32"), .delivery = DELIVERY_PRESENT},
	};
	struct node_conf node = {.has_client_prefix = client_prefix, .pool = pool, .n_pool = 2};

	if (client_prefix) {
		node.client_prefix = prefix(client_prefix);
	}
	memset(&f->err, 0, sizeof(f->err));
	return kernel_apply_node(f->k, &node, &uids, &f->err);
}

static int set_tenant(struct fixture *f, const char *name, const char *a, const char *b)
{
	struct prefix prefixes[2];
	size_t n = 0;

	if (a) {
		prefixes[n++] = prefix(a);
	}
	if (b) {
		prefixes[n++] = prefix(b);
	}
	memset(&f->err, 0, sizeof(f->err));
	return kernel_set_tenant(f->k, name, prefixes, n, &f->err);
}

static bool has64(const struct fixture *f, const char *key)
{
	return fake_kernel_has_element(&f->fk, key, TENANTS_64);
}

static void first_apply_puts_table_then_route(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set_tenant(f, "acme", "2001:db8:1::/64", NULL), 0);
	assert_int_equal(f->fk.n_requests, 0);
	assert_false(kernel_applied(f->k));
	assert_int_equal(apply(f, PREFIX_A), 0);
	assert_true(kernel_applied(f->k));
	assert_true(fake_kernel_has_route(&f->fk, PREFIX_A));
	assert_true(has64(f, "2001:db8:1::"));
	assert_int_equal(f->fk.n_elements, 1);
}

static void second_apply_of_the_same_leaves_the_route_in_place(void **state)
{
	struct fixture *f = *state;
	unsigned int before;

	assert_int_equal(apply(f, PREFIX_A), 0);
	before = f->fk.n_requests;
	assert_int_equal(apply(f, PREFIX_A), 0);
	/* routes read twice, counters read, generation, batch */
	assert_int_equal(f->fk.n_requests - before, 5);
	assert_int_equal(f->fk.n_tables_deleted, 1);
}

static void a_start_takes_over_counts_and_route_of_an_earlier_run(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(apply(f, PREFIX_A), 0);
	f->fk.counters.spoofed = (struct kernel_count){7, 700};
	kernel_free(f->k);
	assert_int_equal(kernel_new(&f->fk.ops, &f->k, &f->err), 0);
	assert_int_equal(apply(f, PREFIX_A), 0);
	assert_int_equal(f->fk.counters.spoofed.packets, 7);
	assert_int_equal(f->fk.counters.spoofed.bytes, 700);
	assert_int_equal(f->fk.n_routes, 1);
}

static void a_changed_prefix_moves_the_route(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(apply(f, PREFIX_A), 0);
	assert_int_equal(apply(f, PREFIX_B), 0);
	assert_true(fake_kernel_has_route(&f->fk, PREFIX_B));
	assert_int_equal(f->fk.n_routes, 1);
	assert_int_equal(apply(f, NULL), 0);
	assert_int_equal(f->fk.n_routes, 0);
	assert_true(f->fk.has_table);
}

static void a_routed_range_gets_a_route_of_its_own(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(apply_routed(f, PREFIX_A, "203.0.113.16/29"), 0);
	assert_true(fake_kernel_has_route(&f->fk, "203.0.113.16/29"));
	assert_true(fake_kernel_has_route(&f->fk, PREFIX_A));
	assert_int_equal(f->fk.n_routes, 2);
	/* without client_prefix it stays, and a range that is no longer there goes */
	assert_int_equal(apply_routed(f, NULL, "203.0.113.16/29"), 0);
	assert_int_equal(f->fk.n_routes, 1);
	assert_int_equal(apply_routed(f, NULL, "203.0.113.32/32"), 0);
	assert_true(fake_kernel_has_route(&f->fk, "203.0.113.32/32"));
	assert_int_equal(f->fk.n_routes, 1);
	assert_int_equal(kernel_down(f->k, &f->err), 0);
	assert_int_equal(f->fk.n_routes, 0);
}

static void whichever_request_of_a_moved_range_fails_the_former_routes_are_back(void **state)
{
	struct fixture *f = *state;

	for (unsigned int n = 1; n < REQUESTS_MAX; n++) {
		int rc;

		f->fk.fail_at = 0;
		assert_int_equal(apply_routed(f, PREFIX_A, "203.0.113.16/29"), 0);
		f->fk.n_requests = 0;
		f->fk.fail_at = n;
		rc = apply_routed(f, PREFIX_B, "203.0.113.32/29");
		if (rc == 0 && f->fk.n_requests < n) {
			assert_true(n > 6);
			return;
		}
		if (rc < 0) {
			assert_true(fake_kernel_has_route(&f->fk, PREFIX_A));
			assert_true(fake_kernel_has_route(&f->fk, "203.0.113.16/29"));
			assert_int_equal(f->fk.n_routes, 2);
		}
	}
	fail_msg("apply makes more than %d requests", REQUESTS_MAX);
}

/* fake_kernel asserts after every request that no route is unguarded. */
static void whichever_request_of_the_first_apply_fails_no_route_stays(void **state)
{
	struct fixture *f = *state;
	unsigned int n_failed = 0;

	for (unsigned int n = 1; n < REQUESTS_MAX; n++) {
		int rc;

		f->fk.n_requests = 0;
		f->fk.fail_at = n;
		rc = apply(f, PREFIX_A);
		if (rc == 0 && f->fk.n_requests < n) {
			assert_true(n_failed >= 3);
			return;
		}
		if (rc < 0) {
			n_failed++;
			assert_int_equal(rc, -ENOBUFS);
			assert_int_equal(f->err.code, -ENOBUFS);
			assert_false(kernel_applied(f->k));
			assert_int_equal(f->fk.n_routes, 0);
			assert_false(f->fk.has_table); /* it would deny workers everything */
		}
		f->fk.fail_at = 0;
		assert_int_equal(kernel_down(f->k, &f->err), 0);
	}
	fail_msg("apply makes more than %d requests", REQUESTS_MAX);
}

static void whichever_request_of_a_change_fails_the_former_config_is_back(void **state)
{
	struct fixture *f = *state;
	unsigned int n_failed = 0;

	for (unsigned int n = 1; n < REQUESTS_MAX; n++) {
		int rc;

		f->fk.fail_at = 0;
		assert_int_equal(apply(f, PREFIX_A), 0);
		f->fk.n_requests = 0;
		f->fk.fail_at = n;
		rc = apply(f, PREFIX_B);
		if (rc == 0 && f->fk.n_requests < n) {
			assert_true(n_failed >= 4);
			return;
		}
		if (rc < 0) {
			n_failed++;
			assert_true(kernel_applied(f->k));
			assert_true(fake_kernel_has_route(&f->fk, PREFIX_A));
			assert_int_equal(f->fk.n_routes, 1);
		}
	}
	fail_msg("apply makes more than %d requests", REQUESTS_MAX);
}

static void a_failed_start_removes_the_route_of_an_earlier_run(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(apply(f, PREFIX_A), 0);
	kernel_free(f->k);
	assert_int_equal(kernel_new(&f->fk.ops, &f->k, &f->err), 0);
	f->fk.fail_at = f->fk.n_requests + 5; /* routes twice, counters, generation, batch */
	assert_int_equal(apply(f, PREFIX_A), -ENOBUFS);
	assert_int_equal(f->fk.n_routes, 0);
}

static void a_foreign_route_stays_and_is_an_error(void **state)
{
	struct fixture *f = *state;

	f->fk.routes[f->fk.n_routes++] = (struct fake_route){prefix(PREFIX_A), 3};
	assert_int_equal(apply(f, PREFIX_A), -EEXIST);
	assert_non_null(strstr(f->err.msg, PREFIX_A));
	assert_int_equal(f->fk.n_routes, 1);
	assert_int_equal(kernel_down(f->k, &f->err), 0);
	assert_int_equal(f->fk.n_routes, 1);
}

static void a_tenants_change_sends_its_difference_only(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set_tenant(f, "globex", "2001:db8:2::/56", NULL), 0);
	assert_int_equal(set_tenant(f, "acme", "2001:db8:1::/64", "2001:db8:1:1::/64"), 0);
	assert_int_equal(apply(f, PREFIX_A), 0);
	assert_int_equal(f->fk.n_elements, 258);

	assert_int_equal(set_tenant(f, "acme", "2001:db8:1:1::/64", "2001:db8:1:2::/64"), 0);
	assert_int_equal(f->fk.n_new_elements, 1);
	assert_int_equal(f->fk.n_deleted_elements, 1);
	assert_int_equal(f->fk.n_messages, 2);
	assert_false(has64(f, "2001:db8:1::"));
	assert_true(has64(f, "2001:db8:1:1::"));
	assert_true(has64(f, "2001:db8:1:2::"));

	assert_int_equal(kernel_remove_tenant(f->k, "globex", &f->err), 0);
	assert_int_equal(f->fk.n_deleted_elements, 256);
	assert_int_equal(f->fk.n_elements, 2);
}

static void a_tenant_that_stays_as_it_is_sends_nothing(void **state)
{
	struct fixture *f = *state;
	unsigned int before;

	assert_int_equal(set_tenant(f, "acme", "2001:db8:1::/64", NULL), 0);
	assert_int_equal(apply(f, PREFIX_A), 0);
	before = f->fk.n_requests;
	assert_int_equal(set_tenant(f, "acme", "2001:db8:1::/64", NULL), 0);
	assert_int_equal(kernel_remove_tenant(f->k, "unknown", &f->err), 0);
	assert_int_equal(f->fk.n_requests, before);
}

static void a_refused_tenant_change_leaves_it_as_it_was(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set_tenant(f, "acme", "2001:db8:1::/64", NULL), 0);
	assert_int_equal(apply(f, PREFIX_A), 0);
	f->fk.fail_at = f->fk.n_requests + 2; /* generation, batch */
	assert_int_equal(set_tenant(f, "acme", "2001:db8:2::/64", NULL), -ENOBUFS);
	assert_true(has64(f, "2001:db8:1::"));
	f->fk.fail_at = f->fk.n_requests + 2;
	assert_int_equal(kernel_remove_tenant(f->k, "acme", &f->err), -ENOBUFS);
	assert_true(has64(f, "2001:db8:1::"));
	/* and the next try does all of it */
	assert_int_equal(set_tenant(f, "acme", "2001:db8:2::/64", NULL), 0);
	assert_false(has64(f, "2001:db8:1::"));
	assert_true(has64(f, "2001:db8:2::"));
	assert_int_equal(f->fk.n_elements, 1);
}

static void a_prefix_may_change_hands_before_the_former_owner_is_gone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set_tenant(f, "acme", "2001:db8:1::/64", NULL), 0);
	assert_int_equal(apply(f, PREFIX_A), 0);
	assert_int_equal(set_tenant(f, "globex", "2001:db8:1::/64", NULL), 0);
	assert_int_equal(kernel_remove_tenant(f->k, "acme", &f->err), 0);
	assert_true(has64(f, "2001:db8:1::"));
	assert_int_equal(kernel_remove_tenant(f->k, "globex", &f->err), 0);
	assert_false(has64(f, "2001:db8:1::"));
}

static void a_prefix_given_twice_is_one_element(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(apply(f, PREFIX_A), 0);
	assert_int_equal(set_tenant(f, "acme", "2001:db8:1::/63", "2001:db8:1::/64"), 0);
	assert_int_equal(f->fk.n_elements, 2);
	assert_int_equal(kernel_remove_tenant(f->k, "acme", &f->err), 0);
	assert_int_equal(f->fk.n_elements, 0);
}

static void a_table_flushed_by_somebody_else_comes_back_whole(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set_tenant(f, "acme", "2001:db8:1::/64", NULL), 0);
	assert_int_equal(apply(f, NULL), 0);
	f->fk.has_table = false;
	f->fk.n_elements = 0;
	assert_int_equal(set_tenant(f, "globex", "2001:db8:2::/64", NULL), 0);
	assert_true(has64(f, "2001:db8:1::"));
	assert_true(has64(f, "2001:db8:2::"));
	assert_int_equal(f->fk.n_elements, 2);
	assert_int_equal(kernel_remove_tenant(f->k, "globex", &f->err), 0);
	assert_int_equal(f->fk.n_elements, 1);
}

static void a_flush_by_somebody_else_is_noticed_and_repaired(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set_tenant(f, "acme", "2001:db8:1::/64", NULL), 0);
	assert_int_equal(apply(f, PREFIX_A), 0);
	fake_kernel_flush(&f->fk);
	assert_int_equal(kernel_check(f->k, &f->err), 1);
	assert_true(f->fk.has_table);
	assert_true(has64(f, "2001:db8:1::"));
	assert_true(kernel_applied(f->k));
	assert_int_equal(kernel_check(f->k, &f->err), 0);
}

static void a_foreign_change_that_is_not_ours_to_mind_costs_one_look(void **state)
{
	struct fixture *f = *state;
	unsigned int before;

	assert_int_equal(apply(f, PREFIX_A), 0);
	before = f->fk.n_requests;
	assert_int_equal(kernel_check(f->k, &f->err), 0);
	assert_int_equal(f->fk.n_requests, before);
	f->fk.changed = true;
	assert_int_equal(kernel_check(f->k, &f->err), 0);
	assert_int_equal(f->fk.n_requests, before + 1);
}

static void a_rule_taken_from_the_table_brings_it_back_whole(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(apply(f, PREFIX_A), 0);
	f->fk.n_table_rules--;
	f->fk.changed = true;
	assert_int_equal(kernel_check(f->k, &f->err), 1);
	f->fk.changed = true;
	assert_int_equal(kernel_check(f->k, &f->err), 0);
}

static void a_table_that_cannot_come_back_takes_the_route_with_it(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(apply(f, PREFIX_A), 0);
	fake_kernel_flush(&f->fk);
	f->fk.fail_at = f->fk.n_requests + 4; /* rules, counters, generation, batch */
	assert_int_equal(kernel_check(f->k, &f->err), -ENOBUFS);
	assert_false(kernel_applied(f->k));
	assert_int_equal(f->fk.n_routes, 0);
}

static void messages_of_many_elements_stay_below_64_kib(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set_tenant(f, "acme", "2001:db8:1000::/43", NULL), 0);
	assert_int_equal(apply(f, PREFIX_A), 0);
	assert_int_equal(f->fk.n_elements, 8192);
	assert_true(f->fk.longest_message > 16384);
	assert_true(f->fk.longest_message < 65536);
}

static void a_foreign_change_in_between_makes_it_try_again(void **state)
{
	struct fixture *f = *state;

	f->fk.stale_generations = 3;
	assert_int_equal(apply(f, PREFIX_A), 0);
	f->fk.stale_generations = 1000;
	assert_int_equal(apply(f, PREFIX_A), -ERESTART);
}

static void wrong_prefixes_are_refused_by_name(void **state)
{
	static const char *const wrong[] = {"2001:db8::/39", "2001:db8::/65", "192.0.2.0/24"};
	struct fixture *f = *state;

	assert_int_equal(apply(f, PREFIX_A), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(set_tenant(f, "acme", wrong[i], NULL), -EINVAL);
		assert_non_null(strstr(f->err.msg, wrong[i]));
		assert_non_null(strstr(f->err.msg, "tenant acme"));
	}
	assert_int_equal(set_tenant(f, "acme", "2001:db8::/40", "2001:db9::/64"), -EINVAL);
	assert_non_null(strstr(f->err.msg, "65536"));
	assert_int_equal(f->fk.n_elements, 0);
	assert_int_equal(apply(f, "2001:db8::/64"), -EINVAL);
	assert_int_equal(apply(f, PREFIX_A), 0);
}

static void uids_that_protect_nothing_are_refused(void **state)
{
	static const struct kernel_uids wrong[] = {{0, 5}, {5, 5}};
	struct fixture *f = *state;
	struct node_conf node = {0};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(kernel_apply_node(f->k, &node, &wrong[i], &f->err), -EINVAL);
	}
	assert_int_equal(f->fk.n_requests, 0);
}

/* What the kernel says, and what a person is told. */
static void each_lack_is_explained(void **state)
{
	static const struct {
		int code;
		uint32_t seq;
		const char *text; /* extended ACK */
		int want;
		const char *words[2];
	} cases[] = {
		{-EPERM, 1, NULL, -EPERM, {"CAP_NET_ADMIN", "systemd unit"}},
		{-EOPNOTSUPP, 1, NULL, -EOPNOTSUPP, {"no nf_tables", "modprobe nf_tables"}},
		{-EAFNOSUPPORT, 2, NULL, -EOPNOTSUPP, {"family inet", "modprobe nf_tables"}},
		{-EINVAL, 9, "Wrong thing", -EINVAL, {"Wrong thing", "counters"}},
		{-ENOMEM, 0, NULL, -ENOMEM, {"the transaction", "Cannot allocate memory"}},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->fk.fail_at =
			f->fk.n_requests + 5; /* routes twice, counters, generation, batch */
		f->fk.fail_code = cases[i].code;
		f->fk.fail_seq = cases[i].seq;
		f->fk.fail_text = cases[i].text;
		assert_int_equal(apply(f, PREFIX_A), cases[i].want);
		assert_int_equal(f->err.code, cases[i].want);
		assert_non_null(strstr(f->err.msg, cases[i].words[0]));
		assert_non_null(strstr(f->err.msg, cases[i].words[1]));
		assert_int_equal(f->fk.n_routes, 0);
	}
}

/* The rule that needs nft_socket is some message of the batch: the one after chain cpin's SYN. */
static void a_kernel_without_socket_wildcard_is_explained(void **state)
{
	struct fixture *f = *state;
	unsigned int n_explained = 0;

	for (uint32_t seq = 3; seq < 60; seq++) {
		f->fk.fail_at = f->fk.n_requests + 5; /* the batch */
		f->fk.fail_code = -ENOENT;
		f->fk.fail_seq = seq;
		assert_int_equal(apply(f, PREFIX_A), -EOPNOTSUPP);
		n_explained += strstr(f->err.msg, "modprobe nft_socket") != NULL;
		assert_int_equal(f->fk.n_routes, 0);
	}
	assert_int_equal(n_explained, 1);
}

static void down_takes_route_then_table_also_of_an_earlier_run(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set_tenant(f, "acme", "2001:db8:1::/64", NULL), 0);
	assert_int_equal(apply(f, PREFIX_A), 0);
	kernel_free(f->k);
	assert_int_equal(kernel_new(&f->fk.ops, &f->k, &f->err), 0);
	assert_int_equal(kernel_down(f->k, &f->err), 0);
	assert_false(f->fk.has_table);
	assert_int_equal(f->fk.n_routes, 0);
	assert_int_equal(kernel_down(f->k, &f->err), 0);
}

static void after_down_everything_can_be_applied_again(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(set_tenant(f, "acme", "2001:db8:1::/64", NULL), 0);
	assert_int_equal(apply(f, PREFIX_A), 0);
	assert_int_equal(kernel_down(f->k, &f->err), 0);
	assert_int_equal(set_tenant(f, "globex", "2001:db8:2::/64", NULL), 0);
	assert_int_equal(apply(f, PREFIX_A), 0);
	assert_int_equal(f->fk.n_elements, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_apply_puts_table_then_route),
		TEST(second_apply_of_the_same_leaves_the_route_in_place),
		TEST(a_start_takes_over_counts_and_route_of_an_earlier_run),
		TEST(a_changed_prefix_moves_the_route),
		TEST(a_routed_range_gets_a_route_of_its_own),
		TEST(whichever_request_of_a_moved_range_fails_the_former_routes_are_back),
		TEST(whichever_request_of_the_first_apply_fails_no_route_stays),
		TEST(whichever_request_of_a_change_fails_the_former_config_is_back),
		TEST(a_failed_start_removes_the_route_of_an_earlier_run),
		TEST(a_foreign_route_stays_and_is_an_error),
		TEST(a_tenants_change_sends_its_difference_only),
		TEST(a_tenant_that_stays_as_it_is_sends_nothing),
		TEST(a_refused_tenant_change_leaves_it_as_it_was),
		TEST(a_prefix_may_change_hands_before_the_former_owner_is_gone),
		TEST(a_prefix_given_twice_is_one_element),
		TEST(a_table_flushed_by_somebody_else_comes_back_whole),
		TEST(a_flush_by_somebody_else_is_noticed_and_repaired),
		TEST(a_foreign_change_that_is_not_ours_to_mind_costs_one_look),
		TEST(a_rule_taken_from_the_table_brings_it_back_whole),
		TEST(a_table_that_cannot_come_back_takes_the_route_with_it),
		TEST(messages_of_many_elements_stay_below_64_kib),
		TEST(a_foreign_change_in_between_makes_it_try_again),
		TEST(wrong_prefixes_are_refused_by_name),
		TEST(uids_that_protect_nothing_are_refused),
		TEST(each_lack_is_explained),
		TEST(a_kernel_without_socket_wildcard_is_explained),
		TEST(down_takes_route_then_table_also_of_an_earlier_run),
		TEST(after_down_everything_can_be_applied_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
