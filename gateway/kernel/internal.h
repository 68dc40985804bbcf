/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_INTERNAL_H
#define SIXGATE_GATEWAY_KERNEL_INTERNAL_H

#include "base/hash.h"
#include "gateway/kernel/chains.h"
#include "gateway/kernel/elements.h"
#include "gateway/kernel/kernel.h"
#include "gateway/kernel/ops.h"

/* What kernel.c and tenant.c share. */

struct ktenant {
	struct table_node node;  /* kernel.tenants */
	char *name;              /* owned */
	struct prefix *prefixes; /* owned */
	size_t n_prefixes;
};

struct kernel {
	struct kernel_ops ops;
	struct netlink *netlink; /* owned; NULL with the tests' ops */
	struct hash_key key;
	struct table tenants; /* of struct ktenant, owned */
	struct elements elements;
	struct guard guard;   /* what the table was made from */
	bool applied;         /* guard is in force */
	unsigned int n_rules; /* of the table as we put it in */
};

/*
 * Puts the whole table in, as guard and all elements want it, in one transaction. Returns 0, or a
 * negative errno with the table as it was.
 */
int kernel_install_table(struct kernel *k, const struct guard *guard, struct err *err) CHECKED;
void ktenant_free(struct ktenant *t);

#endif
