/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a tenant's block has for others' prefixes goes, and nothing else. */
#include "gateway/kernel/jool_sweep.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/kernel/internal.h"
#include "tests/unit/fake_jool.h"

#define FIRST  17408
#define LAST   18431
#define OWN    "2001:db8:a000:1002::1"
#define LOST   "2001:db8:a000:1003::1"
#define PUBLIC "203.0.113.10"

struct rig {
	struct fake_jool fake;
	struct jool_context ctx;
	struct prefix prefix;
	struct tenant_conf tenant;
	struct port_block block;
	struct jool_sweep sweep;
	int (*real)(void *ctx, const struct kernel_request *req, struct kernel_fault *fault);
	char dir[64];
};

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(str_from(text), &a), 0);
	return a;
}

static void set_version(const struct rig *r, bool loaded)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/module", r->dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/module/jool", r->dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/module/jool/version", r->dir);
	if (!loaded) {
		assert_int_equal(unlink(path), 0);
		return;
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("4.1.9.0\n", f);
	fclose(f);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	fake_jool_init(&r->fake);
	r->fake.has_instance = true;
	strcpy(r->dir, "/tmp/sixgate-sweep-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	set_version(r, true);
	r->ctx = (struct jool_context){.ops = &r->fake.ops,
				       .sys_dir = r->dir,
				       .modules_dir = r->dir};
	assert_int_equal(prefix_parse(str_from("2001:db8:a000:1002::/64"), &r->prefix, NULL), 0);
	r->tenant = (struct tenant_conf){.name = "globex", .prefixes = &r->prefix, .n_prefixes = 1};
	r->block = (struct port_block){.address = addr_of(PUBLIC), .ports = {FIRST, LAST}};
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", r->dir);
	assert_int_equal(system(command), 0);
	free(r);
	return 0;
}

static struct jool_entry *add(struct rig *r, uint8_t protocol, const char *inside,
			      const char *outside, uint16_t port)
{
	struct jool_entry *e = &r->fake.mappings[r->fake.n_mappings++];

	assert_true(r->fake.n_mappings <= FAKE_JOOL_ROWS);
	*e = (struct jool_entry){.protocol = protocol,
				 .src6 = {.addr = addr_of(inside), .port = port},
				 .src4 = {.addr = addr_of(outside), .port = port}};
	return e;
}

static bool has(const struct rig *r, uint8_t protocol, const char *inside, uint16_t port)
{
	const struct addr a = addr_of(inside);

	for (size_t i = 0; i < r->fake.n_mappings; i++) {
		const struct jool_entry *e = &r->fake.mappings[i];

		if (e->protocol == protocol && addr_eq(&e->src6.addr, &a) && e->src6.port == port) {
			return true;
		}
	}
	return false;
}

/* To the end. Returns the number of steps, or the error of one. */
static int sweep(struct rig *r, struct err *err)
{
	int n = 0, rc = 1;

	while (rc > 0 && n++ < 1000) {
		unsigned int before = r->fake.n_requests;

		rc = jool_sweep_step(&r->ctx, &r->tenant, &r->block, &r->sweep, err);
		/* the family, a page, and some removals */
		assert_true(r->fake.n_requests - before <= 2 + JOOL_SWEEP_MAX);
	}
	assert_true(n < 1000);
	return rc < 0 ? rc : n;
}

static void only_what_is_dynamic_and_of_a_lost_prefix_goes(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
	struct rig *r = *state;
	struct err err;

	for (size_t i = 0; i < 3; i++) {
		add(r, protocols[i], OWN, PUBLIC, FIRST + 1);
		add(r, protocols[i], LOST, PUBLIC, FIRST);
		add(r, protocols[i], LOST, PUBLIC, FIRST + 7);
		add(r, protocols[i], LOST, PUBLIC, LAST);
		/* of the prefix's next tenant, in a block of its own */
		add(r, protocols[i], LOST, PUBLIC, FIRST - 1);
		add(r, protocols[i], LOST, PUBLIC, LAST + 1);
		add(r, protocols[i], LOST, "203.0.113.11", FIRST + 2);
	}
	add(r, IPPROTO_TCP, LOST, PUBLIC, FIRST + 9)->is_static = true;
	assert_true(sweep(r, &err) >= 3);
	assert_int_equal(r->fake.n_mappings, 3 * 4 + 1);
	for (size_t i = 0; i < 3; i++) {
		assert_true(has(r, protocols[i], OWN, FIRST + 1));
		assert_true(has(r, protocols[i], LOST, FIRST - 1));
		assert_true(has(r, protocols[i], LOST, LAST + 1));
		assert_true(has(r, protocols[i], LOST, FIRST + 2));
	}
	assert_true(has(r, IPPROTO_TCP, LOST, FIRST + 9));
}

static void many_go_in_small_steps(void **state)
{
	struct rig *r = *state;
	struct err err;

	for (uint16_t i = 0; i < FAKE_JOOL_ROWS; i++) {
		add(r, IPPROTO_UDP, i % 8 == 0 ? OWN : LOST, PUBLIC, FIRST + i);
	}
	assert_true(sweep(r, &err) > FAKE_JOOL_ROWS / FAKE_JOOL_PAGE);
	assert_int_equal(r->fake.n_mappings, FAKE_JOOL_ROWS / 8);
}

/* Takes all but the first mapping away just before a removal is asked for. */
static int vanishing(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	struct rig *r = (struct rig *)ctx; /* fake is its first member */
	const struct nlmsghdr *nlh = req->data;
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type == FAKE_JOOL_FAMILY && genl->cmd == 24 && r->fake.n_mappings > 1) {
		r->fake.n_mappings = 1;
	}
	return r->real(ctx, req, fault);
}

