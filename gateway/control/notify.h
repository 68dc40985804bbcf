/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_NOTIFY_H
#define SIXGATE_GATEWAY_NOTIFY_H

#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

/* What a service manager is told (sd_notify(3)): nothing at all when none asked for it. */
struct notify {
	int fd;               /* owned; -1: nobody asked */
	uint64_t watchdog_ms; /* between WATCHDOG=1; 0: none wanted */
	struct loop *loop;    /* borrowed */
	struct timer timer;
};

/*
 * Takes NOTIFY_SOCKET and WATCHDOG_USEC out of the environment, so that workers do not inherit
 * them, and begins the proofs of life. An unusable socket is an error.
 */
int notify_init(struct notify *n, struct loop *loop, struct err *err) CHECKED;
void notify_fini(struct notify *n);
/* Sends one line or several: "READY=1", "STATUS=...". */
void notify_send(struct notify *n, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* RELOADING=1 with the time stamp that Type=notify-reload wants. */
void notify_reloading(struct notify *n);

#endif
