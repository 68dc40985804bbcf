/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_RELAY_H
#define SIXGATE_PROXY_RELAY_H

#include <stddef.h>
#include <stdint.h>

/*
 * A session whose backend has answered, until it ends: both flows, half-close, resets. EPOLLOUT of
 * a client is asked for only after a write to it was short: most never need it, and asking costs
 * an event a session.
 */
struct session;

/* The bits every leg is watched with; EPOLLOUT is added where it is needed. */
#define RELAY_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLET)

/*
 * The backend has answered: writes head_len bytes, which the caller has put at the start of the
 * worker's buffer, and what was read of the client so far in one write, then relays.
 */
void relay_start(struct session *s, size_t head_len);
/* Moves what can be moved, both ways. May close the session. */
void relay_run(struct session *s);
/* Events of a leg of a relaying session. May close the session. */
void relay_client_ready(struct session *s, uint32_t events);
void relay_backend_ready(struct session *s, uint32_t events);

/* Events of a client whose session does not relay yet: remembered. */
void relay_note_client(struct session *s, uint32_t events);

#endif
