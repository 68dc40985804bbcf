/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_ORDERS_H
#define SIXGATE_PROXY_ORDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/channel.h"
#include "base/err.h"
#include "conf/model/message.h"

/*
 * What control tells a worker (conf/model/message.h). A message that breaks its form ends the
 * process: then the two do not speak the same language. One that cannot be carried out is
 * answered NAK, and nothing has changed.
 */
struct worker;

/* Carries msg out and answers it; takes its descriptors. Returns 0, or -EPROTO with err. */
int orders_handle(struct worker *w, struct channel_msg *msg, struct err *err) CHECKED;

/*
 * A bounded step of what takes several: a listener's queue is accepted, sessions follow a change
 * or are looked for. True when there is more. No other order is read meanwhile, so that answers
 * keep their order.
 */
bool orders_step(struct worker *w);
bool orders_wait(const struct worker *w);

void orders_ack(struct worker *w, enum message type, uint32_t id, uint64_t serial);
void orders_nak(struct worker *w, enum message type, uint32_t id, uint64_t serial, const char *why);
/* Says who we are; the first message. Returns 0 or a negative errno. */
int orders_hello(struct worker *w) CHECKED;

#endif
