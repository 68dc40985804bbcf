/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Driver for OBJECT_ROUTE: routes of both families in any table, ours by their protocol. The
 * kernel is asked for that protocol alone, so that a full table of BGP does not reach us.
 */
#include <errno.h>
#include <string.h>

#include "gateway/kernel/rt_internal.h"

#define IPV6_DEFAULT_METRIC 1024

struct route_reader {
	struct object_set *set;
	struct rt_links links;
	enum object_ns ns;
};

static bool type_read(uint8_t rtn, enum route_type *ret_type)
{
	switch (rtn) {
	case RTN_UNICAST:
		*ret_type = ROUTE_UNICAST;
		return true;
	case RTN_LOCAL:
		*ret_type = ROUTE_LOCAL;
		return true;
	case RTN_BLACKHOLE:
		*ret_type = ROUTE_BLACKHOLE;
		return true;
	case RTN_UNREACHABLE:
		*ret_type = ROUTE_UNREACHABLE;
		return true;
	default:
		return false;
	}
}

static bool has_link(enum route_type type)
{
	return type == ROUTE_UNICAST || type == ROUTE_LOCAL;
}

bool rt_route_key(const struct nlmsghdr *nlh, struct object_route *ret_route)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct rt_attrs attrs;
	struct addr to;

	*ret_route = (struct object_route){0};
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
	    (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6) || rtm->rtm_tos != 0 ||
	    (rtm->rtm_flags & RTM_F_CLONED) != 0) {
		return false;
	}
	rt_attrs_read(&attrs, nlh, sizeof(*rtm));
	if (!rt_attr_addr(&attrs, RTA_DST, rtm->rtm_family, &to) && rtm->rtm_dst_len != 0) {
		return false;
	}
	ret_route->to = rt_prefix(&to, rtm->rtm_dst_len);
	ret_route->table = attrs.a[RTA_TABLE] ? rt_attr_u32(&attrs, RTA_TABLE) : rtm->rtm_table;
	ret_route->metric = rt_attr_u32(&attrs, RTA_PRIORITY);
	if (rtm->rtm_family == AF_INET6 && ret_route->metric == IPV6_DEFAULT_METRIC) {
		ret_route->metric = 0;
	}
	return true;
}

static int route_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route_reader *r = arg;
	struct object o = {.kind = OBJECT_ROUTE, .ns = r->ns};
	struct rt_attrs attrs;

	if (nlh->nlmsg_type != RTM_NEWROUTE || !rt_route_key(nlh, &o.route) ||
	    rtm->rtm_protocol != OBJECT_OWNER_MARK || !type_read(rtm->rtm_type, &o.route.type)) {
		return 0;
	}
	rt_attrs_read(&attrs, nlh, sizeof(*rtm));
	if (has_link(o.route.type)) {
		memcpy(o.route.link, rt_links_name(&r->links, rt_attr_u32(&attrs, RTA_OIF)),
		       strlen(rt_links_name(&r->links, rt_attr_u32(&attrs, RTA_OIF))));
	}
	o.route.has_via = rt_attr_addr(&attrs, RTA_GATEWAY, rtm->rtm_family, &o.route.via);
	if (!o.route.has_via) {
		o.route.via = (struct addr){0};
	}
	if (!rt_attr_addr(&attrs, RTA_PREFSRC, rtm->rtm_family, &o.route.source)) {
		o.route.source = (struct addr){0};
	}
	o.route.mtu = rt_route_mtu(attrs.a[RTA_METRICS]);
	return object_set_add(r->set, &o) ? 0 : -ENOMEM;
}

static int route_observe_family(struct rt *rt, uint8_t family, struct route_reader *r,
				struct err *err)
{
	const struct rtmsg wanted = {.rtm_family = family, .rtm_protocol = OBJECT_OWNER_MARK};
	struct kernel_fault fault = {0};
	int rc = rt_dump_routes(rt, &wanted, 0, route_seen, r, &r->set->n, &fault);

	return rc < 0 ? rt_err(err, rc, fault.text, "reading the routes") : 0;
}

static int route_observe(struct rt *rt, struct object_set *set, struct err *err)
{
	struct route_reader r = {.set = set, .ns = rt->ns};
	int rc = rt_links_read(rt, &r.links, err);

	if (rc == 0) {
		rc = route_observe_family(rt, AF_INET6, &r, err);
	}
	if (rc == 0) {
		rc = route_observe_family(rt, AF_INET, &r, err);
	}
	rt_links_fini(&r.links);
	return rc;
}

