/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_MODEL_CLAIM_H
#define SIXGATE_CONF_MODEL_CLAIM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/hash.h"
#include "conf/model/tenant.h"

/* Who claims; for the files claims*.c only. */

struct claimant {
	struct table_node node; /* claims.claimants */
	size_t n_claims;        /* of those it owns, each as often as it is claimed */
	bool swaps;             /* claims_swap(): those of others that do are not foreign */
	char name[TENANT_NAME_MAX + 1];
};

/* One thing that is claimed; the same tenant may do so several times. */
struct claim {
	struct claimant *owner; /* borrowed from claims.claimants; NULL: free */
	unsigned int count;
};

static inline bool claim_is_foreign(const struct claim *claim, const struct claimant *by)
{
	return claim->owner && claim->owner != by && !(claim->owner->swaps && by->swaps);
}

static inline void claim_own(struct claim *claim, struct claimant *by)
{
	if (claim->owner != by) {
		if (claim->owner) {
			claim->owner->n_claims -= claim->count;
		}
		claim->owner = by;
		by->n_claims += claim->count;
	}
}

static inline void claim_take(struct claim *claim, struct claimant *by)
{
	claim_own(claim, by);
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

#endif
