/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading what rtnetlink says, and writing addresses as it wants them. Lengths of attributes are
 * checked here: a kernel of another version may send others.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/kernel/rt_internal.h"

void rt_attrs_read(struct rt_attrs *attrs, const struct nlmsghdr *nlh, size_t header)
{
	const struct nlattr *attr;

	*attrs = (struct rt_attrs){0};
	mnl_attr_for_each(attr, nlh, header)
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (type < RT_ATTRS_MAX) {
			attrs->a[type] = attr;
		}
	}
}

uint32_t rt_attr_u32(const struct rt_attrs *attrs, unsigned int type)
{
	const struct nlattr *attr = attrs->a[type];

	return attr && mnl_attr_get_payload_len(attr) == 4 ? mnl_attr_get_u32(attr) : 0;
}

uint8_t rt_attr_u8(const struct rt_attrs *attrs, unsigned int type)
{
	const struct nlattr *attr = attrs->a[type];

	return attr && mnl_attr_get_payload_len(attr) == 1 ? mnl_attr_get_u8(attr) : 0;
}

uint8_t rt_family(const struct addr *a)
{
	return addr_is_v4(a) ? AF_INET : AF_INET6;
}

struct addr rt_any(uint8_t family)
{
	struct addr any = {0};

	if (family == AF_INET) {
		any.b[10] = any.b[11] = 0xff;
	}
	return any;
}

bool rt_attr_addr(const struct rt_attrs *attrs, unsigned int type, uint8_t family,
		  struct addr *ret_addr)
{
	const struct nlattr *attr = attrs->a[type];
	size_t offset = family == AF_INET ? RT_V4_OFFSET : 0;

	*ret_addr = rt_any(family);
	if (!attr || mnl_attr_get_payload_len(attr) != sizeof(ret_addr->b) - offset) {
		return false;
	}
	memcpy(ret_addr->b + offset, mnl_attr_get_payload(attr), sizeof(ret_addr->b) - offset);
	return true;
}

void rt_attr_name(const struct nlattr *attr, char *dst, size_t size)
{
	dst[0] = '\0';
	if (attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 &&
	    mnl_attr_get_payload_len(attr) <= size) {
		(void)snprintf(dst, size, "%s", mnl_attr_get_str(attr)); /* fits */
	}
}

void rt_put_addr(struct nlmsghdr *nlh, uint16_t type, const struct addr *a)
{
	size_t offset = addr_is_v4(a) ? RT_V4_OFFSET : 0;

	mnl_attr_put(nlh, type, sizeof(a->b) - offset, a->b + offset);
}

uint8_t rt_prefix_len(const struct prefix *p)
{
	return (uint8_t)(p->len - (prefix_is_v4(p) ? 8 * RT_V4_OFFSET : 0));
}

struct prefix rt_prefix(const struct addr *a, uint8_t len)
{
	unsigned int most = addr_is_v4(a) ? 32 : 128;
	unsigned int bits = len < most ? len : most;

	return (struct prefix){.addr = *a, .len = (uint8_t)(128 - most + bits)};
}

uint32_t rt_route_mtu(const struct nlattr *metrics)
{
	const struct nlattr *attr;

	if (!metrics) {
		return 0;
	}
	mnl_attr_for_each_nested(attr, metrics)
	{
		if (mnl_attr_get_type(attr) == RTAX_MTU && mnl_attr_get_payload_len(attr) == 4) {
			return mnl_attr_get_u32(attr);
		}
	}
	return 0;
}

static int link_cmp(const void *a, const void *b)
{
	uint32_t x = ((const struct rt_link_name *)a)->index;
	uint32_t y = ((const struct rt_link_name *)b)->index;

	return x < y ? -1 : x > y;
}

static int link_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct rt_links *links = arg;
	struct rt_attrs attrs;

	if (nlh->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi)) {
		return 0;
	}
	if (links->n == links->size) {
		size_t size = links->size == 0 ? 64 : 2 * links->size;
		struct rt_link_name *items =
			size <= RT_LINKS_MAX ? realloc(links->items, size * sizeof(*items)) : NULL;

		if (!items) {
			return -ENOMEM;
		}
		links->items = items;
		links->size = size;
	}
	rt_attrs_read(&attrs, nlh, sizeof(*ifi));
	links->items[links->n].index = (uint32_t)ifi->ifi_index;
	rt_attr_name(attrs.a[IFLA_IFNAME], links->items[links->n].name, IFNAMSIZ);
	links->n++;
	return 0;
}

int rt_links_read(struct rt *rt, struct rt_links *ret_links, struct err *err)
{
	_Alignas(struct nlmsghdr) char data[RT_MESSAGE_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct kernel_fault fault = {0};
	int rc;

	*ret_links = (struct rt_links){0};
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_seq = 1;
	(void)mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg)); /* zeroed */
	rc = rt_dump(rt, nlh, link_seen, ret_links, &ret_links->n, &fault);
	if (rc < 0) {
		rt_links_fini(ret_links);
		return rt_err(err, rc, fault.text, "reading the links");
	}
	if (ret_links->n > 0) {
		qsort(ret_links->items, ret_links->n, sizeof(*ret_links->items), link_cmp);
	}
	return 0;
}

void rt_links_fini(struct rt_links *links)
{
	free(links->items);
	*links = (struct rt_links){0};
}

const char *rt_links_name(const struct rt_links *links, uint32_t index)
{
	const struct rt_link_name key = {.index = index};
	const struct rt_link_name *found =
		links->n == 0 ? NULL : bsearch(&key, links->items, links->n, sizeof(key), link_cmp);

	return found ? found->name : "";
}

int rt_dump_addresses(struct rt *rt, uint8_t family, uint32_t index, kernel_reply_fn reply,
		      void *arg, size_t *n, struct kernel_fault *fault)
{
	_Alignas(struct nlmsghdr) char data[RT_MESSAGE_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	nlh->nlmsg_type = RTM_GETADDR;
	nlh->nlmsg_seq = 1;
	ifa->ifa_family = family;
	ifa->ifa_index = index;
	return rt_dump(rt, nlh, reply, arg, n, fault);
}

int rt_dump_routes(struct rt *rt, const struct rtmsg *wanted, uint32_t oif, kernel_reply_fn reply,
		   void *arg, size_t *n, struct kernel_fault *fault)
{
	_Alignas(struct nlmsghdr) char data[RT_MESSAGE_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	int rc;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_seq = 1;
	*rtm = *wanted;
	if (oif != 0) {
		mnl_attr_put_u32(nlh, RTA_OIF, oif);
	}
	rc = rt_dump(rt, nlh, reply, arg, n, fault);
	return rc == -ENOENT ? 0 : rc; /* strict: before the first there is no table to speak of */
}
