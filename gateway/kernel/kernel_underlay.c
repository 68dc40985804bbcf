/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sit0 in the namespace where 6in4's outer packets are. Ours has to be down (OBJECT_LINK_DOWN); in
 * another one we may not set it so, which would need CAP_SYS_ADMIN: it is told of. Called when what
 * is not ours is looked at.
 */
#include <errno.h>

#include "gateway/kernel/internal.h"
#include "gateway/kernel/rt_link.h"
#include "gateway/kernel/rt_netns.h"

/* What cannot be read now is read in a moment again. */
static bool is_up(struct rt *rt, const char *netns)
{
	struct rt_link_seen seen;
	int id;

	return rt_netns_id(rt, netns, &id, NULL) == 0 &&
	       rt_link_find(rt, id, "sit0", &seen, NULL) == 0 && seen.up;
}

void kernel_look_at_underlay(struct kernel *k)
{
	const struct node_conf *node = k->node;
	const char *const names[] = {
		node && node->six_in_four.on ? node->six_in_four.underlay_netns : NULL,
		node && node->uplink_kind == UPLINK_6IN4 ? node->exit.underlay_netns : NULL,
	};

	k->underlay = (struct err){0};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i] && is_up(&k->drivers.rt, names[i])) {
			(void)err_set(&k->underlay, -EBUSY,
				      "sit0 is up in the network namespace %s, where it takes 6in4 "
				      "from everybody: run 'ip -n %s link set sit0 down'",
				      names[i], names[i]); /* to be shown */
		}
	}
}

const char *kernel_underlay_problem(const struct kernel *k)
{
	return k->underlay.code != 0 ? k->underlay.msg : NULL;
}
