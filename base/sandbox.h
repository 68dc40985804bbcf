/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_SANDBOX_H
#define SIXGATE_BASE_SANDBOX_H

#include <stdbool.h>

#include "base/err.h"

enum sandbox_kind {
	SANDBOX_PROXY, /* sockets of AF_INET and AF_INET6, pipes, splice; no path, no exec */
	SANDBOX_DNS64, /* sockets of AF_INET and AF_INET6, none of which it can bind; no path */
	SANDBOX_LOG,   /* no socket of its own, sendmsg(2) on the channel alone; opens files
			  below one folder descriptor it already has */
	SANDBOX_NEIGHBOURS, /* neither: descriptors that are passed to it */
};

struct sandbox {
	enum sandbox_kind kind;
	const char *user; /* user and group of that name; ignored when not started as root */
	const char *root; /* empty folder to become the root; ignored when not started as root */
	int keep_dir_fd;  /* SANDBOX_LOG: the folder files may be made in; else -1 */
};

/*
 * Gives up everything a worker does not need, in this order: groups, user and capabilities,
 * root folder, new privileges, paths (Landlock), system calls (seccomp, others end the process
 * with SIGSYS). To be called once, after everything that needs /etc, /dev or /proc was read.
 * Fails closed: on an error the caller must exit. A process not started as root keeps its user
 * and root folder, and ret_partial (may be NULL) is set.
 */
int sandbox_enter(const struct sandbox *sb, bool *ret_partial, struct err *err) CHECKED;

#endif
