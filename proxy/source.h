/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_SOURCE_H
#define SIXGATE_PROXY_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/hash.h"
#include "conf/model/node.h"

/*
 * What each source does in this worker: sessions at a time and new ones per second. A source is
 * an IPv4 address or an IPv6 /64. One table a worker is enough, because a listener's socket is
 * picked by the source's address. Fails closed: a source for which there is no room is refused.
 */

/* One source that has sessions or has had some in the last second. */
struct source {
	struct table_node node;     /* source_table.table */
	struct source *prev, *next; /* source_table.idle, or next alone in source_table.free */
	uint64_t last_ms;           /* when spent was brought up to date */
	uint32_t spent;             /* thousandths of a session missing from its bucket */
	uint32_t sessions;
	struct addr key; /* an IPv6 /64's host bits are zero */
};

struct source_table {
	struct hash_key hash_key;
	struct table table;
	struct source *entries; /* owned; touched only as far as used */
	size_t max, n_touched;
	struct source *free;
	struct source idle; /* head of those without sessions, oldest first */
};

enum source_result {
	SOURCE_ADMITTED,
	SOURCE_TOO_MANY,   /* its sessions are at the limit */
	SOURCE_TOO_FAST,   /* its new sessions per second are */
	SOURCE_TABLE_FULL, /* every entry is in use by another source */
};

/* Room for max sources. Returns 0 or -ENOMEM. Before the sandbox closes (getrandom). */
int source_table_init(struct source_table *t, size_t max) CHECKED;
/* No session may be released any more. */
void source_table_fini(struct source_table *t);

/*
 * Counts one more session of addr, if limits allow. now_ms is monotonic. On SOURCE_ADMITTED
 * ret_source is to be given back by source_release(); it is NULL, and nothing is counted, when
 * limits holds no limit.
 */
enum source_result source_admit(struct source_table *t, const struct addr *addr,
				const struct source_limits *limits, uint64_t now_ms,
				struct source **ret_source) CHECKED;

/* A session ended; source may be NULL. */
void source_release(struct source_table *t, struct source *source, uint64_t now_ms);

/*
 * Drops up to max sources that are idle since a second; source_admit() does so by itself, two at
 * a time. True while idle ones are left.
 */
bool source_expire(struct source_table *t, uint64_t now_ms, size_t max);

/* Sources held now. */
static inline size_t source_count(const struct source_table *t)
{
	return t->table.count;
}

#endif