static void what_has_gone_meanwhile_is_fine(void **state)
{
	struct rig *r = *state;
	struct err err;

	add(r, IPPROTO_UDP, LOST, PUBLIC, FIRST); /* looked at after TCP's */
	add(r, IPPROTO_TCP, LOST, PUBLIC, FIRST);
	add(r, IPPROTO_TCP, LOST, PUBLIC, FIRST + 1);
	r->real = r->fake.ops.transact;
	r->fake.ops.transact = vanishing;
	assert_true(sweep(r, &err) > 0);
	assert_int_equal(r->fake.n_mappings, 0);
}

static void without_module_or_instance_there_is_nothing(void **state)
{
	struct rig *r = *state;
	struct err err;

	r->fake.has_instance = false;
	assert_int_equal(sweep(r, &err), 1);
	r->fake.n_requests = 0;
	set_version(r, false);
	assert_int_equal(sweep(r, &err), 1);
	assert_int_equal(r->fake.n_requests, 0);
}

static void failure_is_told_and_a_second_sweep_does_it(void **state)
{
	struct rig *r = *state;
	struct err err = {0};

	add(r, IPPROTO_TCP, LOST, PUBLIC, FIRST);
	/* the page was read */
	for (r->fake.fail_at = 1; r->fake.fail_at <= 2; r->fake.fail_at++) {
		r->fake.n_requests = 0;
		r->sweep = (struct jool_sweep){0};
		assert_true(sweep(r, &err) < 0);
		assert_true(err.msg[0] != '\0');
		assert_int_equal(r->fake.n_mappings, 1);
	}
	r->fake.fail_at = 0;
	r->sweep = (struct jool_sweep){0};
	assert_true(sweep(r, &err) > 0);
	assert_int_equal(r->fake.n_mappings, 0);
}

/* A kernel that has the translator and nothing else. */
struct krig {
	struct kernel k;
	struct node_conf node;
	struct prefix prefixes[2];
	struct tunnel_conf tunnel;
	struct tenant_conf former, now;
	struct driver driver;
};

static void krig_init(struct krig *kr, struct rig *r)
{
	struct err err;

	*kr = (struct krig){.driver = jool_driver(&r->ctx)};
	TAILQ_INIT(&kr->k.sweep.due);
	kr->k.drivers.jool = r->ctx;
	assert_int_equal(reconcile_new(&kr->driver, 1, NULL, NULL, &kr->k.reconcile, &err), 0);
	assert_int_equal(prefix_parse(str_from("2001:db8:a000::/48"), &kr->node.ipv6_prefix, NULL),
			 0);
	assert_int_equal(prefix_parse(str_from("2001:db8:a000:1003::/64"), &kr->prefixes[1], NULL),
			 0);
	kr->node.has_ipv6_prefix = true;
	kr->node.nat64.on = true;
	kr->node.nat64.pool = &r->block.address;
	kr->node.nat64.n_pool = 1;
	kr->node.nat64.ports = (struct port_range){FIRST, LAST};
	kr->node.nat64.ports_per_tenant = LAST - FIRST + 1;
	kr->k.node = &kr->node;
	kr->prefixes[0] = r->prefix;
	kr->now = kr->former = (struct tenant_conf){.name = "globex",
						    .prefixes = kr->prefixes,
						    .n_prefixes = 2,
						    .tunnels = &kr->tunnel,
						    .n_tunnels = 1};
	kr->now.n_prefixes = 1;
	r->fake.has_instance = false; /* it would be taken away, as nobody wants it */
	assert_int_equal(reconcile_start(kr->k.reconcile, &err), 0);
	r->fake.has_instance = true;
}

