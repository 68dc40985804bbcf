/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the kernel knows of the way to an address: its link's MTU, the route's own, and what it
 * learnt from routers that could not pass a packet on (RFC 1191, RFC 8201). Reads alone.
 */
#include "gateway/kernel/rt_path.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <string.h>

#include "gateway/kernel/rt_internal.h"

struct route_answer {
	bool usable;
	uint32_t link, mtu; /* mtu 0: the link's */
	struct addr via;
	bool learnt;
};

/* The attribute of that type in a nest; NULL: there is none. */
static const struct nlattr *nested(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attr;

	if (!nest) {
		return NULL;
	}
	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == type) {
			return attr;
		}
	}
	return NULL;
}

/* Of IPv6 packets, where a router advertised less than the link's own (RFC 4861 4.6.4); 0: none. */
static uint32_t advertised_mtu(const struct rt_attrs *attrs)
{
	const struct nlattr *conf =
		nested(nested(attrs->a[IFLA_AF_SPEC], AF_INET6), IFLA_INET6_CONF);
	int32_t values[DEVCONF_MTU6 + 1];

	if (!conf || mnl_attr_get_payload_len(conf) < sizeof(values)) {
		return 0;
	}
	memcpy(values, mnl_attr_get_payload(conf), sizeof(values));
	return values[DEVCONF_MTU6] > 0 ? (uint32_t)values[DEVCONF_MTU6] : 0;
}

static int link_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct rt_path *path = arg;
	struct rt_attrs attrs;
	uint32_t advertised;

	if (nlh->nlmsg_type == RTM_NEWLINK && mnl_nlmsg_get_payload_len(nlh) >= sizeof(*ifi) &&
	    ifi->ifi_index > 0) {
		rt_attrs_read(&attrs, nlh, sizeof(*ifi));
		path->link = (uint32_t)ifi->ifi_index;
		path->link_mtu = path->mtu = rt_attr_u32(&attrs, IFLA_MTU);
		advertised = advertised_mtu(&attrs);
		if (advertised != 0 && advertised < path->mtu) {
			path->mtu = advertised;
		}
	}
	return 0;
}

/* name NULL: by index. */
static int link_read(struct rt *rt, const char *name, uint32_t index, struct rt_path *ret_path,
		     struct err *err)
{
	_Alignas(struct nlmsghdr) char data[RT_MESSAGE_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi)); /* zeroed */
	struct kernel_fault fault = {0};
	int rc;

	*ret_path = (struct rt_path){0};
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_seq = 1;
	if (name) {
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	} else {
		ifi->ifi_index = (int)index;
	}
	rc = rt_ask(rt, nlh, link_seen, ret_path, &fault);
	if (rc == 0 && ret_path->link_mtu == 0) {
		rc = -ENODEV;
	}
	return rc < 0 ? rt_err(err, rc, fault.text, "reading a link's MTU") : 0;
}

int rt_path_of_link(struct rt *rt, const char *link, struct rt_path *ret_path, struct err *err)
{
	return link_read(rt, link, 0, ret_path, err);
}

/* Only what was learnt is in a copy of the route, and ends some time. */
static bool is_learnt(const struct rtmsg *rtm, const struct nlattr *cacheinfo)
{
	struct rta_cacheinfo info;

	if ((rtm->rtm_flags & RTM_F_CLONED) == 0 || !cacheinfo ||
	    mnl_attr_get_payload_len(cacheinfo) < sizeof(info)) {
		return false;
	}
	memcpy(&info, mnl_attr_get_payload(cacheinfo), sizeof(info));
	return info.rta_expires != 0;
}

static int route_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route_answer *answer = arg;
	struct rt_attrs attrs;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
	    (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6) ||
	    rtm->rtm_type != RTN_UNICAST) {
		return 0;
	}
	rt_attrs_read(&attrs, nlh, sizeof(*rtm));
	answer->link = rt_attr_u32(&attrs, RTA_OIF);
	answer->usable = answer->link != 0;
	answer->mtu = rt_route_mtu(attrs.a[RTA_METRICS]);
	answer->learnt = answer->mtu != 0 && is_learnt(rtm, attrs.a[RTA_CACHEINFO]);
	if (!rt_attr_addr(&attrs, RTA_GATEWAY, rtm->rtm_family, &answer->via)) {
		answer->via = (struct addr){0};
	}
	return 0;
}

static int route_read(struct rt *rt, const struct addr *local, const struct addr *remote,
		      struct route_answer *ret_answer, struct err *err)
{
	_Alignas(struct nlmsghdr) char data[RT_MESSAGE_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm)); /* zeroed */
	struct kernel_fault fault = {0};
	int rc;

	*ret_answer = (struct route_answer){0};
	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_seq = 1;
	rtm->rtm_family = rt_family(remote);
	rtm->rtm_dst_len = rtm->rtm_family == AF_INET ? 32 : 128;
	rt_put_addr(nlh, RTA_DST, remote);
	if (!addr_is_any(local)) {
		rtm->rtm_src_len = rtm->rtm_dst_len;
		rt_put_addr(nlh, RTA_SRC, local);
	}
	rc = rt_ask(rt, nlh, route_seen, ret_answer, &fault);
	if (rc == 0 && !ret_answer->usable) {
		rc = -ENETUNREACH;
	}
	return rc < 0 ? rt_err(err, rc, fault.text, "looking for the way to an address") : 0;
}

int rt_path_read(struct rt *rt, const struct addr *local, const struct addr *remote,
		 struct rt_path *ret_path, struct err *err)
{
	struct route_answer answer;
	int rc = route_read(rt, local, remote, &answer, err);

	if (rc == 0) {
		rc = link_read(rt, NULL, answer.link, ret_path, err);
	}
	if (rc < 0) {
		return rc;
	}
	ret_path->via = answer.via;
	if (addr_is_v4(remote)) {
		ret_path->mtu = ret_path->link_mtu;
	}
	if (answer.mtu != 0 && answer.mtu < ret_path->mtu) {
		ret_path->mtu = answer.mtu;
		ret_path->learnt = answer.learnt;
	}
	return 0;
}
