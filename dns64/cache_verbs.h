/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_CACHE_VERBS_H
#define SIXGATE_DNS64_CACHE_VERBS_H

#include "base/err.h"

/*
 * What an operator asks about the cache (`sixgate dns ...`); each takes the descriptor of the
 * order, as worker/stream.h says. Return LINK_ANSWERED or a negative errno with err.
 */
struct channel_msg;
struct dns_worker;

int dns_flush(struct dns_worker *w, struct channel_msg *msg, struct err *err) CHECKED;
int dns_cache(struct dns_worker *w, struct channel_msg *msg, struct err *err) CHECKED;

#endif
