/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_JOOL_SWEEP_H
#define SIXGATE_GATEWAY_KERNEL_JOOL_SWEEP_H

#include "conf/model/ports.h"
#include "gateway/kernel/jool.h"
#include "nat64/table.h"

/*
 * Takes dynamic mappings away that lie in a tenant's block of ports and belong to a socket in a
 * prefix that the tenant has not, or no more: they would live as long as they are used, and the
 * prefix's next tenant would go out by the former one's ports. Their sessions go with them.
 */
#define JOOL_SWEEP_MAX 16 /* mappings that a step removes */

/* Where a sweep is; zeroed: at its beginning. */
struct jool_sweep {
	uint8_t n_protocols; /* that are done */
	struct jool_walk walk;
};

/*
 * The next step: a page of the table is read, and some of it removed. What has gone by itself
 * meanwhile is as good, and so is a module or an instance that is absent. Returns 1: there is
 * more, 0: that was all, or a negative errno.
 */
int jool_sweep_step(const struct jool_context *ctx, const struct tenant_conf *tenant,
		    const struct port_block *block, struct jool_sweep *sweep,
		    struct err *err) CHECKED;

#endif
