/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_RT_H
#define SIXGATE_GATEWAY_KERNEL_RT_H

#include "gateway/kernel/driver.h"
#include "gateway/kernel/netns.h"
#include "gateway/kernel/ops.h"

#define RT_REPLACED_MAX 1024 /* routes that others replaced at once */

/*
 * Drivers for what rtnetlink holds. One struct rt a network namespace, which the caller keeps as
 * long as the drivers; all of them may share it. ops are borrowed and talk to that namespace: for
 * NS_SIIT, address and route driver go into netns_driver(), with ops used nowhere else.
 *
 * Many steps go in one message to the kernel; one that it refuses takes the later ones of that
 * message back, so that ret_done steps are in force and no other. A thing of somebody else that
 * stands where ours should is an error and stays, but for what has taken the place of a route of
 * ours.
 */
struct rt {
	const struct kernel_ops *ops; /* borrowed */
	enum object_ns ns;
	struct netns *siit;  /* borrowed; where the far ends of veth links go; NULL: stay here */
	char down[IFNAMSIZ]; /* the link that OBJECT_LINK_DOWN asks for; the drivers' own */
	struct object_route replaced[RT_REPLACED_MAX]; /* rt_route_replaced()'s */
	size_t n_replaced;
};

/*
 * OBJECT_LINK: ours by alias; created with its alias and MTU, then set up, of a veth link both
 * ends. Changed in place and never set down; another kind, peer or underlay_netns is -EOPNOTSUPP
 * (the plan remakes it).
 * OBJECT_LINK_DOWN: observed when it was prepared as desired, and is down or absent; removing it
 * does nothing but end that.
 */
struct driver rt_link_driver(struct rt *rt);
/* OBJECT_ADDRESS, by IFA_PROTO; IPv6 without duplicate address detection. */
struct driver rt_address_driver(struct rt *rt);
/* OBJECT_RULE, by FRA_PROTOCOL; the family is that of from. */
struct driver rt_rule_driver(struct rt *rt);
/* OBJECT_ROUTE, by rtm_protocol. Metric 0 is the family's default. ROUTE_LOCAL has link "lo". */
struct driver rt_route_driver(struct rt *rt);
/*
 * Somebody has altered a route of ours ("ip route replace"), by which it has lost our protocol:
 * adding it takes the place of what is there now, whoever's that is. Known until _settle(); there
 * is room for RT_REPLACED_MAX, and others' routes stand in the way of the rest.
 */
void rt_route_replaced(struct rt *rt, const struct object_route *route);
void rt_route_settle(struct rt *rt);
/* OBJECT_PROXY_NEIGHBOUR, by NDA_PROTOCOL, both families. */
struct driver rt_neighbour_driver(struct rt *rt);

/*
 * Which IPv6 prefixes have their hosts on the link: those of its addresses, and of its routes
 * without a next hop in the main table. Link-local ones are left out. Where there are more than
 * fit, the closest are joined, so that what is between them is covered, too. Returns how many there
 * are, joined ones counted one by one; -ENODEV, when there is no such link; or another errno.
 */
struct on_link;
int rt_on_link(struct rt *rt, const char *link, struct on_link *ret_on_link,
	       struct err *err) CHECKED;

#endif
