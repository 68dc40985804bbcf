/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_TABLE_H
#define SIXGATE_GATEWAY_KERNEL_TABLE_H

#include "base/err.h"
#include "gateway/kernel/batch.h"
#include "gateway/kernel/chains.h"
#include "gateway/kernel/kernel.h"
#include "gateway/kernel/ops.h"
#include "gateway/kernel/outline.h"

/* The table `inet sixgate` as a whole. */

/* All of a table but its elements. Returns 0 or -ENOMEM. */
int table_define(struct batch *b, const struct firewall *fw) CHECKED;
/*
 * The same where there is a table like now, which may be empty: what is in it and not in next
 * (the outline of fw) goes, sets and counters that are in both stay. Returns 0 or -ENOMEM.
 */
int table_change(struct batch *b, const struct firewall *fw, const struct outline *now,
		 const struct outline *next) CHECKED;
/* Takes it away, whether there is one or not. Returns 0 or -ENOMEM. */
int table_remove_put(struct batch *b) CHECKED;
/* All zero when there is no table. */
int table_counters(const struct kernel_ops *ops, struct kernel_counters *ret_counters,
		   struct err *err) CHECKED;

#endif
