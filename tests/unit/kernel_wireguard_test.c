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

#include <cmocka.h>

#include "gateway/kernel/generic.h"

#define FAMILY      0x21
#define PEERS_MAX   1200
#define ALLOWED_MAX 2000
#define CUT         3 /* allowed-ips in a message of a dump */

struct fake_peer {
	uint8_t key[32], psk[32];
	uint16_t keepalive;
	struct sockaddr_in endpoint;
	struct prefix allowed[ALLOWED_MAX];
	size_t n_allowed;
	unsigned int touched;
};

struct fake {
	struct kernel_ops ops;
	uint16_t port;
	uint8_t key[32];
	struct fake_peer *peers;
	size_t n_peers;
	unsigned int n_sets, n_requests, fail_at, n_replaced, interrupted, port_set, key_set;
	size_t longest;
	bool no_module, gone, dump_error;
};

static struct fake_peer *fake_find(struct fake *f, const uint8_t *key)
{
	for (size_t i = 0; i < f->n_peers; i++) {
		if (memcmp(f->peers[i].key, key, 32) == 0) {
			return &f->peers[i];
		}
	}
	return NULL;
}

static void links_answer(const struct kernel_request *req)
{
	static const struct {
		const char *name, *kind, *alias;
	} links[] = {{"eth0", "veth", "sixgate:x/y"},
		     {"wg0", "wireguard", "mine"},
		     {"wg1", "wireguard", NULL},
		     {"sg-wg", "wireguard", "sixgate:wireguard"}};

	for (size_t i = 0; i < 4; i++) {
		_Alignas(struct nlmsghdr) char data[256];
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
		struct nlattr *info;

		nlh->nlmsg_type = RTM_NEWLINK;
		mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
		mnl_attr_put_strz(nlh, IFLA_IFNAME, links[i].name);
		if (links[i].alias) {
			mnl_attr_put_strz(nlh, IFLA_IFALIAS, links[i].alias);
		}
		info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
		mnl_attr_put_strz(nlh, IFLA_INFO_KIND, links[i].kind);
		mnl_attr_nest_end(nlh, info);
		assert_int_equal(req->reply(nlh, req->arg), 0);
	}
}

static void put_allowed(struct nlmsghdr *nlh, const struct prefix *p)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0);
	bool v4 = prefix_is_v4(p);

	mnl_attr_put_u16(nlh, WGALLOWEDIP_A_FAMILY, v4 ? AF_INET : AF_INET6);
	mnl_attr_put(nlh, WGALLOWEDIP_A_IPADDR, v4 ? 4 : 16, p->addr.b + (v4 ? 12 : 0));
	mnl_attr_put_u8(nlh, WGALLOWEDIP_A_CIDR_MASK, (uint8_t)(p->len - (v4 ? 96 : 0)));
	mnl_attr_nest_end(nlh, nest);
}

/* One peer a message, a peer of many allowed-ips over many: the latter repeat the key alone. */
static int dump_answer(struct fake *f, const struct kernel_request *req)
{
	int rc = 0;

	for (size_t i = 0; i <= f->n_peers && rc == 0; i++) {
		struct fake_peer *p = i < f->n_peers ? &f->peers[i] : NULL;
		size_t at = 0;

		do {
			_Alignas(struct nlmsghdr) char data[2048];
			struct nlmsghdr *nlh = generic_message(data, FAMILY, 0, 1, 0, 1, 0);
			struct nlattr *peers, *nest, *list;

			mnl_attr_put_u16(nlh, WGDEVICE_A_LISTEN_PORT, f->port);
			mnl_attr_put(nlh, WGDEVICE_A_PRIVATE_KEY, 32, f->key);
			if (p) {
				peers = mnl_attr_nest_start(nlh, WGDEVICE_A_PEERS);
				nest = mnl_attr_nest_start(nlh, 0);
				mnl_attr_put(nlh, WGPEER_A_PUBLIC_KEY, 32, p->key);
				if (at == 0) {
					int64_t stamp[2] = {1700000000, 5};

					mnl_attr_put(nlh, WGPEER_A_PRESHARED_KEY, 32, p->psk);
					mnl_attr_put_u16(nlh,
							 WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
							 p->keepalive);
					mnl_attr_put(nlh, WGPEER_A_LAST_HANDSHAKE_TIME,
						     sizeof(stamp), stamp);
					mnl_attr_put_u64(nlh, WGPEER_A_RX_BYTES, 77);
					if (p->endpoint.sin_port) {
						mnl_attr_put(nlh, WGPEER_A_ENDPOINT,
							     sizeof(p->endpoint), &p->endpoint);
					}
				}
				list = mnl_attr_nest_start(nlh, WGPEER_A_ALLOWEDIPS);
				for (int n = 0; n < CUT && at < p->n_allowed; n++) {
					put_allowed(nlh, &p->allowed[at++]);
				}
				mnl_attr_nest_end(nlh, list);
				mnl_attr_nest_end(nlh, nest);
				mnl_attr_nest_end(nlh, peers);
			}
			rc = req->reply(nlh, req->arg);
			if (rc == 0 && f->interrupted > 0 && i > 0) {
				f->interrupted--;
				return -EINTR;
			}
		} while (p && at < p->n_allowed && rc == 0);
	}
	return rc < 0 ? rc : f->dump_error ? -ENOBUFS : 0;
}

