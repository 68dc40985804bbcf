/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_QDISC_H
#define SIXGATE_GATEWAY_KERNEL_QDISC_H

#include "base/err.h"
#include "gateway/kernel/rt.h"

/*
 * Calls fn with the index of each link that has an `fq` qdisc, once for each of those: a link with
 * several queues may have several. Jool before 4.1.10 leaves the time stamp of arrival on what it
 * translates, which fq takes for the time to send at, and drops. Returns 0 or a negative errno.
 */
int qdisc_each_fq(struct rt *rt, void (*fn)(void *ctx, int link), void *ctx,
		  struct err *err) CHECKED;

#endif
