/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CONTROL_VERBS_DNS_H
#define SIXGATE_GATEWAY_CONTROL_VERBS_DNS_H

struct client;
struct control;
struct request;

/*
 * Any verb of `sixgate dns`: the workers of DNS64 are asked, one after the other, and write their
 * objects to the client themselves; what one of them refuses is the answer.
 */
void verb_dns(struct client *c, struct control *control, const struct request *req);
/* `sixgate dns stats`, which asks no worker: they count where control sees it. */
void verb_dns_stats(struct client *c, struct control *control, const struct request *req);

#endif
