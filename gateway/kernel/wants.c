/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A table from an object's key to all sets that have it. Pure bookkeeping.
 */
#include "gateway/kernel/wants.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"

#define KEY_TEXT_MAX 1024

int wants_init(struct wants *w)
{
	table_init(&w->table);
	hash_key_init(&w->key);
	buf_init(&w->scratch, KEY_TEXT_MAX);
	buf_printf(&w->scratch, "%*s", KEY_TEXT_MAX / 2,
		   ""); /* no key needs more: no failure later */
	return w->scratch.bad ? -ENOMEM : 0;
}

static void want_free(struct want *want)
{
	if (want->holds != &want->one) {
		free(want->holds);
	}
	free(want);
}

void wants_fini(struct wants *w)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&w->table, &it))) {
		table_remove(&w->table, node);
		want_free(container_of(node, struct want, node));
	}
	table_fini(&w->table);
	buf_fini(&w->scratch);
}

/* Equal keys give equal bytes; want_eq() is exact. Of what there is much it has to be quick. */
static uint64_t want_hash(struct wants *w, const struct object *o)
{
	struct buf *b = &w->scratch;

	b->len = 0;
	if (o->kind == OBJECT_ELEMENT) {
		/* one key is in several sets */
		return hash_bytes(&w->key, o->element.key, o->element.key_len) + o->element.set;
	} else if (o->kind == OBJECT_ROUTE) {
		buf_bytes(b, o->route.to.addr.b, sizeof(o->route.to.addr.b));
		buf_u32(b, o->route.table);
	} else if (o->kind == OBJECT_WG_PEER) {
		buf_bytes(b, o->wg_peer.public_key, WG_KEY_BYTES);
	} else if (o->kind == OBJECT_POOL4) {
		buf_bytes(b, o->pool4.address.b, sizeof(o->pool4.address.b));
		buf_u8(b, o->pool4.protocol);
		buf_u32(b, o->pool4.mark);
	} else {
		object_format_key(o, b);
	}
	assert(!b->bad);
	return hash_bytes(&w->key, b->data, b->len);
}

static void slice_add(struct wants *w, struct want *want)
{
	struct want **first = &w->slice[slice_of(want->holds[0].object)];

	want->next = *first;
	want->to_this = first;
	if (want->next) {
		want->next->to_this = &want->next;
	}
	*first = want;
}

static void slice_remove(struct want *want)
{
	*want->to_this = want->next;
	if (want->next) {
		want->next->to_this = want->to_this;
	}
}

static bool want_eq(const struct table_node *node, const void *key)
{
	const struct want *want = container_of(node, const struct want, node);

	return object_cmp(want->holds[0].object, key) == 0;
}

static struct want *find_hashed(const struct wants *w, const struct object *o, uint64_t hash)
{
	struct table_node *node = table_find(&w->table, hash, want_eq, o);

	return node ? container_of(node, struct want, node) : NULL;
}

struct want *wants_find(struct wants *w, const struct object *o)
{
	return find_hashed(w, o, want_hash(w, o));
}

static int want_hold(struct want *want, const struct holding *h, const struct object *o)
{
	if (want->n == want->size) {
		struct hold *holds = calloc(2 * want->size, sizeof(*holds));

		if (!holds) {
			return -ENOMEM;
		}
		memcpy(holds, want->holds, want->n * sizeof(*holds));
		if (want->holds != &want->one) {
			free(want->holds);
		}
		want->holds = holds;
		want->size *= 2;
	}
	want->holds[want->n++] = (struct hold){.by = h, .object = o};
	return 0;
}

static int wants_add_one(struct wants *w, const struct holding *h, const struct object *o)
{
	const uint64_t hash = want_hash(w, o);
	struct want *want = find_hashed(w, o, hash);

	if (want) {
		return want_hold(want, h, o);
	}
	want = malloc(sizeof(*want));
	if (!want) {
		return -ENOMEM;
	}
	*want = (struct want){.one = {.by = h, .object = o},
			      .holds = &want->one,
			      .n = 1,
			      .size = 1};
	if (table_insert(&w->table, &want->node, hash) < 0) {
		want_free(want);
		return -ENOMEM;
	}
	slice_add(w, want);
	return 0;
}

static void wants_remove_one(struct wants *w, const struct holding *h, const struct object *o)
{
	struct want *want = wants_find(w, o);
	size_t i = 0;

	while (want->holds[i].by != h) {
		i++;
		assert(i < want->n);
	}
	if (want->n == 1) {
		table_remove(&w->table, &want->node);
		slice_remove(want);
		want_free(want);
		return;
	}
	want->n--;
	memmove(&want->holds[i], &want->holds[i + 1], (want->n - i) * sizeof(*want->holds));
}

int wants_add(struct wants *w, const struct holding *h)
{
	for (size_t i = 0; i < h->set.n; i++) {
		if (wants_add_one(w, h, &h->set.items[i]) < 0) {
			while (i-- > 0) {
				wants_remove_one(w, h, &h->set.items[i]);
			}
			return -ENOMEM;
		}
	}
	return 0;
}

void wants_remove(struct wants *w, const struct holding *h)
{
	for (size_t i = 0; i < h->set.n; i++) {
		wants_remove_one(w, h, &h->set.items[i]);
	}
}

const struct object *want_value(const struct want *want, bool after)
{
	for (size_t i = want->n; i-- > 0;) {
		const struct hold *hold = &want->holds[i];

		if (after ? !hold->by->leaving : !hold->by->coming) {
			return hold->object;
		}
	}
	return NULL;
}
