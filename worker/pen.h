/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_WORKER_PEN_H
#define SIXGATE_WORKER_PEN_H

#include <stdint.h>

#include "base/addr.h"
#include "base/str.h"

/*
 * Where the next byte of a log line goes. Lines are made by hand, because what they tell of costs
 * some microseconds in all; the caller has room for the longest line there can be.
 */
struct pen {
	char *p;
};

#define PEN_SECOND_MAX 24

void pen_text(struct pen *pen, const char *text);
void pen_u64(struct pen *pen, uint64_t v);
/* A key, or whatever comes before, then value. */
void pen_number(struct pen *pen, const char *key, uint64_t value);
/* Each byte may become strlen(escape) + 2: not printable ASCII, quote and backslash do, \u00NN
 * (JSON) or \xNN. */
void pen_escaped(struct pen *pen, struct str s, const char *escape, char quote);
/* "192.0.2.1:80" or "[2001:db8::1]:80". */
void pen_endpoint(struct pen *pen, const struct endpoint *e);
/* JSON: a string that needs no escape, or null for NULL. */
void pen_name_json(struct pen *pen, const char *key, const char *value);
void pen_endpoint_json(struct pen *pen, const char *key, const struct endpoint *e);

/*
 * "2026-11-20T17:00:00" from seconds since 1970. By hand: the C library wants to read a file for
 * it, which the sandbox has put out of reach.
 */
void pen_second_format(uint64_t second, char out[PEN_SECOND_MAX]);
/* That second, with the milliseconds of time_ms and "Z". */
void pen_time(struct pen *pen, const char *second, uint64_t time_ms);

#endif