static void take_allowed(struct fake *f, struct fake_peer *p, const struct nlattr *list)
{
	const struct nlattr *entry, *attr;

	mnl_attr_for_each_nested(entry, list)
	{
		struct prefix pre = {.addr = {.b = {[10] = 0xff, [11] = 0xff}}};
		bool v4 = false;

		mnl_attr_for_each_nested(attr, entry)
		{
			switch (mnl_attr_get_type(attr)) {
			case WGALLOWEDIP_A_FAMILY:
				v4 = mnl_attr_get_u16(attr) == AF_INET;
				break;
			case WGALLOWEDIP_A_IPADDR:
				memcpy(pre.addr.b + (v4 ? 12 : 0), mnl_attr_get_payload(attr),
				       mnl_attr_get_payload_len(attr));
				break;
			case WGALLOWEDIP_A_CIDR_MASK:
				pre.len = (uint8_t)(mnl_attr_get_u8(attr) + (v4 ? 96 : 0));
				break;
			}
		}
		/* an allowed-ip moves to who gets it last */
		for (size_t i = 0; i < f->n_peers; i++) {
			for (size_t k = 0; k < f->peers[i].n_allowed; k++) {
				if (memcmp(&f->peers[i].allowed[k], &pre, sizeof(pre)) == 0) {
					f->peers[i].allowed[k] =
						f->peers[i].allowed[--f->peers[i].n_allowed];
				}
			}
		}
		assert_true(p->n_allowed < ALLOWED_MAX);
		p->allowed[p->n_allowed++] = pre;
	}
}

static void take_peer(struct fake *f, const struct nlattr *nest)
{
	const struct nlattr *attr;
	struct fake_peer *p = NULL;
	uint32_t flags = 0;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == WGPEER_A_FLAGS) {
			flags = mnl_attr_get_u32(attr);
		}
	}
	mnl_attr_for_each_nested(attr, nest)
	{
		const void *v = mnl_attr_get_payload(attr);

		switch (mnl_attr_get_type(attr)) {
		case WGPEER_A_PUBLIC_KEY:
			p = fake_find(f, v);
			if (flags & WGPEER_F_REMOVE_ME) {
				if (p) {
					*p = f->peers[--f->n_peers];
				}
				return;
			}
			if (!p) {
				assert_true(f->n_peers < PEERS_MAX);
				p = &f->peers[f->n_peers++];
				memset(p, 0, sizeof(*p));
				memcpy(p->key, v, 32);
			}
			p->touched++;
			if (flags & WGPEER_F_REPLACE_ALLOWEDIPS) {
				p->n_allowed = 0;
			}
			break;
		case WGPEER_A_PRESHARED_KEY:
			memcpy(p->psk, v, 32);
			break;
		case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
			p->keepalive = mnl_attr_get_u16(attr);
			break;
		case WGPEER_A_ENDPOINT:
			memcpy(&p->endpoint, v, sizeof(p->endpoint));
			break;
		case WGPEER_A_ALLOWEDIPS:
			take_allowed(f, p, attr);
			break;
		}
	}
}

