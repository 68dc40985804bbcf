/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_PREFIX_SET_H
#define SIXGATE_BASE_PREFIX_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/hash.h"

/* Prefixes: a hash table, which an address is looked for in once for each length there is. */
struct prefix_set {
	struct hash_key key;
	struct table table;   /* owned, with its nodes */
	size_t n_of_len[129]; /* prefixes of each length */
};

void prefix_set_init(struct prefix_set *set);
void prefix_set_fini(struct prefix_set *set);
/* p is in the set from now on, or no longer. Returns 1, 0 when that was so already, or -ENOMEM. */
int prefix_set_put(struct prefix_set *set, const struct prefix *p, bool in) CHECKED;
/* a lies inside one of them. */
bool prefix_set_covers(const struct prefix_set *set, const struct addr *a);
/* The next one; NULL at the end. it as for table_next(). */
const struct prefix *prefix_set_next(const struct prefix_set *set, struct table_iter *it);

#endif
