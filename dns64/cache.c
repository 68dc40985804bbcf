/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The cache of upstream data. Room is made by a clock: entries are in one ring, a hit marks its
 * entry, and the hand takes the first one that was not marked since it last came by.
 */
#include "dns64/cache.h"

#include <stdlib.h>
#include <string.h>

#include <libknot/libknot.h>

#include "base/container.h"
#include "base/hash.h"
#include "dns64/answer.h"

#define MALLOC_BYTES   16 /* that an allocation takes besides */
#define BUCKET_BYTES   16 /* of the table, for each entry at most */
#define ANSWER_ALIGN   _Alignof(struct answer)
#define ROOM_STEP      1024 /* entries the hand comes by for one that is put */
#define EXPECTED_BYTES 192  /* of an entry that is looked for: most have no more */

struct entry {
	struct table_node node;    /* cache.table */
	struct entry *prev, *next; /* cache.hand's ring */
	uint32_t stored_s;
	uint32_t retry_s; /* a stale one: when an upstream is asked again */
	uint16_t type, class;
	uint8_t flags;
	bool used;
	uint8_t len;
	uint8_t name[]; /* behind it is the answer: one place to look at */
};

struct cache {
	struct table table;
	struct hash_key key;
	struct entry *hand; /* NULL: empty */
	struct cache_walk *walks;
	size_t max_bytes;
	struct cache_stats stats;
};

struct cache *cache_new(size_t max_bytes)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (c) {
		hash_key_init(&c->key);
		table_init(&c->table);
		c->max_bytes = max_bytes;
	}
	return c;
}

/* Of an entry before its answer. */
static size_t name_room(size_t name_len)
{
	return (offsetof(struct entry, name) + name_len + ANSWER_ALIGN - 1) / ANSWER_ALIGN *
	       ANSWER_ALIGN;
}

static const struct answer *answer_of(const struct entry *e)
{
	return (const struct answer *)((const uint8_t *)e + name_room(e->len));
}

static size_t entry_bytes(size_t name_len, const struct answer *a)
{
	return name_room(name_len) + answer_size(a) + MALLOC_BYTES + BUCKET_BYTES;
}

static void ring_add(struct cache *c, struct entry *e)
{
	if (!c->hand) {
		e->prev = e->next = e;
		c->hand = e;
		return;
	}
	e->next = c->hand; /* the hand comes by last */
	e->prev = c->hand->prev;
	e->prev->next = e;
	e->next->prev = e;
}

/* The walks that are under way pass it by. */
static void walks_leave(struct cache *c, const struct entry *e)
{
	for (struct cache_walk *walk = c->walks; walk; walk = walk->other) {
		if (walk->next == e && walk->last == e) {
			walk->next = walk->last = NULL;
		} else if (walk->next == e) {
			walk->next = e->next;
		} else if (walk->last == e) {
			walk->last = e->prev;
		}
	}
}

static void ring_remove(struct cache *c, struct entry *e)
{
	walks_leave(c, e);
	if (c->hand == e) {
		c->hand = e->next == e ? NULL : e->next;
	}
	e->prev->next = e->next;
	e->next->prev = e->prev;
}

static void entry_remove(struct cache *c, struct entry *e)
{
	table_remove(&c->table, &e->node);
	ring_remove(c, e);
	c->stats.n_entries--;
	c->stats.n_bytes -= entry_bytes(e->len, answer_of(e));
	free(e);
}

void cache_free(struct cache *c)
{
	if (!c) {
		return;
	}
	while (c->hand) {
		entry_remove(c, c->hand);
	}
	table_fini(&c->table);
	free(c);
}

static bool entry_eq(const struct table_node *node, const void *key)
{
	const struct entry *e = container_of(node, struct entry, node);
	const struct question *q = key;

	return e->type == q->type && e->class == q->class && e->flags == q->flags &&
	       e->len == q->len && memcmp(e->name, q->name, q->len) == 0;
}

uint64_t cache_hash(const struct cache *c, const struct question *q)
{
	return question_hash(&c->key, q);
}

void cache_expect(const struct cache *c, struct question *q, unsigned int step)
{
	if (step == 0) {
		q->name_hash = hash_bytes(&c->key, q->name, q->len);
	}
	table_expect(&c->table, cache_hash(c, q), step, EXPECTED_BYTES);
	if (q->type == KNOT_RRTYPE_AAAA) {
		table_expect(&c->table, question_hash_as(&c->key, q, KNOT_RRTYPE_A), step,
			     EXPECTED_BYTES);
	}
}

static struct entry *entry_find(const struct cache *c, const struct question *q)
{
	struct table_node *node = table_find(&c->table, cache_hash(c, q), entry_eq, q);

	return node ? container_of(node, struct entry, node) : NULL;
}

/* Whether it may be served at that age, be it out of date. */
static bool may_serve(const struct entry *e, uint32_t age_s)
{
	uint32_t ttl_s = answer_of(e)->ttl_s;

	return age_s < ttl_s ||
	       (!answer_is_failure(answer_of(e)) && age_s - ttl_s < CACHE_STALE_MAX_S);
}

/* What of it may be served at that age. */
static enum cache_found found_of(const struct entry *e, uint32_t now_s)
{
	uint32_t age_s = now_s - e->stored_s;

	if (age_s < answer_of(e)->ttl_s) {
		return CACHE_FRESH;
	}
	if (!may_serve(e, age_s)) {
		return CACHE_MISS;
	}
	return now_s < e->retry_s ? CACHE_STALE_TRIED : CACHE_STALE;
}

