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

/* What the table is made from, besides the tenants. */
struct guard {
	bool has_prefix;
	struct prefix client_prefix; /* a /96 */
	struct kernel_uids uids;
	struct addr *resolvers; /* owned */
	size_t n_resolvers;
	struct prefix *routed; /* owned; pool ranges that need an AnyIP route */
	size_t n_routed;
};

/* All chains with their rules; counters and sets come before. Returns 0 or -ENOMEM. */
int chains_put(struct batch *b, const struct firewall *fw) CHECKED;

#endif
