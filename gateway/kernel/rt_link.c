/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Driver for OBJECT_LINK and OBJECT_LINK_DOWN: makes, changes and removes links. Must never set a
 * link of ours down, which loses its routes and handshakes, and touches no link without our alias
 * but the one that has to be down. Reading is in rt_link_read.c.
 *
 * The kernel takes no alias when it makes a link, so a link is made with our group number and gets
 * its alias in a second message: one that a crash left in between is known by its group.
 */
#include "gateway/kernel/rt_link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/veth.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "gateway/kernel/rt_netns.h"

static const char *const kind_names[] = {
	[LINK_WIREGUARD] = "wireguard",
	[LINK_SIT] = "sit",
	[LINK_VETH] = "veth",
};

const char *rt_link_kind_name(enum link_kind kind)
{
	return kind_names[kind];
}

static int link_err(struct err *err, int rc, const struct kernel_fault *fault, const char *doing,
		    const struct object_link *link)
{
	char what[64];

	(void)snprintf(what, sizeof(what), "%s %s link %s", doing, kind_names[link->kind],
		       link->name); /* fits */
	if (rc == -EOPNOTSUPP) {
		return err_set(err, rc,
			       "%s: this kernel has no %s; install the module %s (Debian: package "
			       "linux-image-amd64 and its modprobe; not a kernel cut down for "
			       "clouds) or boot a kernel that has it",
			       what, kind_names[link->kind], kind_names[link->kind]);
	}
	return rt_err(err, rc, fault->text, what);
}

static struct nlmsghdr *link_message(void *data, uint16_t type, uint16_t flags, uint32_t index)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	nlh->nlmsg_seq = 1;
	ifi->ifi_index = (int)index;
	return nlh;
}

static void link_set_up(struct nlmsghdr *nlh)
{
	struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

	ifi->ifi_flags = IFF_UP;
	ifi->ifi_change = IFF_UP;
}

/* All of them each time: the kernel takes what is absent as zero. */
static void sit_put(struct nlmsghdr *nlh, const struct object_link *link)
{
	mnl_attr_put(nlh, IFLA_IPTUN_LOCAL, 4, link->local.b + RT_V4_OFFSET);
	mnl_attr_put(nlh, IFLA_IPTUN_REMOTE, 4, link->remote.b + RT_V4_OFFSET);
	mnl_attr_put_u8(nlh, IFLA_IPTUN_TTL, RT_SIT_TTL);
	mnl_attr_put_u8(nlh, IFLA_IPTUN_PMTUDISC, 1);
	mnl_attr_put_u8(nlh, IFLA_IPTUN_PROTO, IPPROTO_IPV6);
}

static void veth_put(struct rt *rt, struct nlmsghdr *nlh, const struct object_link *link)
{
	struct nlattr *peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	(void)ifi; /* zeroed: the far end cannot be set up before there is a near one */
	mnl_attr_put_strz(nlh, IFLA_IFNAME, link->peer);
	if (link->mtu != 0) {
		mnl_attr_put_u32(nlh, IFLA_MTU, link->mtu);
	}
	if (rt->siit) {
		mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)rt->siit->fd);
	}
	mnl_attr_nest_end(nlh, peer);
}

static void info_put(struct rt *rt, struct nlmsghdr *nlh, const struct object_link *link)
{
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind_names[link->kind]);
	if (link->kind != LINK_WIREGUARD) {
		data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
		if (link->kind == LINK_SIT) {
			sit_put(nlh, link);
		} else {
			veth_put(rt, nlh, link);
		}
		mnl_attr_nest_end(nlh, data);
	}
	mnl_attr_nest_end(nlh, info);
}

static int link_make(struct rt *rt, const struct object_link *link, int underlay,
		     struct kernel_fault *fault)
{
	_Alignas(struct nlmsghdr) char data[RT_LINK_BYTES];
	struct nlmsghdr *nlh = link_message(data, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);

	mnl_attr_put_strz(nlh, IFLA_IFNAME, link->name);
	mnl_attr_put_u32(nlh, IFLA_GROUP, OBJECT_OWNER_MARK);
	if (link->mtu != 0) {
		mnl_attr_put_u32(nlh, IFLA_MTU, link->mtu);
	}
	if (underlay >= 0) {
		mnl_attr_put_u32(nlh, IFLA_LINK_NETNSID, (uint32_t)underlay);
	}
	info_put(rt, nlh, link);
	return rt_ask(rt, nlh, NULL, NULL, fault);
}

static int up_by_name(const struct kernel_ops *ops, const char *name, struct kernel_fault *fault)
{
	_Alignas(struct nlmsghdr) char data[RT_LINK_BYTES];
	struct nlmsghdr *nlh = link_message(data, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 0);
	struct kernel_request req = {.bus = BUS_ROUTE, .data = nlh};

	link_set_up(nlh);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	req.len = nlh->nlmsg_len;
	return ops->transact(ops->ctx, &req, fault);
}

