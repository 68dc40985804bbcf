/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the users of generic netlink share: the number of a family, and how a message begins.
 */
#include "gateway/kernel/generic.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <string.h>

static int family_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;

	if (mnl_nlmsg_get_payload_len(nlh) < GENL_HDRLEN) {
		return 0;
	}
	mnl_attr_for_each(attr, nlh, GENL_HDRLEN)
	{
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
		    mnl_attr_validate(attr, MNL_TYPE_U16) >= 0) {
			*(uint16_t *)arg = mnl_attr_get_u16(attr);
		}
	}
	return 0;
}

int generic_family(const struct kernel_ops *ops, const char *name, uint16_t *ret_family,
		   struct kernel_fault *fault)
{
	_Alignas(struct nlmsghdr) char data[128];
	struct nlmsghdr *nlh =
		generic_message(data, GENL_ID_CTRL, NLM_F_ACK, 1, CTRL_CMD_GETFAMILY, 1, 0);
	struct kernel_request req = {.bus = BUS_GENERIC,
				     .data = nlh,
				     .reply = family_seen,
				     .arg = ret_family};
	int rc;

	*ret_family = 0;
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, name); /* GENL_NAMSIZ is 16 */
	req.len = nlh->nlmsg_len;
	rc = ops->transact(ops->ctx, &req, fault);
	/* A number below is netlink's own, and no family has it. */
	return rc == 0 && *ret_family < NLMSG_MIN_TYPE ? -EPROTO : rc;
}

struct nlmsghdr *generic_message(void *buf, uint16_t family, uint16_t flags, uint32_t seq,
				 uint8_t cmd, uint8_t version, size_t hdrsize)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = version;
	if (hdrsize > 0) {
		(void)mnl_nlmsg_put_extra_header(nlh, hdrsize); /* zeroed */
	}
	return nlh;
}
