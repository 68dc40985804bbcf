/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads which queueing disciplines links have; changes none. */
#include "gateway/kernel/qdisc.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#define DUMP_TRIES 5

struct reader {
	void (*fn)(void *ctx, int link);
	void *ctx;
};

static int qdisc_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct reader *r = arg;
	const struct tcmsg *tc = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWQDISC || mnl_nlmsg_get_payload_len(nlh) < sizeof(*tc)) {
		return 0;
	}
	mnl_attr_for_each(attr, nlh, sizeof(*tc))
	{
		if (mnl_attr_get_type(attr) == TCA_KIND &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 &&
		    strcmp(mnl_attr_get_str(attr), "fq") == 0) {
			r->fn(r->ctx, tc->tcm_ifindex);
		}
	}
	return 0;
}

int qdisc_each_fq(const struct kernel_ops *ops, void (*fn)(void *ctx, int link), void *ctx,
		  struct err *err)
{
	_Alignas(struct nlmsghdr) char data[64]; /* two headers fit */
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct reader r = {.fn = fn, .ctx = ctx};
	struct kernel_fault fault = {0};
	struct kernel_request req = {.bus = BUS_ROUTE, .data = nlh, .reply = qdisc_seen, .arg = &r};
	struct tcmsg *tc;
	int rc = -EINTR;

	nlh->nlmsg_type = RTM_GETQDISC;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = 1;
	tc = mnl_nlmsg_put_extra_header(nlh, sizeof(*tc));
	memset(tc, 0, sizeof(*tc));
	req.len = nlh->nlmsg_len;
	for (int tries = 0; tries < DUMP_TRIES && rc == -EINTR; tries++) {
		rc = ops->transact(ops->ctx, &req, &fault);
	}
	return rc < 0 ? err_set_errno(err, rc, "reading queueing disciplines") : 0;
}
