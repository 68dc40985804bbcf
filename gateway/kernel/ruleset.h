/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_RULESET_H
#define SIXGATE_GATEWAY_KERNEL_RULESET_H

#include "base/err.h"
#include "gateway/kernel/driver.h"
#include "gateway/kernel/ops.h"

/*
 * The driver of OBJECT_RULESET and OBJECT_ELEMENT. The steps of one apply() are one transaction
 * of nftables, rules and elements alike: all of them or none. Changed rules keep the table, its
 * sets, their elements and the named counters.
 *
 * The undo of a change needs the rules that were there before; the driver remembers the last few
 * it was asked for. Rules that somebody else altered are not put back: then ours stay.
 */
struct ruleset;

/* ops is borrowed. Returns 0 or -ENOMEM. */
int ruleset_new(const struct kernel_ops *ops, struct ruleset **ret_ruleset,
		struct err *err) CHECKED;
/* Where the blocks of NAT44 are written to (port_history.h); borrowed. */
void ruleset_keep_history(struct ruleset *r, const char *path);
/* Leaves the kernel as it is. NULL allowed. */
void ruleset_free(struct ruleset *r);
/* prepare() computes the digest of a desired ruleset from its firewall. */
struct driver ruleset_driver(struct ruleset *r);

#endif
