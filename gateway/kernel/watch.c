/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Notifications of the kernel. Messages are looked at only far enough to know whether they are
 * about something of ours; the tables of a BGP router pass by unheeded.
 */
#include "gateway/kernel/watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/kernel/batch.h"
#include "gateway/kernel/rt_internal.h"
#include "gateway/kernel/uevent.h"

#define RECEIVE_MAX    65536
#define RECEIVE_BUFFER (1 << 20) /* bytes; a burst of others' changes may queue up */
#define LINK_PREFIX    "sg-"     /* links of ours that lost their alias */

#define NFT_KINDS (DRIVER_KIND(OBJECT_RULESET) | DRIVER_KIND(OBJECT_ELEMENT))
/* What goes with a link, or with its being down. */
#define ON_LINK_KINDS                                              \
	(DRIVER_KIND(OBJECT_ADDRESS) | DRIVER_KIND(OBJECT_ROUTE) | \
	 DRIVER_KIND(OBJECT_PROXY_NEIGHBOUR))
#define RT_KINDS \
	(UEVENT_LINK_KINDS | ON_LINK_KINDS | DRIVER_KIND(OBJECT_RULE) | DRIVER_KIND(OBJECT_SYSCTL))

enum watched {
	WATCHED_ROUTE,
	WATCHED_NFT,
	WATCHED_UEVENT,
	N_WATCHED,
};

struct watch {
	const struct netlink *own; /* borrowed; may be NULL */
	watch_route_fn replaced;   /* with its ctx; NULL: none */
	void *replaced_ctx;
	int epoll_fd;
	int fd[N_WATCHED];
	uint8_t *data; /* owned, RECEIVE_MAX */

	bool nft_touched; /* messages about our table, of a batch that did not end yet */
	bool settling;    /* what nobody in particular did is ours */
	bool on_link;     /* since the last watch_on_link() */
	uint32_t kinds;   /* since the last watch_read() */
	char cause[WATCH_CAUSE_MAX];
};

static void watch_note(struct watch *w, uint32_t kinds, const char *cause)
{
	w->kinds |= kinds;
	if (cause && w->cause[0] == '\0') {
		(void)snprintf(w->cause, sizeof(w->cause), "%s", cause); /* cut */
	}
}

static bool is_own(const struct watch *w, enum kernel_bus bus, const struct nlmsghdr *nlh)
{
	uint32_t port = w->own ? netlink_port(w->own, bus) : 0;

	return port != 0 && nlh->nlmsg_pid == port;
}

/* A link of ours, or one that we keep down, or one that went away or down under what is ours. */
static uint32_t link_kinds(const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	char name[IFNAMSIZ], alias[OBJECT_ALIAS_MAX];
	struct rt_attrs attrs;
	uint32_t kinds = 0;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi)) {
		return 0;
	}
	rt_attrs_read(&attrs, nlh, sizeof(*ifi));
	rt_attr_name(attrs.a[IFLA_IFNAME], name, sizeof(name));
	rt_attr_name(attrs.a[IFLA_IFALIAS], alias, sizeof(alias));
	if (strncmp(alias, OBJECT_ALIAS_PREFIX, strlen(OBJECT_ALIAS_PREFIX)) == 0 ||
	    strncmp(name, LINK_PREFIX, strlen(LINK_PREFIX)) == 0 ||
	    rt_attr_u32(&attrs, IFLA_GROUP) == OBJECT_OWNER_MARK || strcmp(name, "sit0") == 0) {
		kinds = UEVENT_LINK_KINDS;
	}
	if (nlh->nlmsg_type == RTM_DELLINK || (ifi->ifi_flags & IFF_UP) == 0) {
		kinds |= ON_LINK_KINDS;
	}
	return kinds;
}

static uint32_t marked_kinds(const struct nlmsghdr *nlh, size_t header, unsigned int type,
			     enum object_kind kind)
{
	struct rt_attrs attrs;

	if (mnl_nlmsg_get_payload_len(nlh) < header) {
		return 0;
	}
	rt_attrs_read(&attrs, nlh, header);
	return rt_attr_u8(&attrs, type) == OBJECT_OWNER_MARK ? DRIVER_KIND(kind) : 0;
}

static bool route_is_ours(const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	return mnl_nlmsg_get_payload_len(nlh) >= sizeof(*rtm) &&
	       rtm->rtm_protocol == OBJECT_OWNER_MARK;
}

/* A route that was altered is told of as the new one alone, which has the protocol of who did it.
 */
