/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the drivers for rtnetlink send, by a kernel that records it, and what they make of answers
 * that lie or are cut short. That it works is tests/net's and tests/lab's to show.
 */
#include "gateway/kernel/rt.h"

#include <errno.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REQUESTS_MAX 16
#define LINK_INDEX   7

struct fake {
	struct kernel_ops ops;
	struct rt rt;
	struct request {
		uint8_t *data; /* owned */
		size_t len;
		unsigned int n_messages, n_acks;
	} requests[REQUESTS_MAX];
	size_t n_requests;
	uint32_t refuse_seq; /* of the next bundle; 0: none */
	int refuse_rc;
	int fail_rc;            /* of the next bundle */
	unsigned int interrupt; /* so many dumps of routes are cut short */
	const uint8_t *dump;    /* answer to them; borrowed */
	size_t dump_len;
};

static void link_answer(const struct kernel_request *req)
{
	_Alignas(struct nlmsghdr) char data[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	nlh->nlmsg_type = RTM_NEWLINK;
	ifi->ifi_index = LINK_INDEX;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "up0");
	assert_int_equal(req->reply(nlh, req->arg), 0);
}

static int route_answer(struct fake *f, const struct kernel_request *req)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)f->dump;
	int left = (int)f->dump_len, rc = 0;

	for (; rc == 0 && mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		rc = req->reply(nlh, req->arg);
	}
	if (f->interrupt > 0) {
		f->interrupt--;
		return -EINTR;
	}
	return rc;
}

static int bundle_answer(struct fake *f, const struct kernel_request *req)
{
	int rc = f->fail_rc;

	if (f->refuse_seq != 0) {
		req->refused(f->refuse_seq, f->refuse_rc, "Nexthop has invalid gateway", req->arg);
		f->refuse_seq = 0;
	}
	f->fail_rc = 0;
	return rc;
}

static void request_keep(struct fake *f, const struct kernel_request *req)
{
	struct request *r = &f->requests[f->n_requests++];
	const struct nlmsghdr *nlh;
	int left = (int)req->len;

	assert_true(f->n_requests <= REQUESTS_MAX);
	*r = (struct request){.data = malloc(req->len), .len = req->len};
	assert_non_null(r->data);
	memcpy(r->data, req->data, req->len);
	for (nlh = req->data; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		r->n_messages++;
		r->n_acks += (nlh->nlmsg_flags & NLM_F_ACK) != 0;
	}
	assert_int_equal(left, 0);
}

static int transact(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	struct fake *f = ctx;
	const struct nlmsghdr *nlh = req->data;

	assert_int_equal(req->bus, BUS_ROUTE);
	*fault = (struct kernel_fault){0};
	switch (nlh->nlmsg_type) {
	case RTM_GETLINK:
		link_answer(req);
		return 0;
	case RTM_GETROUTE:
		return ((const struct rtmsg *)mnl_nlmsg_get_payload(nlh))->rtm_family == AF_INET6
			       ? route_answer(f, req)
			       : 0;
	default:
		request_keep(f, req);
		return bundle_answer(f, req);
	}
}

static void fake_init(struct fake *f)
{
	*f = (struct fake){.ops = {.ctx = f, .transact = transact}};
	f->rt = (struct rt){.ops = &f->ops};
}

static void fake_fini(struct fake *f)
{
	for (size_t i = 0; i < f->n_requests; i++) {
		free(f->requests[i].data);
	}
}

static const struct nlmsghdr *message_at(const struct request *r, unsigned int at)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)r->data;
	int left = (int)r->len;

	for (; at > 0 && mnl_nlmsg_ok(nlh, left); at--) {
		nlh = mnl_nlmsg_next(nlh, &left);
	}
	assert_true(mnl_nlmsg_ok(nlh, left));
	return nlh;
}

static const struct nlattr *attr_of(const struct nlmsghdr *nlh, size_t header, uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, header)
	{
		if (mnl_attr_get_type(attr) == type) {
			return attr;
		}
	}
	return NULL;
}