enum cache_found cache_find(struct cache *c, const struct question *q, uint32_t now_s,
			    struct cached *ret_cached)
{
	struct entry *e = entry_find(c, q);
	enum cache_found found = e ? found_of(e, now_s) : CACHE_MISS;

	if (found == CACHE_MISS) {
		if (e) {
			entry_remove(c, e);
		}
		c->stats.n_misses++;
		return CACHE_MISS;
	}
	ret_cached->answer = answer_of(e);
	ret_cached->age_s = now_s - e->stored_s;
	if (found == CACHE_FRESH) {
		e->used = true;
		c->stats.n_hits++;
	} else {
		c->stats.n_stale++;
	}
	return found;
}

/*
 * Takes entries away until there is room for so many bytes, or the hand has come by n_max of them.
 * Of those in use some are spared, but not all of a large cache for the sake of one. False: there
 * is no room yet.
 */
static bool make_room(struct cache *c, size_t n_bytes, unsigned int n_max)
{
	unsigned int n_spared = 0;

	for (unsigned int n = 0; c->stats.n_bytes + n_bytes > c->max_bytes && c->hand; n++) {
		struct entry *e = c->hand;

		if (n == n_max) {
			return false;
		}
		if (e->used && n_spared < n_max / 4) {
			e->used = false;
			c->hand = e->next;
			n_spared++;
		} else {
			entry_remove(c, e);
			c->stats.n_evicted++;
		}
	}
	return true;
}

void cache_set_max(struct cache *c, size_t max_bytes)
{
	c->max_bytes = max_bytes;
}

bool cache_shrink(struct cache *c)
{
	return !make_room(c, 0, CACHE_STEP);
}

/* With a copy of a. NULL: there is no memory. */
static struct entry *entry_new(struct cache *c, const struct question *q, const struct answer *a)
{
	size_t room = name_room(q->len), n_bytes = answer_size(a);
	struct entry *e = calloc(1, room + n_bytes);

	if (!e || table_insert(&c->table, &e->node, cache_hash(c, q)) < 0) {
		free(e);
		return NULL;
	}
	e->type = q->type;
	e->class = q->class;
	e->flags = q->flags;
	e->len = q->len;
	memcpy(e->name, q->name, q->len);
	memcpy((uint8_t *)e + room, a, n_bytes);
	return e;
}

bool cache_outlasts(struct cache *c, const struct question *q, const struct answer *failure,
		    uint32_t now_s)
{
	struct entry *e = entry_find(c, q);

	if (!e || !answer_is_failure(failure) || answer_is_bogus(failure) ||
	    answer_is_failure(answer_of(e)) || !may_serve(e, now_s - e->stored_s)) {
		return false;
	}
	e->retry_s = now_s + CACHE_STALE_RETRY_S;
	return true;
}

void cache_put(struct cache *c, const struct question *q, const struct answer *a, uint32_t now_s)
{
	size_t n_bytes = entry_bytes(q->len, a);
	struct entry *e = entry_find(c, q);

	if (e) {
		entry_remove(c, e);
	}
	if (a->ttl_s == 0 || n_bytes > c->max_bytes || !make_room(c, n_bytes, ROOM_STEP)) {
		return;
	}
	e = entry_new(c, q, a);
	if (e) {
		e->stored_s = now_s;
		ring_add(c, e);
		c->stats.n_entries++;
		c->stats.n_bytes += n_bytes;
	}
}

bool cache_entry_is(const struct entry *e, const uint8_t *name, bool below)
{
	return below ? knot_dname_in_bailiwick(e->name, name) >= 0
		     : knot_dname_is_equal(e->name, name);
}

void cache_entry_view(const struct entry *e, uint32_t now_s, struct cache_view *ret_view)
{
	*ret_view = (struct cache_view){
		.name = e->name,
		.type = e->type,
		.class = e->class,
		.flags = e->flags,
		.cached = {.answer = answer_of(e), .age_s = now_s - e->stored_s},
		.found = found_of(e, now_s),
		.n_bytes = entry_bytes(e->len, answer_of(e)),
	};
}

void cache_walk_begin(struct cache *c, struct cache_walk *walk)
{
	*walk = (struct cache_walk){.other = c->walks, .next = c->hand};
	walk->last = c->hand ? c->hand->prev : NULL;
	c->walks = walk;
}

void cache_walk_end(struct cache *c, struct cache_walk *walk)
{
	struct cache_walk **at = &c->walks;

	while (*at != walk) {
		at = &(*at)->other;
	}
	*at = walk->other;
}

static struct entry *walk_take(struct cache_walk *walk)
{
	struct entry *e = walk->next;

	if (e == walk->last) {
		walk->next = walk->last = NULL;
	} else {
		walk->next = e->next;
	}
	return e;
}

const struct entry *cache_walk_next(struct cache_walk *walk)
{
	return walk->next ? walk_take(walk) : NULL;
}

bool cache_flush(struct cache *c, struct cache_walk *walk, const uint8_t *name, bool below,
		 size_t *n)
{
	for (unsigned int i = 0; i < CACHE_STEP && walk->next; i++) {
		struct entry *e = walk_take(walk);

		if (cache_entry_is(e, name, below)) {
			entry_remove(c, e);
			(*n)++;
		}
	}
	return walk->next != NULL;
}

size_t cache_max_bytes(const struct cache *c)
{
	return c->max_bytes;
}

const struct cache_stats *cache_stats(const struct cache *c)
{
	return &c->stats;
}
