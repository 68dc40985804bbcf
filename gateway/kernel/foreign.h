/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_FOREIGN_H
#define SIXGATE_GATEWAY_KERNEL_FOREIGN_H

#include "base/cursor.h"
#include "base/err.h"
#include "gateway/kernel/ops.h"
#include "gateway/plan/firewall.h"

/*
 * Other tables' rules that stop or alter tenants' traffic: what we accept another table's chain may
 * still drop. Looks at base chains and their own rules (not at chains these jump to), at no more
 * than FOREIGN_CHAINS_MAX and FOREIGN_RULES_MAX, and never touches anything.
 */
#define FOREIGN_CHAINS_MAX 64
#define FOREIGN_RULES_MAX  1024 /* of a chain */

/* Appends a line for each that costs what fw is for: where, what, and how to mend it. */
int foreign_look(const struct kernel_ops *ops, const struct firewall *fw, struct buf *out,
		 struct err *err) CHECKED;

#endif
