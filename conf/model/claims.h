/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_MODEL_CLAIMS_H
#define SIXGATE_CONF_MODEL_CLAIMS_H

#include <stddef.h>

#include "base/err.h"
#include "conf/model/issue.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"

/*
 * What belongs to one tenant only, over all tenants of a node: prefixes, WireGuard public keys,
 * names on a port, names in the farm's zone and all below TENANT.ZONE, addresses with a port, whole
 * addresses. Incremental: the cost of a change is that of the changed object, however many tenants
 * there are. For control and the command.
 */
struct claims;

/* NULL when out of memory. */
struct claims *claims_new(void);
void claims_free(struct claims *claims);

/*
 * Claims all that tenant holds, or nothing. node may be NULL; it says on which ports listeners
 * are configured (elsewhere a tls exposure takes its port on each pool address).
 * Returns 0; -EEXIST with an issue, which names the first owner, for each claim that another
 * tenant's stands against, or when the tenant is in already; -ENOMEM.
 */
int claims_add(struct claims *claims, const struct node_conf *node,
	       const struct tenant_conf *tenant, struct issues *issues) CHECKED;
/* As claims_add(), beside what other versions of the same tenant claim. */
int claims_add_version(struct claims *claims, const struct node_conf *node,
		       const struct tenant_conf *tenant, struct issues *issues) CHECKED;
/* Gives up what claims_add() claimed for this tenant: the same object, or an equal one. */
void claims_remove(struct claims *claims, const struct tenant_conf *tenant);
/*
 * The claims of before become those of after, an object of the same tenant. On failure, as in
 * claims_add(), those of before stay.
 */
int claims_replace(struct claims *claims, const struct node_conf *node,
		   const struct tenant_conf *before, const struct tenant_conf *after,
		   struct issues *issues) CHECKED;

/* The tenant that the first issue of the last -EEXIST names. */
const char *claims_refused_by(const struct claims *claims);

/*
 * Tenants that want what the others of them have: takes all that wanted claims beside what former
 * has, n objects each, of the same tenants in the same order. On 0 both stand, and nobody else gets
 * anything of either, until claims_swap_end(). Errors as in claims_add(), and -EBUSY when two of
 * wanted stand against each other; nothing has changed then. One at a time.
 */
int claims_swap(struct claims *claims, const struct node_conf *node,
		const struct tenant_conf *const *wanted, const struct tenant_conf *const *former,
		size_t n, struct issues *issues) CHECKED;
/* The n objects in keep, wanted or former, stay; what the others claim is to be removed next. */
void claims_swap_end(struct claims *claims, const struct tenant_conf *const *keep, size_t n);

/* Listening sockets a worker needs for the node's listeners and all exposures. */
size_t claims_sockets(const struct claims *claims, const struct node_conf *node);

#endif
