/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_ZONE_VERBS_H
#define SIXGATE_DNS64_ZONE_VERBS_H

#include "base/err.h"

struct channel_msg;
struct dns_worker;

/*
 * Tells a caller the zone, a record a line; takes the descriptor of the order, as worker/stream.h
 * says. Returns LINK_ANSWERED or a negative errno with err.
 */
int dns_zone(struct dns_worker *w, struct channel_msg *msg, struct err *err) CHECKED;

#endif
