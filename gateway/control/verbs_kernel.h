/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CONTROL_VERBS_KERNEL_H
#define SIXGATE_GATEWAY_CONTROL_VERBS_KERNEL_H

#include "conf/model/request.h"

struct client;
struct control;

/* Verbs that only read from the kernel; each has sockets of its own for the time of a piece. */
void verb_plan(struct client *c, struct control *control);
void verb_drift(struct client *c, struct control *control);
void verb_nat64(struct client *c, struct control *control, const struct request *req);
void verb_tunnels(struct client *c, struct control *control, const struct request *req);
void verb_denied(struct client *c, struct control *control, const struct request *req);
void verb_who(struct client *c, struct control *control, const struct request *req);

#endif
