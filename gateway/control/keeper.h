/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KEEPER_H
#define SIXGATE_GATEWAY_KEEPER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "gateway/registry/snapshot.h"

/*
 * Keeps the last-known-good snapshot of the registry in the run folder: reads it at the start, and
 * writes it some seconds after tenants have become quiet, and at the end. A failure is a warning in
 * `status` and tried again; nothing waits for it.
 */
struct control;

struct keeper {
	struct control *control; /* borrowed */
	char path[PATH_MAX];     /* empty: there is none */
	struct snapshot *former; /* owned: of the run before, until all files were handed out */
	struct timer timer;
	uint64_t kept;          /* tenants.n_changes that the file on disk has */
	uint64_t seen;          /* when the timer fired last */
	unsigned int n_unquiet; /* times in a row that it had grown since */
	/* one that is being written; fd -1: none is */
	int fd;
	uint64_t writing; /* tenants.n_changes when it was begun */
	uint32_t at;      /* object id: how far it is */
	uint64_t n_bytes;
	struct snapshot_writer writer;
};

void keeper_init(struct keeper *k, struct control *control);
void keeper_fini(struct keeper *k);
/* Before the first file: what is there of an earlier run is for tenants_recall(). */
void keeper_load(struct keeper *k);
/* All files were handed out; n_files are there. From now on it is written. */
void keeper_scanned(struct keeper *k, size_t n_files);
/* Goes on with writing until until_ms. True when there is more. */
bool keeper_work(struct keeper *k, uint64_t until_ms);
/* Another node config is in force: one that is being written is of the former. It is begun anew. */
void keeper_stop(struct keeper *k);
/*
 * A file has gone: what is on disk would bring its tenant back, and refuse another one by that
 * name. It is written anew some seconds later.
 */
void keeper_forget(struct keeper *k);
/* Writes what is not on disk yet, in one go: at the end. */
void keeper_flush(struct keeper *k);

#endif
