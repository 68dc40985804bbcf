/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads which queueing disciplines links have; changes none. */
#include "gateway/kernel/qdisc.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "gateway/kernel/rt_internal.h"

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

int qdisc_each_fq(struct rt *rt, void (*fn)(void *ctx, int link), void *ctx, struct err *err)
{
	_Alignas(struct nlmsghdr) char data[RT_MESSAGE_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct reader r = {.fn = fn, .ctx = ctx};
	struct kernel_fault fault = {0};
	size_t n = 0; /* nothing is collected that another try would have to take back */
	int rc;

	nlh->nlmsg_type = RTM_GETQDISC;
	nlh->nlmsg_seq = 1;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct tcmsg));
	rc = rt_dump(rt, nlh, qdisc_seen, &r, &n, &fault);
	return rc < 0 ? rt_err(err, rc, fault.text, "reading queueing disciplines") : 0;
}
