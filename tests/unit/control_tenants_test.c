/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a file of the registry to what workers are sent, and back when one refuses. */
#include "gateway/control/tenants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "gateway/registry/dir.h"
#include "tests/unit/tenants_rig.h"

static void test_new_tenant_reaches_every_worker_once(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];
	struct seen seen;

	work_all(f);
	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	for (unsigned int i = 0; i < WORKERS; i++) {
		seen = work(f, i, 0);
		assert_int_equal(seen.n_tenants, 1);
		assert_int_equal(seen.tenant_serial, 1);
		assert_int_equal(seen.n_listeners, 0); /* its port is the node's */
	}
	assert_int_equal(serial_in_force(f, "acme"), 1);
	assert_int_equal(problems_count(f->problems), 0);
}

static void test_change_of_one_sends_nothing_of_others(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128], name[16], file[32];
	struct seen seen;

	for (unsigned int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		snprintf(file, sizeof(file), "t%u.yaml", i);
		snprintf(b, sizeof(b),
			 "{protocol: tls, names: [t%u.example], port: %u, to: 443, "
			 "client_address: hide}",
			 i, f->port);
		put(f, file, name, 1, web(a, i, b));
	}
	work_all(f);
	put(f, "t7.yaml", "t7", 2, web(a, 7, tls(b, "other.example", f->port)));
	seen = work(f, 0, 0);
	assert_int_equal(seen.n_tenants, 1);
	assert_int_equal(seen.tenant_serial, 2);
	assert_int_equal(seen.n_listeners, 0);
}

static void test_older_serial_and_other_content_are_refused(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	put(f, "acme.yaml", "acme", 7, web(a, 1, tls(b, "shop.example", f->port)));
	work_all(f);
	put(f, "acme.yaml", "acme", 6, web(a, 1, tls(b, "shop.example", f->port)));
	assert_true(problem_has(f->problems, "acme.yaml"));
	assert_int_equal(f->tenants->n_refused, 1);
	assert_int_equal(work(f, 0, 0).n_tenants, 0);
	put(f, "acme.yaml", "acme", 7, web(a, 1, tls(b, "other.example", f->port)));
	assert_true(problem_has(f->problems, "acme.yaml"));
	assert_int_equal(work(f, 0, 0).n_tenants, 0);
	/* what is in force again is no problem any more */
	put(f, "acme.yaml", "acme", 7, web(a, 1, tls(b, "shop.example", f->port)));
	assert_false(problem_has(f->problems, "acme.yaml"));
	assert_int_equal(f->tenants->n_refused, 0);
	assert_int_equal(work(f, 0, 0).n_tenants, 0);
	put(f, "acme.yaml", "acme", 8, web(a, 1, tls(b, "other.example", f->port)));
	assert_int_equal(work(f, 0, 0).tenant_serial, 8);
}

static void test_broken_object_keeps_the_former_one(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	work_all(f);
	put(f, "acme.yaml", "acme", 2, "services: [");
	assert_true(problem_has(f->problems, "acme.yaml"));
	put(f, "acme.yaml", "globex", 3, web(a, 1, tls(b, "shop.example", f->port)));
	assert_true(problem_has(f->problems, "acme.yaml"));
	assert_int_equal(serial_in_force(f, "acme"), 1);
	assert_int_equal(serial_in_force(f, "globex"), 0);
	assert_int_equal(work(f, 0, 0).n_tenants, 0);
}

