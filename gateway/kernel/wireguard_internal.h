/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_WIREGUARD_INTERNAL_H
#define SIXGATE_GATEWAY_KERNEL_WIREGUARD_INTERNAL_H

#include "gateway/kernel/driver.h"
#include "gateway/kernel/ops.h"

/* What wireguard.c and wireguard_read.c share. */

/* Adds device and peers of each WireGuard link of ours. family: wireguard's number. */
int wireguard_read(const struct kernel_ops *ops, uint16_t family, uint32_t kinds,
		   struct object_set *set, struct err *err) CHECKED;
/* The same of one link; one that is not there has nothing. link fits IFNAMSIZ. */
int wireguard_read_link(const struct kernel_ops *ops, uint16_t family, const char *link,
			uint32_t kinds, struct object_set *set, struct err *err) CHECKED;
/* "wireguard: what: text of the kernel; how to mend it". Returns rc. */
int wireguard_err(struct err *err, int rc, const struct kernel_fault *fault, const char *what);

#endif
