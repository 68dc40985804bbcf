/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Driver for OBJECT_ADDRESS, ours by IFA_PROTO (Linux 5.18). No duplicate address detection: an
 * address is of use at once, and no neighbour on a tunnel could object.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <stdio.h>
#include <string.h>

#include "gateway/kernel/rt_internal.h"

struct address_reader {
	struct object_set *set;
	struct rt_links links;
	enum object_ns ns;
};

static int address_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct address_reader *r = arg;
	struct object o = {.kind = OBJECT_ADDRESS, .ns = r->ns};
	struct rt_attrs attrs;
	struct addr a;

	if (nlh->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa) ||
	    (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6)) {
		return 0;
	}
	rt_attrs_read(&attrs, nlh, sizeof(*ifa));
	if (rt_attr_u8(&attrs, IFA_PROTO) != OBJECT_OWNER_MARK ||
	    (!rt_attr_addr(&attrs, IFA_LOCAL, ifa->ifa_family, &a) &&
	     !rt_attr_addr(&attrs, IFA_ADDRESS, ifa->ifa_family, &a))) {
		return 0;
	}
	o.address.address = rt_prefix(&a, ifa->ifa_prefixlen);
	(void)snprintf(o.address.link, IFNAMSIZ, "%s",
		       rt_links_name(&r->links, ifa->ifa_index)); /* fits */
	return object_set_add(r->set, &o) ? 0 : -ENOMEM;
}

static int address_observe_family(struct rt *rt, uint8_t family, struct address_reader *r,
				  struct err *err)
{
	struct kernel_fault fault = {0};
	int rc = rt_dump_addresses(rt, family, 0, address_seen, r, &r->set->n, &fault);

	return rc < 0 ? rt_err(err, rc, fault.text, "reading the addresses") : 0;
}

static int address_observe(struct rt *rt, struct object_set *set, struct err *err)
{
	struct address_reader r = {.set = set, .ns = rt->ns};
	int rc = rt_links_read(rt, &r.links, err);

	if (rc == 0) {
		rc = address_observe_family(rt, AF_INET6, &r, err);
	}
	if (rc == 0) {
		rc = address_observe_family(rt, AF_INET, &r, err);
	}
	rt_links_fini(&r.links);
	return rc;
}

/* An address has no value that could change: a change is an addition that is there. */
static int address_put(struct rt_writer *w, const struct object *from, const struct object *to,
		       struct err *err)
{
	const struct object_address *a = to ? &to->address : &from->address;
	struct nlmsghdr *nlh;
	struct ifaddrmsg *ifa;
	uint32_t index;
	int rc = rt_index(w, a->link, &index, err);

	if (rc < 0) {
		return rc;
	}
	nlh = rt_message(w, to ? RTM_NEWADDR : RTM_DELADDR, to ? NLM_F_CREATE | NLM_F_EXCL : 0,
			 sizeof(*ifa));
	ifa = mnl_nlmsg_get_payload(nlh);
	ifa->ifa_family = rt_family(&a->address.addr);
	ifa->ifa_prefixlen = rt_prefix_len(&a->address);
	ifa->ifa_index = index;
	rt_put_addr(nlh, IFA_LOCAL, &a->address.addr);
	rt_put_addr(nlh, IFA_ADDRESS, &a->address.addr);
	if (to) {
		mnl_attr_put_u8(nlh, IFA_PROTO, OBJECT_OWNER_MARK);
		mnl_attr_put_u32(nlh, IFA_FLAGS, IFA_F_PERMANENT | IFA_F_NODAD);
	}
	rt_message_end(w, nlh);
	return 0;
}

static const struct rt_verbs address_verbs = {.put = address_put, .observe = address_observe};

static int driver_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	return (kinds & DRIVER_KIND(OBJECT_ADDRESS)) != 0 ? address_observe(ctx, set, err) : 0;
}

static int driver_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
			struct err *err)
{
	return rt_apply(ctx, &address_verbs, steps, n_steps, ret_done, err);
}

struct driver rt_address_driver(struct rt *rt)
{
	return (struct driver){
		.name = "address",
		.kinds = DRIVER_KIND(OBJECT_ADDRESS),
		.ns = rt->ns,
		.ctx = rt,
		.observe = driver_observe,
		.apply = driver_apply,
	};
}