static void sweep_all(struct krig *kr)
{
	struct err err;

	for (int n = 0; kernel_sweeping(&kr->k); n++) {
		assert_int_equal(kernel_sweep(&kr->k, &err), 0);
		assert_true(n < 100);
	}
}

static void tenant_that_lost_a_prefix_is_swept_and_no_other(void **state)
{
	struct rig *r = *state;
	struct krig kr;
	struct ktenant t = {.conf = &kr.former};
	struct err err;

	krig_init(&kr, r);
	add(r, IPPROTO_UDP, OWN, PUBLIC, FIRST);
	add(r, IPPROTO_UDP, LOST, PUBLIC, FIRST + 1);
	kernel_sweep_note(&kr.k, &t, NULL);
	assert_false(kernel_sweeping(&kr.k));
	kernel_sweep_note(&kr.k, &t, &kr.former);
	assert_false(kernel_sweeping(&kr.k));
	t.conf = &kr.now;
	kernel_sweep_note(&kr.k, &t, &kr.former);
	assert_true(kernel_sweeping(&kr.k));
	/* it fails, and waits for the next look */
	r->fake.fail_at = r->fake.n_requests + 1;
	assert_true(kernel_sweep(&kr.k, &err) < 0);
	assert_false(kernel_sweeping(&kr.k));
	kernel_poll(&kr.k);
	sweep_all(&kr);
	assert_int_equal(r->fake.n_mappings, 1);
	assert_true(has(r, IPPROTO_UDP, OWN, FIRST));
	reconcile_free(kr.k.reconcile);
}

static void tenant_that_goes_meanwhile_is_forgotten(void **state)
{
	struct rig *r = *state;
	struct krig kr;
	struct ktenant t[2] = {{.conf = &kr.now}, {.conf = &kr.now}};
	struct err err;

	krig_init(&kr, r);
	add(r, IPPROTO_TCP, LOST, PUBLIC, FIRST);
	kernel_sweep_note(&kr.k, &t[0], &kr.former);
	kernel_sweep_note(&kr.k, &t[1], &kr.former);
	kernel_sweep_note(&kr.k, &t[1], &kr.former);    /* once is enough */
	assert_int_equal(kernel_sweep(&kr.k, &err), 0); /* the first one's TCP */
	add(r, IPPROTO_TCP, LOST, PUBLIC, FIRST);
	kernel_sweep_forget(&kr.k, &t[0]);
	kernel_sweep_forget(&kr.k, &t[0]);
	sweep_all(&kr); /* the other one's from its beginning */
	assert_int_equal(r->fake.n_mappings, 0);
	assert_true(TAILQ_EMPTY(&kr.k.sweep.due));
	reconcile_free(kr.k.reconcile);
}

/* As all tenants at the start of a gateway without NAT64. */
static void those_that_are_not_translated_take_no_step_each(void **state)
{
	struct rig *r = *state;
	struct krig kr;
	struct ktenant t[50];
	struct err err;

	krig_init(&kr, r);
	kr.node.nat64.on = false;
	kr.node.nat64.n_pool = 0;
	for (size_t i = 0; i < 50; i++) {
		t[i] = (struct ktenant){.conf = &kr.now};
		kernel_sweep_note(&kr.k, &t[i], &kr.former);
	}
	assert_true(kernel_sweeping(&kr.k));
	assert_int_equal(kernel_sweep(&kr.k, &err), 0);
	assert_false(kernel_sweeping(&kr.k));
	reconcile_free(kr.k.reconcile);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_what_is_dynamic_and_of_a_lost_prefix_goes),
		TEST(many_go_in_small_steps),
		TEST(what_has_gone_meanwhile_is_fine),
		TEST(without_module_or_instance_there_is_nothing),
		TEST(failure_is_told_and_a_second_sweep_does_it),
		TEST(tenant_that_lost_a_prefix_is_swept_and_no_other),
		TEST(tenant_that_goes_meanwhile_is_forgotten),
		TEST(those_that_are_not_translated_take_no_step_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
