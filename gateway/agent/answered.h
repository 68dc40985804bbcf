/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_AGENT_ANSWERED_H
#define SIXGATE_GATEWAY_AGENT_ANSWERED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/hash.h"

/* Prefixes that are answered for: a hash table, looked into once for each length there is. */
struct answered {
	struct hash_key key;
	struct table table;   /* owned, with its nodes */
	size_t n_of_len[129]; /* prefixes of each length */
};

void answered_init(struct answered *a);
void answered_fini(struct answered *a);
/* What is there, or gone, already is success. Returns 0 or -ENOMEM. */
int answered_add(struct answered *a, const struct prefix *p) CHECKED;
void answered_remove(struct answered *a, const struct prefix *p);
bool answered_has(const struct answered *a, const struct addr *address);

#endif
