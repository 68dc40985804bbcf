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
#include <stdio.h>
#include <string.h>

#include "gateway/kernel/expr.h"
#include "gateway/kernel/outline.h"
#include "gateway/plan/derive.h"

#define IPV6_SOURCE_OFFSET      offsetof(struct ip6_hdr, ip6_src)
#define IPV6_DESTINATION_OFFSET offsetof(struct ip6_hdr, ip6_dst)
#define CT_ESTABLISHED          2 /* NF_CT_STATE_BIT() of the kernel */
#define CT_RELATED              4
#define TCP_FLAGS_OFFSET        13

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

void rule_family(struct rule *r, uint8_t family)
{
	expr_meta(r, NFT_META_NFPROTO, 0);
	expr_compare(r, NFT_CMP_EQ, &family, sizeof(family));
}

void rule_iif_is_not_lo(struct rule *r)
{
	static const char lo[IFNAMSIZ] = "lo";

	expr_meta(r, NFT_META_IIFNAME, 0);
	expr_compare(r, NFT_CMP_NEQ, lo, sizeof(lo));
}

void rule_in_prefix(struct rule *r, enum rule_address which, const struct prefix *p)
{
	rule_family(r, NFPROTO_IPV6);
	expr_payload(r, NFT_PAYLOAD_NETWORK_HEADER,
		     which == RULE_SOURCE ? IPV6_SOURCE_OFFSET : IPV6_DESTINATION_OFFSET,
		     p->len / 8, 0);
	expr_compare(r, NFT_CMP_EQ, p->addr.b, p->len / 8);
}

void rule_in_prefix4(struct rule *r, enum rule_address which, const struct prefix *p)
{
	const uint32_t mask_be = p->len > 96 ? htonl(UINT32_MAX << (128 - p->len)) : 0;

	rule_family(r, NFPROTO_IPV4);
	expr_address4(r, which, 0);
	expr_mask(r, &mask_be, sizeof(mask_be), 0);
	expr_compare(r, NFT_CMP_EQ, p->addr.b + 12, sizeof(mask_be));
}

void rule_is_address(struct rule *r, enum rule_address which, const struct addr *a)
{
	const struct prefix host = {.addr = *a, .len = 128};

	if (addr_is_v4(a)) {
		rule_in_prefix4(r, which, &host);
	} else {
		rule_in_prefix(r, which, &host);
	}
}

void rule_destination_in_set(struct rule *r, bool v4, unsigned int len, enum firewall_set set)
{
	rule_family(r, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	if (v4) {
		expr_address4(r, RULE_DESTINATION, 0);
	} else {
		expr_address6(r, RULE_DESTINATION, len, 0);
	}
	expr_in_set(r, set, true, 0);
}

void rule_uid(struct rule *r, bool equal, uid_t uid)
{
	uint32_t id = uid;

	expr_meta(r, NFT_META_SKUID, 0);
	expr_compare(r, equal ? NFT_CMP_EQ : NFT_CMP_NEQ, &id, sizeof(id));
}

void rule_l4proto(struct rule *r, uint8_t proto)
{
	expr_meta(r, NFT_META_L4PROTO, 0);
	expr_compare(r, NFT_CMP_EQ, &proto, sizeof(proto));
}

void rule_tcp_first(struct rule *r, bool equal)
{
	const uint8_t mask = TH_SYN | TH_ACK, value = TH_SYN;

	rule_l4proto(r, IPPROTO_TCP);
	expr_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, sizeof(mask), 0);
	expr_mask(r, &mask, sizeof(mask), 0);
	expr_compare(r, equal ? NFT_CMP_EQ : NFT_CMP_NEQ, &value, sizeof(value));
}

void rule_tcp_syn(struct rule *r, bool equal)
{
	const uint8_t mask = TH_SYN | TH_RST, value = TH_SYN;

	rule_l4proto(r, IPPROTO_TCP);
	expr_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, sizeof(mask), 0);
	expr_mask(r, &mask, sizeof(mask), 0);
	expr_compare(r, equal ? NFT_CMP_EQ : NFT_CMP_NEQ, &value, sizeof(value));
}

void rule_destination_port(struct rule *r, uint16_t port, bool equal)
{
	uint16_t port_be = htons(port);

	expr_ports(r, RULE_DESTINATION, 0);
	expr_compare(r, equal ? NFT_CMP_EQ : NFT_CMP_NEQ, &port_be, sizeof(port_be));
}

static void rule_socket(struct rule *r, uint32_t key, bool value)
{
	const uint8_t byte = value ? 1 : 0;
	struct nftnl_expr *e = expr_new(r, "socket");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_KEY, key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_DREG, NFT_REG_1);
	}
	expr_compare(r, NFT_CMP_EQ, &byte, sizeof(byte));
}

