/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_ELEMENTS_H
#define SIXGATE_GATEWAY_KERNEL_ELEMENTS_H

#include <stddef.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/hash.h"

/*
 * The tenants' prefixes as elements of the table's hash sets, with a count of who needs each. Pure:
 * what has to be sent follows from refs and state of each element.
 */
enum tenant_set {
	TENANTS_64, /* of prefixes /56 to /64: up to 256 elements each */
	TENANTS_56, /* of prefixes /40 to /55: up to 65536 elements each */
	N_TENANT_SETS,
};

#define TENANT_PREFIX_SHORTEST 40
#define TENANT_ELEMENTS_MAX    65536

struct element {
	enum tenant_set set;
	struct addr key; /* masked to 64 or 56 bits */
};

enum element_state {
	ELEMENT_ABSENT,
	ELEMENT_ADDING,   /* in the batch under way */
	ELEMENT_PRESENT,  /* in the kernel's set */
	ELEMENT_REMOVING, /* in the batch under way */
};

/* One element and who needs it: two tenants may have it for the moment in which it changes hands.
 */
struct element_node {
	struct table_node node; /* elements.table */
	struct element element;
	unsigned int refs;
	enum element_state state;
};

struct elements {
	struct table table;
	struct hash_key key;
};

void elements_init(struct elements *es);
void elements_fini(struct elements *es);
/* How many elements the prefixes make, or -EINVAL for a length outside /40 to /64 or too many. */
int elements_count(const struct prefix *prefixes, size_t n_prefixes, struct err *err) CHECKED;
/* Refers to the elements of all prefixes, or, on -ENOMEM, to none. Checked by elements_count(). */
int elements_ref(struct elements *es, const struct prefix *prefixes, size_t n_prefixes) CHECKED;
/* The opposite; those nobody needs any more stay until elements_sweep(). */
void elements_unref(struct elements *es, const struct prefix *prefixes, size_t n_prefixes);
/* Calls fn with each element of the prefixes, those without a reference included. */
typedef void (*element_fn)(struct element_node *en, void *arg);
void elements_each(struct elements *es, const struct prefix *prefixes, size_t n_prefixes,
		   element_fn fn, void *arg);
/* Frees the elements of the prefixes that have no reference; NULL: of all. */
void elements_sweep(struct elements *es, const struct prefix *prefixes, size_t n_prefixes);

#endif
