/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_RT_PATH_H
#define SIXGATE_GATEWAY_KERNEL_RT_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

struct rt;

/* The way that the machine's own packets to an address take now. */
struct rt_path {
	uint32_t link;     /* index */
	uint32_t link_mtu; /* bytes */
	struct addr via;   /* unspecified: the address itself */
	/* bytes: of the link, or less, as a router on it advertises for IPv6, by the route's
	   metric, or as below */
	uint32_t mtu;
	bool learnt; /* a router on the way said so, and the kernel keeps it for a while */
};

/*
 * local unspecified: whatever source fits. Returns 0, or a negative errno: there is no way, it ends
 * here, or netlink failed.
 */
int rt_path_read(struct rt *rt, const struct addr *local, const struct addr *remote,
		 struct rt_path *ret_path, struct err *err) CHECKED;
/* The same of IPv6 out of a link: only link, link_mtu and mtu are filled. -ENODEV: there is none.
 */
int rt_path_of_link(struct rt *rt, const char *link, struct rt_path *ret_path,
		    struct err *err) CHECKED;

#endif
