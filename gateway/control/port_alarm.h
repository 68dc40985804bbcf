/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CONTROL_PORT_ALARM_H
#define SIXGATE_GATEWAY_CONTROL_PORT_ALARM_H

#include "base/loop.h"
#include "conf/model/tenant.h"

struct nat64_use;

/*
 * Walks over the tenants, a few each second, and keeps a problem while one of them uses nearly all
 * of its NAT64 ports: from then on its connections fail, and nobody tells it why.
 */
struct port_alarm {
	struct timer timer;
	uint32_t at;              /* of the round */
	unsigned int n_alarm;     /* tenants in this round */
	unsigned int worst, size; /* ports in use, and how many there are, of the fullest */
	char tenant[TENANT_NAME_MAX + 1];
};

void port_alarm_init(struct port_alarm *alarm);
/* Notes what a tenant uses. */
void port_alarm_note(struct port_alarm *alarm, const struct nat64_use *use);
/* What is wrong by the round so far, in dst; "" when nothing is. Returns dst. */
char *port_alarm_text(const struct port_alarm *alarm, char *dst, size_t size);

#endif
