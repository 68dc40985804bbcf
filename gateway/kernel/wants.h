/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_WANTS_H
#define SIXGATE_GATEWAY_WANTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cursor.h"
#include "base/hash.h"
#include "gateway/kernel/driver.h"

/*
 * Who wants which object: a table from an object's key to all sets that have it. While a set is
 * replaced by its successor both are in it, so that before and after can be told for each key.
 */
struct holding {
	struct table_node node; /* reconcile.holdings */
	char *name;             /* owned; "": the node */
	struct object_set set;  /* owned, sorted */
	bool coming, leaving;   /* the change that is under way */
};

struct want {
	struct table_node node; /* wants.table */
	struct hold {
		const struct holding *by;
		const struct object *object; /* borrowed from by->set */
	} one, *holds;                       /* owned, or of one; the newest last */
	size_t n, size;
	unsigned int round; /* of the last walk that met it */
	bool failed; /* the last try to make it did: what has its key, if anything, is not ours */
	struct want *next, **to_this; /* wants.slice */
};

struct wants {
	struct table table;
	struct want *slice[N_SLICES]; /* the same, by slice */
	struct hash_key key;
	struct buf scratch;
};

int wants_init(struct wants *w);
void wants_fini(struct wants *w);
/* The objects of h are wanted by it. Returns 0, or -ENOMEM with nothing changed. */
int wants_add(struct wants *w, const struct holding *h) CHECKED;
void wants_remove(struct wants *w, const struct holding *h);
struct want *wants_find(struct wants *w, const struct object *o);
/* What is wanted without the sets that are coming (after: that are leaving); NULL: nothing. */
const struct object *want_value(const struct want *want, bool after);

#endif
