/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CONTROL_TUNNELS_H
#define SIXGATE_GATEWAY_CONTROL_TUNNELS_H

#include "base/cursor.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"

struct kernel;
struct object_set;

/*
 * The links of ours, and what WireGuard knows of its peers. On 0 ret_seen is the caller's:
 * tunnels_free().
 */
int tunnels_observe(const struct node_conf *conf, struct object_set **ret_seen,
		    struct err *err) CHECKED;
void tunnels_free(struct object_set *seen);
/* What the verb tunnels tells from. */
struct tunnels_view {
	const struct node_conf *conf;
	struct kernel *kernel;         /* MTU are known to it; may be NULL */
	const struct object_set *seen; /* may be NULL */
	uint64_t now_s;                /* since the epoch */
};
/* Appends an object a tunnel of the tenant. */
void tunnels_write(const struct tunnels_view *view, const struct tenant_conf *tenant,
		   struct buf *out);
/* The same of the tunnel to another exit that the uplink is; nothing for a direct one. */
void tunnels_write_uplink(const struct tunnels_view *view, struct buf *out);
/* When the exit of an uplink of kind wireguard last answered, since the epoch; 0: never. */
int tunnels_exit_handshake(uint64_t *ret_s, struct err *err) CHECKED;

#endif
