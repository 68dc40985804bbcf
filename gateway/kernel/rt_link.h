/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_RT_LINK_H
#define SIXGATE_GATEWAY_KERNEL_RT_LINK_H

#include "gateway/kernel/rt_internal.h"

/* What the two halves of the link driver share. */

#define RT_LINK_BYTES 1024 /* a message about one link */
#define RT_SIT_TTL    64

struct rt_link_seen {
	struct object object; /* OBJECT_LINK; its link.name is always there */
	uint32_t index, group;
	bool ours;       /* by its alias, and of a kind we make */
	bool known_kind; /* of a kind we make */
	bool has_alias, up;
	int link_index;    /* IFLA_LINK: of a veth link the far end's */
	int link_netns_id; /* -1: here */
};

const char *rt_link_kind_name(enum link_kind kind);
/* netns_id: of rt_netns_id(), or -1: rt's own. -ENODEV, with err saying so. */
int rt_link_find(struct rt *rt, int netns_id, const char *name, struct rt_link_seen *ret_seen,
		 struct err *err) CHECKED;
/* struct driver's observe. */
int rt_link_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err);

#endif
