/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_SETS_H
#define SIXGATE_GATEWAY_KERNEL_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "gateway/kernel/batch.h"
#include "gateway/kernel/elements.h"

/* The table's sets. Rules name a set by both its name and its number in the batch. */

enum set_id {
	SET_TENANTS_64 = 1, /* the first two: enum tenant_set + 1 */
	SET_TENANTS_56,
	SET_RESOLVERS_4,
	SET_RESOLVERS_6,
	N_SET_IDS,
};

const char *set_name(enum set_id id);
/* The sets, empty. Returns 0 or -ENOMEM. */
int sets_put(struct batch *b) CHECKED;
/* Those of the resolvers that are of one family. Returns 0 or -ENOMEM. */
int sets_put_resolvers(struct batch *b, const struct addr *resolvers, size_t n_resolvers,
		       bool v4) CHECKED;

/* Elements on their way into the tenants' sets, or out of them; cut into messages. */
struct element_change {
	struct batch *b;
	bool bad;                             /* out of memory */
	struct nftnl_set *set[N_TENANT_SETS]; /* owned; elements of the message to be */
	unsigned int n[N_TENANT_SETS];
	uint16_t type; /* NFT_MSG_NEWSETELEM or NFT_MSG_DELSETELEM */
};
/* Returns 0 or -ENOMEM; then finish() is not needed. */
int element_change_init(struct element_change *change, struct batch *b, uint16_t type) CHECKED;
void element_change_add(struct element_change *change, const struct element *element);
/* Puts the rest into the batch and frees. Returns 0 or -ENOMEM. */
int element_change_finish(struct element_change *change) CHECKED;

#endif