/* Sets the far end of a veth link up, where that is. */
static int peer_up(struct rt *rt, const struct object_link *link, struct err *err)
{
	struct kernel_fault fault = {0};
	int rc;

	if (link->kind != LINK_VETH) {
		return 0;
	}
	rc = rt->siit ? netns_enter(rt->siit, err) : 0;
	if (rc < 0) {
		return rc;
	}
	rc = up_by_name(rt->siit ? rt->siit->ops : rt->ops, link->peer, &fault);
	if (rt->siit) {
		netns_leave(rt->siit);
	}
	return rc < 0 ? rt_err(err, rc, fault.text, "setting up the far end of a veth link") : 0;
}

static int link_delete(struct rt *rt, uint32_t index, struct kernel_fault *fault)
{
	_Alignas(struct nlmsghdr) char data[RT_LINK_BYTES];

	return rt_ask(rt, link_message(data, RTM_DELLINK, 0, index), NULL, NULL, fault);
}

/* By its name: it was made a moment ago. */
static int link_unmake(struct rt *rt, const struct object_link *link)
{
	_Alignas(struct nlmsghdr) char data[RT_LINK_BYTES];
	struct nlmsghdr *nlh = link_message(data, RTM_DELLINK, 0, 0);
	struct kernel_fault fault = {0};

	mnl_attr_put_strz(nlh, IFLA_IFNAME, link->name);
	return rt_ask(rt, nlh, NULL, NULL, &fault);
}

/*
 * WireGuard does not tell where its socket is, so the alias does: "sixgate:acme/home@outside". No
 * name of ours has an '@'.
 */
static void alias_put(struct nlmsghdr *nlh, const struct object_link *link)
{
	char alias[OBJECT_ALIAS_MAX + 1 + IFNAMSIZ];
	bool told = link->kind != LINK_WIREGUARD || link->underlay_netns[0] == '\0';

	(void)snprintf(alias, sizeof(alias), "%s%s%s", link->alias, told ? "" : "@",
		       told ? "" : link->underlay_netns); /* fits */
	mnl_attr_put(nlh, IFLA_IFALIAS, strlen(alias), alias);
}

/* Sets what differs; from NULL: all that a new link needs. */
static int link_set(struct rt *rt, uint32_t index, const struct object_link *from,
		    const struct object_link *to, struct kernel_fault *fault)
{
	_Alignas(struct nlmsghdr) char data[RT_LINK_BYTES];
	struct nlmsghdr *nlh = link_message(data, RTM_NEWLINK, 0, index);

	if (!from || strcmp(from->alias, to->alias) != 0) {
		alias_put(nlh, to);
	}
	if (from && to->mtu != 0 && from->mtu != to->mtu) {
		mnl_attr_put_u32(nlh, IFLA_MTU, to->mtu);
	}
	if (from && to->kind == LINK_SIT &&
	    (from->odd || !addr_eq(&from->local, &to->local) ||
	     !addr_eq(&from->remote, &to->remote))) {
		info_put(rt, nlh, to);
	}
	if (!to->down) {
		link_set_up(nlh);
	}
	return rt_ask(rt, nlh, NULL, NULL, fault);
}

/* Something has the name already: it is as wanted, or a crash left it half made, or not ours. */
static int link_exists(struct rt *rt, const struct object_link *link, bool *ret_again,
		       struct err *err)
{
	struct rt_link_seen seen;
	struct kernel_fault fault = {0};
	struct object desired = {.kind = OBJECT_LINK, .ns = rt->ns, .link = *link};
	int rc = rt_link_find(rt, -1, link->name, &seen, err);

	*ret_again = false;
	if (rc < 0) {
		return rc;
	}
	if (seen.ours && object_same(&desired, &seen.object)) {
		return 0;
	}
	if (!seen.ours && seen.group == OBJECT_OWNER_MARK && !seen.has_alias && seen.known_kind) {
		*ret_again = true;
		rc = link_delete(rt, seen.index, &fault);
		return rc < 0 ? link_err(err, rc, &fault, "removing the half-made", link) : 0;
	}
	return err_set(err, -EEXIST,
		       "link %s: there is one of this name that is not sixgate's, or another than "
		       "is wanted; rename or remove it",
		       link->name);
}

static int link_add_here(struct rt *rt, const struct object_link *link, struct err *err)
{
	struct rt_writer w = {.rt = rt};
	struct kernel_fault fault = {0};
	int underlay = -1, rc = 0;
	bool again;
	uint32_t index;

	if (link->underlay_netns[0] != '\0') {
		rc = rt_netns_id(rt, link->underlay_netns, &underlay, err);
		if (rc < 0) {
			return rc;
		}
	}
	rc = link_make(rt, link, underlay, &fault);
	if (rc == -EEXIST) {
		rc = link_exists(rt, link, &again, err);
		if (rc < 0 || !again) {
			return rc;
		}
		rc = link_make(rt, link, underlay, &fault);
	}
	if (rc < 0) {
		return link_err(err, rc, &fault, "making", link);
	}
	rc = rt_index(&w, link->name, &index, err);
	if (rc == 0) {
		rc = link_set(rt, index, NULL, link, &fault);
		if (rc < 0) {
			(void)link_err(err, rc, &fault, "setting up", link); /* its code is rc */
		}
		rc = rc < 0 ? rc : peer_up(rt, link, err);
	}
	if (rc < 0 && link_unmake(rt, link) < 0) {
		(void)err_prefix(err, "could not be taken back: "); /* the first failure counts */
	}
	return rc;
}

