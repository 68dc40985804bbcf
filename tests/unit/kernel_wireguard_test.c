/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The WireGuard driver against a kernel that keeps peers as the real one does, cuts its dumps in
 * the middle of peers, counts what is touched and can fail the n-th request.
 */
#include "gateway/kernel/wireguard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/wireguard.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/fake_wireguard.h"

static int setup(void **state)
{
	struct fake_wireguard *f = calloc(1, sizeof(*f));

	fake_wireguard_init(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fake_wireguard *f = *state;

	fake_wireguard_fini(f);
	free(f);
	return 0;
}

static struct prefix prefix_of(unsigned int n)
{
	struct prefix p = {.addr = {.b = {0x20, 0x01, 0x0d, 0xb8}}, .len = 64};

	p.addr.b[6] = (uint8_t)(n >> 8);
	p.addr.b[7] = (uint8_t)n;
	return p;
}

static void want_device(struct object_set *set, uint16_t port)
{
	struct object o = {.kind = OBJECT_WG_DEVICE,
			   .wg_device = {.link = "sg-wg", .port = port, .private_key = {9}}};

	object_set_add(set, &o);
}

/* Peer n has the prefixes first .. first + n_allowed - 1. */
static void want_peer(struct object_set *set, unsigned int n, unsigned int first, size_t n_allowed)
{
	struct prefix allowed[FAKE_ALLOWED_MAX];
	struct object o = {.kind = OBJECT_WG_PEER,
			   .wg_peer = {.link = "sg-wg",
				       .public_key = {(uint8_t)n, (uint8_t)(n >> 8), 1},
				       .allowed = allowed,
				       .n_allowed = n_allowed}};

	for (size_t i = 0; i < n_allowed; i++) {
		allowed[i] = prefix_of(first + (unsigned int)i);
	}
	object_set_add(set, &o);
}

static void observe(struct fake_wireguard *f, struct object_set *set)
{
	struct driver d = wireguard_driver(&f->wg);
	struct err err;

	object_set_init(set);
	assert_int_equal(d.observe(d.ctx, d.kinds, set, &err), 0);
	assert_int_equal(object_set_sort(set, &err), 0);
}

/* Makes the fake's state into desired. Returns apply's result; ret_n: steps of the plan. */
static int reach(struct fake_wireguard *f, struct object_set *desired, size_t *ret_done,
		 size_t *ret_n)
{
	struct driver d = wireguard_driver(&f->wg);
	struct object_set observed;
	struct plan plan;
	struct err err;
	int rc = 0;

	observe(f, &observed);
	assert_int_equal(object_set_sort(desired, &err), 0);
	assert_int_equal(plan_diff(&observed, desired, &plan, &err), 0);
	*ret_n = plan.n;
	*ret_done = 0;
	if (plan.n > 0) {
		rc = d.apply(d.ctx, plan.steps, plan.n, ret_done, &err);
	}
	plan_fini(&plan);
	object_set_fini(&observed);
	return rc;
}

static void cold_start_is_few_messages_and_a_second_run_none(void **state)
{
	struct fake_wireguard *f = *state;
	struct object_set desired;
	size_t done, n;

	object_set_init(&desired);
	want_device(&desired, 51820);
	for (unsigned int i = 0; i < 1000; i++) {
		want_peer(&desired, i, i * 2, 1 + i % 2);
	}
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	assert_int_equal(done, 1001);
	assert_int_equal(f->n_peers, 1000);
	assert_true(f->n_sets <= 6);
	assert_true(f->longest < 65000);
	assert_int_equal(f->n_replaced, 0);
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	assert_int_equal(n, 0);
	object_set_fini(&desired);
}

static void peer_of_many_prefixes_goes_and_comes_in_pieces(void **state)
{
	struct fake_wireguard *f = *state;
	struct object_set desired;
	size_t done, n;

	object_set_init(&desired);
	want_device(&desired, 51820);
	want_peer(&desired, 1, 0, FAKE_ALLOWED_MAX - 1);
	want_peer(&desired, 2, 5000, 7);
	want_peer(&desired, 3, 6000, 0);
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	assert_true(f->longest < 65000);
	assert_int_equal(fake_find(f, (uint8_t[32]){1, 0, 1})->n_allowed, FAKE_ALLOWED_MAX - 1);
	f->interrupted = 2; /* and the dump is asked for again */
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	assert_int_equal(n, 0);
	object_set_fini(&desired);
}

static void only_the_changed_peer_is_touched(void **state)
{
	struct fake_wireguard *f = *state;
	struct object_set desired;
	size_t done, n;

	object_set_init(&desired);
	want_device(&desired, 51820);
	want_peer(&desired, 1, 0, 1);
	want_peer(&desired, 2, 10, 1);
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	object_set_fini(&desired);
	for (size_t i = 0; i < f->n_peers; i++) {
		f->peers[i].touched = 0;
	}
	f->port_set = f->key_set = 0;
	object_set_init(&desired);
	want_device(&desired, 51821);
	want_peer(&desired, 1, 0, 1);
	want_peer(&desired, 2, 10, 2);
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(fake_find(f, (uint8_t[32]){1, 0, 1})->touched, 0);
	assert_int_equal(fake_find(f, (uint8_t[32]){2, 0, 1})->n_allowed, 2);
	assert_int_equal(f->port_set, 1);
	assert_int_equal(f->key_set, 0); /* it would end every session */
	object_set_fini(&desired);
}

static void allowed_ip_goes_over_to_another_peer(void **state)
{
	struct fake_wireguard *f = *state;
	struct object_set desired;
	size_t done, n;

	object_set_init(&desired);
	want_device(&desired, 51820);
	want_peer(&desired, 1, 0, 1);
	want_peer(&desired, 2, 1, 1);
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	object_set_fini(&desired);
	object_set_init(&desired);
	want_device(&desired, 51820);
	want_peer(&desired, 1, 1, 1);
	want_peer(&desired, 2, 0, 1);
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	assert_int_equal(n, 0);
	object_set_fini(&desired);
}

static void roamed_endpoint_handshake_and_bytes_are_observed_and_no_drift(void **state)
{
	struct fake_wireguard *f = *state;
	struct object_set desired, observed;
	const struct object *o;
	size_t done, n;

	object_set_init(&desired);
	want_device(&desired, 51820);
	want_peer(&desired, 1, 0, 1);
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	f->peers[0].endpoint = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(4500)};
	inet_pton(AF_INET, "198.51.100.77", &f->peers[0].endpoint.sin_addr);
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	assert_int_equal(n, 0);
	observe(f, &observed);
	assert_int_equal(observed.n, 2);
	o = &observed.items[1];
	assert_int_equal(o->wg_peer.endpoint.port, 4500);
	assert_int_equal(o->wg_peer.endpoint.addr.b[15], 77);
	assert_int_equal(o->wg_peer.handshake_s, 1700000000);
	assert_int_equal(o->wg_peer.rx_bytes, 77);
	object_set_fini(&observed);
	object_set_fini(&desired);
}

