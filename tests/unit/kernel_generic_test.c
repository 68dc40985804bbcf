/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Families of generic netlink, as the running kernel names them, and replies that lie. */
#include "gateway/kernel/generic.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Every kernel has the family that lists the families. */
static void kernel_knows_nlctrl_and_no_nonsense(void **state)
{
	struct netlink *nl;
	struct kernel_fault fault;
	struct kernel_ops ops;
	struct err err;
	uint16_t family;

	(void)state;
	assert_int_equal(netlink_new(&nl, &err), 0);
	ops = netlink_ops(nl);
	assert_int_equal(generic_family(&ops, "nlctrl", &family, &fault), 0);
	assert_int_equal(family, GENL_ID_CTRL);
	assert_int_equal(generic_family(&ops, "no-such-thing", &family, &fault), -ENOENT);
	/* the socket has no answer left over from before */
	assert_int_equal(generic_family(&ops, "nlctrl", &family, &fault), 0);
	netlink_free(nl);
}

/* A request that nobody acknowledges ends at once. */
static void unanswered_request_ends_with_eproto(void **state)
{
	_Alignas(struct nlmsghdr) char data[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct kernel_request req = {.bus = BUS_GENERIC, .data = nlh};
	struct kernel_fault fault;
	struct kernel_ops ops;
	struct netlink *nl;
	struct err err;

	(void)state;
	assert_int_equal(netlink_new(&nl, &err), 0);
	ops = netlink_ops(nl);
	nlh->nlmsg_type = NLMSG_NOOP; /* no request: the kernel is silent */
	nlh->nlmsg_seq = 7;
	req.len = nlh->nlmsg_len;
	assert_int_equal(ops.transact(ops.ctx, &req, &fault), -EPROTO);
	netlink_free(nl);
}

/* Dumps end with the error that cut them short. */
static int swallow(const struct nlmsghdr *nlh, void *arg)
{
	(void)nlh;
	(*(unsigned int *)arg)++;
	return 0;
}

static void dump_of_families_is_read_to_its_end(void **state)
{
	_Alignas(struct nlmsghdr) char data[64];
	struct nlmsghdr *nlh =
		generic_message(data, GENL_ID_CTRL, NLM_F_DUMP, 3, CTRL_CMD_GETFAMILY, 1, 0);
	unsigned int n = 0;
	struct kernel_request req = {.bus = BUS_GENERIC,
				     .data = nlh,
				     .len = nlh->nlmsg_len,
				     .reply = swallow,
				     .arg = &n};
	struct kernel_fault fault;
	struct kernel_ops ops;
	struct netlink *nl;
	struct err err;

	(void)state;
	assert_int_equal(netlink_new(&nl, &err), 0);
	ops = netlink_ops(nl);
	assert_int_equal(ops.transact(ops.ctx, &req, &fault), 0);
	assert_true(n > 0);
	netlink_free(nl);
}

struct liar {
	uint16_t family;
	uint16_t attr_len;
};

static int lie(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	const struct liar *liar = ctx;
	_Alignas(struct nlmsghdr) char data[128];
	struct nlmsghdr *nlh = generic_message(data, GENL_ID_CTRL, 0, 1, CTRL_CMD_NEWFAMILY, 2, 0);

	memset(fault, 0, sizeof(*fault));
	mnl_attr_put(nlh, CTRL_ATTR_FAMILY_ID, liar->attr_len, &liar->family);
	return req->reply(nlh, req->arg);
}

static void family_below_the_first_one_or_of_another_size_is_refused(void **state)
{
	struct liar liar = {.family = NLMSG_ERROR, .attr_len = 2};
	struct kernel_ops ops = {.ctx = &liar, .transact = lie};
	struct kernel_fault fault;
	uint16_t family;

	(void)state;
	assert_int_equal(generic_family(&ops, "Jool", &family, &fault), -EPROTO);
	liar = (struct liar){.family = 0x22, .attr_len = 1};
	assert_int_equal(generic_family(&ops, "Jool", &family, &fault), -EPROTO);
	liar.attr_len = 2;
	assert_int_equal(generic_family(&ops, "Jool", &family, &fault), 0);
	assert_int_equal(family, 0x22);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_knows_nlctrl_and_no_nonsense),
		cmocka_unit_test(unanswered_request_ends_with_eproto),
		cmocka_unit_test(dump_of_families_is_read_to_its_end),
		cmocka_unit_test(family_below_the_first_one_or_of_another_size_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
