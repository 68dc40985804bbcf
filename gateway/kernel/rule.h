/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_RULE_H
#define SIXGATE_GATEWAY_KERNEL_RULE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "gateway/kernel/batch.h"
#include "gateway/plan/firewall.h"

/*
 * A rule, condition by condition. Out of memory is sticky in bad, rule_end() tells it.
 */
struct rule {
	struct nftnl_rule *nftnl; /* owned */
	bool bad;                 /* out of memory */
};
void rule_begin(struct rule *r, const char *chain);
/* Puts the rule into the batch and frees it. */
int rule_end(struct rule *r, struct batch *b) CHECKED;
void rule_iif_is_not_lo(struct rule *r);
/* An IPv6 address of the packet lies in p, whose length is whole bytes. */
enum rule_address {
	RULE_SOURCE,
	RULE_DESTINATION,
};
void rule_in_prefix(struct rule *r, enum rule_address which, const struct prefix *p);
void rule_in_prefix4(struct rule *r, enum rule_address which, const struct prefix *p);
/* The same of one address, of either family. */
void rule_is_address(struct rule *r, enum rule_address which, const struct addr *a);
/* Destination, masked to len bits for IPv6, is in a set. */
void rule_destination_in_set(struct rule *r, bool v4, unsigned int len, enum firewall_set set);
void rule_uid(struct rule *r, bool equal, uid_t uid);
void rule_l4proto(struct rule *r, uint8_t proto);
/* TCP with SYN and without ACK, or (equal false) TCP otherwise. */
void rule_tcp_first(struct rule *r, bool equal);
/* TCP with SYN and without RST, where the MSS is told, or (equal false) TCP otherwise. */
void rule_tcp_syn(struct rule *r, bool equal);
void rule_destination_port(struct rule *r, uint16_t port, bool equal);
/* A socket matches the packet and is, or is not, bound to the any-address; not one that is closed.
 */
void rule_socket_wildcard(struct rule *r, bool wildcard);
/* The same of one that is transparent; closed ones too. */
void rule_socket_transparent(struct rule *r, bool transparent);
void rule_icmpv6_types(struct rule *r, uint8_t first, uint8_t last);
void rule_icmpv6_error(struct rule *r);
void rule_count(struct rule *r, const char *counter);
/* The connection that begins is remembered as that object of the table says. */
void rule_timeout(struct rule *r, const char *timeout);
void rule_verdict(struct rule *r, int verdict, const char *chain);
void rule_reject(struct rule *r);
/* NFPROTO_IPV4 or NFPROTO_IPV6. */
void rule_family(struct rule *r, uint8_t family);
void rule_iif(struct rule *r, const char *name, bool equal);
void rule_oif(struct rule *r, const char *name, bool equal);
/* meta is NFT_META_IIFNAME or NFT_META_OIFNAME. */
void rule_device_in_set(struct rule *r, uint32_t meta, enum firewall_set set, bool in);
/* The mark is a tenant's, or (tenant false) it is not. */
void rule_mark(struct rule *r, bool tenant);
/* The mark of the tenant whose an address is, at place 0; none: no match. FIREWALL_MARKS_*. */
void rule_tenant_of(struct rule *r, const struct firewall *fw, enum rule_address which,
		    enum firewall_set marks);
void rule_icmp_type(struct rule *r, uint8_t protocol, uint8_t type);
void rule_ct_known(struct rule *r);
/* What ends a rule: counts, then drops or rejects; or the verdict alone. Puts it into the batch. */
int rule_end_drop(struct rule *r, struct batch *b, const char *counter) CHECKED;
int rule_end_reject(struct rule *r, struct batch *b, const char *counter) CHECKED;
int rule_end_accept(struct rule *r, struct batch *b) CHECKED;
int rule_end_jump(struct rule *r, struct batch *b, const char *chain) CHECKED;
int rule_end_goto(struct rule *r, struct batch *b, const char *chain) CHECKED;

#endif