static bool was_replaced(const struct watch *w, const struct nlmsghdr *nlh)
{
	struct object_route route;

	return nlh->nlmsg_type == RTM_NEWROUTE && (nlh->nlmsg_flags & NLM_F_REPLACE) != 0 &&
	       !route_is_ours(nlh) && w->replaced && rt_route_key(nlh, &route) &&
	       w->replaced(w->replaced_ctx, &route);
}

/* It may be about who is beside us on a link: not what has a next hop, as all of BGP's. */
static bool is_on_link(const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct rt_attrs attrs;

	if (nlh->nlmsg_type != RTM_NEWROUTE && nlh->nlmsg_type != RTM_DELROUTE) {
		return true;
	}
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) || rtm->rtm_family != AF_INET6) {
		return false;
	}
	rt_attrs_read(&attrs, nlh, sizeof(*rtm));
	return !attrs.a[RTA_GATEWAY] && !attrs.a[RTA_MULTIPATH];
}

static void rt_message_seen(struct watch *w, const struct nlmsghdr *nlh)
{
	const char *cause = NULL;
	uint32_t kinds = 0;

	if (is_own(w, BUS_ROUTE, nlh)) {
		return;
	}
	w->on_link = w->on_link || is_on_link(nlh);
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		kinds = link_kinds(nlh);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		kinds = marked_kinds(nlh, sizeof(struct ifaddrmsg), IFA_PROTO, OBJECT_ADDRESS);
		if (nlh->nlmsg_type == RTM_DELADDR) {
			kinds |= DRIVER_KIND(OBJECT_ROUTE); /* those of IPv4 go silently */
		}
		break;
	case RTM_NEWRULE:
	case RTM_DELRULE:
		kinds = marked_kinds(nlh, sizeof(struct fib_rule_hdr), FRA_PROTOCOL, OBJECT_RULE);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		cause = was_replaced(w, nlh) ? "somebody who replaced it" : NULL;
		kinds = cause || route_is_ours(nlh) ? DRIVER_KIND(OBJECT_ROUTE) : 0;
		break;
	case RTM_NEWNETCONF:
		kinds = DRIVER_KIND(OBJECT_SYSCTL);
		break;
	default:
		break;
	}
	if (kinds != 0 && !(w->settling && nlh->nlmsg_pid == 0)) {
		watch_note(w, kinds, cause);
	}
}

/* In each kind of message attribute 1 names the table. */
static bool is_our_table(const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	char name[sizeof(TABLE_NAME)];
	struct rt_attrs attrs;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*nfg) || nfg->nfgen_family != NFPROTO_INET) {
		return false;
	}
	rt_attrs_read(&attrs, nlh, sizeof(*nfg));
	rt_attr_name(attrs.a[NFTA_TABLE_NAME], name, sizeof(name));
	return strcmp(name, TABLE_NAME) == 0;
}

/* Ends a batch, and names who made it. */
static void generation_seen(struct watch *w, const struct nlmsghdr *nlh)
{
	char program[16], cause[WATCH_CAUSE_MAX], shown[64];
	struct rt_attrs attrs;

	if (!w->nft_touched || mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg)) {
		return;
	}
	w->nft_touched = false;
	rt_attrs_read(&attrs, nlh, sizeof(struct nfgenmsg));
	rt_attr_name(attrs.a[NFTA_GEN_PROC_NAME], program, sizeof(program));
	if (program[0] != '\0') {
		(void)snprintf(cause, sizeof(cause), "%s (pid %u) changed nftables",
			       str_escape(shown, sizeof(shown), str_from(program)),
			       ntohl(rt_attr_u32(&attrs, NFTA_GEN_PROC_PID))); /* fits */
	}
	watch_note(w, NFT_KINDS, program[0] != '\0' ? cause : NULL);
}

static void nft_message_seen(struct watch *w, const struct nlmsghdr *nlh)
{
	if (is_own(w, BUS_NETFILTER, nlh)) {
		w->nft_touched = false;
	} else if (NFNL_MSG_TYPE(nlh->nlmsg_type) == NFT_MSG_NEWGEN) {
		generation_seen(w, nlh);
	} else if (is_our_table(nlh)) {
		w->nft_touched = true;
	}
}

static void uevent_seen(struct watch *w, const char *text, size_t len)
{
	char cause[UEVENT_CAUSE_MAX];
	uint32_t kinds = uevent_kinds(text, len, cause);

	if (kinds != 0) {
		watch_note(w, kinds, cause);
	}
}

static void datagram_seen(struct watch *w, enum watched which, size_t len)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)w->data;
	int left = (int)len;

	if (which == WATCHED_UEVENT) {
		uevent_seen(w, (const char *)w->data, len);
		return;
	}
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (which == WATCHED_ROUTE) {
			rt_message_seen(w, nlh);
		} else {
			nft_message_seen(w, nlh);
		}
	}
}