void rule_socket_wildcard(struct rule *r, bool wildcard)
{
	rule_socket(r, NFT_SOCKET_WILDCARD, wildcard);
}

void rule_socket_transparent(struct rule *r, bool transparent)
{
	rule_socket(r, NFT_SOCKET_TRANSPARENT, transparent);
}

void rule_icmpv6_types(struct rule *r, uint8_t first, uint8_t last)
{
	rule_l4proto(r, IPPROTO_ICMPV6);
	expr_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, 0);
	expr_range(r, &first, &last, sizeof(first));
}

void rule_icmpv6_error(struct rule *r)
{
	rule_icmpv6_types(r, ICMPV6_DEST_UNREACH, ICMPV6_PARAMPROB);
}

static void rule_object(struct rule *r, uint32_t type, const char *name)
{
	struct nftnl_expr *e = expr_new(r, "objref");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE, type);
		r->bad |= nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_IMM_NAME, name) < 0;
	}
}

void rule_count(struct rule *r, const char *counter)
{
	rule_object(r, NFT_OBJECT_COUNTER, counter);
}

void rule_timeout(struct rule *r, const char *timeout)
{
	rule_object(r, NFT_OBJECT_CT_TIMEOUT, timeout);
}

void rule_verdict(struct rule *r, int verdict, const char *chain)
{
	struct nftnl_expr *e = expr_new(r, "immediate");

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
	struct nftnl_expr *e = expr_new(r, "reject");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
		nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
	}
}

static void compare_name(struct rule *r, const char *name, bool equal)
{
	char padded[IFNAMSIZ] = "";

	(void)snprintf(padded, sizeof(padded), "%s", name); /* a device's name fits */
	expr_compare(r, equal ? NFT_CMP_EQ : NFT_CMP_NEQ, padded, sizeof(padded));
}

void rule_iif(struct rule *r, const char *name, bool equal)
{
	expr_meta(r, NFT_META_IIFNAME, 0);
	compare_name(r, name, equal);
}

void rule_oif(struct rule *r, const char *name, bool equal)
{
	expr_meta(r, NFT_META_OIFNAME, 0);
	compare_name(r, name, equal);
}

void rule_device_in_set(struct rule *r, uint32_t meta, enum firewall_set set, bool in)
{
	expr_meta(r, meta, 0);
	expr_in_set(r, set, in, 0);
}

void rule_mark(struct rule *r, bool tenant)
{
	const uint32_t mask = DERIVE_MARK_MASK, value = DERIVE_MARK;

	expr_meta(r, NFT_META_MARK, 0);
	expr_mask(r, &mask, sizeof(mask), 0);
	expr_compare(r, tenant ? NFT_CMP_EQ : NFT_CMP_NEQ, &value, sizeof(value));
}

void rule_tenant_of(struct rule *r, const struct firewall *fw, enum rule_address which,
		    enum firewall_set marks)
{
	if (marks == FIREWALL_MARKS_4) {
		rule_family(r, NFPROTO_IPV4);
		expr_address4(r, which, 0);
	} else {
		rule_family(r, NFPROTO_IPV6);
		expr_address6(r, which, (marks == FIREWALL_MARKS_64 ? 64 : 56) + fw->slice_bits, 0);
	}
	expr_map(r, marks, 0, 0);
}

void rule_icmp_type(struct rule *r, uint8_t protocol, uint8_t type)
{
	rule_l4proto(r, protocol);
	expr_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(type), 0);
	expr_compare(r, NFT_CMP_EQ, &type, sizeof(type));
}

void rule_ct_known(struct rule *r)
{
	const uint32_t mask = CT_ESTABLISHED | CT_RELATED, none = 0;
	struct nftnl_expr *e = expr_new(r, "ct");

	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
		nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	}
	expr_mask(r, &mask, sizeof(mask), 0);
	expr_compare(r, NFT_CMP_NEQ, &none, sizeof(none));
}

int rule_end_drop(struct rule *r, struct batch *b, const char *counter)
{
	rule_count(r, counter);
	rule_verdict(r, NF_DROP, NULL);
	return rule_end(r, b);
}

int rule_end_reject(struct rule *r, struct batch *b, const char *counter)
{
	rule_count(r, counter);
	rule_reject(r);
	return rule_end(r, b);
}

int rule_end_accept(struct rule *r, struct batch *b)
{
	rule_verdict(r, NF_ACCEPT, NULL);
	return rule_end(r, b);
}

int rule_end_jump(struct rule *r, struct batch *b, const char *chain)
{
	rule_verdict(r, NFT_JUMP, chain);
	return rule_end(r, b);
}

int rule_end_goto(struct rule *r, struct batch *b, const char *chain)
{
	rule_verdict(r, NFT_GOTO, chain);
	return rule_end(r, b);
}
