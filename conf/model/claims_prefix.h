/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_MODEL_CLAIMS_PREFIX_H
#define SIXGATE_CONF_MODEL_CLAIMS_PREFIX_H

#include <stddef.h>

#include "base/addr.h"
#include "conf/model/claim.h"

/* Prefixes, in order: claims_prefix.c */
struct prefix_claim {
	struct prefix prefix;
	struct claim claim;
	struct prefix_claim *next[]; /* owned by the index; of each level it is in */
};

#define PREFIX_INDEX_LEVELS 12 /* for 4^12 of them */

struct prefix_index {
	struct prefix_claim *first[PREFIX_INDEX_LEVELS]; /* owned; by address, then length */
	unsigned int of_length[129];                     /* how many of each */
	uint64_t random;
};

void prefix_index_fini(struct prefix_index *index);
/* Returns 0; -EEXIST with the other's claim, valid until the next change; -ENOMEM. */
int prefix_index_take(struct prefix_index *index, const struct prefix *prefix, struct claimant *by,
		      const struct prefix_claim **ret_other) CHECKED;
/* What was taken with these arguments. */
struct claim *prefix_index_claim(struct prefix_index *index, const struct prefix *prefix);
/* Undoes one prefix_index_take(). */
void prefix_index_drop(struct prefix_index *index, const struct prefix *prefix);

#endif
