/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_CONNECT_H
#define SIXGATE_PROXY_CONNECT_H

#include <stdint.h>

struct session;

/*
 * A routed session until a backend has answered: picks one, connects, and tries the next when that
 * fails, until connect_tries or the backends are used up. Each of these may close the session.
 */
void connect_next(struct session *s);
void connect_ready(struct session *s, uint32_t events);
/* The present try has failed; rc is a negative errno. */
void connect_failed(struct session *s, int rc);

/* Of a session that lasts: has the kernel find out when the backend is gone. */
void connect_set_keepalive(struct session *s);

#endif
