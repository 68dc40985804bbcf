/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_WATCH_H
#define SIXGATE_GATEWAY_KERNEL_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "gateway/kernel/driver.h"
#include "gateway/kernel/ops.h"

/*
 * Hears of changes that others make to what is ours: links, addresses, routes, rules and nftables
 * by netlink, modules that come and go by uevents. What it says is which kinds to observe again,
 * no more: the answer to what is there now comes from an observation alone.
 */
struct watch;

#define WATCH_CAUSE_MAX 96

/* What the kernel tells nobody about: to be observed every so often. */
#define WATCH_SILENT                                                                        \
	(DRIVER_KIND(OBJECT_SYSCTL) | DRIVER_KIND(OBJECT_OFFLOAD) |                         \
	 DRIVER_KIND(OBJECT_WG_DEVICE) | DRIVER_KIND(OBJECT_WG_PEER) |                      \
	 DRIVER_KIND(OBJECT_PROXY_NEIGHBOUR) | DRIVER_KIND(OBJECT_INSTANCE) |               \
	 DRIVER_KIND(OBJECT_GLOBAL) | DRIVER_KIND(OBJECT_POOL4) | DRIVER_KIND(OBJECT_BIB) | \
	 DRIVER_KIND(OBJECT_EAM))
/* The same of the translator's namespace, where no watch is. */
#define WATCH_SILENT_INSIDE (DRIVER_KIND(OBJECT_ADDRESS) | DRIVER_KIND(OBJECT_ROUTE))

/*
 * own: whose changes are ours; borrowed; NULL: nobody's. On 0 ret_watch is owned by the caller.
 * Sees the network namespace of the caller.
 */
int watch_new(const struct netlink *own, struct watch **ret_watch, struct err *err) CHECKED;
/*
 * fn is asked, with the key of a route that somebody has replaced by one of theirs, whether it was
 * ours: then routes are to be observed again. Without it they pass unheeded.
 */
struct object_route;
typedef bool (*watch_route_fn)(void *ctx, const struct object_route *route);
void watch_on_replaced(struct watch *w, watch_route_fn fn, void *ctx);
/* NULL allowed. */
void watch_free(struct watch *w);
/* Readable when there is something to read; kept by w. */
int watch_fd(const struct watch *w);
/*
 * Reads all that came. Returns the kinds to observe again, 0 for none, and in cause who or what
 * did it, where that is known: "firewalld (pid 812) changed nftables", else "".
 */
uint32_t watch_read(struct watch *w, char cause[WATCH_CAUSE_MAX]);
/* Who is beside us on a link may have changed since the last call, as far as it was read. */
bool watch_on_link(struct watch *w);
/*
 * To be called after each change of ours. Linux before 6.2 does not say whose the changes of links
 * and of IPv6 addresses are: those that came until now are taken for ours. All else that came is
 * kept for watch_read(), which watch_fd() then need not tell: a return of true does.
 */
bool watch_settle(struct watch *w);

#endif
