/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sets of objects. What is copied goes with the set: no object borrows from where it came.
 */
#include "gateway/plan/object_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OBJECTS_MAX ((size_t)4 << 20)
#define ARENA_MAX   ((size_t)256 << 20) /* bytes */
#define FIRST_SIZE  8                   /* what a tenant with one tunnel has */

void object_set_init(struct object_set *set)
{
	*set = (struct object_set){0};
}

static bool holds_key(const struct object *o)
{
	return o->kind == OBJECT_WG_DEVICE || o->kind == OBJECT_WG_PEER;
}

static void items_free(struct object_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		if (holds_key(&set->items[i])) {
			explicit_bzero(&set->items[i], sizeof(set->items[i]));
		}
	}
	free(set->items);
}

void object_set_fini(struct object_set *set)
{
	items_free(set);
	arena_free(set->arena);
	object_set_init(set);
}

/* Not realloc(): it would leave keys behind. */
static int set_grow(struct object_set *set)
{
	size_t size = set->size == 0 ? FIRST_SIZE : 2 * set->size;
	struct object *items;

	if (set->n < set->size) {
		return 0;
	}
	items = size <= OBJECTS_MAX ? malloc(size * sizeof(*items)) : NULL;
	if (!items) {
		return -ENOMEM;
	}
	if (set->n > 0) {
		memcpy(items, set->items, set->n * sizeof(*items));
	}
	items_free(set);
	set->items = items;
	set->size = size;
	return 0;
}

void object_set_reserve(struct object_set *set, size_t n)
{
	if (!set->items && n > 0 && n <= OBJECTS_MAX) {
		set->items = malloc(n * sizeof(*set->items));
		set->size = set->items ? n : 0;
	}
}

/* Most objects in a row have one owner. */
static const char *copy_owner(struct object_set *set, const char *owner)
{
	const char *last = set->n > 0 ? set->items[set->n - 1].owner : NULL;

	return last && strcmp(last, owner) == 0 ? last : arena_strdup(set->arena, str_from(owner));
}

void object_set_own(struct object_set *set, size_t first, const char *owner)
{
	const char *copy;

	if (!set->bad && !set->arena) {
		set->arena = arena_new(ARENA_MAX);
	}
	copy = !set->bad && set->arena ? arena_strdup(set->arena, str_from(owner)) : NULL;
	if (!copy) {
		set->bad = true;
		return;
	}
	for (size_t i = first; i < set->n; i++) {
		if (!set->items[i].owner) {
			set->items[i].owner = copy;
		}
	}
}

static int copy_pointed(struct object_set *set, struct object *o)
{
	bool has_list = o->kind == OBJECT_WG_PEER && o->wg_peer.n_allowed > 0;
	struct prefix *allowed;

	if (!o->owner && !has_list) {
		return 0;
	}
	if (!set->arena) {
		set->arena = arena_new(ARENA_MAX);
	}
	if (!set->arena) {
		return -ENOMEM;
	}
	if (o->owner) {
		o->owner = copy_owner(set, o->owner);
		if (!o->owner) {
			return -ENOMEM;
		}
	}
	if (has_list) {
		allowed = arena_array(set->arena, o->wg_peer.n_allowed, sizeof(*allowed));
		if (!allowed) {
			return -ENOMEM;
		}
		memcpy(allowed, o->wg_peer.allowed, o->wg_peer.n_allowed * sizeof(*allowed));
		o->wg_peer.allowed = allowed;
	}
	return 0;
}

struct object *object_set_add(struct object_set *set, const struct object *o)
{
	struct object copy = *o;

	if (set->bad || copy_pointed(set, &copy) < 0 || set_grow(set) < 0) {
		set->bad = true;
		return NULL;
	}
	set->items[set->n] = copy;
	return &set->items[set->n++];
}

void object_set_add_all(struct object_set *set, const struct object_set *from)
{
	set->bad |= from->bad;
	for (size_t i = 0; i < from->n && !set->bad; i++) {
		(void)object_set_add(set, &from->items[i]); /* set->bad says it */
	}
}

static int item_cmp(const void *a, const void *b)
{
	return object_cmp(a, b);
}

void object_set_unique(struct object_set *set, size_t first)
{
	size_t n = first;

	if (set->n > first + 1) {
		qsort(&set->items[first], set->n - first, sizeof(*set->items), item_cmp);
	}
	for (size_t i = first; i < set->n; i++) {
		if (n == first || object_cmp(&set->items[n - 1], &set->items[i]) != 0) {
			set->items[n++] = set->items[i];
		}
	}
	set->n = n;
}

static int name_twice(const struct object *o, struct err *err)
{
	struct buf text;
	int rc;

	buf_init(&text, 1024);
	object_format(o, &text);
	rc = err_set(err, -EEXIST, "%.*s: it is asked for twice", text.bad ? 0 : (int)text.len,
		     text.bad ? "" : (const char *)text.data);
	buf_fini(&text);
	return rc;
}

int object_set_sort(struct object_set *set, struct err *err)
{
	if (set->bad) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (set->n > 1) {
		qsort(set->items, set->n, sizeof(*set->items), item_cmp);
	}
	for (size_t i = 1; i < set->n; i++) {
		if (object_cmp(&set->items[i - 1], &set->items[i]) == 0) {
			return name_twice(&set->items[i], err);
		}
	}
	return 0;
}

const struct object *object_set_find(const struct object_set *set, const struct object *o)
{
	return set->n > 0 ? bsearch(o, set->items, set->n, sizeof(*set->items), item_cmp) : NULL;
}
