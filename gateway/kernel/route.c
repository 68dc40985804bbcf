/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The AnyIP route: `local client_prefix dev lo proto 206` in the kernel's table local. Routes of
 * another protocol are never touched, an equal foreign one is an error.
 */
#include "gateway/kernel/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define LOOPBACK_IFINDEX 1 /* lo's in every network namespace */
#define DUMP_TRIES       5

struct route_message {
	_Alignas(struct nlmsghdr) char data[256]; /* header, rtmsg and two attributes fit */
};

static struct nlmsghdr *route_message(struct route_message *m, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(m->data);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = 1;
	rtm->rtm_family = AF_INET6;
	rtm->rtm_table = RT_TABLE_LOCAL;
	rtm->rtm_protocol = ROUTE_PROTO_SIXGATE;
	return nlh;
}

static int route_send(const struct kernel_ops *ops, const struct nlmsghdr *nlh,
		      struct kernel_fault *fault, kernel_reply_fn reply, void *arg)
{
	struct kernel_request req = {.bus = BUS_ROUTE,
				     .data = nlh,
				     .len = nlh->nlmsg_len,
				     .reply = reply,
				     .arg = arg};

	return ops->transact(ops->ctx, &req, fault);
}

static int route_err(struct err *err, int rc, const char *what, const struct kernel_fault *fault)
{
	const char *hint = rc == -EPERM ? "; sixgated needs CAP_NET_ADMIN" : "";

	if (fault->text[0] != '\0') {
		return err_set(err, rc, "%s: %s: %s%s", what, strerror(-rc), fault->text, hint);
	}
	return err_set(err, rc, "%s: %s%s", what, strerror(-rc), hint);
}

static int route_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct route_set *routes = arg;
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
	    rtm->rtm_family != AF_INET6 || rtm->rtm_type != RTN_LOCAL ||
	    rtm->rtm_table != RT_TABLE_LOCAL || rtm->rtm_protocol != ROUTE_PROTO_SIXGATE ||
	    rtm->rtm_dst_len > 128) {
		return 0;
	}
	mnl_attr_for_each(attr, nlh, sizeof(*rtm))
	{
		struct prefix p = {.len = rtm->rtm_dst_len};

		if (mnl_attr_get_type(attr) != RTA_DST ||
		    mnl_attr_get_payload_len(attr) != sizeof(p.addr.b)) {
			continue;
		}
		if (routes->n == ROUTES_MAX) {
			return -E2BIG;
		}
		memcpy(p.addr.b, mnl_attr_get_payload(attr), sizeof(p.addr.b));
		routes->prefix[routes->n++] = p;
	}
	return 0;
}

int route_list(const struct kernel_ops *ops, struct route_set *ret_routes, struct err *err)
{
	struct kernel_fault fault = {0};
	struct route_message m;
	int rc = -EINTR;

	for (int tries = 0; tries < DUMP_TRIES && rc == -EINTR; tries++) {
		ret_routes->n = 0;
		rc = route_send(ops, route_message(&m, RTM_GETROUTE, NLM_F_DUMP), &fault,
				route_seen, ret_routes);
	}
	return rc < 0 ? route_err(err, rc, "reading the routes", &fault) : 0;
}

static struct nlmsghdr *route_change(struct route_message *m, uint16_t type, uint16_t flags,
				     const struct prefix *p)
{
	struct nlmsghdr *nlh = route_message(m, type, NLM_F_ACK | flags);
	struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	rtm->rtm_type = RTN_LOCAL;
	rtm->rtm_dst_len = p->len;
	mnl_attr_put(nlh, RTA_DST, sizeof(p->addr.b), p->addr.b);
	mnl_attr_put_u32(nlh, RTA_OIF, LOOPBACK_IFINDEX);
	return nlh;
}

int route_add(const struct kernel_ops *ops, const struct prefix *p, struct err *err)
{
	char text[ADDR_TEXT_MAX];
	struct kernel_fault fault = {0};
	struct route_message m;
	int rc = route_send(ops, route_change(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, p),
			    &fault, NULL, NULL);

	if (rc == -EEXIST) {
		return err_set(err, rc,
			       "route local %s: there is one that is not sixgate's; remove it or "
			       "choose another client_prefix",
			       prefix_format(p, text));
	}
	if (rc < 0) {
		(void)route_err(err, rc, "adding it", &fault); /* its code is rc */
		(void)err_prefix(err, "route local %s: ", prefix_format(p, text)); /* same */
	}
	return rc;
}

int route_delete(const struct kernel_ops *ops, const struct prefix *p, struct err *err)
{
	char text[ADDR_TEXT_MAX];
	struct kernel_fault fault = {0};
	struct route_message m;
	int rc = route_send(ops, route_change(&m, RTM_DELROUTE, 0, p), &fault, NULL, NULL);

	if (rc == -ESRCH) {
		return 0;
	}
	if (rc < 0) {
		(void)route_err(err, rc, "removing it", &fault); /* its code is rc */
		(void)err_prefix(err, "route local %s: ", prefix_format(p, text)); /* same */
	}
	return rc;
}
