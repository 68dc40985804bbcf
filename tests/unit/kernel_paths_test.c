/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What ways carry, by a kernel that says so, forgets it, says nonsense, or nothing; and when a
 * change is believed.
 */
#include "gateway/kernel/paths.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/kernel/rt.h"

#define ANSWER_SIZE 512

struct fixture {
	struct kernel_ops ops;
	struct rt rt;
	struct paths paths;
	struct outer outer;
	uint32_t link, link_mtu, metric; /* metric 0: none */
	int32_t advertised;              /* the MTU of IPv6 packets */
	struct addr via;
	uint32_t expires; /* of what was learnt; 0: nothing was */
	uint8_t type;
	bool no_way;
	unsigned int n_asked; /* for routes */
	uint64_t now_s;
	struct buf told;
};

static struct nlmsghdr *answer(void *data, uint16_t type)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);

	nlh->nlmsg_type = type;
	return nlh;
}

static int say_link(const struct fixture *f, const struct kernel_request *req)
{
	_Alignas(struct nlmsghdr) char data[ANSWER_SIZE];
	struct nlmsghdr *nlh = answer(data, RTM_NEWLINK);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	const struct ifinfomsg *asked = mnl_nlmsg_get_payload(req->data);

	assert_true(asked->ifi_index == 0 || (uint32_t)asked->ifi_index == f->link);
	ifi->ifi_index = (int)f->link;
	mnl_attr_put_u32(nlh, IFLA_MTU, f->link_mtu);
	if (f->advertised != 0) {
		const int32_t conf[DEVCONF_MTU6 + 2] = {[DEVCONF_MTU6] = f->advertised};
		struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
		struct nlattr *ipv6 = mnl_attr_nest_start(nlh, AF_INET6);

		mnl_attr_put(nlh, IFLA_INET6_CONF, sizeof(conf), conf);
		mnl_attr_nest_end(nlh, ipv6);
		mnl_attr_nest_end(nlh, spec);
	}
	return f->link == 0 ? -ENODEV : req->reply(nlh, req->arg);
}

static int say_route(const struct fixture *f, const struct kernel_request *req)
{
	_Alignas(struct nlmsghdr) char data[ANSWER_SIZE];
	struct nlmsghdr *nlh = answer(data, RTM_NEWROUTE);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	const struct rta_cacheinfo info = {.rta_expires = f->expires};

	rtm->rtm_family = AF_INET;
	rtm->rtm_flags = RTM_F_CLONED;
	rtm->rtm_type = f->type;
	mnl_attr_put_u32(nlh, RTA_OIF, f->link);
	if (!addr_is_any(&f->via)) {
		mnl_attr_put(nlh, RTA_GATEWAY, 4, f->via.b + 12);
	}
	if (f->metric != 0) {
		struct nlattr *metrics = mnl_attr_nest_start(nlh, RTA_METRICS);

		mnl_attr_put_u32(nlh, RTAX_ADVMSS, 900);
		mnl_attr_put_u32(nlh, RTAX_MTU, f->metric);
		mnl_attr_nest_end(nlh, metrics);
	}
	mnl_attr_put(nlh, RTA_CACHEINFO, sizeof(info), &info);
	return req->reply(nlh, req->arg);
}

/* As the kernel asks for with NETLINK_GET_STRICT_CHK. */
static void assert_strict(const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	assert_int_equal(rtm->rtm_dst_len, rtm->rtm_family == AF_INET ? 32 : 128);
	assert_true(rtm->rtm_src_len == 0 || rtm->rtm_src_len == rtm->rtm_dst_len);
	assert_int_equal(rtm->rtm_table | rtm->rtm_protocol | rtm->rtm_scope | rtm->rtm_type, 0);
}

static int fake_transact(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	struct fixture *f = ctx;
	const struct nlmsghdr *nlh = req->data;

	memset(fault, 0, sizeof(*fault));
	if (nlh->nlmsg_type == RTM_GETLINK) {
		return say_link(f, req);
	}
	assert_int_equal(nlh->nlmsg_type, RTM_GETROUTE);
	assert_strict(nlh);
	f->n_asked++;
	return f->no_way ? -ENETUNREACH : say_route(f, req);
}

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(str_from(text), &a), 0);
	return a;
}

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.ops = {.ctx = &f, .transact = fake_transact},
			     .rt = {.ops = &f.ops},
			     .outer = {.local = addr_of("203.0.113.10"),
				       .remote = addr_of("198.51.100.9")},
			     .link = 7,
			     .link_mtu = 1500,
			     .via = addr_of("203.0.113.1"),
			     .type = RTN_UNICAST,
			     .now_s = 1000};
	paths_init(&f.paths, &f.rt);
	buf_init(&f.told, 65536);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	paths_fini(&f->paths);
	buf_fini(&f->told);
	return 0;
}

