/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Driver for OBJECT_PROXY_NEIGHBOUR: addresses for which the kernel answers neighbours on an
 * uplink, ours by NDA_PROTOCOL. The kernel tells nobody of changes here, so this is polled.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <stdio.h>
#include <string.h>

#include "gateway/kernel/rt_internal.h"

struct neighbour_reader {
	struct object_set *set;
	struct rt_links links;
	enum object_ns ns;
};

static int neighbour_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct neighbour_reader *r = arg;
	struct object o = {.kind = OBJECT_PROXY_NEIGHBOUR, .ns = r->ns};
	struct rt_attrs attrs;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ndm) ||
	    (ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6) ||
	    (ndm->ndm_flags & NTF_PROXY) == 0) {
		return 0;
	}
	rt_attrs_read(&attrs, nlh, sizeof(*ndm));
	if (rt_attr_u8(&attrs, NDA_PROTOCOL) != OBJECT_OWNER_MARK ||
	    !rt_attr_addr(&attrs, NDA_DST, ndm->ndm_family, &o.proxy_neighbour.address)) {
		return 0;
	}
	(void)snprintf(o.proxy_neighbour.link, IFNAMSIZ, "%s",
		       rt_links_name(&r->links, (uint32_t)ndm->ndm_ifindex)); /* fits */
	return object_set_add(r->set, &o) ? 0 : -ENOMEM;
}

static int neighbour_observe_family(struct rt *rt, uint8_t family, struct neighbour_reader *r,
				    struct err *err)
{
	_Alignas(struct nlmsghdr) char data[RT_MESSAGE_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	struct kernel_fault fault = {0};
	int rc;

	nlh->nlmsg_type = RTM_GETNEIGH;
	nlh->nlmsg_seq = 1;
	ndm->ndm_family = family;
	ndm->ndm_flags = NTF_PROXY;
	rc = rt_dump(rt, nlh, neighbour_seen, r, &r->set->n, &fault);
	return rc < 0 ? rt_err(err, rc, fault.text, "reading the proxy neighbours") : 0;
}

static int neighbour_observe(struct rt *rt, struct object_set *set, struct err *err)
{
	struct neighbour_reader r = {.set = set, .ns = rt->ns};
	int rc = rt_links_read(rt, &r.links, err);

	if (rc == 0) {
		rc = neighbour_observe_family(rt, AF_INET6, &r, err);
	}
	if (rc == 0) {
		rc = neighbour_observe_family(rt, AF_INET, &r, err);
	}
	rt_links_fini(&r.links);
	return rc;
}

/* The kernel makes one entry of two equal ones, so ours may have been a foreign one before. */
static int neighbour_put(struct rt_writer *w, const struct object *from, const struct object *to,
			 struct err *err)
{
	const struct object_proxy_neighbour *p = to ? &to->proxy_neighbour : &from->proxy_neighbour;
	struct nlmsghdr *nlh;
	struct ndmsg *ndm;
	uint32_t index;
	int rc = rt_index(w, p->link, &index, err);

	if (rc < 0) {
		return rc;
	}
	nlh = rt_message(w, to ? RTM_NEWNEIGH : RTM_DELNEIGH, to ? NLM_F_CREATE : 0, sizeof(*ndm));
	ndm = mnl_nlmsg_get_payload(nlh);
	ndm->ndm_family = rt_family(&p->address);
	ndm->ndm_ifindex = (int)index;
	ndm->ndm_flags = NTF_PROXY;
	rt_put_addr(nlh, NDA_DST, &p->address);
	if (to) {
		mnl_attr_put_u8(nlh, NDA_PROTOCOL, OBJECT_OWNER_MARK);
	}
	rt_message_end(w, nlh);
	return 0;
}

static const struct rt_verbs neighbour_verbs = {.put = neighbour_put, .observe = neighbour_observe};

static int driver_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	bool wanted = (kinds & DRIVER_KIND(OBJECT_PROXY_NEIGHBOUR)) != 0;

	return wanted ? neighbour_observe(ctx, set, err) : 0;
}

static int driver_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
			struct err *err)
{
	return rt_apply(ctx, &neighbour_verbs, steps, n_steps, ret_done, err);
}

struct driver rt_neighbour_driver(struct rt *rt)
{
	return (struct driver){
		.name = "neighbour",
		.kinds = DRIVER_KIND(OBJECT_PROXY_NEIGHBOUR),
		.ns = rt->ns,
		.ctx = rt,
		.observe = driver_observe,
		.apply = driver_apply,
	};
}
