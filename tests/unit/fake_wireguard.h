/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_FAKE_WIREGUARD_H
#define SIXGATE_TESTS_FAKE_WIREGUARD_H

#include <netinet/in.h>

#include "base/addr.h"
#include "gateway/kernel/ops.h"
#include "gateway/kernel/wireguard.h"

/*
 * WireGuard for the tests: one device, whose peers are kept as the kernel keeps them. It cuts its
 * dumps in the middle of peers, counts what is touched and can fail the n-th request.
 */
#define FAKE_PEERS_MAX   1200
#define FAKE_ALLOWED_MAX 2000

struct fake_peer {
	uint8_t key[32], psk[32];
	uint16_t keepalive;
	struct sockaddr_in endpoint;
	struct prefix allowed[FAKE_ALLOWED_MAX];
	size_t n_allowed;
	unsigned int touched;
};

struct fake_wireguard {
	struct kernel_ops ops;
	struct wireguard wg; /* what a driver has of it */
	uint16_t port;
	uint8_t key[32], public_key[32];
	struct fake_peer *peers;
	size_t n_peers;
	unsigned int n_sets, n_requests, fail_at, n_replaced, interrupted, port_set, key_set;
	size_t longest;
	int64_t handshake_s; /* of each peer, since the epoch */
	bool no_module, gone, dump_error, any_link;
};

void fake_wireguard_init(struct fake_wireguard *f);
void fake_wireguard_fini(struct fake_wireguard *f);
/* NULL: there is no such peer. */
struct fake_peer *fake_find(struct fake_wireguard *f, const uint8_t *key);

#endif
