/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_TABLE_H
#define SIXGATE_GATEWAY_KERNEL_TABLE_H

#include "base/err.h"
#include "gateway/kernel/batch.h"
#include "gateway/kernel/chains.h"
#include "gateway/kernel/elements.h"
#include "gateway/kernel/kernel.h"
#include "gateway/kernel/ops.h"

/* The table `inet sixgate` as a whole. */

/* The whole table, in the place of whatever has its name. Returns 0 or -ENOMEM. */
int table_put(struct batch *b, const struct guard *guard, struct elements *es,
	      const struct kernel_counters *start) CHECKED;
/* Takes the table away; none there is success. */
int table_delete(const struct kernel_ops *ops, struct err *err) CHECKED;
/* How many rules the table has; 0 when there is none. */
int table_count_rules(const struct kernel_ops *ops, unsigned int *ret_n, struct err *err) CHECKED;
/* All zero when there is no table. */
int table_counters(const struct kernel_ops *ops, struct kernel_counters *ret_counters,
		   struct err *err) CHECKED;

#endif
