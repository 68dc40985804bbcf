/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_MODEL_CLAIMS_INTERNAL_H
#define SIXGATE_CONF_MODEL_CLAIMS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/hash.h"
#include "base/str.h"
#include "conf/model/issue.h"
#include "conf/model/tenant.h"

/* The indexes behind claims.h; for the files claims*.c only. */

struct claimant {
	struct table_node node; /* claims.claimants */
	size_t n_claims;
	char name[TENANT_NAME_MAX + 1];
};

/* One thing that is claimed; the same tenant may do so several times. */
struct claim {
	struct claimant *owner; /* borrowed from claims.claimants; NULL: free */
	unsigned int count;
};

static inline bool claim_is_foreign(const struct claim *claim, const struct claimant *by)
{
	return claim->owner && claim->owner != by;
}

static inline void claim_take(struct claim *claim, struct claimant *by)
{
	claim->owner = by;
	claim->count++;
	by->n_claims++;
}

static inline void claim_drop(struct claim *claim)
{
	claim->owner->n_claims--;
	if (--claim->count == 0) {
		claim->owner = NULL;
	}
}

/* Names by port, as a tree of labels from the right: claims_name.c */
struct label {
	struct table_node node;      /* name_index.labels */
	struct label *parent;        /* borrowed; NULL: a port */
	struct label *first_child;   /* borrowed */
	struct label *next, *before; /* siblings */
	struct claim exact;          /* this name */
	struct claim wildcard;       /* "*." this name */
	uint16_t len;                /* bytes of text */
	char text[];
};

struct name_index {
	struct table labels;      /* owned; by parent and text */
	struct label *first_port; /* borrowed from labels; siblings */
	struct hash_key key;
};

/*
 * The results of taking: 0, -EEXIST with the claim that stands against it and, for names, its
 * text; -ENOMEM.
 */
#define ALPN_NAME_MAX (EXPOSE_ALPN_BYTES_MAX + 1)

struct name_conflict {
	const struct claimant *owner;
	bool wildcard; /* the other's claim is "*." text */
	char text[ALPN_NAME_MAX + 8];
};

void name_index_init(struct name_index *index);
void name_index_fini(struct name_index *index);
int name_index_take(struct name_index *index, uint16_t port, struct str name, bool wildcard,
		    struct claimant *by, struct name_conflict *ret_conflict) CHECKED;
void name_index_drop(struct name_index *index, uint16_t port, struct str name, bool wildcard);
/* Someone else's claim to any name on the port; false: none. */
bool name_index_foreign(const struct name_index *index, uint16_t port, const struct claimant *by,
			struct name_conflict *ret_conflict);
/* The number of a label that is a port. */
uint16_t label_port(const struct label *port);

/* Prefixes, sorted: claims_prefix.c */
struct prefix_claim {
	struct prefix prefix;
	struct claim claim;
};

struct prefix_index {
	struct prefix_claim *list; /* owned; by address, then length */
	size_t n, size;
	unsigned int of_length[129]; /* how many of each */
};

void prefix_index_fini(struct prefix_index *index);
/* 0; -EEXIST with the other's claim, valid until the next change; -ENOMEM. */
int prefix_index_take(struct prefix_index *index, const struct prefix *prefix, struct claimant *by,
		      const struct prefix_claim **ret_other) CHECKED;
void prefix_index_drop(struct prefix_index *index, const struct prefix *prefix);

/* Whole keys: claims_key.c */
enum key_kind {
	KEY_KIND_TCP,     /* addr, port */
	KEY_KIND_UDP,     /* addr, port */
	KEY_KIND_ADDRESS, /* addr */
	KEY_KIND_PUBLIC,  /* a WireGuard public key */
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
/* 0; -EEXIST with the other's claim; -ENOMEM. */
int key_index_take(struct key_index *index, enum key_kind kind, const void *key, size_t len,
		   uint16_t port, struct claimant *by, const struct key_claim **ret_other) CHECKED;
void key_index_drop(struct key_index *index, enum key_kind kind, const void *key, size_t len,
		    uint16_t port);
/* Someone else's claim to addr as a whole, or to any port of it; NULL: none. */
const struct key_claim *key_index_foreign_address(const struct key_index *index,
						  const struct addr *addr, bool whole_only,
						  const struct claimant *by);
/* Someone else's claim to this TCP port on any address; NULL: none. */
const struct key_claim *key_index_foreign_port(const struct key_index *index, uint16_t port,
					       const struct claimant *by);

/* All of it: claims.c */
struct claims {
	struct table claimants; /* owned; by name */
	struct hash_key key;
	struct name_index names;
	struct prefix_index prefixes;
	struct key_index keys;
};

/* A tls exposure of port takes it on each pool address: no listener is configured for it. */
bool claims_port_spreads(const struct node_conf *node, uint16_t port);

/*
 * The single claims of an object: claims_unit.c. Taking is all or nothing; -EEXIST with the issues,
 * or -ENOMEM.
 */
int units_take(struct claims *claims, const struct node_conf *node,
	       const struct tenant_conf *tenant, struct claimant *by,
	       struct issues *issues) CHECKED;
void units_drop(struct claims *claims, const struct tenant_conf *tenant);

#endif
