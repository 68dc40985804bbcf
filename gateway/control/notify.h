/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_NOTIFY_H
#define SIXGATE_GATEWAY_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"

#define NOTIFY_QUEUE_MAX 8192 /* messages that wait */
#define NOTIFY_VARIABLES 2

struct notify_msg;

/*
 * What a service manager is told (sd_notify(3)): nothing at all when none asked for it. What its
 * queue does not take at once is sent later, in order: a start without READY=1 would be killed,
 * and a socket that is closed here but not at the manager goes on taking connections.
 */
struct notify {
	int fd;               /* owned; -1: nobody asked */
	uint64_t watchdog_ms; /* between WATCHDOG=1; 0: none wanted */
	struct loop *loop;    /* borrowed */
	struct timer timer;
	struct timer retry;
	struct notify_msg *first, *last; /* owned: what waits */
	size_t n_waiting;
	struct log_limit warning;
	char *environment[NOTIFY_VARIABLES]; /* owned: "NAME=value", for who comes after us */
};

/*
 * Takes NOTIFY_SOCKET and WATCHDOG_USEC out of the environment, so that workers do not inherit
 * them, and begins the proofs of life. An unusable socket is an error; n works, without it.
 */
int notify_init(struct notify *n, struct loop *loop, struct err *err) CHECKED;
void notify_fini(struct notify *n);
/* Sends one line or several: "READY=1", "STATUS=...". */
void notify_send(struct notify *n, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same, with a descriptor, which stays the caller's. */
void notify_send_fd(struct notify *n, int fd, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Something waits to be sent. */
bool notify_busy(const struct notify *n);
/* Sends what the manager takes now. */
void notify_flush(struct notify *n);
/* RELOADING=1 with the time stamp that Type=notify-reload wants. */
void notify_reloading(struct notify *n);

#endif
