/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CONTROL_DENIED_H
#define SIXGATE_GATEWAY_CONTROL_DENIED_H

#include "base/cursor.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"
#include "gateway/kernel/denied.h"
#include "gateway/kernel/kernel.h"

/* What the verb denied shows: an object a reason, those of a tenant that are counted under its mark
 * and under links that are its alone. */
void denied_write_tenant(const struct node_conf *conf, const struct tenant_conf *tenant,
			 const struct denied_counts *counts, struct buf *out);
/* What is no tenant's: of links that several share, and of the gateway as a whole. */
void denied_write_rest(const struct kernel_counters *total, const struct denied_counts *counts,
		       struct buf *out);

#endif
