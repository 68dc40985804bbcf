/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_WIREGUARD_H
#define SIXGATE_GATEWAY_KERNEL_WIREGUARD_H

#include "gateway/kernel/driver.h"
#include "gateway/kernel/ops.h"

/*
 * Driver for OBJECT_WG_DEVICE and OBJECT_WG_PEER: port, key and peers of the WireGuard links that
 * are ours by their alias. All of a link of ours is ours: a peer that somebody added there is
 * observed, too. Links themselves are another driver's.
 *
 * A change sends what differs and no more, so that a peer keeps its handshake, endpoint and
 * counters; an endpoint is sent only where one is desired.
 */
struct wireguard {
	const struct kernel_ops *ops; /* borrowed */
	/* Public, of the tenants' devices: a peer with it is none. Read again when one changes. */
	uint8_t own_key[WG_KEY_BYTES];
	bool has_own_key;
};
struct driver wireguard_driver(struct wireguard *wg);
/* Adds the peers of one link; none when there is no such link. */
int wireguard_peers(const struct kernel_ops *ops, const char *link, struct object_set *set,
		    struct err *err) CHECKED;

#endif