static void test_refusal_by_one_worker_brings_the_former_back_to_all(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];
	uint32_t freed;

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	work_all(f);
	freed = f->slots->n_freed;
	put(f, "acme.yaml", "acme", 2, web(a, 1, tcp(b, f->port + 1)));
	assert_int_equal(n_listeners(f), 3);
	assert_int_equal(work(f, 0, 0).tenant_serial, 2); /* takes it */
	assert_int_equal(work(f, 1, 2).n_tenants, 2);     /* refuses it, then gets 1 again */
	assert_int_equal(work(f, 0, 0).tenant_serial, 1);
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 1);
	assert_true(problem_has(f->problems, "acme.yaml"));
	assert_int_equal(n_listeners(f), 2);
	(void)listeners_total(f->listeners, COUNTER_ACTIVE); /* lets the resting slot go */
	assert_int_equal(f->slots->n_freed, freed + 1); /* the listener's; nothing else was new */
	/* the text that is in force again is no problem any more */
	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	assert_false(problem_has(f->problems, "acme.yaml"));
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 1);
	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "other.example", f->port)));
	assert_true(problem_has(f->problems, "acme.yaml"));
	/* a mended one gets through, and the same number may be tried again */
	put(f, "acme.yaml", "acme", 2, web(a, 1, tcp(b, f->port + 1)));
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 2);
	assert_false(problem_has(f->problems, "acme.yaml"));
}

static void test_refusal_of_a_first_version_removes_the_tenant(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];
	struct seen seen;

	work_all(f);
	put(f, "acme.yaml", "acme", 1, web(a, 1, tcp(b, f->port + 1)));
	assert_int_equal(work(f, 0, 0).n_tenants, 1);
	(void)work(f, 1, 1);
	seen = work(f, 0, 0);
	assert_int_equal(seen.n_removed, 1);
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 0);
	assert_true(problem_has(f->problems, "acme.yaml"));
	assert_int_equal(n_listeners(f), 2);
	assert_int_equal(f->tenants->by_name.count, 0);
	/* nothing of it is left: another tenant may have its prefix and port */
	put(f, "globex.yaml", "globex", 1, web(a, 1, tcp(b, f->port + 1)));
	work_all(f);
	assert_int_equal(serial_in_force(f, "globex"), 1);
}

static void test_newest_of_many_changes_wins(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];
	struct seen seen;

	work_all(f);
	for (unsigned int serial = 1; serial <= 100; serial++) {
		put(f, "acme.yaml", "acme", serial, web(a, 1, tls(b, "shop.example", f->port)));
	}
	seen = work(f, 0, 0);
	assert_int_equal(seen.n_tenants, 1);
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 100);
	assert_int_equal(work(f, 0, 0).n_tenants, 0);
	assert_int_equal(problems_count(f->problems), 0);
}

static void test_removed_file_takes_everything_with_it(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];
	uint32_t before;

	work_all(f);
	before = f->slots->fresh - f->slots->n_freed;
	put(f, "acme.yaml", "acme", 1, web(a, 1, tcp(b, f->port + 1)));
	work_all(f);
	assert_int_equal(n_listeners(f), 3);
	take_away(f, "acme.yaml");
	assert_int_equal(serial_in_force(f, "acme"), 0);
	assert_int_equal(work(f, 0, 0).n_removed, 1);
	work_all(f);
	assert_int_equal(n_listeners(f), 2);
	assert_int_equal(f->tenants->by_name.count, 0);
	(void)listeners_total(f->listeners, COUNTER_ACTIVE); /* lets the resting slot go */
	assert_int_equal(f->slots->fresh - f->slots->n_freed, before);
	/* the same number again is a new beginning */
	put(f, "acme.yaml", "acme", 1, web(a, 1, tcp(b, f->port + 1)));
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 1);
	assert_int_equal(n_listeners(f), 3);
}

static void test_removed_and_back_before_workers_answer(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	work_all(f);
	put(f, "acme.yaml", "acme", 5, web(a, 1, tcp(b, f->port + 1)));
	take_away(f, "acme.yaml");
	put(f, "acme.json", "acme", 1, web(a, 1, tcp(b, f->port + 1)));
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 1);
	assert_int_equal(problems_count(f->problems), 0);
	assert_int_equal(n_listeners(f), 3);
	take_away(f, "acme.json");
	work_all(f);
	assert_int_equal(f->tenants->by_name.count, 0);
	assert_int_equal(n_listeners(f), 2);
}

