/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_EXPR_H
#define SIXGATE_GATEWAY_KERNEL_EXPR_H

#include <stdint.h>

#include "gateway/kernel/rule.h"

struct nftnl_expr;

/*
 * The expressions of a rule, one by one, for what rule.h has no condition for. A place is a word
 * of four bytes in the registers, 0 to 15; a concatenated key lies in words that follow one
 * another. What is compared with constants lies at 0.
 */
/* A new one of that name, which belongs to the rule; NULL once the rule is bad. */
struct nftnl_expr *expr_new(struct rule *r, const char *name);
void expr_meta(struct rule *r, uint32_t key, unsigned int place);
void expr_payload(struct rule *r, uint32_t base, uint32_t offset, uint32_t len, unsigned int place);
/* The source (or destination) address, masked to bits where those are fewer than 128. */
void expr_address6(struct rule *r, enum rule_address which, unsigned int bits, unsigned int place);
void expr_address4(struct rule *r, enum rule_address which, unsigned int place);
void expr_ports(struct rule *r, enum rule_address which, unsigned int place);
void expr_constant(struct rule *r, uint32_t value, unsigned int place);
void expr_mask(struct rule *r, const void *mask, uint32_t len, unsigned int place);
void expr_compare(struct rule *r, uint32_t op, const void *data, uint32_t len);
void expr_range(struct rule *r, const void *first, const void *last, uint32_t len);
void expr_in_set(struct rule *r, enum firewall_set set, bool in, unsigned int place);
/* Ends the rule where the map has no such key. */
void expr_map(struct rule *r, enum firewall_set map, unsigned int place, unsigned int to);
void expr_set_mark(struct rule *r, unsigned int place);
/* Lowers the option of a SYN to what lies at place, never grows it. */
void expr_set_mss(struct rule *r, unsigned int place);
/* Two bytes of an IPv6 packet, network order; no match where it is no fragment. */
void expr_fragment_offset(struct rule *r, unsigned int place);
/* The MSS that fits the route, network order. */
void expr_route_mss(struct rule *r, unsigned int place);
/* Remembers the key for the set's time. No match where the set is full, as with the next two. */
void expr_update(struct rule *r, enum firewall_set set, unsigned int place);
/* The same, and counts the packet there. */
void expr_update_count(struct rule *r, enum firewall_set set, unsigned int place);
/* The same, and matches below that rate of packets with this key alone. */
void expr_update_limit(struct rule *r, enum firewall_set set, unsigned int place, uint64_t rate,
		       uint32_t burst);
/* Of an IPv4 packet: address, port, last address, last port from place on. */
void expr_snat4(struct rule *r, unsigned int place);
/*
 * The destination (NFT_NAT_DNAT) or source of an IPv6 packet moves into the prefix and keeps the
 * bits behind it.
 */
void expr_prefix_nat(struct rule *r, uint32_t type, const struct prefix *to);
/* Writes the source of an IPv4 packet whose payload has no sum over it: ICMP. */
void expr_set_source4(struct rule *r, const uint8_t v4[4]);
void expr_notrack(struct rule *r);

#endif
