/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads links: which are ours by their alias, what they are, and what is on the other side of
 * them. Changes nothing, but that another namespace gets a number.
 */
#include "gateway/kernel/rt_link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/kernel/rt_netns.h"

struct link_reader {
	struct rt *rt;
	struct rt_link_seen *items; /* owned; those of ours */
	size_t n, size;
	bool must_be_down_is_up;
};

/* What sit_put() of rt_link.c makes of each. */
static bool sit_is_odd(const struct nlattr *attr)
{
	uint8_t value = mnl_attr_get_payload_len(attr) == 1 ? mnl_attr_get_u8(attr) : 0;

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IPTUN_TTL:
		return value != RT_SIT_TTL;
	case IFLA_IPTUN_TOS:
		return value != 0;
	case IFLA_IPTUN_PMTUDISC:
		return value != 1;
	default:
		return false;
	}
}

static void sit_read(const struct nlattr *data, struct object_link *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, data)
	{
		uint16_t type = mnl_attr_get_type(attr);
		struct addr a = rt_any(AF_INET);

		link->odd |= sit_is_odd(attr);
		if (mnl_attr_get_payload_len(attr) != 4) {
			continue;
		}
		memcpy(a.b + RT_V4_OFFSET, mnl_attr_get_payload(attr), 4);
		if (type == IFLA_IPTUN_LOCAL) {
			link->local = a;
		} else if (type == IFLA_IPTUN_REMOTE) {
			link->remote = a;
		}
	}
}

static bool info_read(const struct nlattr *info, struct object_link *link)
{
	const struct nlattr *attr, *data = NULL;
	char name[IFNAMSIZ] = "";

	if (!info) {
		return false;
	}
	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND) {
			rt_attr_name(attr, name, sizeof(name));
		} else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA) {
			data = attr;
		}
	}
	for (int kind = LINK_WIREGUARD; kind <= LINK_VETH; kind++) {
		if (strcmp(name, rt_link_kind_name((enum link_kind)kind)) == 0) {
			link->kind = (enum link_kind)kind;
			if (kind == LINK_SIT && data) {
				sit_read(data, link);
			}
			return true;
		}
	}
	return false;
}

/* What alias_put() of rt_link.c wrote. */
static void alias_read(const struct nlattr *attr, struct object_link *link)
{
	char alias[OBJECT_ALIAS_MAX + 1 + IFNAMSIZ], *at;

	rt_attr_name(attr, alias, sizeof(alias));
	at = link->kind == LINK_WIREGUARD ? strrchr(alias, '@') : NULL;
	if (at && strlen(at + 1) < sizeof(link->underlay_netns)) {
		memcpy(link->underlay_netns, at + 1, strlen(at + 1));
		*at = '\0';
	}
	if (strlen(alias) < sizeof(link->alias)) {
		memcpy(link->alias, alias, strlen(alias));
	}
}

/* Absent in a notification. */
static void stats_read(const struct nlattr *attr, struct object_link *link)
{
	struct rtnl_link_stats64 stats;

	if (attr &&
	    mnl_attr_get_payload_len(attr) >= offsetof(struct rtnl_link_stats64, rx_errors)) {
		memset(&stats, 0, sizeof(stats));
		memcpy(&stats, mnl_attr_get_payload(attr),
		       offsetof(struct rtnl_link_stats64, rx_errors));
		link->rx_bytes = stats.rx_bytes;
		link->tx_bytes = stats.tx_bytes;
	}
}

static bool link_read(const struct nlmsghdr *nlh, struct rt_link_seen *seen)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct object_link *link = &seen->object.link;
	struct rt_attrs attrs;

	*seen = (struct rt_link_seen){.object = {.kind = OBJECT_LINK}, .link_netns_id = -1};
	if (nlh->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi)) {
		return false;
	}
	rt_attrs_read(&attrs, nlh, sizeof(*ifi));
	rt_attr_name(attrs.a[IFLA_IFNAME], link->name, sizeof(link->name));
	link->mtu = rt_attr_u32(&attrs, IFLA_MTU);
	link->down = (ifi->ifi_flags & IFF_UP) == 0;
	seen->known_kind = info_read(attrs.a[IFLA_LINKINFO], link);
	alias_read(attrs.a[IFLA_IFALIAS], link);
	stats_read(attrs.a[IFLA_STATS64], link);
	if (seen->known_kind && link->kind == LINK_VETH) {
		link->down |= (ifi->ifi_flags & IFF_LOWER_UP) == 0; /* the far end is down */
	}
	seen->index = (uint32_t)ifi->ifi_index;
	seen->group = rt_attr_u32(&attrs, IFLA_GROUP);
	seen->has_alias = attrs.a[IFLA_IFALIAS] != NULL;
	seen->up = (ifi->ifi_flags & IFF_UP) != 0;
	seen->link_index = (int)rt_attr_u32(&attrs, IFLA_LINK);
	if (attrs.a[IFLA_LINK_NETNSID]) {
		seen->link_netns_id = (int)rt_attr_u32(&attrs, IFLA_LINK_NETNSID);
	}
	seen->ours = seen->known_kind &&
		     strncmp(link->alias, OBJECT_ALIAS_PREFIX, strlen(OBJECT_ALIAS_PREFIX)) == 0;
	return link->name[0] != '\0';
}

