/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_LISTENERS_H
#define SIXGATE_GATEWAY_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/counters.h"
#include "base/hash.h"
#include "base/loop.h"
#include "conf/model/node.h"
#include "gateway/control/items.h"
#include "gateway/control/selector.h"
#include "gateway/control/totals.h"

struct handover;
struct problems;
struct slots;
struct tenant_conf;

/*
 * Every listening socket of one kind of workers, the proxy's or DNS64's. A listener (one address
 * and port, of TCP or of UDP) is there because the node config names it, or because tenants'
 * exposures do; it goes with the last of them. Its sockets, one for each worker slot, stay open as
 * long as it is there, whatever happens to workers.
 */
#define LISTENERS_MAX 4000 /* sockets a worker */

enum listener_state {
	LISTENER_WAITING, /* cannot be opened now, is tried again */
	LISTENER_OPEN,
	LISTENER_LEAVING, /* closed here, not yet by all workers */
};

struct listener {
	struct item item;
	struct table_node node; /* listeners.by_local */
	struct listeners *listeners;
	enum listener_state state;
	struct endpoint local;
	enum protocol protocol;           /* that it is UDP, or not, never changes */
	const struct listener_conf *conf; /* of the node config in force; NULL: exposures only */
	uint32_t generation;              /* of the last config that named it, in force or not */
	unsigned int exposures;           /* of tenants that need it */
	enum protocol exposed;            /* by the newest of them */
	uint32_t slot;                    /* counters */
	int *fds;                         /* owned: one for each worker slot */
	bool stored;                      /* the service manager keeps them, too */
};

struct listeners {
	struct loop *loop; /* borrowed, as the next four */
	struct items *items;
	struct slots *slots;
	struct problems *problems;
	struct handover *handover; /* NULL: sockets begin and end with us */
	struct hash_key key;
	struct table by_local; /* owned */
	struct selector selector;
	uid_t uid;                    /* the sockets are made under it */
	bool dns64;                   /* they are DNS64's */
	unsigned int first_feed;      /* of items, that of worker slot 0 */
	const struct node_conf *node; /* in force; borrowed */
	uint32_t generation;
	unsigned int *tls_ports; /* owned: exposures on each port */
	struct totals totals;    /* of listeners that are gone */
	size_t n_open, n_waiting;
	struct timer retry;
};

struct listeners_setup {
	struct loop *loop;
	struct items *items;
	struct slots *slots;
	struct problems *problems;
	struct handover *handover;
	unsigned int n_workers;
	uid_t uid;
	bool dns64;
	unsigned int first_feed;
};

int listeners_init(struct listeners *ls, const struct listeners_setup *setup) CHECKED;
/* Closes all sockets; objects must not be used afterwards. */
void listeners_fini(struct listeners *ls);

/*
 * Opens what node names and the config in force does not, then closes what only the latter named;
 * what both name keeps its sockets. node is borrowed until the next call that returns 0. On
 * failure nothing has changed. In the first call after an upgrade what cannot be opened is a
 * problem and tried again.
 */
int listeners_configure(struct listeners *ls, const struct node_conf *node,
			struct err *err) CHECKED;
/*
 * The same in two steps, for more than one kind of workers: listeners_open() does what can fail,
 * then either listeners_commit() with the same node, or listeners_abandon(), as if nothing had
 * been.
 */
int listeners_open(struct listeners *ls, const struct node_conf *node, struct err *err) CHECKED;
void listeners_commit(struct listeners *ls, const struct node_conf *node);
void listeners_abandon(struct listeners *ls);

/* An object of a tenant is in force: its exposures need their listeners. */
void listeners_expose(struct listeners *ls, const struct tenant_conf *tenant);
/* It no longer is. Call it after listeners_expose() of its successor, so that sockets stay. */
void listeners_unexpose(struct listeners *ls, const struct tenant_conf *tenant);

/* Undoes what an ended worker did to the sockets of slot, which others have too. */
void listeners_revive(struct listeners *ls, unsigned int slot);
/* These workers take connections from now on. */
void listeners_set_live(struct listeners *ls, uint64_t live);
/* Closes all sockets: new connections are refused, or wait if the service manager keeps them. */
void listeners_close_all(struct listeners *ls);
/* What all listeners ever counted, by all workers. */
uint64_t listeners_total(struct listeners *ls, enum counter which);
/* No worker has still to be told of a change up to that serial of items. */
bool listeners_told(const struct listeners *ls, uint64_t serial);
/* Writes the counter slots in use as lines for carry.h. */
void listeners_write_slots(const struct listeners *ls, struct buf *out);
/* Walks the open ones; it starts zeroed. NULL at the end. */
struct listener *listeners_next(const struct listeners *ls, struct table_iter *it);

#endif
