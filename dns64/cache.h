/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_CACHE_H
#define SIXGATE_DNS64_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "dns64/question.h"

/*
 * What upstreams answered, by question, bounded in bytes: nothing here depends on who asked. What
 * is out of date stays as long as there is room, at most CACHE_STALE_MAX_S, for when no upstream
 * answers (RFC 8767). Times are in seconds of any clock that never goes back.
 */
struct answer;
struct cache;

#define CACHE_STALE_MAX_S   86400
#define CACHE_STALE_RETRY_S 30   /* RFC 8767 4: after an upstream failed */
#define CACHE_STEP          2048 /* entries looked at in one go: about a millisecond */

enum cache_found {
	CACHE_MISS,
	CACHE_FRESH,
	CACHE_STALE,       /* to be used if no upstream answers */
	CACHE_STALE_TRIED, /* to be used: none did a moment ago */
};

struct cached {
	const struct answer *answer; /* borrowed until the cache is changed */
	uint32_t age_s;
};

struct cache_stats {
	size_t n_entries, n_bytes; /* n_bytes: the memory they take */
	uint64_t n_hits, n_misses, n_stale, n_evicted;
};

/* max_bytes of entries. NULL when out of memory. */
struct cache *cache_new(size_t max_bytes);
void cache_free(struct cache *c);
/* What is too much then goes by cache_shrink(); until it has, what is put may find no room. */
void cache_set_max(struct cache *c, size_t max_bytes);
/* A step towards max_bytes. True: there is more to go. */
bool cache_shrink(struct cache *c);
/*
 * For q, and the A record of its name if q is for AAAA: brings closer what cache_find() will look
 * at, in steps from 0 to CACHE_EXPECT_STEPS - 1 as table_expect(). The first one sets q->name_hash.
 */
#define CACHE_EXPECT_STEPS TABLE_EXPECT_STEPS
void cache_expect(const struct cache *c, struct question *q, unsigned int step);
/* Of a question, as nobody can foresee. */
uint64_t cache_hash(const struct cache *c, const struct question *q);
enum cache_found cache_find(struct cache *c, const struct question *q, uint32_t now_s,
			    struct cached *ret_cached);
/*
 * Whether there is older data to be served rather than that failure (RFC 8767 5), which is noted:
 * upstreams are to be asked again after CACHE_STALE_RETRY_S. Not for bogus data.
 */
bool cache_outlasts(struct cache *c, const struct question *q, const struct answer *failure,
		    uint32_t now_s);
/* Keeps a copy of a instead of what was there, if it may be kept and there is room and memory. */
void cache_put(struct cache *c, const struct question *q, const struct answer *a, uint32_t now_s);
/*
 * A walk over all that is in the cache, in steps, between which it is used as ever: what was there
 * at the beginning and still is comes once, what is put meanwhile may come or not.
 */
struct cache_walk {
	struct cache_walk *other;  /* cache.walks */
	struct entry *next, *last; /* NULL: it is through */
};

void cache_walk_begin(struct cache *c, struct cache_walk *walk);
/* Before the walk's memory goes, or the cache. */
void cache_walk_end(struct cache *c, struct cache_walk *walk);
struct entry;

/* An entry as it is now, all borrowed until the cache is changed. */
struct cache_view {
	const uint8_t *name; /* lower case, on the wire */
	uint16_t type, class;
	uint8_t flags; /* QUESTION_* */
	struct cached cached;
	enum cache_found found; /* what cache_find() would say; MISS: it is too old for anything */
	size_t n_bytes;
};

/* NULL: it is through. Borrowed as in cache_view. */
const struct entry *cache_walk_next(struct cache_walk *walk);
/* Whether it is of that name (lower case), or, with below, of one under it. */
bool cache_entry_is(const struct entry *e, const uint8_t *name, bool below);
void cache_entry_view(const struct entry *e, uint32_t now_s, struct cache_view *ret_view);
/*
 * A step of a walk which forgets all types of that name (lower case), with below of all names under
 * it, too. Adds to *n how many they were. False: it is through.
 */
bool cache_flush(struct cache *c, struct cache_walk *walk, const uint8_t *name, bool below,
		 size_t *n);
size_t cache_max_bytes(const struct cache *c);
const struct cache_stats *cache_stats(const struct cache *c);

#endif
