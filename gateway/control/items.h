/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_ITEMS_H
#define SIXGATE_GATEWAY_ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/channel.h"
#include "base/counters.h"
#include "base/err.h"
#include "gateway/control/dirty.h"

/*
 * What workers hold, of the proxy and of DNS64: the node, tenants, listeners. Each is an item with
 * an id and a version. A change is rolled out to every worker by its feed, and the owner hears when
 * all of them have it, or when one refused it. No I/O: workers.c sends what feed_next() makes.
 */
struct item;
struct items;

enum item_stage {
	STAGE_SET,  /* between BEGIN and END */
	STAGE_LATE, /* after END: what needs the set to be in force */
};

/* Whose feed it is, by bit. */
enum feed_kind {
	FEED_PROXY = 1 << 0, /* as all are at first */
	FEED_DNS64 = 1 << 1,
};

struct item_ops {
	enum item_stage stage;
	/* Fills type, data and fds (borrowed) of the newest version for that feed's worker. */
	void (*pack)(struct item *item, unsigned int feed, struct buf *out,
		     struct channel_msg *msg);
	uint16_t remove_type; /* message that takes it away */
	/* Every worker has the newest version. A removed item is no longer known: free it. */
	void (*settled)(struct item *item);
	/* A worker keeps its former version; why is borrowed. May change the item, not free it.
	 */
	void (*refused)(struct item *item, unsigned int feed, struct str why);
	unsigned int not_for; /* kinds of workers that do not get it, by bit */
};

struct item {
	const struct item_ops *ops;
	uint32_t id; /* 0: not in items */
	bool removed;
	uint64_t serial;  /* of the newest version */
	uint64_t waiting; /* workers, by bit, that have not answered for it */
};

#define FEED_FLIGHT_MAX 256 /* items sent and not answered */

/* How far a worker is with its first full set. */
enum feed_phase {
	FEED_OFF, /* no worker */
	FEED_BEGIN,
	FEED_SET,  /* next_id is the next to send */
	FEED_LATE, /* next_id is the next to send */
	FEED_LIVE, /* only what changes */
};

#define FEED_NAME_MAX 32

struct feed {
	enum feed_kind kind;
	char name[FEED_NAME_MAX]; /* of the worker, for messages: "worker 0" */
	enum feed_phase phase;
	uint32_t next_id;
	struct dirty dirty;
	struct flight {
		uint32_t id;
		uint64_t serial;
	} flight[FEED_FLIGHT_MAX]; /* ring: oldest at first */
	unsigned int first, n_flight;
	uint64_t n_sent; /* items */
};

struct items {
	struct item **by_id; /* owned array, borrowed items; 0 is not used */
	uint32_t *free_ids;  /* owned stack */
	size_t n_ids, size, n_free;
	uint64_t serial;     /* last one given */
	uint64_t set_serial; /* the same, to an item of STAGE_SET */
	struct feed *feeds;  /* owned: one for each worker, of all kinds */
	unsigned int n_feeds;
	struct buf packed; /* of the message feed_next() made */
};

/* At most 64 feeds, all of FEED_PROXY. */
int items_init(struct items *items, unsigned int n_feeds) CHECKED;
/* Before the first item: serials begin behind that one. */
void items_begin_at(struct items *items, uint64_t serial);
/* The n feeds from first on are of DNS64. */
void items_set_dns64(struct items *items, unsigned int first, unsigned int n);
/* The items themselves stay with their owners. */
void items_fini(struct items *items);

/* Gives item an id and rolls it out. Returns 0 or -ENOMEM. */
int items_add(struct items *items, struct item *item) CHECKED;
/* Rolls out a new version. May call settled() at once, when no worker runs. */
void items_change(struct items *items, struct item *item);
/* Takes the item from all workers; settled() follows and the item may be gone on return. */
void items_remove(struct items *items, struct item *item);
/* A version is still being rolled out. */
static inline bool item_waiting(const struct item *item)
{
	return item->waiting != 0;
}

/* A worker has come: it gets a full set. */
void feed_start(struct items *items, unsigned int slot);
/* It has gone: nobody waits for its answers any more. */
void feed_stop(struct items *items, unsigned int slot);
/*
 * Makes the next message for a worker. On true ret_msg borrows from items until the next
 * call and counts as sent; false when there is none now.
 */
bool feed_next(struct items *items, unsigned int slot, struct channel_msg *ret_msg) CHECKED;
/*
 * A worker's answer to an item. refused: NULL for ACK, else why. Returns 0, or -EPROTO when
 * nothing of the kind was sent.
 */
int feed_answer(struct items *items, unsigned int slot, uint32_t id, uint64_t serial,
		const struct str *refused) CHECKED;
/* The same, ACK for the n items that were sent first of those without an answer. */
int feed_answer_first(struct items *items, unsigned int slot, uint32_t n) CHECKED;

#endif
