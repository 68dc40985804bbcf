/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_PROXY_PREFIX_H
#define SIXGATE_GATEWAY_PROXY_PREFIX_H

#include "base/prefix_set.h"
#include "gateway/kernel/driver.h"
#include "gateway/kernel/kernel.h"

/*
 * Prefixes that neighbours on the uplink are answered for. The kernel does that for single
 * addresses only, so that these are kept here, and a process of ours is told of each change.
 */
struct proxy_prefixes {
	struct prefix_set set;
	kernel_prefix_fn changed; /* NULL: nobody is told */
	void *ctx;
};

void proxy_prefixes_init(struct proxy_prefixes *pp);
void proxy_prefixes_fini(struct proxy_prefixes *pp);
/* Of OBJECT_PROXY_PREFIX. */
struct driver proxy_prefix_driver(struct proxy_prefixes *pp);
void proxy_prefixes_each(const struct proxy_prefixes *pp, kernel_prefix_fn fn, void *ctx);

#endif
