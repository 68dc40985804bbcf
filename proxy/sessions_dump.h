/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_SESSIONS_DUMP_H
#define SIXGATE_PROXY_SESSIONS_DUMP_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/*
 * Writes the sessions as JSON, one object a line, to the stream of a caller of the control socket.
 * In steps, as the stream takes it: neither a long list nor a caller that does not read holds up
 * the worker. Sessions that begin or end meanwhile may be in or not.
 */
struct worker;

#define DUMPS_MAX     8
#define DUMP_LIMIT_MS 10000 /* in all, for a reader that does not read */

/*
 * Starts; tenant empty: all. Takes fd. control is told ACK or NAK for id and serial at the end.
 * Returns 0, -EBUSY (DUMPS_MAX run) or -ENOMEM: then no answer was sent.
 */
int dump_start(struct worker *w, uint32_t id, uint64_t serial, struct str tenant, int fd) CHECKED;
/* Ends those that run, without an answer. */
void dump_end_all(struct worker *w);

#endif
