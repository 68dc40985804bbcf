/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CONTROL_TUNNELS_H
#define SIXGATE_GATEWAY_CONTROL_TUNNELS_H

#include "base/cursor.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"

struct object_set;

/* What WireGuard knows of its peers. On 0 ret_peers is the caller's: tunnels_free(). */
int tunnels_observe(struct object_set **ret_peers, struct err *err) CHECKED;
void tunnels_free(struct object_set *peers);
/*
 * Appends an object a tunnel of the tenant, for the verb tunnels. peers may be NULL; now_s: seconds
 * since the epoch.
 */
void tunnels_write(const struct node_conf *conf, const struct tenant_conf *tenant,
		   const struct object_set *peers, uint64_t now_s, struct buf *out);

#endif