#define ROUTES 300

static void routes_make(struct object *objects, struct step *steps)
{
	for (size_t i = 0; i < ROUTES; i++) {
		objects[i] = (struct object){.kind = OBJECT_ROUTE, .route = {.table = 254}};
		snprintf(objects[i].route.link, IFNAMSIZ, "up0");
		objects[i].route.to.len = 64;
		objects[i].route.to.addr.b[0] = 0x20;
		objects[i].route.to.addr.b[6] = (uint8_t)(i >> 8);
		objects[i].route.to.addr.b[7] = (uint8_t)i;
		steps[i] = (struct step){.verb = STEP_ADD, .to = &objects[i]};
	}
}

static void bundles_have_one_acknowledgement_each(void **state)
{
	struct object objects[ROUTES];
	struct step steps[ROUTES];
	struct fake f;
	struct driver d;
	struct err err;
	size_t done;

	(void)state;
	fake_init(&f);
	routes_make(objects, steps);
	d = rt_route_driver(&f.rt);
	assert_int_equal(d.apply(d.ctx, steps, ROUTES, &done, &err), 0);
	assert_int_equal(done, ROUTES);
	assert_int_equal(f.n_requests, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(f.requests[i].n_messages, i < 2 ? 128 : ROUTES - 256);
		assert_int_equal(f.requests[i].n_acks, 1);
	}
	fake_fini(&f);
}

/* It is there as somebody else's, and that is replaced; until it is settled. */
static void route_that_was_replaced_is_replaced_itself(void **state)
{
	struct object objects[ROUTES];
	struct step steps[ROUTES];
	struct fake f;
	struct driver d;
	struct err err;
	size_t done;

	(void)state;
	fake_init(&f);
	routes_make(objects, steps);
	d = rt_route_driver(&f.rt);
	rt_route_replaced(&f.rt, &objects[1].route);
	rt_route_replaced(&f.rt, &objects[1].route);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(d.apply(d.ctx, steps, 3, &done, &err), 0);
		for (unsigned int i = 0; i < 3; i++) {
			uint16_t flags = message_at(&f.requests[round], i)->nlmsg_flags;
			bool replaces = i == 1 && round == 0;

			assert_int_equal((flags & NLM_F_REPLACE) != 0, replaces);
			assert_int_equal((flags & NLM_F_EXCL) != 0, !replaces);
			assert_int_not_equal(flags & NLM_F_CREATE, 0);
		}
		rt_route_settle(&f.rt);
	}
	for (unsigned int i = 0; i <= RT_REPLACED_MAX; i++) {
		objects[0].route.metric = i;
		rt_route_replaced(&f.rt, &objects[0].route);
	}
	assert_int_equal(f.rt.n_replaced, RT_REPLACED_MAX);
	fake_fini(&f);
}

static void refused_step_takes_the_later_ones_of_its_bundle_back(void **state)
{
	struct object objects[ROUTES];
	struct step steps[ROUTES];
	struct fake f;
	struct driver d;
	struct err err;
	size_t done;

	(void)state;
	fake_init(&f);
	routes_make(objects, steps);
	f.refuse_seq = 101;
	f.refuse_rc = -EINVAL;
	d = rt_route_driver(&f.rt);
	assert_int_equal(d.apply(d.ctx, steps, ROUTES, &done, &err), -EINVAL);
	assert_int_equal(done, 100);
	assert_non_null(strstr(err.msg, "Nexthop has invalid gateway"));
	assert_int_equal(f.n_requests, 2);
	assert_int_equal(f.requests[1].n_messages, 27);
	for (unsigned int i = 0; i < 27; i++) {
		const struct nlmsghdr *nlh = message_at(&f.requests[1], i);
		const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
		const struct nlattr *to = attr_of(nlh, sizeof(*rtm), RTA_DST);

		assert_int_equal(nlh->nlmsg_type, RTM_DELROUTE);
		assert_int_equal(rtm->rtm_protocol, OBJECT_OWNER_MARK);
		assert_non_null(to);
		assert_memory_equal(mnl_attr_get_payload(to), objects[127 - i].route.to.addr.b, 16);
	}
	fake_fini(&f);
}

