/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_SESSIONS_DUMP_H
#define SIXGATE_PROXY_SESSIONS_DUMP_H

#include "base/err.h"

/*
 * Tells a caller of the control socket of the sessions, one a line (worker/stream.h). Those that
 * begin or end meanwhile may be in or not.
 */
struct channel_msg;
struct worker;

/*
 * Starts, for the order SESSIONS; takes its descriptor. Returns 0, -EINVAL (no name of a tenant),
 * -ENOMEM or as stream_start(): then no answer was sent.
 */
int sessions_dump_start(struct worker *w, struct channel_msg *msg) CHECKED;

#endif