static struct sockaddr_in at(const char *address)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(51820)};

	assert_int_equal(inet_pton(AF_INET, address, &sa.sin_addr), 1);
	return sa;
}

static bool is_at(const struct fake_wireguard *f, const char *address)
{
	const struct sockaddr_in sa = at(address);

	return f->peers[0].endpoint.sin_addr.s_addr == sa.sin_addr.s_addr;
}

/* A peer whose endpoint is in the config. */
static void want_peer_at(struct object_set *set, const char *address)
{
	const struct sockaddr_in sa = at(address);

	object_set_init(set);
	want_device(set, 51820);
	want_peer(set, 1, 0, 1);
	assert_int_equal(endpoint_from_sockaddr((const struct sockaddr *)&sa,
						&set->items[1].wg_peer.endpoint),
			 0);
}

static void peer_that_moved_is_left_where_it_is_while_it_lives(void **state)
{
	struct fake_wireguard *f = *state;
	struct driver d = wireguard_driver(&f->wg);
	struct object_set desired, next;
	struct plan plan;
	struct err err;
	size_t done, n;

	want_peer_at(&desired, "198.51.100.7");
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	assert_true(is_at(f, "198.51.100.7"));
	f->peers[0].endpoint = at("198.51.100.8");
	f->handshake_s = time(NULL) - 100;
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	assert_int_equal(n, 0);
	f->peers[0].keepalive = 99; /* by hand */
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	assert_int_equal(n, 1);
	assert_true(is_at(f, "198.51.100.8"));
	/* the config moves it all the same */
	want_peer_at(&next, "198.51.100.9");
	assert_int_equal(plan_diff(&desired, &next, &plan, &err), 0);
	assert_int_equal(plan.n, 1);
	assert_int_equal(d.apply(d.ctx, plan.steps, plan.n, &done, &err), 0);
	assert_true(is_at(f, "198.51.100.9"));
	plan_fini(&plan);
	object_set_fini(&next);
	/* where it was last heard of long ago is nowhere */
	f->handshake_s = time(NULL) - WG_SESSION_S - 10;
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	assert_int_equal(n, 1);
	assert_true(is_at(f, "198.51.100.7"));
	object_set_fini(&desired);
}

