/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_TENANTS_H
#define SIXGATE_GATEWAY_TENANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"
#include "gateway/control/items.h"
#include "gateway/registry/dir.h"

struct claims;
struct conflict;
struct kernel;
struct listeners;
struct problems;
struct slots;
struct snapshot;
struct swap;

/*
 * A tenant and its versions. `good` is what every worker has, `current` what is being rolled out
 * (the same when nothing is), `next` what waits for that to end. One refusal by a worker and
 * `good` goes back to all.
 *
 * Each version's claims stand from the checks until it is let go: what a worker may still have in
 * force no other tenant gets.
 */
struct tenant {
	struct item item;
	struct table_node node; /* tenants.by_name */
	struct tenants *tenants;
	struct tenant_conf *good, *current, *next; /* a reference each; NULL: none */
	struct tenant_conf *refused; /* its counter slots go back when the rollback is through */
	struct tenant_conf *before;  /* a reference: good before a config came on probation */
	bool tried;                  /* it has another version since then; before NULL: a first */
	struct tenant_conf
		*wanted; /* a reference: of the file, but another tenant has its claims */
	uint64_t wanted_digest[2];
	struct file_identity wanted_id;
	uint32_t wanted_generation;
	uint64_t swap_digest[2]; /* what a worker refused in a swap: it is not tried again */
	bool swapping;           /* part of tenants.swap */
	bool exposed;            /* current has its listeners */
	bool gone;               /* its file is */
	uint64_t digest[2];      /* of the text of the newest version taken */
	struct file_identity id; /* of the file when it had that text; all 0: not known */
	uint32_t generation;     /* of the node config it was read with */
	char *file;              /* owned: which file of the registry it comes from */
	char name[TENANT_NAME_MAX + 1];
};

struct tenants {
	struct items *items; /* borrowed, as the next five */
	struct listeners *listeners;
	struct slots *slots;
	struct problems *problems;
	struct kernel *kernel; /* NULL: without */
	struct registry_dir *dir;
	const char *folder;           /* borrowed: the registry's path, for messages */
	const struct node_conf *conf; /* borrowed: in force */
	uint32_t generation;          /* of conf */
	struct hash_key keys[2];      /* of names, the first, and of texts' digests */
	/* Borrowed: what was in force in the run before; NULL: not known, or the start is over. */
	const struct snapshot *former;
	bool probation;             /* conf may go back to the former one */
	unsigned int n_recalled;    /* files that were as the snapshot knows them */
	uint64_t n_changes;         /* grows with all that a snapshot would hold */
	struct claims *claims;      /* owned */
	struct conflict *conflicts; /* owned: files refused for another tenant's claim */
	struct swap *swap;          /* owned: tenants that exchange claims; NULL: none do */
	struct table by_name;       /* owned */
	size_t n_refused;           /* files whose newest content is not in force */
};

/* The borrowed members are set before the first file. Returns 0 or -ENOMEM. */
int tenants_init(struct tenants *ts) CHECKED;
void tenants_fini(struct tenants *ts);
/* A file of the registry is new or has changed: reads it, checks it, rolls it out. */
void tenants_changed(struct tenants *ts, const char *file);
void tenants_gone(struct tenants *ts, const char *file);
/*
 * recall.c: the object that `former` has of a file is in force again. True when the file is still
 * what that was read from; else it is to be read, as a change of it.
 */
bool tenants_recall(struct tenants *ts, const char *file, const struct file_identity *id);
/*
 * Another node config is in force. With reread, tenants may read differently with it: what is
 * handed out next is read again even if it is the same text.
 */
void tenants_set_node(struct tenants *ts, const struct node_conf *conf, bool reread);
/*
 * tried.c: the node config is on probation. It stays; or the former one was set again, which
 * tenants that are right with the other one only follow, each when its file is read again.
 */
void tenants_probation(struct tenants *ts);
void tenants_keep_tried(struct tenants *ts);
void tenants_go_back(struct tenants *ts, bool reread);
/* How many are in force in that state. */
size_t tenants_count(const struct tenants *ts, enum tenant_state state);
/* How many are in force by an object that their file no longer holds, as its newest is refused. */
size_t tenants_held(const struct tenants *ts);
/*
 * The first tenant in force at or after object id *at, which is moved past it; NULL at the end.
 * For walks that pause.
 */
const struct tenant_conf *tenants_next(const struct tenants *ts, uint32_t *at);
/*
 * drained.c: what, a service or a backend's address, takes no new sessions: also in workers that
 * are started later, until the tenant's object changes. False: it has no such thing.
 */
bool tenants_drain(struct tenants *ts, struct str name, struct str what);
/* What workers know it by, while there is a version in force; 0: there is none. */
uint32_t tenants_id(const struct tenants *ts, struct str name);
/* The version in force, or NULL. */
const struct tenant_conf *tenants_find(const struct tenants *ts, struct str name);

#endif
