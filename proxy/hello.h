/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_HELLO_H
#define SIXGATE_PROXY_HELLO_H

#include <stdint.h>

struct session;

/*
 * A session of a tls listener until it can be routed: reads the ClientHello, however it is cut,
 * within one deadline from accept. What was read waits in the session's stash.
 */
void hello_start(struct session *s);
void hello_ready(struct session *s, uint32_t events);

#endif