static void peer_with_our_own_key_is_refused_and_no_other(void **state)
{
	struct fake_wireguard *f = *state;
	struct driver d = wireguard_driver(&f->wg);
	struct object_set desired;
	struct object own = {.kind = OBJECT_WG_PEER, .wg_peer = {.link = "sg-wg"}};
	struct step step = {.verb = STEP_ADD, .to = &own};
	struct err err;
	size_t done, n;

	object_set_init(&desired);
	want_device(&desired, 51820);
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	object_set_fini(&desired);
	object_set_init(&desired);
	want_device(&desired, 51820);
	want_peer(&desired, 1, 0, 1);
	want_peer(&desired, 2, 1, 1);
	memcpy(own.wg_peer.public_key, f->public_key, sizeof(f->public_key));
	assert_non_null(object_set_add(&desired, &own)); /* the last one */
	assert_int_equal(reach(f, &desired, &done, &n), -EINVAL);
	assert_int_equal(done, 2);
	assert_int_equal(f->n_peers, 2);
	assert_int_equal(d.apply(d.ctx, &step, 1, &done, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "this gateway's own"));
	/* the exit's device has another key */
	memcpy(own.wg_peer.link, "sg-up", sizeof("sg-up"));
	f->any_link = true;
	assert_int_equal(d.apply(d.ctx, &step, 1, &done, &err), 0);
	object_set_fini(&desired);
}

/* At the start, when no device was looked at yet; and with another key than at the last look. */
static void our_own_key_is_known_when_the_device_has_just_got_it(void **state)
{
	struct fake_wireguard *f = *state;
	struct driver d = wireguard_driver(&f->wg);
	struct object device = {.kind = OBJECT_WG_DEVICE, .wg_device = {.link = "sg-wg"}};
	struct object own = {.kind = OBJECT_WG_PEER, .wg_peer = {.link = "sg-wg"}};
	const struct step steps[] = {{.verb = STEP_ADD, .to = &device},
				     {.verb = STEP_ADD, .to = &own}};
	struct object_set set;
	struct err err;
	size_t done;

	memset(device.wg_device.private_key, 0x55, WG_KEY_BYTES);
	memcpy(own.wg_peer.public_key, f->public_key, sizeof(f->public_key));
	assert_int_equal(d.apply(d.ctx, steps, 2, &done, &err), -EINVAL);
	assert_int_equal(done, 1);
	object_set_init(&set);
	assert_int_equal(d.observe(d.ctx, d.kinds, &set, &err), 0);
	object_set_fini(&set);
	f->public_key[0]++;
	assert_int_equal(d.apply(d.ctx, steps, 2, &done, &err), 0); /* it is not any more */
	memcpy(own.wg_peer.public_key, f->public_key, sizeof(f->public_key));
	assert_int_equal(d.apply(d.ctx, steps + 1, 1, &done, &err), -EINVAL);
	assert_int_equal(done, 0);
	assert_int_equal(f->n_peers, 1);
}

static void stranger_on_our_link_is_removed(void **state)
{
	struct fake_wireguard *f = *state;
	struct object_set desired;
	size_t done, n;

	object_set_init(&desired);
	want_device(&desired, 51820);
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	f->n_peers = 1;
	f->peers[0] = (struct fake_peer){.key = {66}};
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(f->n_peers, 0);
	object_set_fini(&desired);
}

