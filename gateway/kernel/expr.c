/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One function an expression of nf_tables. They are written as the kernel shows them again, down
 * to the names of registers, because a table is known by its text.
 */
#include "gateway/kernel/expr.h"

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>

#define WORDS_A_REGISTER 4
#define MSS_KIND         2 /* RFC 9293 3.2 */
#define MSS_OFFSET       2
#define MSS_BYTES        2
#define PORT_BYTES       2

/* A place that is a whole register of 16 bytes is called by the older name. */
static uint32_t place_register(unsigned int place)
{
	return place % WORDS_A_REGISTER == 0 ? NFT_REG_1 + place / WORDS_A_REGISTER
					     : NFT_REG32_00 + place;
}

struct nftnl_expr *expr_new(struct rule *r, const char *name)
{
	struct nftnl_expr *e = r->bad ? NULL : nftnl_expr_alloc(name);

	if (!e) {
		r->bad = true;
		return NULL;
	}
	nftnl_rule_add_expr(r->nftnl, e);
	return e;
}

void expr_meta(struct rule *r, uint32_t key, unsigned int place)
{
	struct nftnl_expr *e = expr_new(r, "meta");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, place_register(place));
	}
}

void expr_payload(struct rule *r, uint32_t base, uint32_t offset, uint32_t len, unsigned int place)
{
	struct nftnl_expr *e = expr_new(r, "payload");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, place_register(place));
	}
}

void expr_mask(struct rule *r, const void *mask, uint32_t len, unsigned int place)
{
	static const uint8_t zero[16];
	struct nftnl_expr *e = expr_new(r, "bitwise");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, place_register(place));
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, place_register(place));
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, len);
		r->bad |= nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, len) < 0;
		r->bad |= nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zero, len) < 0;
	}
}

void expr_address6(struct rule *r, enum rule_address which, unsigned int bits, unsigned int place)
{
	struct addr mask;

	expr_payload(r, NFT_PAYLOAD_NETWORK_HEADER,
		     which == RULE_SOURCE ? offsetof(struct ip6_hdr, ip6_src)
					  : offsetof(struct ip6_hdr, ip6_dst),
		     sizeof(struct in6_addr), place);
	if (bits < 128) {
		memset(&mask, 0xff, sizeof(mask));
		addr_mask(&mask, bits);
		expr_mask(r, mask.b, sizeof(mask.b), place);
	}
}

void expr_address4(struct rule *r, enum rule_address which, unsigned int place)
{
	expr_payload(r, NFT_PAYLOAD_NETWORK_HEADER,
		     which == RULE_SOURCE ? offsetof(struct iphdr, saddr)
					  : offsetof(struct iphdr, daddr),
		     sizeof(struct in_addr), place);
}

void expr_ports(struct rule *r, enum rule_address which, unsigned int place)
{
	expr_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, which == RULE_SOURCE ? 0 : PORT_BYTES,
		     PORT_BYTES, place);
}

static void put_constant(struct rule *r, const void *value, uint32_t len, unsigned int place)
{
	struct nftnl_expr *e = expr_new(r, "immediate");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, place_register(place));
		r->bad |= nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, value, len) < 0;
	}
}

void expr_constant(struct rule *r, uint32_t value, unsigned int place)
{
	put_constant(r, &value, sizeof(value), place);
}

void expr_compare(struct rule *r, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *e = expr_new(r, "cmp");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
		r->bad |= nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len) < 0;
	}
}

void expr_range(struct rule *r, const void *first, const void *last, uint32_t len)
{
	struct nftnl_expr *e = expr_new(r, "range");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_RANGE_SREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_RANGE_OP, NFT_RANGE_EQ);
		r->bad |= nftnl_expr_set(e, NFTNL_EXPR_RANGE_FROM_DATA, first, len) < 0;
		r->bad |= nftnl_expr_set(e, NFTNL_EXPR_RANGE_TO_DATA, last, len) < 0;
	}
}

void expr_in_set(struct rule *r, enum firewall_set set, bool in, unsigned int place)
{
	struct nftnl_expr *e = expr_new(r, "lookup");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, place_register(place));
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, in ? 0 : NFT_LOOKUP_F_INV);
		r->bad |= nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET,
					     firewall_set_type(set)->name) < 0;
	}
}

void expr_map(struct rule *r, enum firewall_set map, unsigned int place, unsigned int to)
{
	struct nftnl_expr *e = expr_new(r, "lookup");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, place_register(place));
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, place_register(to));
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, 0);
		r->bad |= nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET,
					     firewall_set_type(map)->name) < 0;
	}
}