/* Looks at all; returns whether the path has changed. */
static bool look(struct fixture *f)
{
	bool changed;

	paths_look(&f->paths);
	while (paths_look_step(&f->paths, f->now_s, &f->told)) {
	}
	assert_false(paths_looking(&f->paths));
	changed = paths_changed(&f->paths, &f->outer);
	paths_settle(&f->paths);
	return changed;
}

static uint32_t mtu(struct fixture *f)
{
	return paths_mtu(&f->paths, &f->outer);
}

static void assert_told(struct fixture *f, const char *expected)
{
	buf_u8(&f->told, 0);
	assert_string_equal((const char *)f->told.data, expected);
	buf_fini(&f->told);
	buf_init(&f->told, 65536);
}

static void least_of_link_and_route_counts(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mtu(f), 1500);
	assert_int_equal(mtu(f), 1500);
	assert_int_equal(f->n_asked, 1); /* it is known */
	assert_false(look(f));
	f->metric = 1400;
	assert_true(look(f));
	assert_int_equal(mtu(f), 1400);
	f->link_mtu = 1300;
	f->now_s += PATHS_TELL_S;
	assert_true(look(f));
	assert_int_equal(mtu(f), 1300);
	assert_told(f, "the way to 198.51.100.9 carries 1400 bytes instead of 1500\n"
		       "the way to 198.51.100.9 carries 1300 bytes instead of 1400\n");
}

static void more_is_believed_when_it_stays(void **state)
{
	struct fixture *f = *state;

	f->link_mtu = 1492;
	assert_int_equal(mtu(f), 1492);
	f->link_mtu = 1500;
	assert_false(look(f));
	f->now_s += PATHS_HOLD_S - 1;
	assert_false(look(f));
	f->link_mtu = 1492; /* down and up again */
	assert_false(look(f));
	f->link_mtu = 1500;
	f->now_s += PATHS_HOLD_S;
	assert_false(look(f));
	f->now_s += PATHS_HOLD_S;
	assert_true(look(f));
	assert_int_equal(mtu(f), 1500);
}

/* Whoever claims to be one: it is bounded how long, how narrow, and how much is said about it. */
static void what_a_router_said_is_kept_for_a_while(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mtu(f), 1500);
	f->metric = 1400;
	f->expires = 59000;
	assert_true(look(f));
	assert_told(f, "the way to 198.51.100.9 carries 1400 bytes instead of 1500, as a router on "
		       "it says\n");
	f->metric = f->expires = 0; /* the kernel has forgotten it */
	assert_false(look(f));
	f->now_s += PATHS_LEARNT_S - 1;
	assert_false(look(f));
	f->now_s++;
	assert_true(look(f));
	assert_int_equal(mtu(f), 1500);
}

static void a_router_cannot_say_less_than_tunnels_carry(void **state)
{
	struct fixture *f = *state;

	f->metric = 552;
	f->expires = 59000;
	assert_int_equal(mtu(f), PATHS_LEARNT_MIN);
	f->metric = 576;
	assert_false(look(f));
	f->expires = 0; /* who wrote the route meant it */
	assert_true(look(f));
	assert_int_equal(mtu(f), 576);
}

static void what_goes_to_and_fro_is_told_once_a_minute(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mtu(f), 1500);
	f->expires = 59000;
	for (f->metric = 1400; f->metric > 1396; f->metric--) {
		assert_true(look(f));
		f->now_s += 10;
	}
	assert_told(f, "the way to 198.51.100.9 carries 1400 bytes instead of 1500, as a router on "
		       "it says\n");
	f->metric = 1397;
	f->now_s += 20;
	assert_false(look(f)); /* what it has come to is told all the same */
	assert_told(f, "the way to 198.51.100.9 carries 1397 bytes instead of 1400, as a router on "
		       "it says (3 changes)\n");
	f->now_s += PATHS_TELL_S;
	assert_false(look(f));
	assert_told(f, "");
}

static void another_way_is_another_matter(void **state)
{
	struct fixture *f = *state;

	f->metric = 1400;
	f->expires = 59000;
	assert_int_equal(mtu(f), 1400);
	f->metric = f->expires = 0;
	f->via = addr_of("203.0.113.2");
	assert_false(look(f));
	f->now_s += PATHS_HOLD_S;
	assert_true(look(f));
	assert_int_equal(mtu(f), 1500);
}

