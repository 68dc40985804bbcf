/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which prefixes count as the uplink's own link, by a kernel that says so, says too much, or says
 * nothing. That tenants then do not reach them is tests/net/test_denied.py's to show.
 */
#include "gateway/kernel/internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINK_INDEX  7
#define ROUTES_MAX  2000
#define ANSWER_SIZE 512

struct route {
	struct prefix to;
	uint8_t protocol, type;
	uint32_t table, link;
	bool has_via;
};

struct fixture {
	struct kernel_ops ops;
	struct kernel k;
	struct node_conf node;
	struct prefix addresses[4];
	size_t n_addresses;
	struct route routes[ROUTES_MAX];
	size_t n_routes;
	int fail_rc;      /* of dumps */
	unsigned int cut; /* so many dumps were interrupted */
	bool no_link;
	struct on_link on_link;
	struct err why;
};

static struct nlmsghdr *answer(void *data, uint16_t type)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);

	nlh->nlmsg_type = type;
	return nlh;
}

static int say_link(const struct kernel_request *req)
{
	_Alignas(struct nlmsghdr) char data[ANSWER_SIZE];
	struct nlmsghdr *nlh = answer(data, RTM_NEWLINK);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_index = LINK_INDEX;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "up0");
	return req->reply(nlh, req->arg);
}

static int say_address(const struct prefix *p, const struct kernel_request *req)
{
	_Alignas(struct nlmsghdr) char data[ANSWER_SIZE];
	struct nlmsghdr *nlh = answer(data, RTM_NEWADDR);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	ifa->ifa_family = AF_INET6;
	ifa->ifa_index = LINK_INDEX;
	ifa->ifa_prefixlen = p->len;
	mnl_attr_put(nlh, IFA_ADDRESS, sizeof(p->addr.b), p->addr.b);
	return req->reply(nlh, req->arg);
}

static int say_route(const struct route *route, const struct kernel_request *req)
{
	_Alignas(struct nlmsghdr) char data[ANSWER_SIZE];
	struct nlmsghdr *nlh = answer(data, RTM_NEWROUTE);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	rtm->rtm_family = AF_INET6;
	rtm->rtm_dst_len = route->to.len;
	rtm->rtm_table = (uint8_t)route->table;
	rtm->rtm_protocol = route->protocol;
	rtm->rtm_type = route->type;
	mnl_attr_put(nlh, RTA_DST, sizeof(route->to.addr.b), route->to.addr.b);
	mnl_attr_put_u32(nlh, RTA_OIF, route->link);
	if (route->has_via) {
		mnl_attr_put(nlh, RTA_GATEWAY, sizeof(route->to.addr.b), route->to.addr.b);
	}
	return req->reply(nlh, req->arg);
}

static int dump(struct fixture *f, const struct kernel_request *req)
{
	const struct nlmsghdr *nlh = req->data;
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	int rc = f->fail_rc;

	for (size_t i = 0; rc == 0 && nlh->nlmsg_type == RTM_GETADDR && i < f->n_addresses; i++) {
		rc = say_address(&f->addresses[i], req);
	}
	for (size_t i = 0; rc == 0 && nlh->nlmsg_type == RTM_GETROUTE && i < f->n_routes; i++) {
		if (f->routes[i].protocol == rtm->rtm_protocol) {
			rc = say_route(&f->routes[i], req);
		}
	}
	if (rc == 0 && f->cut > 0) {
		f->cut--;
		rc = -EINTR;
	}
	return rc;
}

static int fake_transact(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	struct fixture *f = ctx;
	const struct nlmsghdr *nlh = req->data;

	memset(fault, 0, sizeof(*fault));
	if (nlh->nlmsg_type == RTM_GETLINK) {
		return f->no_link ? -ENODEV : say_link(req);
	}
	return dump(f, req);
}

static struct prefix prefix_of(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(str_from(text), &p, NULL), 0);
	return p;
}

static struct route *add(struct fixture *f, const char *to)
{
	struct route *route = &f->routes[f->n_routes++];

	*route = (struct route){.to = prefix_of(to),
				.protocol = RTPROT_KERNEL,
				.type = RTN_UNICAST,
				.table = RT_TABLE_MAIN,
				.link = LINK_INDEX};
	return route;
}

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	f.ops = (struct kernel_ops){.ctx = &f, .transact = fake_transact};
	f.k.drivers.rt = (struct rt){.ops = &f.ops, .ns = NS_MAIN};
	f.node.uplink_kind = UPLINK_DIRECT;
	f.node.interface = "up0";
	*state = &f;
	return 0;
}

/* Reads and takes it as what is in force. */
static void look(struct fixture *f)
{
	kernel_on_link(&f->k, &f->node, &f->on_link, &f->why);
	f->k.node = &f->node;
	f->k.facts.on_link = f->on_link;
}

static void assert_is(const struct fixture *f, size_t n, const char *const *expected)
{
	assert_int_equal(f->on_link.n, n);
	for (size_t i = 0; i < n; i++) {
		char text[ADDR_TEXT_MAX];

		assert_string_equal(prefix_format(&f->on_link.prefix[i], text), expected[i]);
	}
}

