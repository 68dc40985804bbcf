/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CONTROL_TUNNELS_H
#define SIXGATE_GATEWAY_CONTROL_TUNNELS_H

#include "base/cursor.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"

struct object_set;

/*
 * The links of ours, and what WireGuard knows of its peers. On 0 ret_seen is the caller's:
 * tunnels_free().
 */
int tunnels_observe(const struct node_conf *conf, struct object_set **ret_seen,
		    struct err *err) CHECKED;
void tunnels_free(struct object_set *seen);
/*
 * Appends an object a tunnel of the tenant, for the verb tunnels. seen may be NULL; now_s: seconds
 * since the epoch.
 */
void tunnels_write(const struct node_conf *conf, const struct tenant_conf *tenant,
		   const struct object_set *seen, uint64_t now_s, struct buf *out);
/* The same of the tunnel to another exit that the uplink is; nothing for a direct one. */
void tunnels_write_uplink(const struct node_conf *conf, const struct object_set *seen,
			  uint64_t now_s, struct buf *out);
/* When the exit of an uplink of kind wireguard last answered, since the epoch; 0: never. */
int tunnels_exit_handshake(uint64_t *ret_s, struct err *err) CHECKED;

#endif