void expr_set_mark(struct rule *r, unsigned int place)
{
	struct nftnl_expr *e = expr_new(r, "meta");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, NFT_META_MARK);
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_SREG, place_register(place));
	}
}

void expr_set_mss(struct rule *r, unsigned int place)
{
	struct nftnl_expr *e = expr_new(r, "exthdr");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_SREG, place_register(place));
		nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, MSS_KIND);
		nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OFFSET, MSS_OFFSET);
		nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_LEN, MSS_BYTES);
		nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
	}
}

void expr_fragment_offset(struct rule *r, unsigned int place)
{
	struct nftnl_expr *e = expr_new(r, "exthdr");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_DREG, place_register(place));
		nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, IPPROTO_FRAGMENT);
		nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OFFSET,
				   offsetof(struct ip6_frag, ip6f_offlg));
		nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_LEN, sizeof(uint16_t));
		nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_IPV6);
	}
}

void expr_route_mss(struct rule *r, unsigned int place)
{
	struct nftnl_expr *e = expr_new(r, "rt");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_RT_KEY, NFT_RT_TCPMSS);
		nftnl_expr_set_u32(e, NFTNL_EXPR_RT_DREG, place_register(place));
	}
	e = expr_new(r, "byteorder");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_SREG, place_register(place));
		nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_DREG, place_register(place));
		nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_LEN, MSS_BYTES);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_SIZE, MSS_BYTES);
	}
}

/* stateful: what each element has of it; owned; NULL: nothing. */
static void update(struct rule *r, enum firewall_set set, unsigned int place,
		   struct nftnl_expr *stateful)
{
	struct nftnl_expr *e = expr_new(r, "dynset");

	if (!e) {
		if (stateful) {
			nftnl_expr_free(stateful);
		}
		return;
	}
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, place_register(place));
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	nftnl_expr_set_u64(e, NFTNL_EXPR_DYNSET_TIMEOUT, firewall_set_type(set)->timeout_ms);
	r->bad |=
		nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, firewall_set_type(set)->name) < 0;
	if (stateful) {
		nftnl_expr_add_expr(e, NFTNL_EXPR_DYNSET_EXPRESSIONS, stateful);
	}
}

void expr_update(struct rule *r, enum firewall_set set, unsigned int place)
{
	update(r, set, place, NULL);
}

void expr_update_count(struct rule *r, enum firewall_set set, unsigned int place)
{
	struct nftnl_expr *count = nftnl_expr_alloc("counter");

	r->bad |= !count;
	if (count) {
		nftnl_expr_set_u64(count, NFTNL_EXPR_CTR_PACKETS, 0);
		nftnl_expr_set_u64(count, NFTNL_EXPR_CTR_BYTES, 0);
	}
	update(r, set, place, count);
}

void expr_update_limit(struct rule *r, enum firewall_set set, unsigned int place, uint64_t rate,
		       uint32_t burst)
{
	struct nftnl_expr *limit = nftnl_expr_alloc("limit");

	r->bad |= !limit;
	if (limit) {
		nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_RATE, rate);
		nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_UNIT, 1); /* second */
		nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_BURST, burst);
		nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
		nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_FLAGS, 0);
	}
	update(r, set, place, limit);
}

void expr_snat4(struct rule *r, unsigned int place)
{
	struct nftnl_expr *e = expr_new(r, "nat");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_SNAT);
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4);
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, place_register(place));
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, place_register(place + 1));
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MAX, place_register(place + 2));
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MAX, place_register(place + 3));
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FLAGS,
				   NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED);
	}
}

void expr_prefix_nat(struct rule *r, uint32_t type, const struct prefix *to)
{
	struct addr first = to->addr, last = to->addr;
	struct nftnl_expr *e;

	for (unsigned int bit = to->len; bit < 128; bit++) {
		last.b[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
	}
	put_constant(r, first.b, sizeof(first.b), 0);
	put_constant(r, last.b, sizeof(last.b), 4);
	e = expr_new(r, "nat");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, type);
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV6);
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, place_register(0));
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MAX, place_register(4));
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FLAGS,
				   NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_NETMAP);
	}
}

void expr_set_source4(struct rule *r, const uint8_t v4[4])
{
	struct nftnl_expr *e;

	put_constant(r, v4, 4, 0);
	e = expr_new(r, "payload");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_SREG, place_register(0));
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offsetof(struct iphdr, saddr));
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, sizeof(struct in_addr));
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_CSUM_OFFSET,
				   offsetof(struct iphdr, check));
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_FLAGS, 0);
	}
}

void expr_notrack(struct rule *r)
{
	(void)expr_new(r, "notrack"); /* sticky in the rule */
}