static void without_a_way_the_last_one_counts(void **state)
{
	struct fixture *f = *state;

	f->no_way = true;
	assert_int_equal(mtu(f), 0);
	assert_false(look(f));
	f->no_way = false;
	f->metric = 1400;
	assert_true(look(f));
	assert_told(f, "the way to 198.51.100.9 carries 1400 bytes\n");
	f->no_way = true;
	assert_false(look(f));
	f->no_way = false;
	f->type = RTN_UNREACHABLE;
	f->metric = 1300;
	assert_false(look(f));
	f->type = RTN_LOCAL; /* the remote end is we */
	assert_false(look(f));
	f->type = RTN_UNICAST;
	f->link_mtu = 0; /* nonsense */
	assert_false(look(f));
	assert_int_equal(mtu(f), 1400);
}

static void link_alone_is_a_way(void **state)
{
	struct fixture *f = *state;

	f->outer = (struct outer){.link = "up0"};
	assert_int_equal(mtu(f), 1500);
	assert_int_equal(f->n_asked, 0);
	f->link_mtu = 1492;
	assert_true(look(f));
	assert_told(f, "link up0 carries 1492 bytes instead of 1500\n");
	f->link = 0;
	assert_false(look(f));
	assert_int_equal(mtu(f), 1492);
}

/* It counts for IPv6 packets, and so for those of which the other end is not known. */
static void what_the_uplinks_router_advertises_counts(void **state)
{
	struct fixture *f = *state;

	f->advertised = 1400;
	assert_int_equal(mtu(f), 1500); /* IPv4 */
	f->outer = (struct outer){.link = "up0"};
	assert_int_equal(mtu(f), 1400);
	f->advertised = 1600;
	f->now_s += PATHS_HOLD_S;
	assert_false(look(f));
	f->now_s += PATHS_HOLD_S;
	assert_true(look(f));
	assert_int_equal(mtu(f), 1500);
	f->advertised = -1; /* nonsense */
	assert_false(look(f));
}

/* Many are looked at in steps; those that nobody asks for any more are forgotten. */
static void paths_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct outer other = f->outer;
	unsigned int n_steps = 1;

	for (unsigned int i = 0; i < 1000; i++) {
		other.remote.b[14] = (uint8_t)(i >> 8);
		other.remote.b[15] = (uint8_t)i;
		assert_int_equal(paths_mtu(&f->paths, &other), 1500);
	}
	paths_settle(&f->paths);
	paths_look(&f->paths);
	while (paths_look_step(&f->paths, f->now_s, &f->told)) {
		n_steps++;
	}
	assert_int_equal(f->n_asked, 2000);
	assert_in_range(n_steps, 20, 1000);
	assert_false(paths_changed(&f->paths, &other));
	paths_settle(&f->paths);
	assert_int_equal(f->paths.table.count, 1);
	paths_settle(&f->paths);
	assert_int_equal(f->paths.table.count, 0);
	assert_false(paths_changed(&f->paths, &other));
}

/* One of them goes while a look is under way. */
static void look_goes_on_after_one_was_forgotten(void **state)
{
	struct fixture *f = *state;
	struct outer other = f->outer;

	for (unsigned int i = 0; i < 100; i++) {
		other.remote.b[15] = (uint8_t)i;
		(void)paths_mtu(&f->paths, &other);
	}
	paths_settle(&f->paths);
	assert_true(paths_look_step(&f->paths, f->now_s, &f->told));
	(void)paths_changed(&f->paths, &other); /* the last one */
	paths_settle(&f->paths);
	assert_true(paths_looking(&f->paths));
	f->link_mtu = 1400;
	assert_false(paths_look_step(&f->paths, f->now_s, &f->told));
	assert_true(paths_changed(&f->paths, &other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(least_of_link_and_route_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(more_is_believed_when_it_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_router_said_is_kept_for_a_while, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_router_cannot_say_less_than_tunnels_carry, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_goes_to_and_fro_is_told_once_a_minute, setup,
						teardown),
		cmocka_unit_test_setup_teardown(another_way_is_another_matter, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_way_the_last_one_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(link_alone_is_a_way, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_uplinks_router_advertises_counts, setup,
						teardown),
		cmocka_unit_test_setup_teardown(paths_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(look_goes_on_after_one_was_forgotten, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
