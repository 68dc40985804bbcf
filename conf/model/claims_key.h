/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_MODEL_CLAIMS_KEY_H
#define SIXGATE_CONF_MODEL_CLAIMS_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/hash.h"
#include "conf/model/claim.h"

/* Whole keys: claims_key.c */
enum key_kind {
	KEY_KIND_TCP,     /* addr, port */
	KEY_KIND_UDP,     /* addr, port */
	KEY_KIND_ADDRESS, /* addr */
	KEY_KIND_PUBLIC,  /* a WireGuard public key */
	KEY_KIND_REMOTE,  /* addr: the other end of a 6in4 tunnel */
	KEY_KIND_LISTEN,  /* UDP port of a WireGuard device of its own */
	KEY_KIND_BLOCK,   /* number of a block of NAT64's ports */
};

#define KEY_BYTES_MAX    64
#define KEY_PORT_BUCKETS 256

struct key_claim {
	struct table_node node;      /* key_index.keys */
	struct key_claim *next_port; /* key_index.by_port: TCP and UDP */
	struct claim claim;
	enum key_kind kind;
	uint16_t port; /* 0: none */
	uint8_t len;   /* bytes of key */
	uint8_t key[KEY_BYTES_MAX];
};

struct key_index {
	struct table keys; /* owned */
	struct hash_key key;
	struct key_claim *by_port[KEY_PORT_BUCKETS]; /* borrowed from keys */
};

void key_index_init(struct key_index *index);
void key_index_fini(struct key_index *index);
/* Returns 0; -EEXIST with the other's claim; -ENOMEM. */
int key_index_take(struct key_index *index, enum key_kind kind, const void *key, size_t len,
		   uint16_t port, struct claimant *by, const struct key_claim **ret_other) CHECKED;
/* Is it anybody's? For keys without a port. */
bool key_index_taken(const struct key_index *index, enum key_kind kind, const void *key,
		     size_t len);
/* What was taken with these arguments. */
struct claim *key_index_claim(const struct key_index *index, enum key_kind kind, const void *key,
			      size_t len, uint16_t port);
/* Undoes one key_index_take(). */
void key_index_drop(struct key_index *index, enum key_kind kind, const void *key, size_t len,
		    uint16_t port);
/* Someone else's claim to addr as a whole, or to any port of it; NULL: none. */
const struct key_claim *key_index_foreign_address(const struct key_index *index,
						  const struct addr *addr, bool whole_only,
						  const struct claimant *by);
/* Someone else's claim to a WireGuard port; NULL: none. */
const struct key_claim *key_index_foreign_listen(const struct key_index *index, uint16_t port,
						 const struct claimant *by);
/* Someone else's claim to this UDP port of one of node's own addresses; NULL: none. */
const struct key_claim *key_index_foreign_udp(const struct key_index *index,
					      const struct node_conf *node, uint16_t port,
					      const struct claimant *by);
/* Someone else's claim to this TCP port on any address; NULL: none. */
const struct key_claim *key_index_foreign_port(const struct key_index *index, uint16_t port,
					       const struct claimant *by);

#endif
