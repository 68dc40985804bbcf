/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_NETNS_H
#define SIXGATE_GATEWAY_NETNS_H

#include "base/err.h"
#include "gateway/kernel/driver.h"
#include "gateway/kernel/ops.h"

/*
 * A named network namespace, kept as iproute2 keeps them (/run/netns/NAME), so that it outlives
 * sixgated and `ip netns exec` finds it. Needs CAP_SYS_ADMIN. Control has one thread, which enters
 * for the length of a call and comes back: a socket made inside goes on working there, but Jool
 * asks for the namespace of the caller at each request.
 */
#define NETNS_SIIT "sixgate-siit"

struct netns {
	const char *name;             /* borrowed */
	const struct kernel_ops *ops; /* borrowed; to be used inside only */
	int fd;                       /* owned; -1: not opened, or not there */
	int home_fd;                  /* owned; where we come from */
};

/* Opens the namespace if it is there. Returns 0 or a negative errno. */
int netns_init(struct netns *ns, const struct kernel_ops *ops, const char *name,
	       struct err *err) CHECKED;
/* The namespace stays. */
void netns_fini(struct netns *ns);
/* Makes it. Returns 1, 0 when it was there, or a negative errno. */
int netns_make(struct netns *ns, struct err *err) CHECKED;
/* Takes it away with all that is in it; not there is success. */
int netns_remove(struct netns *ns, struct err *err) CHECKED;
/*
 * What was to be in it could not be made: it goes when made, what netns_make() returned, is 1. That
 * it cannot is added to err, which stands.
 */
void netns_unmake(struct netns *ns, int made, struct err *err);
/* To be followed by netns_leave() in the same function. -ENOENT: it is not there. */
int netns_enter(struct netns *ns, struct err *err) CHECKED;
void netns_leave(struct netns *ns);

/*
 * Makes a driver of one of ours that works inside: what it observes is marked so, and what it is
 * given to apply makes the namespace first. Nothing there is nothing observed. Whoever took
 * only the name away gets it back.
 */
struct netns_driver {
	struct netns *netns; /* borrowed */
	struct driver inner; /* borrowed parts */
	/* Before there is a namespace: 0, or why nothing could be made in it. NULL: all can. */
	int (*can)(void *inner_ctx, struct err *err);
};
struct driver netns_driver(struct netns_driver *nd, struct netns *netns, struct driver inner);

#endif