/* With the namespace for its far end, where it has one. */
static int link_add(struct rt *rt, const struct object_link *link, struct err *err)
{
	int made = link->kind == LINK_VETH && rt->siit ? netns_make(rt->siit, err) : 0, rc;

	if (made < 0) {
		return made;
	}
	rc = link_add_here(rt, link, err);
	if (rc < 0) {
		netns_unmake(rt->siit, made, err);
	}
	return rc;
}

static int link_remove(struct rt *rt, const struct object_link *link, struct err *err)
{
	struct rt_link_seen seen;
	struct kernel_fault fault = {0};
	int rc = rt_link_find(rt, -1, link->name, &seen, err);

	if (rc == -ENODEV || (rc == 0 && !seen.ours)) {
		return 0; /* gone, and another may have its name */
	}
	if (rc == 0) {
		rc = link_delete(rt, seen.index, &fault);
		rc = rc == -ENODEV ? 0 : rc;
		if (rc < 0) {
			(void)link_err(err, rc, &fault, "removing", link); /* its code is rc */
		}
	}
	return rc;
}

static int link_change(struct rt *rt, const struct object_link *from, const struct object_link *to,
		       struct err *err)
{
	struct rt_writer w = {.rt = rt};
	struct kernel_fault fault = {0}, ignored = {0};
	uint32_t index;
	int rc;

	if (from->kind != to->kind || strcmp(from->peer, to->peer) != 0 ||
	    strcmp(from->underlay_netns, to->underlay_netns) != 0) {
		return err_set(err, -EOPNOTSUPP, "link %s: cannot become another in place",
			       to->name);
	}
	rc = rt_index(&w, to->name, &index, err);
	if (rc < 0) {
		return rc;
	}
	rc = link_set(rt, index, from, to, &fault);
	if (rc < 0) {
		(void)link_err(err, rc, &fault, "changing", to); /* its code is rc */
	} else {
		rc = peer_up(rt, to, err);
	}
	if (rc < 0 && link_set(rt, index, to, from, &ignored) < 0) { /* part of it may be done */
		(void)err_prefix(err, "could not be taken back: ");
	}
	return rc;
}

/* The one link of others that we touch. One that is not there is down enough. */
static int down_apply(struct rt *rt, const struct step *step, struct err *err)
{
	_Alignas(struct nlmsghdr) char data[RT_LINK_BYTES];
	const char *name = step->to ? step->to->link_down : step->from->link_down;
	struct rt_writer w = {.rt = rt};
	struct kernel_fault fault = {0};
	struct nlmsghdr *nlh;
	struct ifinfomsg *ifi;
	uint32_t index;
	int rc;

	if (!step->to) {
		rt->down[0] = '\0';
		return 0;
	}
	memcpy(rt->down, name, sizeof(rt->down));
	rc = rt_index(&w, name, &index, err);
	if (rc == -ENODEV) {
		return 0;
	}
	if (rc == 0) {
		nlh = link_message(data, RTM_NEWLINK, 0, index);
		ifi = mnl_nlmsg_get_payload(nlh);
		ifi->ifi_change = IFF_UP;
		rc = rt_ask(rt, nlh, NULL, NULL, &fault);
		if (rc < 0) {
			(void)rt_err(err, rc, fault.text, "setting down what has to be down");
		}
	}
	return rc;
}

static int step_apply(struct rt *rt, const struct step *step, struct err *err)
{
	const struct object *o = step->to ? step->to : step->from;

	if (o->kind == OBJECT_LINK_DOWN) {
		return down_apply(rt, step, err);
	}
	switch (step->verb) {
	case STEP_ADD:
		return link_add(rt, &o->link, err);
	case STEP_CHANGE:
		return link_change(rt, &step->from->link, &o->link, err);
	case STEP_REMOVE:
		return link_remove(rt, &o->link, err);
	}
	return -EINVAL;
}

static int driver_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
			struct err *err)
{
	int rc = 0;

	for (*ret_done = 0; *ret_done < n_steps; (*ret_done)++) {
		rc = step_apply(ctx, &steps[*ret_done], err);
		if (rc < 0) {
			break;
		}
	}
	return rc;
}

static int driver_prepare(void *ctx, struct object *desired, struct err *err)
{
	struct rt *rt = ctx;

	(void)err;
	if (desired->kind == OBJECT_LINK_DOWN) {
		memcpy(rt->down, desired->link_down, sizeof(rt->down));
	}
	return 0;
}

struct driver rt_link_driver(struct rt *rt)
{
	return (struct driver){
		.name = "link",
		.kinds = DRIVER_KIND(OBJECT_LINK) | DRIVER_KIND(OBJECT_LINK_DOWN),
		.ns = rt->ns,
		.ctx = rt,
		.observe = rt_link_observe,
		.prepare = driver_prepare,
		.apply = driver_apply,
	};
}
