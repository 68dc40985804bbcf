/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_ORDERS_H
#define SIXGATE_PROXY_ORDERS_H

#include <stdbool.h>

/* What control tells a proxy worker, and how it is carried out: for worker/link.h. */
struct link_ops;
struct worker;

extern const struct link_ops orders_link_ops;

/*
 * A bounded step of what takes several: a listener's queue is accepted, sessions follow a change
 * or are looked for. True when there is more. No other order is read meanwhile, so that answers
 * keep their order.
 */
bool orders_step(struct worker *w);

#endif
