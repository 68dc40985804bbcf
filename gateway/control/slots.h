/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_SLOTS_H
#define SIXGATE_GATEWAY_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counters.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

#define SLOTS_KEY_MAX 512 /* bytes of a key's text, its end included */

struct backend_conf;
struct endpoint;
struct tenant_conf;
struct totals;

/*
 * Gives out counter slots, the same number in every worker's segment. Slot 0 belongs to nobody.
 * A slot that comes back rests until no worker has a session on it; the oldest is taken first.
 *
 * Over an upgrade each key (a tenant, service, backend, listener) keeps its slot, because workers
 * of before go on counting in theirs: slots_kept.c.
 */
struct slots {
	struct counters *const *segments; /* borrowed: one for each worker slot */
	size_t n_segments;
	uint64_t used[COUNTERS_SLOTS / 64]; /* by bit */
	uint32_t freed[COUNTERS_SLOTS];     /* ring: oldest at first */
	uint32_t first, n_freed;
	uint32_t fresh; /* never given out yet: this one and all above */

	struct counters **former; /* owned: further segments, themselves borrowed */
	size_t n_former;
	size_t n_living;      /* of these, written by a worker of before an upgrade */
	uint32_t held;        /* slots below it are not given to others while there is one */
	struct table kept;    /* owned: of before, until their key is there again */
	struct hash_key hash; /* of kept */
};

void slots_init(struct slots *slots, struct counters *const *segments, size_t n_segments);
/* Gives out a slot with zero counters. Returns 0, or -ENOSPC when all are taken. */
int slots_get(struct slots *slots, uint32_t *ret_slot, struct err *err) CHECKED;
/* Sum of one counter over all segments, those of before an upgrade included. */
uint64_t slots_sum(const struct slots *slots, uint32_t slot, enum counter which);
/* The same of one worker counter. */
uint64_t slots_sum_workers(const struct slots *slots, enum worker_counter which);
/* Takes back a slot that every worker has let go; one that is not given out is left alone. */
void slots_put(struct slots *slots, uint32_t slot);

/*
 * Gives tenant, its services and backends their slots: those of the same tenant, service or
 * backend in former (NULL allowed), else new ones. On failure tenant has none but former's.
 */
int slots_assign(struct slots *slots, struct tenant_conf *tenant, const struct tenant_conf *former,
		 struct err *err) CHECKED;
/* Takes back the slots of gone that kept (NULL: nothing) does not have. */
void slots_release(struct slots *slots, const struct tenant_conf *gone,
		   const struct tenant_conf *kept);

/*
 * slots_kept.c: slots over an upgrade. First slots_keep_first() says how many there were, then
 * slots_keep() whose they were (-EINVAL when that cannot be), then slots_keep_end(). From then on
 * slots_claim() gives a key its own or, if it has none, a new one. slots_kept_end() lets go what
 * nobody has claimed: what listeners counted goes to totals.
 */
void slots_keep_first(struct slots *slots, uint32_t fresh);
int slots_keep(struct slots *slots, uint32_t slot, struct str key) CHECKED;
void slots_keep_end(struct slots *slots);
/* Sum over those of listeners that nobody has claimed yet. */
uint64_t slots_kept_listeners(const struct slots *slots, enum counter which);
int slots_claim(struct slots *slots, const char *key, uint32_t *ret_slot, struct err *err) CHECKED;
void slots_kept_end(struct slots *slots, struct totals *totals);
/* A further segment counts in all sums; living: a worker of before an upgrade writes it. */
int slots_join(struct slots *slots, struct counters *segment, bool living) CHECKED;
void slots_leave(struct slots *slots, const struct counters *segment, bool living);
void slots_fini(struct slots *slots);

/* Keys; the listener's begins with SLOTS_KEY_LISTENER. */
#define SLOTS_KEY_LISTENER 'l'
void slots_key_tenant(const char *tenant, char dst[SLOTS_KEY_MAX]);
void slots_key_service(const char *tenant, const char *service, char dst[SLOTS_KEY_MAX]);
void slots_key_backend(const char *tenant, const char *service, const struct backend_conf *backend,
		       char dst[SLOTS_KEY_MAX]);
void slots_key_listener(const struct endpoint *local, char dst[SLOTS_KEY_MAX]);

/* slots.c for slots_kept.c */
void slots_mark(struct slots *slots, uint32_t slot, bool used);
bool slots_used(const struct slots *slots, uint32_t slot);
void slots_add_freed(struct slots *slots, uint32_t slot);

#endif