static int name_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct rt_link_seen seen;

	if (link_read(nlh, &seen)) {
		memcpy(arg, seen.object.link.name, IFNAMSIZ);
	}
	return 0;
}

/* The name of the far end of a veth link, wherever it is. */
static int peer_read(struct rt *rt, const struct rt_link_seen *seen, char peer[IFNAMSIZ],
		     struct kernel_fault *fault)
{
	_Alignas(struct nlmsghdr) char data[RT_LINK_BYTES];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	int rc;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_seq = 1;
	ifi->ifi_index = seen->link_index;
	if (seen->link_netns_id >= 0) {
		mnl_attr_put_u32(nlh, IFLA_TARGET_NETNSID, (uint32_t)seen->link_netns_id);
	}
	rc = rt_ask(rt, nlh, name_seen, peer, fault);
	/* One that went meanwhile, or is out of reach, is not what is wanted. */
	return rc == -ENODEV || rc == -EINVAL || rc == -EPERM ? 0 : rc;
}

/* What the message about the link itself does not tell. */
static int link_complete(struct rt *rt, struct rt_link_seen *seen, struct kernel_fault *fault)
{
	struct object_link *link = &seen->object.link;

	seen->object.ns = rt->ns;
	if (link->kind == LINK_VETH) {
		return peer_read(rt, seen, link->peer, fault);
	}
	if (link->kind == LINK_SIT && seen->link_netns_id >= 0) {
		(void)rt_netns_name(rt, seen->link_netns_id, link->underlay_netns);
	}
	return 0;
}

static int one_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct rt_link_seen seen;

	if (link_read(nlh, &seen)) {
		*(struct rt_link_seen *)arg = seen;
	}
	return 0;
}

int rt_link_find(struct rt *rt, int netns_id, const char *name, struct rt_link_seen *ret_seen,
		 struct err *err)
{
	_Alignas(struct nlmsghdr) char data[RT_LINK_BYTES];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct kernel_fault fault = {0};
	int rc;

	*ret_seen = (struct rt_link_seen){0};
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_seq = 1;
	(void)mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg)); /* zeroed */
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	if (netns_id >= 0) {
		mnl_attr_put_u32(nlh, IFLA_TARGET_NETNSID, (uint32_t)netns_id);
	}
	rc = rt_ask(rt, nlh, one_seen, ret_seen, &fault);
	if (rc == -ENODEV || (rc == 0 && ret_seen->index == 0)) {
		return err_set(err, -ENODEV, "there is no link %s", name);
	}
	if (rc < 0) {
		return rt_err(err, rc, fault.text, "looking for a link");
	}
	rc = link_complete(rt, ret_seen, &fault);
	return rc < 0 ? rt_err(err, rc, fault.text, "looking for the far end of a link") : 0;
}

static int ours_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct link_reader *r = arg;
	struct rt_link_seen seen;

	if (!link_read(nlh, &seen)) {
		return 0;
	}
	if (seen.up && strcmp(seen.object.link.name, r->rt->down) == 0) {
		r->must_be_down_is_up = true;
	}
	if (!seen.ours) {
		return 0;
	}
	if (r->n == r->size) {
		size_t size = r->size == 0 ? 16 : 2 * r->size;
		struct rt_link_seen *items =
			size <= RT_LINKS_MAX ? realloc(r->items, size * sizeof(*items)) : NULL;

		if (!items) {
			return -ENOMEM;
		}
		r->items = items;
		r->size = size;
	}
	r->items[r->n++] = seen;
	return 0;
}

static int links_add(struct link_reader *r, uint32_t kinds, struct object_set *set,
		     struct kernel_fault *fault)
{
	struct object down = {.kind = OBJECT_LINK_DOWN, .ns = r->rt->ns};

	memcpy(down.link_down, r->rt->down, sizeof(down.link_down));
	if ((kinds & DRIVER_KIND(OBJECT_LINK_DOWN)) != 0 && down.link_down[0] != '\0' &&
	    !r->must_be_down_is_up && !object_set_add(set, &down)) {
		return -ENOMEM;
	}
	for (size_t i = 0; (kinds & DRIVER_KIND(OBJECT_LINK)) != 0 && i < r->n; i++) {
		int rc = link_complete(r->rt, &r->items[i], fault);

		if (rc < 0 || !object_set_add(set, &r->items[i].object)) {
			return rc < 0 ? rc : -ENOMEM;
		}
	}
	return 0;
}

int rt_link_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	_Alignas(struct nlmsghdr) char data[RT_LINK_BYTES];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct link_reader r = {.rt = ctx};
	struct kernel_fault fault = {0};
	int rc;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_seq = 1;
	(void)mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg)); /* zeroed */
	rc = rt_dump(ctx, nlh, ours_seen, &r, &r.n, &fault);
	if (rc == 0) {
		rc = links_add(&r, kinds, set, &fault);
	}
	free(r.items);
	return rc < 0 ? rt_err(err, rc, fault.text, "reading the links") : 0;
}
