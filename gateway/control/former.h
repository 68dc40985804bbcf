/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_FORMER_H
#define SIXGATE_GATEWAY_FORMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/channel.h"
#include "base/counters.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "gateway/control/spawn.h"

/*
 * Processes of before an upgrade. Workers serve as they did until former_release(), which tells
 * them to accept what is queued, close their listeners and end with their last session, or when
 * their time is over. They still list and kill sessions. The log child ends when the last of them
 * has.
 */
#define FORMER_MAX      512
#define FORMER_DRAIN_MS (24 * 3600 * 1000) /* sessions' time to end after an upgrade */

struct carry;
struct handover_list;
struct workers;

/* One of them, as the files of former share it. */
struct former_process {
	struct former_process *next; /* former.processes */
	struct former *former;
	struct io exited, readable;
	struct deferred gone;
	struct timer deadline;     /* of the drain; then it is killed */
	struct child child;        /* without its channel */
	struct channel channel;    /* fd -1: such a child, or one that has closed it */
	unsigned int number;       /* ours, in order of arrival, from 1 */
	int slot;                  /* -1: a child beside the workers */
	uint64_t end_ms;           /* monotonic: its sessions end then; 0: it serves on */
	int counters_fd;           /* owned; -1: none */
	int counters_ro_fd;        /* owned: the same for new workers; -1: none */
	struct counters *counters; /* of carry; NULL: they do not count */
};

struct former_ops {
	/* One has ended. */
	void (*changed)(void *ctx);
	/* The answer to SESSIONS or KILL; refused is NULL for ACK. NULL: nobody asks. */
	void (*answered)(void *ctx, unsigned int number, uint16_t type, uint64_t serial,
			 const struct str *refused);
	/* It will not answer any more. May be NULL. */
	void (*gone)(void *ctx, unsigned int number);
};

struct former {
	struct loop *loop;                /* borrowed, as carry */
	struct carry *carry;              /* what they count goes there; NULL: nowhere */
	struct former_process *processes; /* owned */
	size_t n;
	unsigned int last_number;
	uint32_t drain_ms;      /* 0: FORMER_DRAIN_MS */
	int spent[WORKERS_MAX]; /* owned: segments whose worker had ended before the upgrade */
	size_t n_spent;
	const struct former_ops *ops;
	void *ctx;
};

/* Takes fd if name is one of ours: a process, its channel or counters, or what carry.h knows. */
bool former_add(struct former *former, struct str name, int fd);
/* Slots are known: their counters count from now on, and ws gives its sessions other numbers. */
void former_start(struct former *former, struct workers *ws);
/* New workers are ready: those that still serve drain. */
void former_release(struct former *former);
/* All end within ms, when their last session does. */
void former_drain(struct former *former, uint32_t ms);
/*
 * Asks the next worker behind number *at, of that slot (-1: of any), and sets *at to its number.
 * False when there is none.
 */
bool former_ask(struct former *former, unsigned int *at, int slot, const struct channel_msg *msg);
/* Sends msg to all of them; nobody waits for the answers. */
void former_tell(struct former *former, const struct channel_msg *msg);
/* Read-only descriptors of the newest one's counters and so on, at most max. Returns how many. */
size_t former_segments(const struct former *former, int *fds, size_t max);
/* A message to one of them is not through yet. */
bool former_busy(const struct former *former);
/* Ends them at once. */
void former_kill(struct former *former);
void former_fini(struct former *former);
/* Puts those that still run on the list for the next image. */
int former_pass(const struct former *former, struct handover_list *list) CHECKED;
/*
 * The names of a process, its channel and counters (-1: none); slot -1: a child beside the workers.
 * end_ms: as in struct former_process.
 */
int former_pass_process(struct handover_list *list, int slot, const struct child *child,
			int counters_fd, uint64_t end_ms) CHECKED;
/* The counters of a worker slot whose process has ended. */
int former_pass_spent(struct handover_list *list, int slot, int counters_fd) CHECKED;
/* An array of {worker, pid, state}. */
void former_write(const struct former *former, struct json *j, const char *key);

/* former_talk.c for former.c */
void former_open_channel(struct former_process *p, int fd);
void former_close_channel(struct former_process *p);

#endif
