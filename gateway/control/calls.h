/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CONTROL_CALLS_H
#define SIXGATE_GATEWAY_CONTROL_CALLS_H

/* What workers are asked for a client of the control socket; for verbs.c. */
#define CALL_MS 10000 /* for their answers */

struct client;
struct control;
struct request;

void verb_sessions(struct client *c, struct control *control, const struct request *req);
void verb_drain(struct client *c, struct control *control, const struct request *req);
void verb_kill(struct client *c, struct control *control, const struct request *req);

#endif