static void test_second_file_for_a_tenant_is_refused(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	put(f, "acme.json", "acme", 2, web(a, 1, tls(b, "shop.example", f->port)));
	work_all(f);
	assert_true(problem_has(f->problems, "acme.json"));
	assert_int_equal(serial_in_force(f, "acme"), 1);
	take_away(f, "acme.json");
	assert_false(problem_has(f->problems, "acme.json"));
	assert_int_equal(serial_in_force(f, "acme"), 1);
}

static void test_second_file_is_taken_when_the_first_is_gone(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	put(f, "acme.json", "acme", 2, web(a, 1, tls(b, "shop.example", f->port)));
	work_all(f);
	take_away(f, "acme.yaml");
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 2);
	assert_int_equal(problems_count(f->problems), 0);
}

static void test_second_claim_is_refused_and_taken_when_the_first_is_gone(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	put(f, "globex.yaml", "globex", 1, web(a, 2, tls(b, "shop.example", f->port)));
	work_all(f);
	assert_int_equal(serial_in_force(f, "globex"), 0);
	assert_true(problem_has(f->problems, "globex.yaml"));
	take_away(f, "acme.yaml");
	work_all(f);
	assert_int_equal(serial_in_force(f, "globex"), 1);
	assert_false(problem_has(f->problems, "globex.yaml"));
	assert_int_equal(f->tenants->n_refused, 0);
}

static void test_name_goes_to_another_when_no_worker_has_it_any_more(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	work_all(f);
	put(f, "acme.yaml", "acme", 2, web(a, 1, tls(b, "shop.example", f->port)));
	put(f, "acme.yaml", "acme", 3, web(a, 1, tls(b, "other.example", f->port))); /* waits */
	put(f, "globex.yaml", "globex", 1, web(a, 2, tls(b, "shop.example", f->port)));
	assert_int_equal(serial_in_force(f, "globex"), 0);
	(void)work(f, 0, 0);
	(void)work(f, 1, 0); /* the second of both, so the third follows, which this one has now */
	(void)dir_work(f->tenants->dir, UINT64_MAX);
	assert_int_equal(serial_in_force(f, "acme"), 3);
	assert_int_equal(serial_in_force(f, "globex"), 0);
	(void)work(f, 0, 0);
	(void)dir_work(f->tenants->dir, UINT64_MAX);
	assert_int_equal(serial_in_force(f, "globex"), 1);
	work_all(f);
	assert_int_equal(f->tenants->n_refused, 0);

	/* a removal as well */
	take_away(f, "globex.yaml");
	put(f, "acme.yaml", "acme", 4, web(a, 1, tls(b, "shop.example", f->port)));
	(void)work(f, 0, 0);
	assert_int_equal(serial_in_force(f, "acme"), 3);
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 4);
}

static void test_refused_version_keeps_the_name_it_gave_up(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	work_all(f);
	put(f, "acme.yaml", "acme", 2, web(a, 1, tls(b, "other.example", f->port)));
	put(f, "globex.yaml", "globex", 1, web(a, 2, tls(b, "shop.example", f->port)));
	(void)work(f, 0, 0);
	(void)work(f, 1, 2);
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 1);
	assert_int_equal(serial_in_force(f, "globex"), 0);
	assert_true(problem_has(f->problems, "globex.yaml"));
	/* and what the refused version alone had is free again */
	put(f, "globex.yaml", "globex", 2, web(a, 2, tls(b, "other.example", f->port)));
	work_all(f);
	assert_int_equal(serial_in_force(f, "globex"), 2);
}

static void test_tls_port_has_a_listener_on_each_pool_address_while_needed(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	work_all(f);
	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "a.example.net", f->port + 1)));
	put(f, "globex.yaml", "globex", 1, web(a, 2, tls(b, "b.example.net", f->port + 1)));
	work_all(f);
	assert_int_equal(n_listeners(f), 4);
	take_away(f, "acme.yaml");
	work_all(f);
	assert_int_equal(n_listeners(f), 4);
	put(f, "globex.yaml", "globex", 2, web(a, 2, tls(b, "b.example.net", f->port)));
	work_all(f);
	assert_int_equal(n_listeners(f), 2);
}

