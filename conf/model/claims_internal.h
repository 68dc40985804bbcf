/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_MODEL_CLAIMS_INTERNAL_H
#define SIXGATE_CONF_MODEL_CLAIMS_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/model/claims_key.h"
#include "conf/model/claims_name.h"
#include "conf/model/claims_prefix.h"
#include "conf/model/issue.h"
#include "conf/model/name.h"

/* What claims.c and claims_unit.c share. */
struct claims {
	struct table claimants; /* owned; by name */
	struct hash_key key;
	struct name_index names;
	struct prefix_index prefixes;
	struct key_index keys;
	char refused_by[TENANT_NAME_MAX + 1];
	char zone[NAME_BUF_SIZE]; /* the node's; empty: none. It never changes */
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
/* All of tenant's claims, which are in the indexes, are by's. */
void units_own(struct claims *claims, const struct tenant_conf *tenant, struct claimant *by);

/*
 * A prefix of the length of tenant's first one, nobody's, whose block of NAT64's ports is nobody's
 * either: claims_block.c. False: there is none near.
 */
bool claims_free_block(struct claims *claims, const struct node_conf *node,
		       const struct tenant_conf *tenant, struct claimant *by,
		       struct prefix *ret_prefix);

#endif
