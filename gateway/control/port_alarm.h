/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CONTROL_PORT_ALARM_H
#define SIXGATE_GATEWAY_CONTROL_PORT_ALARM_H

#include <sys/queue.h>

#include "base/loop.h"
#include "conf/model/tenant.h"

struct nat64_use;
struct problems;
struct port_alarm_tenant;
TAILQ_HEAD(port_alarm_tenants, port_alarm_tenant);

/*
 * Walks over the tenants, a few each second, and keeps a problem for each that uses nearly all of
 * its NAT64 ports: from then on its connections fail, and nobody tells it why. The problem is over
 * when NAT64_CALM_PERCENT are in use, so that one at the edge is not told of all day.
 */
struct port_alarm {
	struct timer timer;
	uint32_t at;                    /* of the round */
	uint32_t round;                 /* its number */
	struct port_alarm_tenants near; /* owned: those with a problem */
};

void port_alarm_init(struct port_alarm *alarm);
void port_alarm_fini(struct port_alarm *alarm);
/* Notes what a tenant uses. */
void port_alarm_note(struct port_alarm *alarm, struct problems *problems,
		     const struct nat64_use *use);
/* A round met all tenants there are: whoever it did not meet has no ports any more. */
void port_alarm_round(struct port_alarm *alarm, struct problems *problems);

#endif
