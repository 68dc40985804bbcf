/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_OFFLOAD_H
#define SIXGATE_GATEWAY_KERNEL_OFFLOAD_H

#include "gateway/kernel/driver.h"
#include "gateway/kernel/ops.h"
#include "gateway/kernel/record.h"

/*
 * Driver for OBJECT_OFFLOAD, by ethtool's netlink (Linux 5.7). A feature is ours from when it was
 * recorded whether it was on, until it is put back; observed when it is off.
 */
struct offloads {
	const struct kernel_ops *ops; /* borrowed */
	struct record *record;        /* borrowed; may be shared with sysctls */
};
struct driver offload_driver(struct offloads *o);

#endif
