/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_SOCKET_H
#define SIXGATE_GATEWAY_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/err.h"
#include "gateway/control/selector.h"

struct socket_group {
	struct endpoint local;
	bool udp;          /* of IPv6, each message says which address it was sent to */
	bool defer_accept; /* the client speaks first */
	bool beside;       /* others of ours have the port, at all addresses or at some of them */
	uid_t uid;         /* the workers': the output chain knows their sockets by it */
	const struct selector *selector;
};

/*
 * Opens selector->n sockets on one address and port, in order of worker slots, and
 * attaches the selector. Every option a session needs is set here and inherited by accept(2).
 * Returns 0; -EADDRINUSE with the holder named in err if it can be found; or another negative
 * errno. On failure none is open.
 */
int sockets_open(const struct socket_group *group, int *ret_fds, struct err *err) CHECKED;
/*
 * Makes sockets that are open already, one for each worker slot, as sockets_open() would have: sets
 * the options and attaches the selector. They stay the caller's.
 */
int sockets_adopt(const struct socket_group *group, const int *fds, struct err *err) CHECKED;
/* Whether connections are held back until the client has spoken. fd may be -1. */
void socket_defer_accept(int fd, bool on);
/* Undoes what shutdown(2) in another process that has the socket did to it. */
void socket_listen_again(int fd);
void sockets_close(int *fds, size_t n);

/* Writes who listens on local, " (pid 612, nginx)" or " (uid 33)", or nothing, to dst. */
void socket_holder(const struct endpoint *local, char *dst, size_t size);

#endif
