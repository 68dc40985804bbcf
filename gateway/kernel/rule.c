/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rules as lists of expressions. Each function adds one condition or action to the rule, in the
 * form in which the nft program shows it again. Out of memory is sticky in rule.bad.
 */
#include "gateway/kernel/rule.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/icmpv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>

#include "gateway/kernel/outline.h"

#define IPV6_SOURCE_OFFSET      offsetof(struct ip6_hdr, ip6_src)
#define IPV6_DESTINATION_OFFSET offsetof(struct ip6_hdr, ip6_dst)
#define IPV4_DESTINATION_OFFSET 16
#define TCP_FLAGS_OFFSET        13
#define PORT_DESTINATION_OFFSET 2

void rule_begin(struct rule *r, const char *chain)
{
	r->nftnl = nftnl_rule_alloc();
	r->bad = !r->nftnl;
	if (r->nftnl) {
		nftnl_rule_set_u32(r->nftnl, NFTNL_RULE_FAMILY, NFPROTO_INET);
		r->bad = nftnl_rule_set_str(r->nftnl, NFTNL_RULE_TABLE, TABLE_NAME) < 0 ||
			 nftnl_rule_set_str(r->nftnl, NFTNL_RULE_CHAIN, chain) < 0;
	}
}

int rule_end(struct rule *r, struct batch *b)
{
	if (!r->bad) {
		struct nlmsghdr *nlh =
			batch_message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);

		nftnl_rule_nlmsg_build_payload(nlh, r->nftnl);
		batch_add(b, nlh);
		b->n_rules++;
		if (b->outline) {
			outline_rule(b->outline, r->nftnl);
		}
	}
	if (r->nftnl) {
		nftnl_rule_free(r->nftnl);
	}
	return r->bad ? -ENOMEM : 0;
}

/* The new expression belongs to the rule; NULL once the rule is bad. */
static struct nftnl_expr *rule_expr(struct rule *r, const char *name)
{
	struct nftnl_expr *e = r->bad ? NULL : nftnl_expr_alloc(name);

	if (!e) {
		r->bad = true;
		return NULL;
	}
	nftnl_rule_add_expr(r->nftnl, e);
	return e;
}

static void rule_compare(struct rule *r, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *e = rule_expr(r, "cmp");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
		r->bad |= nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len) < 0;
	}
}

static void rule_meta(struct rule *r, uint32_t key)
{
	struct nftnl_expr *e = rule_expr(r, "meta");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
	}
}

static void rule_payload(struct rule *r, uint32_t base, uint32_t offset, uint32_t len)
{
	struct nftnl_expr *e = rule_expr(r, "payload");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	}
}

static void rule_mask(struct rule *r, const void *mask, uint32_t len)
{
	static const uint8_t zero[16];
	struct nftnl_expr *e = rule_expr(r, "bitwise");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, len);
		r->bad |= nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, len) < 0;
		r->bad |= nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zero, len) < 0;
	}
}

static void rule_family(struct rule *r, uint8_t family)
{
	rule_meta(r, NFT_META_NFPROTO);
	rule_compare(r, NFT_CMP_EQ, &family, sizeof(family));
}

void rule_iif_is_not_lo(struct rule *r)
{
	static const char lo[IFNAMSIZ] = "lo";

	rule_meta(r, NFT_META_IIFNAME);
	rule_compare(r, NFT_CMP_NEQ, lo, sizeof(lo));
}

void rule_in_prefix(struct rule *r, enum rule_address which, const struct prefix *p)
{
	rule_family(r, NFPROTO_IPV6);
	rule_payload(r, NFT_PAYLOAD_NETWORK_HEADER,
		     which == RULE_SOURCE ? IPV6_SOURCE_OFFSET : IPV6_DESTINATION_OFFSET,
		     p->len / 8);
	rule_compare(r, NFT_CMP_EQ, p->addr.b, p->len / 8);
}

void rule_destination_in_set(struct rule *r, bool v4, unsigned int len, enum firewall_set set)
{
	struct addr mask;
	struct nftnl_expr *e;

	memset(&mask, 0xff, sizeof(mask));
	addr_mask(&mask, len);
	rule_family(r, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	rule_payload(r, NFT_PAYLOAD_NETWORK_HEADER,
		     v4 ? IPV4_DESTINATION_OFFSET : IPV6_DESTINATION_OFFSET, v4 ? 4 : 16);
	if (len < 128) {
		rule_mask(r, mask.b, sizeof(mask.b));
	}
	e = rule_expr(r, "lookup");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, 0); /* as the kernel shows it */
		r->bad |= nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET,
					     firewall_set_type(set)->name) < 0;
	}
}

void rule_uid(struct rule *r, bool equal, uid_t uid)
{
	uint32_t id = uid;

	rule_meta(r, NFT_META_SKUID);
	rule_compare(r, equal ? NFT_CMP_EQ : NFT_CMP_NEQ, &id, sizeof(id));
}

void rule_l4proto(struct rule *r, uint8_t proto)
{
	rule_meta(r, NFT_META_L4PROTO);
	rule_compare(r, NFT_CMP_EQ, &proto, sizeof(proto));
}

void rule_tcp_first(struct rule *r, bool equal)
{
	const uint8_t mask = TH_SYN | TH_ACK, value = TH_SYN;

	rule_l4proto(r, IPPROTO_TCP);
	rule_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, sizeof(mask));
	rule_mask(r, &mask, sizeof(mask));
	rule_compare(r, equal ? NFT_CMP_EQ : NFT_CMP_NEQ, &value, sizeof(value));
}

void rule_destination_port(struct rule *r, uint16_t port)
{
	uint16_t port_be = htons(port);

	rule_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DESTINATION_OFFSET, sizeof(port_be));
	rule_compare(r, NFT_CMP_EQ, &port_be, sizeof(port_be));
}

void rule_socket_not_wildcard(struct rule *r)
{
	const uint8_t no = 0;
	struct nftnl_expr *e = rule_expr(r, "socket");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_KEY, NFT_SOCKET_WILDCARD);
		nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_DREG, NFT_REG_1);
	}
	rule_compare(r, NFT_CMP_EQ, &no, sizeof(no));
}

void rule_icmpv6_error(struct rule *r)
{
	const uint8_t first = ICMPV6_DEST_UNREACH, last = ICMPV6_PARAMPROB;
	struct nftnl_expr *e;

	rule_l4proto(r, IPPROTO_ICMPV6);
	rule_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
	e = rule_expr(r, "range");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_RANGE_SREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_RANGE_OP, NFT_RANGE_EQ);
		r->bad |= nftnl_expr_set(e, NFTNL_EXPR_RANGE_FROM_DATA, &first, sizeof(first)) < 0;
		r->bad |= nftnl_expr_set(e, NFTNL_EXPR_RANGE_TO_DATA, &last, sizeof(last)) < 0;
	}
}

void rule_count(struct rule *r, const char *counter)
{
	struct nftnl_expr *e = rule_expr(r, "objref");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
		r->bad |= nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_IMM_NAME, counter) < 0;
	}
}

void rule_verdict(struct rule *r, int verdict, const char *chain)
{
	struct nftnl_expr *e = rule_expr(r, "immediate");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
		if (chain) {
			r->bad |= nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain) < 0;
		}
	}
}

void rule_reject(struct rule *r)
{
	struct nftnl_expr *e = rule_expr(r, "reject");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
		nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
	}
}
