/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_RT_NETNS_H
#define SIXGATE_GATEWAY_KERNEL_RT_NETNS_H

#include <net/if.h>

#include "gateway/kernel/rt.h"

/* Namespaces by name, as ip-netns(8) keeps them in /run/netns, and by the number links show. */

/* The number that rt's namespace has for another; given to it if it has none. */
int rt_netns_id(struct rt *rt, const char *name, int *ret_id, struct err *err) CHECKED;
/* The name of a number; "#3" when no name in /run/netns has it. Returns dst. */
char *rt_netns_name(struct rt *rt, int id, char dst[IFNAMSIZ]);

#endif
