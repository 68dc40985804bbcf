/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_CHAINS_H
#define SIXGATE_GATEWAY_KERNEL_CHAINS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "gateway/kernel/batch.h"
#include "gateway/kernel/kernel.h"
#include "gateway/plan/firewall.h"

/* The table's chains and rules: the guard of client_prefix, and where the workers may send. */

#define COUNTER_SPOOFED    "spoofed"
#define COUNTER_UNEXPECTED "unexpected"
#define COUNTER_FOREIGN    "foreign_source"
#define COUNTER_PROXY      "proxy_denied"
#define COUNTER_AGENT      "agent_denied"

/* The tenants' traffic. Packets that are refused are counted by reason. */
#define COUNTER_OUTER     "outer_unknown"
#define COUNTER_NESTED    "tenant_nested"
#define COUNTER_SOURCE    "tenant_spoofed"
#define COUNTER_SPECIAL_6 "special_ipv6"
#define COUNTER_SPECIAL_4 "special_ipv4"
#define COUNTER_BITS      "pref64_bits"
#define COUNTER_PROTOCOL  "pref64_protocol"
#define COUNTER_MAIL      "port25_denied"
#define COUNTER_OWN       "own_denied"
#define COUNTER_LAN       "lan_denied"
#define COUNTER_INBOUND   "inbound_denied"
#define COUNTER_ECHO      "echo_limited"
#define COUNTER_NAT44     "nat44_denied"

/* All chains with their rules; counters and sets come before. Returns 0 or -ENOMEM. */
int chains_put(struct batch *b, const struct firewall *fw) CHECKED;

/* Of chains.c for the others: a chain; type NULL: one that others jump to. */
int chain_put(struct batch *b, const char *name, const char *type, int hook, int priority) CHECKED;
/* The parts of chains_put() for tenants' traffic, one file each. Each 0 or negative. */
int chains_put_inbound(struct batch *b) CHECKED; /* first: others jump there */
int chains_put_tenants(struct batch *b, const struct firewall *fw) CHECKED;
int chains_put_own(struct batch *b, const struct firewall *fw) CHECKED;
int chains_put_forward(struct batch *b, const struct firewall *fw) CHECKED;
int chains_put_out(struct batch *b, const struct firewall *fw) CHECKED;

#endif