static void test_suspended_tenant_has_no_listener(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128], c[600];

	work_all(f);
	put(f, "acme.yaml", "acme", 1, web(a, 1, tcp(b, f->port + 1)));
	work_all(f);
	assert_int_equal(n_listeners(f), 3);
	snprintf(c, sizeof(c), "state: suspended\n%s", web(a, 1, tcp(b, f->port + 1)));
	put(f, "acme.yaml", "acme", 2, c);
	work_all(f);
	assert_int_equal(n_listeners(f), 2);
	assert_int_equal(tenants_count(f->tenants, TENANT_SUSPENDED), 1);
	assert_int_equal(tenants_count(f->tenants, TENANT_ACTIVE), 0);
}

static void test_change_keeps_the_sockets_of_its_listener(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];
	struct seen seen;

	work_all(f);
	put(f, "acme.yaml", "acme", 1, web(a, 1, tcp(b, f->port + 1)));
	work_all(f);
	put(f, "acme.yaml", "acme", 2, web(a, 1, tcp(b, f->port + 1)));
	seen = work(f, 0, 0);
	assert_int_equal(seen.n_tenants, 1);
	assert_int_equal(seen.n_listeners + seen.n_listeners_removed, 0);
	work_all(f);
	assert_int_equal(work(f, 0, 0).n_listeners_removed, 0);
}

static bool is_drained(struct fixture *f)
{
	return tenants_find(f->tenants, str_from("acme"))->services[0].drained;
}

/* Also when the same text is read with another node config, and when a new one is refused. */
static void test_drain_is_noted_until_the_object_changes(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];
	uint64_t before;

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	work_all(f);
	before = f->tenants->n_changes;
	assert_false(tenants_drain(f->tenants, str_from("nobody"), str_from("web")));
	assert_false(tenants_drain(f->tenants, str_from("acme"), str_from("other")));
	assert_false(is_drained(f));
	assert_true(tenants_drain(f->tenants, str_from("acme"), str_from("web")));
	assert_true(is_drained(f));
	assert_true(f->tenants->n_changes > before); /* the snapshot follows */

	tenants_set_node(f->tenants, f->tenants->conf, true);
	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	assert_int_equal(work(f, 0, 0).n_tenants, 1);
	work_all(f);
	assert_true(is_drained(f));

	put(f, "acme.yaml", "acme", 2, web(a, 1, tls(b, "other.example", f->port)));
	assert_false(is_drained(f));
	(void)work(f, 0, 2);
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 1);
	assert_true(is_drained(f));
	put(f, "acme.yaml", "acme", 3, web(a, 1, tls(b, "other.example", f->port)));
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 3);
	assert_false(is_drained(f));
}

/* While one version is on its way and the same text waits behind it. */
static void test_drain_holds_for_what_waits(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	(void)web(a, 1, tls(b, "shop.example", f->port));
	put(f, "acme.yaml", "acme", 1, a);
	work_all(f);
	for (int i = 0; i < 2; i++) {
		tenants_set_node(f->tenants, f->tenants->conf, true);
		put(f, "acme.yaml", "acme", 1, a);
	}
	assert_true(tenants_drain(f->tenants, str_from("acme"), str_from("web")));
	tenants_set_node(f->tenants, f->tenants->conf, true);
	put(f, "acme.yaml", "acme", 1, a);
	work_all(f);
	work_all(f);
	assert_true(is_drained(f));
}

static void test_drain_of_a_backend_is_noted_at_each_service_that_has_it(void **state)
{
	struct fixture *f = *state;
	const struct tenant_conf *acme;
	char a[512], b[128];

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	work_all(f);
	acme = tenants_find(f->tenants, str_from("acme"));
	assert_false(
		tenants_drain(f->tenants, str_from("acme"), str_from("2001:db8:a000:1::ffff")));
	assert_false(acme->services[0].backends[0].drained);
	assert_true(tenants_drain(f->tenants, str_from("acme"), str_from("2001:db8:a000:1::10")));
	assert_true(acme->services[0].backends[0].drained);
	assert_false(acme->services[0].drained);
}

