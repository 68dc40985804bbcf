/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_ROUTE_H
#define SIXGATE_GATEWAY_KERNEL_ROUTE_H

#include <stddef.h>

#include "base/addr.h"
#include "base/err.h"
#include "gateway/kernel/ops.h"

/* AnyIP routes, of both families, in the kernel's table local. */
#define ROUTE_PROTO_SIXGATE 206
#define ROUTES_MAX          80 /* client_prefix and every range of a pool, and some to spare */

struct route_set {
	struct prefix prefix[ROUTES_MAX];
	size_t n;
};

/* Our local routes. -E2BIG with more than ROUTES_MAX: not ours to guess at. */
int route_list(const struct kernel_ops *ops, struct route_set *ret_routes, struct err *err) CHECKED;
int route_add(const struct kernel_ops *ops, const struct prefix *p, struct err *err) CHECKED;
/* Gone already is success. */
int route_delete(const struct kernel_ops *ops, const struct prefix *p, struct err *err) CHECKED;

#endif
