/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_OFFLOAD_H
#define SIXGATE_GATEWAY_KERNEL_OFFLOAD_H

#include "gateway/kernel/driver.h"
#include "gateway/kernel/ops.h"
#include "gateway/kernel/record.h"

/*
 * Driver for OBJECT_OFFLOAD, by ethtool's netlink (Linux 5.7). A feature is ours from when it was
 * recorded whether it was on, until it is put back or its link is gone; observed when it is off. A
 * card that keeps it on, whatever it is told, has it as far as it can be had: that is told of and
 * no failure.
 */
struct offloads {
	const struct kernel_ops *ops; /* borrowed */
	struct record *record;        /* borrowed; may be shared with sysctls */
	struct err kept;              /* such a card; code 0: none is known */
};
struct driver offload_driver(struct offloads *o);

#endif
