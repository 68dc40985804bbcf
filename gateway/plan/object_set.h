/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_OBJECT_SET_H
#define SIXGATE_GATEWAY_OBJECT_SET_H

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "gateway/plan/object.h"

/* Objects, sorted by object_cmp() once object_set_sort() was called. */
struct object_set {
	struct object *items; /* owned */
	size_t n, size;
	struct arena *arena; /* owned: what the items point to; NULL until needed */
	bool bad;            /* out of memory; sticky, told by object_set_sort() */
};

void object_set_init(struct object_set *set);
/* Wipes secrets. */
void object_set_fini(struct object_set *set);
/* Room for n objects at once, if there is memory; else it grows as they come. */
void object_set_reserve(struct object_set *set, size_t n);
/* Copies o with what it points to, but for o->ruleset.firewall. Returns the copy, NULL when bad. */
struct object *object_set_add(struct object_set *set, const struct object *o);
/* Adds all of from. */
void object_set_add_all(struct object_set *set, const struct object_set *from);
/* The objects from the first-th on that have no owner get this one. */
void object_set_own(struct object_set *set, size_t first, const char *owner);
/* Of the objects from the first-th on, which hold no secrets, each key once: any of them. */
void object_set_unique(struct object_set *set, size_t first);
/* Returns 0; -ENOMEM; -EEXIST, err naming the object, when two have the same key. */
int object_set_sort(struct object_set *set, struct err *err) CHECKED;
/* The object with the key of o, or NULL. The set is sorted. */
const struct object *object_set_find(const struct object_set *set, const struct object *o);

#endif
