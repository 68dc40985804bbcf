/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_SPAWN_H
#define SIXGATE_GATEWAY_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* A process of ours: its pid, a descriptor that becomes readable when it ends, its channel. */
struct child {
	pid_t pid;
	int pidfd;   /* owned */
	int channel; /* owned: our end */
};

/*
 * Writes the path of one of our programs to dst: next to the running one in a build tree, else in
 * the folder for internal programs. Returns 0 or -ENAMETOOLONG.
 */
int program_path(const char *name, char *dst, size_t size, struct err *err) CHECKED;

/* Whether one of our programs is there and can be run. Returns 0 or a negative errno. */
int program_check(const char *name, struct err *err) CHECKED;

/*
 * Starts argv[0] with the channel on descriptor 3, /dev/null on 0, our standard error on 1 and 2,
 * nothing else open and no signal blocked or ignored.
 */
int child_spawn(char *const argv[], struct child *ret_child, struct err *err) CHECKED;

#define CHILD_ENDED_WELL "exit status 0"

/* Reaps an ended child and closes pidfd. Writes "exit status 1" or "signal 9" to dst. */
void child_reap(struct child *child, char *dst, size_t size);
/* Sends a signal; a child that has just ended is no failure. */
void child_signal(const struct child *child, int sig);

#endif