static int set_answer(struct fake *f, const struct nlmsghdr *nlh)
{
	const struct nlattr *attr, *nest;

	f->n_sets++;
	f->longest = nlh->nlmsg_len > f->longest ? nlh->nlmsg_len : f->longest;
	mnl_attr_for_each(attr, nlh, GENL_HDRLEN)
	{
		switch (mnl_attr_get_type(attr)) {
		case WGDEVICE_A_IFNAME:
			assert_string_equal(mnl_attr_get_str(attr), "sg-wg");
			if (f->gone) {
				return -ENODEV;
			}
			break;
		case WGDEVICE_A_LISTEN_PORT:
			f->port = mnl_attr_get_u16(attr);
			f->port_set++;
			break;
		case WGDEVICE_A_PRIVATE_KEY:
			memcpy(f->key, mnl_attr_get_payload(attr), 32);
			f->key_set++;
			break;
		case WGDEVICE_A_FLAGS:
			f->n_replaced++;
			break;
		case WGDEVICE_A_PEERS:
			mnl_attr_for_each_nested(nest, attr)
			{
				take_peer(f, nest);
			}
			break;
		}
	}
	return 0;
}

static int fake_transact(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	struct fake *f = ctx;
	const struct nlmsghdr *nlh = req->data;
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);

	memset(fault, 0, sizeof(*fault));
	if (++f->n_requests == f->fail_at) {
		return -ENOMEM;
	}
	if (req->bus == BUS_ROUTE) {
		links_answer(req);
		return 0;
	}
	if (nlh->nlmsg_type == GENL_ID_CTRL) {
		_Alignas(struct nlmsghdr) char data[128];
		struct nlmsghdr *reply = generic_message(data, GENL_ID_CTRL, 0, 1, 1, 2, 0);

		if (f->no_module) {
			return -ENOENT;
		}
		mnl_attr_put_u16(reply, CTRL_ATTR_FAMILY_ID, FAMILY);
		return req->reply(reply, req->arg);
	}
	assert_int_equal(nlh->nlmsg_type, FAMILY);
	return genl->cmd == WG_CMD_GET_DEVICE ? dump_answer(f, req) : set_answer(f, nlh);
}

static int setup(void **state)
{
	struct fake *f = calloc(1, sizeof(*f));

	f->peers = calloc(PEERS_MAX, sizeof(*f->peers));
	f->ops = (struct kernel_ops){.ctx = f, .transact = fake_transact};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fake *f = *state;

	free(f->peers);
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
	struct prefix allowed[ALLOWED_MAX];
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

static void observe(struct fake *f, struct object_set *set)
{
	struct driver d = wireguard_driver(&f->ops);
	struct err err;

	object_set_init(set);
	assert_int_equal(d.observe(d.ctx, d.kinds, set, &err), 0);
	assert_int_equal(object_set_sort(set, &err), 0);
}

/* Makes the fake's state into desired. Returns apply's result; ret_n: steps of the plan. */
static int reach(struct fake *f, struct object_set *desired, size_t *ret_done, size_t *ret_n)
{
	struct driver d = wireguard_driver(&f->ops);
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
	struct fake *f = *state;
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
	struct fake *f = *state;
	struct object_set desired;
	size_t done, n;

	object_set_init(&desired);
	want_device(&desired, 51820);
	want_peer(&desired, 1, 0, ALLOWED_MAX - 1);
	want_peer(&desired, 2, 5000, 7);
	want_peer(&desired, 3, 6000, 0);
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	assert_true(f->longest < 65000);
	assert_int_equal(fake_find(f, (uint8_t[32]){1, 0, 1})->n_allowed, ALLOWED_MAX - 1);
	f->interrupted = 2; /* and the dump is asked for again */
	assert_int_equal(reach(f, &desired, &done, &n), 0);
	assert_int_equal(n, 0);
	object_set_fini(&desired);
}

static void only_the_changed_peer_is_touched(void **state)
{
	struct fake *f = *state;
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
	struct fake *f = *state;
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
	struct fake *f = *state;
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

static void stranger_on_our_link_is_removed(void **state)
{
	struct fake *f = *state;
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
	struct fake *f = *state;
	struct driver d = wireguard_driver(&f->ops);
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
	struct fake *f = *state;
	struct driver d = wireguard_driver(&f->ops);
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
		TEST(stranger_on_our_link_is_removed),
		TEST(each_failed_request_can_be_undone),
		TEST(what_is_wrong_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
