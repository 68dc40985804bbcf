/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_OPS_H
#define SIXGATE_GATEWAY_KERNEL_OPS_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* How gateway/kernel speaks to the kernel, and the seam at which the tests take its place. */

enum kernel_bus {
	BUS_NETFILTER,
	BUS_ROUTE,
	BUS_GENERIC,
	N_BUSES,
};

/* Where and why the kernel refused. */
struct kernel_fault {
	uint32_t seq;   /* of the message; 0: none in particular */
	char text[128]; /* of the extended ACK; empty when there is none */
};

/* Called with each answer that is no acknowledgement. A negative return ends the request. */
typedef int (*kernel_reply_fn)(const struct nlmsghdr *nlh, void *arg);
/* Called with each message that was refused; text as in struct kernel_fault. */
typedef void (*kernel_refused_fn)(uint32_t seq, int rc, const char *text, void *arg);

struct kernel_request {
	enum kernel_bus bus;
	const void *data;      /* whole netlink messages */
	size_t len;            /* bytes */
	kernel_reply_fn reply; /* NULL: none expected */
	/*
	 * NULL: a refused message fails the request. Else the caller deals with refusals one by
	 * one, and they do not fail it: on BUS_ROUTE the kernel goes on with the next message.
	 */
	kernel_refused_fn refused;
	void *arg;
};

struct kernel_ops {
	void *ctx;
	/* Sends a request, reads its answers. 0, or the first negative errno with fault filled. */
	int (*transact)(void *ctx, const struct kernel_request *req, struct kernel_fault *fault);
	/*
	 * The process is in the network namespace of fd from now on, and so is what transact talks
	 * to. 0 or a negative errno. Of ops that are used inside a namespace only.
	 */
	int (*enter)(void *ctx, int fd);
	/* Returns a descriptor, kept by ops, that is readable when nftables rules were changed. */
	int (*watch)(void *ctx);
	/* Reads what came there. Returns whether others than we may have changed something. */
	bool (*watch_read)(void *ctx);
};

/* netlink.c: the ops that talk to the kernel. Opens nothing before the first request. */
struct netlink;
int netlink_new(struct netlink **ret_netlink, struct err *err) CHECKED;
void netlink_free(struct netlink *nl);
struct kernel_ops netlink_ops(struct netlink *nl);
/* What notifications say of changes made by nl; 0: nothing was asked of that bus yet. */
uint32_t netlink_port(const struct netlink *nl, enum kernel_bus bus);

#endif
