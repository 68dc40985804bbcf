/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_GENERIC_H
#define SIXGATE_GATEWAY_KERNEL_GENERIC_H

#include "gateway/kernel/ops.h"

/* Generic netlink: families with numbers that the kernel gives out when it loads them. */

/*
 * The number of a family, WG_GENL_NAME or "Jool"; the kernel loads its module where it can. It
 * changes when the module is loaded again, so it is asked for before each observation and each
 * apply, not kept. Returns 0, -ENOENT when there is none, or another negative errno.
 */
int generic_family(const struct kernel_ops *ops, const char *name, uint16_t *ret_family,
		   struct kernel_fault *fault) CHECKED;

/*
 * Begins a message in buf, which is large enough and aligned for nlmsghdr, with hdrsize zeroed
 * bytes of the family's own header. flags are NLM_F_*; NLM_F_REQUEST is added.
 */
struct nlmsghdr *generic_message(void *buf, uint16_t family, uint16_t flags, uint32_t seq,
				 uint8_t cmd, uint8_t version, size_t hdrsize);

#endif
