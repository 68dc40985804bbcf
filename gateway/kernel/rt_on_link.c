/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which IPv6 prefixes have their hosts on a link: an address says so, or a route without a next
 * hop. An address that was got by DHCPv6 is a /128; what the router advertised as on-link is a
 * route then. Reads alone.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/kernel/rt_internal.h"
#include "gateway/plan/firewall.h"

#define SEEN_MAX        1024
#define LINK_BITS_MIN   32 /* of a route; a shorter one is a way to the Internet, as of PPP */
#define PREFIX_BITS_MAX 128

struct reader {
	uint32_t index; /* of the link */
	struct prefix items[SEEN_MAX];
	size_t n;
};

static int prefix_seen(struct reader *r, const struct nlattr *attr, uint8_t len)
{
	struct prefix p = {.len = len};

	if (!attr || mnl_attr_get_payload_len(attr) != sizeof(p.addr.b) || len > PREFIX_BITS_MAX) {
		return 0;
	}
	memcpy(p.addr.b, mnl_attr_get_payload(attr), sizeof(p.addr.b));
	if (p.addr.b[0] == 0xff || addr_is_link_local(&p.addr)) {
		return 0; /* multicast, link-local: never forwarded */
	}
	if (r->n == SEEN_MAX) {
		return -ENOBUFS;
	}
	addr_mask(&p.addr, len);
	r->items[r->n++] = p;
	return 0;
}

static int address_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct reader *r = arg;
	struct rt_attrs attrs;

	if (nlh->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa) ||
	    ifa->ifa_family != AF_INET6 || ifa->ifa_index != r->index || ifa->ifa_prefixlen == 0 ||
	    ifa->ifa_prefixlen == PREFIX_BITS_MAX) {
		return 0;
	}
	rt_attrs_read(&attrs, nlh, sizeof(*ifa));
	return prefix_seen(r, attrs.a[IFA_ADDRESS], ifa->ifa_prefixlen);
}

static int route_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct reader *r = arg;
	struct rt_attrs attrs;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
	    rtm->rtm_family != AF_INET6 || rtm->rtm_type != RTN_UNICAST ||
	    rtm->rtm_table != RT_TABLE_MAIN || (rtm->rtm_flags & RTM_F_CLONED) != 0 ||
	    rtm->rtm_dst_len < LINK_BITS_MIN) {
		return 0;
	}
	rt_attrs_read(&attrs, nlh, sizeof(*rtm));
	if (attrs.a[RTA_GATEWAY] || attrs.a[RTA_VIA] || rt_attr_u32(&attrs, RTA_OIF) != r->index) {
		return 0;
	}
	return prefix_seen(r, attrs.a[RTA_DST], rtm->rtm_dst_len);
}

static int read_addresses(struct rt *rt, struct reader *r, struct err *err)
{
	struct kernel_fault fault = {0};
	int rc = rt_dump_addresses(rt, AF_INET6, r->index, address_seen, r, &r->n, &fault);

	return rc < 0 ? rt_err(err, rc, fault.text, "reading its addresses") : 0;
}

static int read_routes(struct rt *rt, uint8_t protocol, struct reader *r, struct err *err)
{
	const struct rtmsg wanted = {.rtm_family = AF_INET6,
				     .rtm_table = RT_TABLE_MAIN,
				     .rtm_type = RTN_UNICAST,
				     .rtm_protocol = protocol};
	struct kernel_fault fault = {0};
	int rc = rt_dump_routes(rt, &wanted, r->index, route_seen, r, &r->n, &fault);

	return rc < 0 ? rt_err(err, rc, fault.text, "reading its routes") : 0;
}

/* Takes out those inside another one. Sorted, that stands before them. */
static size_t prune(struct prefix *items, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || !prefix_contains(&items[kept - 1], &items[i].addr)) {
			items[kept++] = items[i];
		}
	}
	return kept;
}

static unsigned int common_bits(const struct prefix *a, const struct prefix *b)
{
	unsigned int bits = 0;

	while (bits < a->len && bits < b->len &&
	       ((a->addr.b[bits / 8] ^ b->addr.b[bits / 8]) & 0x80u >> bits % 8) == 0) {
		bits++;
	}
	return bits;
}

/* The two closest become one that covers both. */
static size_t join(struct prefix *items, size_t n)
{
	unsigned int most = 0;
	size_t at = 0;

	for (size_t i = 0; i + 1 < n; i++) {
		unsigned int bits = common_bits(&items[i], &items[i + 1]);

		if (bits > most) {
			most = bits;
			at = i;
		}
	}
	items[at].len = (uint8_t)most;
	addr_mask(&items[at].addr, most);
	return prune(items, n);
}

int rt_on_link(struct rt *rt, const char *link, struct on_link *ret_on_link, struct err *err)
{
	/* Not those of routing daemons, which may be very many: theirs have a next hop. */
	static const uint8_t protocols[] = {RTPROT_KERNEL, RTPROT_BOOT, RTPROT_STATIC, RTPROT_RA,
					    RTPROT_DHCP};
	struct rt_writer w = {.rt = rt};
	struct reader r = {0};
	size_t n;
	int rc = rt_index(&w, link, &r.index, err);

	*ret_on_link = (struct on_link){0};
	rc = rc < 0 ? rc : read_addresses(rt, &r, err);
	for (size_t i = 0; rc == 0 && i < sizeof(protocols); i++) {
		rc = read_routes(rt, protocols[i], &r, err);
	}
	if (rc < 0) {
		return rc;
	}
	qsort(r.items, r.n, sizeof(*r.items), prefix_order);
	n = r.n = prune(r.items, r.n);
	while (n > FIREWALL_ON_LINK_MAX) {
		n = join(r.items, n);
	}
	memcpy(ret_on_link->prefix, r.items, n * sizeof(*r.items));
	ret_on_link->n = n;
	return (int)r.n;
}
