/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_FDSTORE_H
#define SIXGATE_GATEWAY_FDSTORE_H

#include <stdbool.h>

struct notify;

/*
 * The descriptors that the service manager keeps for us between two runs
 * (sd_pid_notify_with_fds(3), FileDescriptorStoreMax=). Without a manager nothing happens.
 */
#define FDSTORE_MAX      2048 /* descriptors: as in the unit; their names fit LISTEN_FDNAMES */
#define FDSTORE_NAME_MAX 64   /* bytes, NUL included */

/* Puts fd, which stays the caller's, into the store. name has no ':'. */
void fdstore_put(struct notify *n, const char *name, int fd);
/* Takes all of that name out of it. */
void fdstore_remove(struct notify *n, const char *name);
/*
 * Waits, for ms at most, until the manager has done all that was asked before. Blocks: only at
 * start. False when it did not answer in time.
 */
bool fdstore_barrier(struct notify *n, int ms);

#endif