/* Nothing is known of what was lost. */
static void watch_lost(struct watch *w, enum watched which)
{
	static const uint32_t kinds[] = {
		[WATCHED_ROUTE] = RT_KINDS,
		[WATCHED_NFT] = NFT_KINDS,
		[WATCHED_UEVENT] = UEVENT_KINDS,
	};

	w->on_link |= which == WATCHED_ROUTE;
	watch_note(w, kinds[which], "too many changes at once to follow");
}

static void socket_read(struct watch *w, enum watched which)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t got = recvfrom(w->fd[which], w->data, RECEIVE_MAX, MSG_TRUNC,
				       (struct sockaddr *)&from, &from_len);

		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0 && errno != ENOBUFS) {
			return;
		}
		if (got < 0 || got > RECEIVE_MAX) {
			watch_lost(w, which);
		} else if (from.nl_pid == 0) { /* of the kernel */
			datagram_seen(w, which, (size_t)got);
		}
	}
}

static void sockets_read(struct watch *w)
{
	for (int i = 0; i < N_WATCHED; i++) {
		socket_read(w, (enum watched)i);
	}
}

uint32_t watch_read(struct watch *w, char cause[WATCH_CAUSE_MAX])
{
	uint32_t kinds;

	sockets_read(w);
	kinds = w->kinds;
	memcpy(cause, w->cause, WATCH_CAUSE_MAX);
	w->kinds = 0;
	w->cause[0] = '\0';
	return kinds;
}

bool watch_settle(struct watch *w)
{
	w->settling = true;
	sockets_read(w);
	w->settling = false;
	return w->kinds != 0;
}

bool watch_on_link(struct watch *w)
{
	bool touched = w->on_link;

	w->on_link = false;
	return touched;
}

void watch_on_replaced(struct watch *w, watch_route_fn fn, void *ctx)
{
	w->replaced = fn;
	w->replaced_ctx = ctx;
}

int watch_fd(const struct watch *w)
{
	return w->epoll_fd;
}

static int socket_open(int protocol, const int *groups, size_t n_groups)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	const struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	int size = RECEIVE_BUFFER, rc = 0;

	if (fd < 0) {
		return -errno;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)); /* or a smaller */
	if (bind(fd, (const struct sockaddr *)&self, sizeof(self)) < 0) {
		rc = -errno;
	}
	for (size_t i = 0; rc == 0 && i < n_groups; i++) {
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0) {
			rc = -errno;
		}
	}
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

static int watch_open(struct watch *w)
{
	static const int route[] = {
		RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR,  RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,   RTNLGRP_IPV4_RULE,
		RTNLGRP_IPV6_RULE,  RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF,
	};
	static const int nft[] = {NFNLGRP_NFTABLES}, uevent[] = {1};

	w->fd[WATCHED_ROUTE] = socket_open(NETLINK_ROUTE, route, sizeof(route) / sizeof(route[0]));
	w->fd[WATCHED_NFT] = socket_open(NETLINK_NETFILTER, nft, 1);
	w->fd[WATCHED_UEVENT] = socket_open(NETLINK_KOBJECT_UEVENT, uevent, 1);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd < 0) {
		return -errno;
	}
	for (int i = 0; i < N_WATCHED; i++) {
		struct epoll_event event = {.events = EPOLLIN};

		if (w->fd[i] < 0) {
			return w->fd[i];
		}
		if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->fd[i], &event) < 0) {
			return -errno;
		}
	}
	return 0;
}

int watch_new(const struct netlink *own, struct watch **ret_watch, struct err *err)
{
	struct watch *w = calloc(1, sizeof(*w));
	int rc = -ENOMEM;

	if (w) {
		w->own = own;
		w->epoll_fd = -1;
		for (int i = 0; i < N_WATCHED; i++) {
			w->fd[i] = -1;
		}
		w->data = malloc(RECEIVE_MAX);
		rc = w->data ? watch_open(w) : -ENOMEM;
	}
	if (rc < 0) {
		watch_free(w);
		return err_set_errno(err, rc, "watching the kernel's changes");
	}
	*ret_watch = w;
	return 0;
}

void watch_free(struct watch *w)
{
	if (!w) {
		return;
	}
	for (int i = 0; i < N_WATCHED; i++) {
		if (w->fd[i] >= 0) {
			close(w->fd[i]);
		}
	}
	if (w->epoll_fd >= 0) {
		close(w->epoll_fd);
	}
	free(w->data);
	free(w);
}
