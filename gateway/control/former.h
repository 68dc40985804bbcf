/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_FORMER_H
#define SIXGATE_GATEWAY_FORMER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/counters.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"

/*
 * Processes of before an upgrade. Workers serve as they did until former_release(): the end of
 * their channel makes them accept what is queued, close their listeners and end with their last
 * session. The log child ends when the last of them has.
 */
#define FORMER_MAX 512

struct carry;
struct child;
struct former_process;
struct handover_list;

struct former {
	struct loop *loop;                /* borrowed */
	struct former_process *processes; /* owned */
	size_t n;
	struct carry *carry;    /* borrowed: what they count goes there; NULL: nowhere */
	int spent[WORKERS_MAX]; /* owned: segments whose worker had ended before the upgrade */
	size_t n_spent;
	bool released;
	void (*changed)(void *ctx); /* one has ended */
	void *ctx;
};

/* Takes fd if name is one of ours: a process, its channel or counters, or what carry.h knows. */
bool former_add(struct former *former, struct str name, int fd);
/* Slots are known: their counters count from now on. */
void former_start(struct former *former);
/* New workers are ready. */
void former_release(struct former *former);
/* Ends them at once. */
void former_kill(struct former *former);
void former_fini(struct former *former);
/* Puts those that still run on the list for the next image. */
int former_pass(const struct former *former, struct handover_list *list) CHECKED;
/* The names of a process, its channel and counters (-1: none); slot -1: the log child. */
int former_pass_process(struct handover_list *list, int slot, const struct child *child,
			int counters_fd) CHECKED;
/* The counters of a worker slot whose process has ended. */
int former_pass_spent(struct handover_list *list, int slot, int counters_fd) CHECKED;
/* An array of {worker, pid, state}. */
void former_write(const struct former *former, struct json *j, const char *key);

#endif
