/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_TCP_SHARE_H
#define SIXGATE_DNS64_TCP_SHARE_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

#define TCP_SHARE_ZONE (UINT64_C(1) << 63)

/* What the TCP connections of a tenant, or of all strangers, hold together, while it has one. */
struct tcp_share {
	struct table_node node; /* dns_worker.tcp_shares */
	uint64_t whose; /* a tenant's id; 0: no tenant's; TCP_SHARE_ZONE: who asks for that */
	unsigned int n_clients;
	size_t out_bytes; /* memory for answers that they do not read */
};

/* Of a connection more. NULL when out of memory. */
struct tcp_share *tcp_share_get(struct table *shares, uint64_t whose);
/* A connection less; NULL allowed. */
void tcp_share_put(struct table *shares, struct tcp_share *share);

#endif
