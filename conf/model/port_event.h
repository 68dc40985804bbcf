/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_PORT_EVENT_H
#define SIXGATE_CONF_PORT_EVENT_H

#include <stdbool.h>

#include "base/cursor.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"

/*
 * The history of who had which ports of NAT64 and NAT44 and which whole addresses, a file to which
 * sixgated appends a line whenever ports are given to a tenant or taken away, and from which
 * `sixgate who` answers:
 *
 *   2026-11-20T12:00:00Z + tcp 203.0.113.10 16384-17407 acme
 */
#define PORT_HISTORY_FILE SIXGATE_STATEDIR "/ports"
#define PORT_EVENT_MAX    192 /* bytes of a line */

struct port_event {
	uint64_t time_s; /* since the epoch */
	bool begins;
	uint8_t protocol; /* IPPROTO_TCP, _UDP, _ICMP */
	struct addr address;
	struct port_range ports;
	char tenant[TENANT_NAME_MAX + 1]; /* empty: not known */
};

/* "2026-11-20T12:00:00Z"; also reads seconds since the epoch. Returns 0 or -EINVAL. */
int port_time_parse(struct str text, uint64_t *ret_time_s) CHECKED;
/* Returns dst (24 bytes). */
char *port_time_format(uint64_t time_s, char *dst);
const char *port_protocol_name(uint8_t protocol);

/* With the line's end. */
void port_event_format(const struct port_event *event, struct buf *out);
/* line is without its end. Returns 0 or -EINVAL. */
int port_event_parse(struct str line, struct port_event *ret_event) CHECKED;

#endif
