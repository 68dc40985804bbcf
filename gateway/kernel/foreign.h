/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_FOREIGN_H
#define SIXGATE_GATEWAY_KERNEL_FOREIGN_H

#include "base/cursor.h"
#include "base/err.h"
#include "gateway/kernel/ops.h"
#include "gateway/plan/firewall.h"

/*
 * Other tables' rules that stop or alter tenants' traffic: what we accept another table's chain may
 * still drop. Looks at base chains and the chains that their rules jump to (not by a map of
 * verdicts), at no more than these, and never touches anything.
 */
#define FOREIGN_BASE_MAX   64   /* base chains */
#define FOREIGN_CHAINS_MAX 256  /* with those jumped to */
#define FOREIGN_RULES_MAX  8192 /* of all of them */
#define FOREIGN_DEPTH_MAX  16   /* jumps; as the kernel's */

/* Appends a line for each that costs what fw is for: where, what, and how to mend it. */
int foreign_look(const struct kernel_ops *ops, const struct firewall *fw, struct buf *out,
		 struct err *err) CHECKED;

#endif