/* Whatever request fails: what was done is known, and undoing it leaves things as they were. */
static void each_failed_request_can_be_undone(void **state)
{
	struct fake_wireguard *f = *state;
	struct driver d = wireguard_driver(&f->wg);
	struct object_set before, desired, after;
	struct plan plan, undo, rest;
	unsigned int fail = 1;
	struct err err;
	size_t done;
	int rc;

	object_set_init(&desired);
	want_device(&desired, 51820);
	want_peer(&desired, 1, 0, 3);
	want_peer(&desired, 2, 10, 1);
	assert_int_equal(reach(f, &desired, &done, &(size_t){0}), 0);
	object_set_fini(&desired);
	observe(f, &before);
	object_set_init(&desired);
	want_device(&desired, 51900);
	want_peer(&desired, 1, 0, 2);
	for (unsigned int i = 3; i < 600; i++) {
		want_peer(&desired, i, i * 4, 3);
	}
	assert_int_equal(object_set_sort(&desired, &err), 0);
	do {
		assert_int_equal(plan_diff(&before, &desired, &plan, &err), 0);
		f->n_requests = 0;
		f->fail_at = fail++;
		rc = d.apply(d.ctx, plan.steps, plan.n, &done, &err);
		f->fail_at = 0;
		assert_true(rc < 0 || done == plan.n);
		assert_int_equal(plan_undo(&plan, done, &undo, &err), 0);
		if (undo.n > 0) {
			assert_int_equal(d.apply(d.ctx, undo.steps, undo.n, &done, &err), 0);
		}
		observe(f, &after);
		assert_int_equal(plan_diff(&after, &before, &rest, &err), 0);
		assert_int_equal(rest.n, 0);
		plan_fini(&rest);
		plan_fini(&undo);
		plan_fini(&plan);
		object_set_fini(&after);
	} while (f->n_requests >= fail - 1 && fail < 20);
	assert_true(fail > 3);
	object_set_fini(&before);
	object_set_fini(&desired);
}

static void what_is_wrong_is_said(void **state)
{
	struct fake_wireguard *f = *state;
	struct driver d = wireguard_driver(&f->wg);
	struct object peer = {.kind = OBJECT_WG_PEER, .wg_peer = {.link = "sg-wg"}};
	struct step add = {.verb = STEP_ADD, .to = &peer};
	struct step remove = {.verb = STEP_REMOVE, .from = &peer};
	struct object_set set;
	struct err err;
	size_t done;

	object_set_init(&set);
	f->dump_error = true;
	assert_int_equal(d.observe(d.ctx, d.kinds, &set, &err), -ENOBUFS);
	assert_non_null(strstr(err.msg, "sg-wg"));
	f->gone = true;
	assert_int_equal(d.apply(d.ctx, &add, 1, &done, &err), -ENODEV);
	assert_int_equal(done, 0);
	assert_non_null(strstr(err.msg, "peer AAAA"));
	assert_int_equal(d.apply(d.ctx, &remove, 1, &done, &err), 0);
	assert_int_equal(done, 1);
	f->no_module = true;
	assert_int_equal(d.apply(d.ctx, &add, 1, &done, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "modprobe wireguard"));
	object_set_fini(&set);
	object_set_init(&set);
	assert_int_equal(d.observe(d.ctx, d.kinds, &set, &err), -EOPNOTSUPP);
	assert_int_equal(set.n, 0);
	object_set_fini(&set);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(cold_start_is_few_messages_and_a_second_run_none),
		TEST(peer_of_many_prefixes_goes_and_comes_in_pieces),
		TEST(only_the_changed_peer_is_touched),
		TEST(allowed_ip_goes_over_to_another_peer),
		TEST(roamed_endpoint_handshake_and_bytes_are_observed_and_no_drift),
		TEST(peer_that_moved_is_left_where_it_is_while_it_lives),
		TEST(peer_with_our_own_key_is_refused_and_no_other),
		TEST(our_own_key_is_known_when_the_device_has_just_got_it),
		TEST(stranger_on_our_link_is_removed),
		TEST(each_failed_request_can_be_undone),
		TEST(what_is_wrong_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
