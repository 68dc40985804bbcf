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
/* Destination, masked to len bits for IPv6, is in a set. */
void rule_destination_in_set(struct rule *r, bool v4, unsigned int len, enum firewall_set set);
void rule_uid(struct rule *r, bool equal, uid_t uid);
void rule_l4proto(struct rule *r, uint8_t proto);
/* TCP with SYN and without ACK, or (equal false) TCP otherwise. */
void rule_tcp_first(struct rule *r, bool equal);
void rule_destination_port(struct rule *r, uint16_t port);
void rule_socket_not_wildcard(struct rule *r);
void rule_icmpv6_error(struct rule *r);
void rule_count(struct rule *r, const char *counter);
void rule_verdict(struct rule *r, int verdict, const char *chain);
void rule_reject(struct rule *r);

#endif
