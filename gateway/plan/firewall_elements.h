/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_FIREWALL_ELEMENTS_H
#define SIXGATE_GATEWAY_FIREWALL_ELEMENTS_H

#include "conf/model/node.h"
#include "conf/model/tenant.h"
#include "gateway/plan/firewall.h"
#include "gateway/plan/object_set.h"

/* What desired_firewall.c and desired_inbound.c share. */

/* Key and data have the lengths of the set's type; data NULL: a set. */
void element_add(struct object_set *set, enum firewall_set id, const void *key, const void *data);
/* Writes eight bytes: inet_proto . inet_service. */
void element_put_port(uint8_t *key, enum protocol protocol, uint16_t port);

/* Who may open something towards the tenant. */
void desired_inbound(const struct node_conf *node, const struct tenant_conf *tenant,
		     struct object_set *set);

#endif