static void test_addresses_and_routes_without_a_next_hop(void **state)
{
	static const char *const expected[] = {"2001:db8:1::/64", "2001:db8:2::/60",
					       "2001:db8:3::9/128", "fd00::/64"};
	struct fixture *f = *state;

	f->addresses[0] = (struct prefix){prefix_of("2001:db8:1::7").addr, 128}; /* DHCPv6 */
	f->addresses[1] = (struct prefix){prefix_of("2001:db8:2::7").addr, 60};
	f->n_addresses = 2;
	add(f, "fd00::/64")->protocol = RTPROT_STATIC;
	add(f, "2001:db8:1::/64");
	add(f, "2001:db8:1::7/128");
	add(f, "2001:db8:2:1::/64")->protocol = RTPROT_RA; /* inside */
	add(f, "2001:db8:3::9/128")->protocol = RTPROT_BOOT;
	add(f, "2001:db8:1::/64")->protocol = RTPROT_DHCP; /* once more */
	f->cut = 1;
	look(f);
	assert_int_equal(f->why.code, 0);
	assert_is(f, 4, expected);
}

static void test_what_is_no_host_beside_us(void **state)
{
	struct fixture *f = *state;

	add(f, "fe80::/64");
	add(f, "ff00::/8");
	add(f, "2001:db8:a::/64")->has_via = true;
	add(f, "2001:db8:b::/64")->link = LINK_INDEX + 1;
	add(f, "2001:db8:c::/64")->table = RT_TABLE_LOCAL;
	add(f, "2001:db8:d::/64")->type = RTN_UNREACHABLE;
	add(f, "::/0"); /* of PPP */
	add(f, "2000::/3");
	add(f, "2001:db8:e::/64")->protocol = RTPROT_BGP;
	look(f);
	assert_int_equal(f->why.code, 0);
	assert_int_equal(f->on_link.n, 0);
}

static void test_a_look_that_fails_keeps_what_is_in_force(void **state)
{
	static const char *const expected[] = {"2001:db8:1::/64"}, *const all[] = {"::/0"};
	struct fixture *f = *state;

	add(f, "2001:db8:1::/64");
	f->fail_rc = -ENOMEM;
	look(f); /* nothing is in force yet */
	assert_is(f, 1, all);
	assert_int_equal(f->why.code, -ENOMEM);
	assert_non_null(strstr(f->why.msg, "up0"));
	f->fail_rc = 0;
	look(f);
	assert_is(f, 1, expected);
	assert_int_equal(f->why.code, 0);
	f->fail_rc = -EINTR; /* each time */
	look(f);
	assert_is(f, 1, expected);
	assert_int_equal(f->why.code, -EINTR);
	f->node.interface = "up1";
	f->k.node = &(struct node_conf){.uplink_kind = UPLINK_DIRECT, .interface = "up0"};
	look(f); /* of that one nothing is known */
	assert_is(f, 1, all);
}

static void test_without_the_link_nobody_is_beside_us(void **state)
{
	struct fixture *f = *state;

	f->no_link = true;
	look(f);
	assert_int_equal(f->on_link.n, 0);
	assert_int_equal(f->why.code, -ENODEV);
	assert_non_null(strstr(f->why.msg, "there is no link up0, which uplink.interface names"));
}

static bool is_covered(const struct fixture *f, const struct prefix *p)
{
	for (size_t i = 0; i < f->on_link.n; i++) {
		if (prefix_contains(&f->on_link.prefix[i], &p->addr)) {
			return true;
		}
	}
	return false;
}

static void test_more_than_fit_are_joined_and_told(void **state)
{
	struct fixture *f = *state;
	const struct prefix elsewhere = prefix_of("2001:db8:ffff::/64");
	char text[64];

	for (unsigned int i = 0; i < FIREWALL_ON_LINK_MAX; i++) {
		snprintf(text, sizeof(text), "2001:db8:%x::/64", i);
		add(f, text);
	}
	look(f);
	assert_int_equal(f->why.code, 0);
	assert_int_equal(f->on_link.n, FIREWALL_ON_LINK_MAX);
	for (unsigned int i = 1; i <= 500; i++) {
		snprintf(text, sizeof(text), "2001:db8:77:%x::/64", 2 * i);
		add(f, text);
	}
	look(f);
	assert_int_equal(f->why.code, -ENOBUFS);
	assert_non_null(strstr(f->why.msg, "up0 has 532 IPv6 prefixes"));
	assert_in_range(f->on_link.n, 1, FIREWALL_ON_LINK_MAX);
	for (size_t i = 0; i < f->n_routes; i++) {
		assert_true(is_covered(f, &f->routes[i].to));
	}
	assert_false(is_covered(f, &elsewhere));
	for (unsigned int i = 0; i < 1000; i++) { /* more than are read */
		snprintf(text, sizeof(text), "2001:db8:88:%x::/64", i);
		add(f, text);
	}
	look(f);
	assert_int_equal(f->why.code, -ENOBUFS);
	assert_in_range(f->on_link.n, 1, FIREWALL_ON_LINK_MAX);
	assert_true(is_covered(f, &f->routes[0].to));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_addresses_and_routes_without_a_next_hop, setup),
		cmocka_unit_test_setup(test_what_is_no_host_beside_us, setup),
		cmocka_unit_test_setup(test_a_look_that_fails_keeps_what_is_in_force, setup),
		cmocka_unit_test_setup(test_without_the_link_nobody_is_beside_us, setup),
		cmocka_unit_test_setup(test_more_than_fit_are_joined_and_told, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
