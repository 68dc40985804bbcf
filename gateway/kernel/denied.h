/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_DENIED_H
#define SIXGATE_GATEWAY_KERNEL_DENIED_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"
#include "gateway/kernel/denial.h"
#include "gateway/kernel/ops.h"

/* What rules refused, by tenant and reason, as the kernel counts it. */
struct denied_count {
	uint32_t mark;       /* the tenant's (derive_mark()); 0: only the link is known */
	char link[IFNAMSIZ]; /* where the packets came in; "": the mark is known */
	enum denial why;
	uint64_t packets, bytes;
};

struct denied_counts {
	struct denied_count *items; /* owned; sorted by mark, link and reason */
	size_t n;
};

/* On 0 denied_fini() is due. */
int denied_read(const struct kernel_ops *ops, struct denied_counts *ret_counts,
		struct err *err) CHECKED;
void denied_fini(struct denied_counts *counts);
/* The items of mark, or of 0 those of link: the first, of ret_n; NULL where
 * there is none. */
const struct denied_count *denied_find(const struct denied_counts *counts, uint32_t mark,
				       const char *link, size_t *ret_n);

/*
 * A tenant is gone, or is next now: counts go that are not its own any more, by mark or by a link
 * that was its alone, so that whoever gets the prefix begins at zero. next: NULL when it is gone.
 * Where that fails they go by themselves, in time.
 */
void denied_forget(const struct kernel_ops *ops, const struct node_conf *node,
		   const struct tenant_conf *former, const struct tenant_conf *next);

#endif