static void lost_answers_take_the_whole_bundle_back(void **state)
{
	struct object objects[ROUTES];
	struct step steps[ROUTES];
	struct fake f;
	struct driver d;
	struct err err;
	size_t done;

	(void)state;
	fake_init(&f);
	routes_make(objects, steps);
	f.fail_rc = -ENOBUFS;
	d = rt_route_driver(&f.rt);
	assert_int_equal(d.apply(d.ctx, steps, 10, &done, &err), -ENOBUFS);
	assert_int_equal(done, 0);
	assert_int_equal(f.n_requests, 2);
	assert_int_equal(f.requests[1].n_messages, 10);
	fake_fini(&f);
}

static void removing_what_is_gone_is_success(void **state)
{
	struct object objects[ROUTES];
	struct step steps[ROUTES];
	struct fake f;
	struct driver d;
	struct err err;
	size_t done;

	(void)state;
	fake_init(&f);
	routes_make(objects, steps);
	for (size_t i = 0; i < 3; i++) {
		steps[i] = (struct step){.verb = STEP_REMOVE, .from = &objects[i]};
	}
	f.refuse_seq = 2;
	f.refuse_rc = -ESRCH;
	d = rt_route_driver(&f.rt);
	assert_int_equal(d.apply(d.ctx, steps, 3, &done, &err), 0);
	assert_int_equal(done, 3);
	assert_int_equal(f.n_requests, 1);
	fake_fini(&f);
}

/* A message of a dump, at *at of data. */
static void route_put(uint8_t *data, size_t *at, uint8_t protocol, uint8_t len, size_t dst_bytes,
		      uint32_t index)
{
	static const uint8_t dst[20] = {0x20, 0x01, 0x0d, 0xb8};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data + *at);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	nlh->nlmsg_type = RTM_NEWROUTE;
	rtm->rtm_family = AF_INET6;
	rtm->rtm_protocol = protocol;
	rtm->rtm_type = RTN_UNICAST;
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_dst_len = len;
	mnl_attr_put(nlh, RTA_DST, dst_bytes, dst);
	mnl_attr_put_u32(nlh, RTA_OIF, index);
	*at += MNL_ALIGN(nlh->nlmsg_len);
}

static void interrupted_dump_is_read_again_and_counted_once(void **state)
{
	_Alignas(struct nlmsghdr) uint8_t data[4096];
	struct object_set set;
	struct fake f;
	struct driver d;
	struct err err;
	size_t at = 0;

	(void)state;
	fake_init(&f);
	object_set_init(&set);
	route_put(data, &at, OBJECT_OWNER_MARK, 64, 16, LINK_INDEX);
	f.dump = data;
	f.dump_len = at;
	f.interrupt = 3;
	d = rt_route_driver(&f.rt);
	assert_int_equal(d.observe(d.ctx, d.kinds, &set, &err), 0);
	assert_int_equal(set.n, 1);
	assert_string_equal(set.items[0].route.link, "up0");
	f.interrupt = 100;
	assert_int_equal(d.observe(d.ctx, d.kinds, &set, &err), -EINTR);
	assert_non_null(strstr(err.msg, "did not stand still"));
	object_set_fini(&set);
	fake_fini(&f);
}

