/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Table of sources. An entry lives while its source has sessions and until its bucket is full
 * again, a second later at most: after that it says nothing a new entry would not say. Entries
 * come from one block that is never grown, so a flood of sources costs a known amount.
 */
#include "proxy/source.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"

#define SESSION_COST 1000 /* thousandths */
#define REFILL_MS    1000 /* after which any bucket is full: it holds a second's worth */
#define EXPIRE_BATCH 2    /* entries a call, more than one, so that the idle list shrinks */

/* So that a bucket's thousandths fit 32 bits; more than any worker can accept. */
#define PER_SECOND_MAX 4000000

int source_table_init(struct source_table *t, size_t max)
{
	*t = (struct source_table){.max = max};
	hash_key_init(&t->hash_key);
	table_init(&t->table);
	t->idle.prev = t->idle.next = &t->idle;
	t->entries = calloc(max, sizeof(*t->entries));
	return t->entries ? 0 : -ENOMEM;
}

void source_table_fini(struct source_table *t)
{
	table_fini(&t->table);
	free(t->entries);
	t->entries = NULL;
}

static bool source_eq(const struct table_node *node, const void *key)
{
	const struct source *s = container_of(node, const struct source, node);

	return memcmp(&s->key, key, sizeof(s->key)) == 0;
}

static void idle_remove(struct source *s)
{
	s->prev->next = s->next;
	s->next->prev = s->prev;
	s->prev = s->next = NULL;
}

static void idle_append(struct source_table *t, struct source *s)
{
	s->prev = t->idle.prev;
	s->next = &t->idle;
	s->prev->next = s;
	s->next->prev = s;
}

static void source_drop(struct source_table *t, struct source *s)
{
	table_remove(&t->table, &s->node);
	s->next = t->free;
	t->free = s;
}

bool source_expire(struct source_table *t, uint64_t now_ms, size_t max)
{
	struct source *s;

	for (; max > 0 && t->idle.next != &t->idle; max--) {
		s = t->idle.next;
		if (now_ms < s->last_ms + REFILL_MS) {
			break;
		}
		idle_remove(s);
		source_drop(t, s);
	}
	return t->idle.next != &t->idle;
}

/* NULL when there is no room. */
static struct source *source_make(struct source_table *t, const struct addr *key, uint64_t hash)
{
	struct source *s = t->free;

	if (s) {
		t->free = s->next;
	} else if (t->n_touched < t->max) {
		s = &t->entries[t->n_touched++];
	} else {
		return NULL;
	}
	*s = (struct source){.key = *key};
	if (table_insert(&t->table, &s->node, hash) < 0) {
		s->next = t->free;
		t->free = s;
		return NULL;
	}
	idle_append(t, s);
	return s;
}

/* Takes one session from the bucket of per_second tokens; false when it holds less. */
static bool bucket_take(struct source *s, uint32_t per_second, uint64_t now_ms)
{
	uint64_t elapsed = now_ms > s->last_ms ? now_ms - s->last_ms : 0;
	uint64_t refill;

	if (per_second > PER_SECOND_MAX) {
		per_second = PER_SECOND_MAX;
	}
	refill = (elapsed < REFILL_MS ? elapsed : REFILL_MS) * per_second;
	s->spent = refill < s->spent ? s->spent - (uint32_t)refill : 0;
	s->last_ms = now_ms;
	if ((uint64_t)s->spent + SESSION_COST > (uint64_t)per_second * SESSION_COST) {
		return false;
	}
	s->spent += SESSION_COST;
	return true;
}

enum source_result source_admit(struct source_table *t, const struct addr *addr,
				const struct source_limits *limits, uint64_t now_ms,
				struct source **ret_source)
{
	struct addr key = *addr;
	struct table_node *node;
	struct source *s;
	uint64_t hash;

	if (limits->connections == 0 && limits->new_per_second == 0) {
		*ret_source = NULL;
		return SOURCE_ADMITTED;
	}
	(void)source_expire(t, now_ms, EXPIRE_BATCH); /* the next call goes on */
	if (!addr_is_v4(&key)) {
		addr_mask(&key, 64);
	}
	hash = hash_bytes(&t->hash_key, &key, sizeof(key));
	node = table_find(&t->table, hash, source_eq, &key);
	s = node ? container_of(node, struct source, node) : source_make(t, &key, hash);
	if (!s) {
		return SOURCE_TABLE_FULL;
	}
	if (limits->connections > 0 && s->sessions >= limits->connections) {
		return SOURCE_TOO_MANY;
	}
	if (limits->new_per_second > 0 && !bucket_take(s, limits->new_per_second, now_ms)) {
		if (s->sessions == 0) {
			/* a source that hammers must not keep those behind it in the table */
			idle_remove(s);
			idle_append(t, s);
		}
		return SOURCE_TOO_FAST;
	}
	if (s->sessions++ == 0) {
		idle_remove(s);
	}
	*ret_source = s;
	return SOURCE_ADMITTED;
}

void source_release(struct source_table *t, struct source *source, uint64_t now_ms)
{
	if (!source) {
		return;
	}
	assert(source->sessions > 0);
	if (--source->sessions > 0) {
		return;
	}
	if (source->spent == 0 || now_ms >= source->last_ms + REFILL_MS) {
		source_drop(t, source);
		return;
	}
	idle_append(t, source);
}