/* With another node config, as that worker has no memory for it now. */
static void test_text_that_a_worker_refused_may_come_again(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	(void)web(a, 1, tls(b, "shop.example", f->port));
	put(f, "acme.yaml", "acme", 1, a);
	work_all(f);
	tenants_set_node(f->tenants, f->tenants->conf, true);
	put(f, "acme.yaml", "acme", 1, a);
	(void)work(f, 0, 1);
	work_all(f);
	assert_true(problem_has(f->problems, "acme.yaml"));
	put(f, "acme.yaml", "acme", 1, a);
	assert_false(problem_has(f->problems, "acme.yaml"));
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 1);
}

/* The one in force was read with a former node config, and is wrong with that of now. */
static void test_former_text_is_checked_when_it_comes_back(void **state)
{
	struct fixture *f = *state;
	char former[512], newer[512], b[128];

	(void)web(former, 1, tls(b, "shop.example", f->port));
	(void)web(newer, 9, tls(b, "shop.example", f->port));
	put(f, "acme.yaml", "acme", 1, former);
	work_all(f);
	f->reserved = 2;
	change_node(f);
	put(f, "acme.yaml", "acme", 1, former);
	assert_true(problem_has(f->problems, "acme.yaml"));
	put(f, "acme.yaml", "acme", 2, newer);
	(void)work(f, 0, 2);
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 1);
	put(f, "acme.yaml", "acme", 1, former);
	assert_true(problem_has(f->problems, "acme.yaml"));
}

static void test_walk_meets_each_tenant_in_force_once(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];
	const struct tenant_conf *tenant;
	unsigned int n = 0;
	uint32_t at = 0;

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "a.example.net", f->port)));
	put(f, "globex.yaml", "globex", 1, web(a, 2, tls(b, "b.example.net", f->port)));
	work_all(f);
	put(f, "gone.yaml", "gone", 1, web(a, 3, tls(b, "c.example.net", f->port)));
	take_away(f, "gone.yaml");
	while ((tenant = tenants_next(f->tenants, &at))) {
		assert_true(strcmp(tenant->name, "acme") == 0 ||
			    strcmp(tenant->name, "globex") == 0);
		n++;
	}
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new_tenant_reaches_every_worker_once),
		TEST(test_change_of_one_sends_nothing_of_others),
		TEST(test_older_serial_and_other_content_are_refused),
		TEST(test_broken_object_keeps_the_former_one),
		TEST(test_refusal_by_one_worker_brings_the_former_back_to_all),
		TEST(test_refusal_of_a_first_version_removes_the_tenant),
		TEST(test_newest_of_many_changes_wins),
		TEST(test_removed_file_takes_everything_with_it),
		TEST(test_removed_and_back_before_workers_answer),
		TEST(test_second_file_for_a_tenant_is_refused),
		TEST(test_second_file_is_taken_when_the_first_is_gone),
		TEST(test_second_claim_is_refused_and_taken_when_the_first_is_gone),
		TEST(test_name_goes_to_another_when_no_worker_has_it_any_more),
		TEST(test_refused_version_keeps_the_name_it_gave_up),
		TEST(test_tls_port_has_a_listener_on_each_pool_address_while_needed),
		TEST(test_suspended_tenant_has_no_listener),
		TEST(test_change_keeps_the_sockets_of_its_listener),
		TEST(test_drain_is_noted_until_the_object_changes),
		TEST(test_drain_holds_for_what_waits),
		TEST(test_drain_of_a_backend_is_noted_at_each_service_that_has_it),
		TEST(test_text_that_a_worker_refused_may_come_again),
		TEST(test_former_text_is_checked_when_it_comes_back),
		TEST(test_walk_meets_each_tenant_in_force_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
