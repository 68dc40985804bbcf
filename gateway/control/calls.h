/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CONTROL_CALLS_H
#define SIXGATE_GATEWAY_CONTROL_CALLS_H

#include <stdbool.h>
#include <stdint.h>

/* What workers are asked for a client of the control socket; for verbs.c. */
#define CALL_MS        10000   /* for their answers */
#define CALL_STREAM_MS 3600000 /* for one that a worker writes to the client's stream itself */

struct channel_msg;
struct client;
struct control;
struct request;
struct workers;

/*
 * The client is to ask some of whom with a message of that type, and c->call_serial: call_pending
 * says which, and end() is called when they have answered.
 */
void call_begin(struct client *c, struct control *control, struct workers *whom, uint16_t type,
		void (*end)(struct client *c, void *ctx));
/*
 * Sends msg, with the client's stream, to the next worker that is up, from c->at on. False: there
 * is none any more.
 */
bool call_next(struct client *c, const struct channel_msg *msg);

void verb_sessions(struct client *c, struct control *control, const struct request *req);
void verb_drain(struct client *c, struct control *control, const struct request *req);
void verb_kill(struct client *c, struct control *control, const struct request *req);

#endif
