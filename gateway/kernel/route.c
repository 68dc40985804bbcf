/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * AnyIP routes: `local PREFIX dev lo proto 206` in the kernel's table local, for client_prefix and
 * for pool ranges that are routed to this machine. Routes of another protocol are never touched,
 * an equal foreign one is an error.
 */
#include "gateway/kernel/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define LOOPBACK_IFINDEX 1 /* lo's in every network namespace */
#define DUMP_TRIES       5
#define V4_OFFSET        12 /* bytes of ::ffff:0:0/96 before the IPv4 address */

struct route_message {
	_Alignas(struct nlmsghdr) char data[256]; /* header, rtmsg and two attributes fit */
};

/* How the kernel says a prefix: the bytes behind offset, and its length without them. */
static size_t family_offset(uint8_t family)
{
	return family == AF_INET ? V4_OFFSET : 0;
}

static struct nlmsghdr *route_message(struct route_message *m, uint8_t family, uint16_t type,
				      uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(m->data);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = 1;
	rtm->rtm_family = family;
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

static bool route_is_ours(const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	return nlh->nlmsg_type == RTM_NEWROUTE && mnl_nlmsg_get_payload_len(nlh) >= sizeof(*rtm) &&
	       (rtm->rtm_family == AF_INET || rtm->rtm_family == AF_INET6) &&
	       rtm->rtm_type == RTN_LOCAL && rtm->rtm_table == RT_TABLE_LOCAL &&
	       rtm->rtm_protocol == ROUTE_PROTO_SIXGATE &&
	       rtm->rtm_dst_len <= 8 * (sizeof(struct addr) - family_offset(rtm->rtm_family));
}

static int route_seen(const struct nlmsghdr *nlh, void *arg)
{
	static const struct addr v4_mapped = {.b = {[10] = 0xff, [11] = 0xff}};
	struct route_set *routes = arg;
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	size_t offset;

	if (!route_is_ours(nlh)) {
		return 0;
	}
	offset = family_offset(rtm->rtm_family);
	mnl_attr_for_each(attr, nlh, sizeof(*rtm))
	{
		struct prefix p = {.addr = v4_mapped,
				   .len = (uint8_t)(rtm->rtm_dst_len + 8 * offset)};

		if (mnl_attr_get_type(attr) != RTA_DST ||
		    mnl_attr_get_payload_len(attr) != sizeof(p.addr.b) - offset) {
			continue;
		}
		if (routes->n == ROUTES_MAX) {
			return -E2BIG;
		}
		memcpy(p.addr.b + offset, mnl_attr_get_payload(attr), sizeof(p.addr.b) - offset);
		routes->prefix[routes->n++] = p;
	}
	return 0;
}

static int route_list_family(const struct kernel_ops *ops, uint8_t family, struct route_set *routes,
			     struct err *err)
{
	struct kernel_fault fault = {0};
	size_t before = routes->n;
	struct route_message m;
	int rc = -EINTR;

	for (int tries = 0; tries < DUMP_TRIES && rc == -EINTR; tries++) {
		routes->n = before;
		rc = route_send(ops, route_message(&m, family, RTM_GETROUTE, NLM_F_DUMP), &fault,
				route_seen, routes);
	}
	return rc < 0 ? route_err(err, rc, "reading the routes", &fault) : 0;
}

int route_list(const struct kernel_ops *ops, struct route_set *ret_routes, struct err *err)
{
	int rc;

	ret_routes->n = 0;
	rc = route_list_family(ops, AF_INET6, ret_routes, err);
	return rc < 0 ? rc : route_list_family(ops, AF_INET, ret_routes, err);
}

static struct nlmsghdr *route_change(struct route_message *m, uint16_t type, uint16_t flags,
				     const struct prefix *p)
{
	uint8_t family = prefix_is_v4(p) ? AF_INET : AF_INET6;
	size_t offset = family_offset(family);
	struct nlmsghdr *nlh = route_message(m, family, type, NLM_F_ACK | flags);
	struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	rtm->rtm_type = RTN_LOCAL;
	rtm->rtm_scope = family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	rtm->rtm_dst_len = (uint8_t)(p->len - 8 * offset);
	mnl_attr_put(nlh, RTA_DST, sizeof(p->addr.b) - offset, p->addr.b + offset);
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
			       "choose another prefix",
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