static uint8_t route_scope(const struct object_route *route)
{
	if (!prefix_is_v4(&route->to)) {
		return RT_SCOPE_UNIVERSE;
	}
	if (route->type == ROUTE_LOCAL) {
		return RT_SCOPE_HOST;
	}
	return route->type == ROUTE_UNICAST && !route->has_via ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

static void route_header(struct rtmsg *rtm, const struct object_route *route)
{
	static const uint8_t types[] = {
		[ROUTE_UNICAST] = RTN_UNICAST,
		[ROUTE_LOCAL] = RTN_LOCAL,
		[ROUTE_BLACKHOLE] = RTN_BLACKHOLE,
		[ROUTE_UNREACHABLE] = RTN_UNREACHABLE,
	};

	rtm->rtm_family = prefix_is_v4(&route->to) ? AF_INET : AF_INET6;
	rtm->rtm_dst_len = rt_prefix_len(&route->to);
	rtm->rtm_table = (uint8_t)(route->table < 256 ? route->table : RT_TABLE_UNSPEC);
	rtm->rtm_protocol = OBJECT_OWNER_MARK; /* also in removals: no other's is meant */
	rtm->rtm_type = types[route->type];
	rtm->rtm_scope = route_scope(route);
}

static void route_attrs(struct nlmsghdr *nlh, const struct object_route *route)
{
	rt_put_addr(nlh, RTA_DST, &route->to.addr);
	mnl_attr_put_u32(nlh, RTA_TABLE, route->table);
	if (route->metric != 0) {
		mnl_attr_put_u32(nlh, RTA_PRIORITY, route->metric);
	}
}

static int route_put_new(struct rt_writer *w, const struct object_route *route, uint16_t flags,
			 struct err *err)
{
	struct nlmsghdr *nlh;
	uint32_t index = 0;
	int rc = has_link(route->type) ? rt_index(w, route->link, &index, err) : 0;

	if (rc < 0) {
		return rc;
	}
	if (route->has_via && addr_is_v4(&route->via) != prefix_is_v4(&route->to)) {
		return err_set(err, -EINVAL, "next hop and prefix are of two families");
	}
	nlh = rt_message(w, RTM_NEWROUTE, flags, sizeof(struct rtmsg));
	route_header(mnl_nlmsg_get_payload(nlh), route);
	route_attrs(nlh, route);
	if (index != 0) {
		mnl_attr_put_u32(nlh, RTA_OIF, index);
	}
	if (route->has_via) {
		rt_put_addr(nlh, RTA_GATEWAY, &route->via);
	}
	if (!addr_is_any(&route->source)) {
		rt_put_addr(nlh, RTA_PREFSRC, &route->source);
	}
	if (route->mtu != 0) {
		struct nlattr *metrics = mnl_attr_nest_start(nlh, RTA_METRICS);

		mnl_attr_put_u32(nlh, RTAX_MTU, route->mtu);
		mnl_attr_nest_end(nlh, metrics);
	}
	rt_message_end(w, nlh);
	return 0;
}

/* That one, and no other with its key. */
static int route_put_delete(struct rt_writer *w, const struct object_route *route, struct err *err)
{
	struct nlmsghdr *nlh;
	struct rtmsg *rtm;
	uint32_t index = 0;
	int rc = route->link[0] != '\0' ? rt_index(w, route->link, &index, err) : 0;

	if (rc < 0) {
		return rc;
	}
	nlh = rt_message(w, RTM_DELROUTE, 0, sizeof(struct rtmsg));
	rtm = mnl_nlmsg_get_payload(nlh);
	route_header(rtm, route);
	rtm->rtm_scope = RT_SCOPE_NOWHERE; /* whatever it is */
	route_attrs(nlh, route);
	if (index != 0) {
		mnl_attr_put_u32(nlh, RTA_OIF, index);
	}
	if (route->has_via) {
		rt_put_addr(nlh, RTA_GATEWAY, &route->via);
	}
	rt_message_end(w, nlh);
	return 0;
}

static bool same_key(const struct object_route *a, const struct object_route *b)
{
	return a->table == b->table && a->metric == b->metric && prefix_cmp(&a->to, &b->to) == 0;
}

static bool is_replaced(const struct rt *rt, const struct object_route *route)
{
	for (size_t i = 0; i < rt->n_replaced; i++) {
		if (same_key(&rt->replaced[i], route)) {
			return true;
		}
	}
	return false;
}

void rt_route_replaced(struct rt *rt, const struct object_route *route)
{
	if (rt->n_replaced < RT_REPLACED_MAX && !is_replaced(rt, route)) {
		rt->replaced[rt->n_replaced++] = *route;
	}
}

void rt_route_settle(struct rt *rt)
{
	rt->n_replaced = 0;
}

/* A replaced route carries packets all the time. */
static int route_put(struct rt_writer *w, const struct object *from, const struct object *to,
		     struct err *err)
{
	uint16_t flags = NLM_F_CREATE | NLM_F_EXCL;

	if (!to) {
		return route_put_delete(w, &from->route, err);
	}
	if (from || is_replaced(w->rt, &to->route)) {
		flags = from ? NLM_F_REPLACE : NLM_F_CREATE | NLM_F_REPLACE;
	}
	return route_put_new(w, &to->route, flags, err);
}

static const struct rt_verbs route_verbs = {.put = route_put, .observe = route_observe};

static int driver_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	return (kinds & DRIVER_KIND(OBJECT_ROUTE)) != 0 ? route_observe(ctx, set, err) : 0;
}

static int driver_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
			struct err *err)
{
	return rt_apply(ctx, &route_verbs, steps, n_steps, ret_done, err);
}

struct driver rt_route_driver(struct rt *rt)
{
	return (struct driver){
		.name = "route",
		.kinds = DRIVER_KIND(OBJECT_ROUTE),
		.ns = rt->ns,
		.ctx = rt,
		.observe = driver_observe,
		.apply = driver_apply,
	};
}