static void answers_of_other_forms_are_passed_over(void **state)
{
	_Alignas(struct nlmsghdr) uint8_t data[4096];
	struct object_set set;
	struct fake f;
	struct driver d;
	struct err err;
	struct nlmsghdr *nlh;
	size_t at = 0;

	(void)state;
	fake_init(&f);
	object_set_init(&set);
	route_put(data, &at, 4, 64, 16, LINK_INDEX);                 /* somebody else's */
	route_put(data, &at, OBJECT_OWNER_MARK, 64, 4, LINK_INDEX);  /* an address cut short */
	route_put(data, &at, OBJECT_OWNER_MARK, 64, 20, LINK_INDEX); /* and one too long */
	route_put(data, &at, OBJECT_OWNER_MARK, 255, 16, 99); /* a length and a link of nothing */
	nlh = mnl_nlmsg_put_header(data + at);
	nlh->nlmsg_type = RTM_NEWROUTE; /* without its header */
	at += MNL_ALIGN(nlh->nlmsg_len);
	f.dump = data;
	f.dump_len = at;
	d = rt_route_driver(&f.rt);
	assert_int_equal(d.observe(d.ctx, d.kinds, &set, &err), 0);
	assert_int_equal(set.n, 1);
	assert_int_equal(set.items[0].route.to.len, 128);
	assert_string_equal(set.items[0].route.link, "");
	object_set_fini(&set);
	fake_fini(&f);
}

static struct object sit_of(uint8_t remote)
{
	struct object o = {.kind = OBJECT_LINK,
			   .link = {.kind = LINK_SIT, .mtu = 1480, .name = "sg-1002"}};
	const struct addr v4 = {.b = {[10] = 0xff, [11] = 0xff, [12] = 192, [15] = 9}};

	snprintf(o.link.alias, sizeof(o.link.alias), "sixgate:a/b");
	o.link.local = v4;
	o.link.remote = v4;
	o.link.remote.b[15] = remote;
	return o;
}

/* The kernel takes an attribute that is absent as zero, so all go. */
static void moved_endpoint_is_one_message_with_both_ends_and_never_down(void **state)
{
	const struct object from = sit_of(1), to = sit_of(2);
	const struct step step = {.verb = STEP_CHANGE, .from = &from, .to = &to};
	const struct nlattr *info, *data = NULL, *attr;
	const struct ifinfomsg *ifi;
	struct fake f;
	struct driver d;
	struct err err;
	unsigned int seen = 0;
	size_t done;

	(void)state;
	fake_init(&f);
	d = rt_link_driver(&f.rt);
	assert_int_equal(d.apply(d.ctx, &step, 1, &done, &err), 0);
	assert_int_equal(f.n_requests, 1);
	ifi = mnl_nlmsg_get_payload(message_at(&f.requests[0], 0));
	assert_int_equal(ifi->ifi_index, LINK_INDEX);
	assert_true(ifi->ifi_change == 0 || (ifi->ifi_flags & IFF_UP) != 0);
	assert_null(attr_of(message_at(&f.requests[0], 0), sizeof(*ifi), IFLA_MTU));
	assert_null(attr_of(message_at(&f.requests[0], 0), sizeof(*ifi), IFLA_IFALIAS));
	info = attr_of(message_at(&f.requests[0], 0), sizeof(*ifi), IFLA_LINKINFO);
	assert_non_null(info);
	mnl_attr_for_each_nested(attr, info)
	{
		data = mnl_attr_get_type(attr) == IFLA_INFO_DATA ? attr : data;
	}
	assert_non_null(data);
	mnl_attr_for_each_nested(attr, data)
	{
		uint16_t type = mnl_attr_get_type(attr);

		seen += type == IFLA_IPTUN_LOCAL || type == IFLA_IPTUN_REMOTE ||
			type == IFLA_IPTUN_TTL;
		if (type == IFLA_IPTUN_REMOTE) {
			assert_memory_equal(mnl_attr_get_payload(attr), &to.link.remote.b[12], 4);
		}
	}
	assert_int_equal(seen, 3);
	fake_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bundles_have_one_acknowledgement_each),
		cmocka_unit_test(route_that_was_replaced_is_replaced_itself),
		cmocka_unit_test(refused_step_takes_the_later_ones_of_its_bundle_back),
		cmocka_unit_test(lost_answers_take_the_whole_bundle_back),
		cmocka_unit_test(removing_what_is_gone_is_success),
		cmocka_unit_test(interrupted_dump_is_read_again_and_counted_once),
		cmocka_unit_test(answers_of_other_forms_are_passed_over),
		cmocka_unit_test(moved_endpoint_is_one_message_with_both_ends_and_never_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
