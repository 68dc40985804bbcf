/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_TRACE_H
#define SIXGATE_DNS64_TRACE_H

#include <stdint.h>

#include "base/err.h"
#include "dns64/cache.h"

/*
 * Who watches a query (`sixgate dns query`): is told what is decided, where it is decided. Ordinary
 * queries are watched by nobody, which costs them a look at a NULL.
 */
struct trace {
	/* step is one word, text one line for who runs a network. */
	void (*note)(struct trace *trace, const char *step, const char *text);
	/* The query, which has waited, is no more: the last call. */
	void (*gone)(struct trace *trace);
};

#define TRACE_POLICY   "policy"   /* what the tenant's config makes of it */
#define TRACE_CACHE    "cache"    /* what was found there */
#define TRACE_UPSTREAM "upstream" /* who is asked, and what becomes of that */
#define TRACE_DECISION "decision" /* what follows */

/* By TRACE(). */
void trace_note(struct trace *trace, const char *step, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define TRACE(trace, step, ...)                               \
	do {                                                  \
		if (trace) {                                  \
			trace_note(trace, step, __VA_ARGS__); \
		}                                             \
	} while (0)

/* What the cache has for q. */
void trace_found(struct trace *trace, const struct question *q, enum cache_found found,
		 const struct cached *cached);

#define TRACE_ANSWER_MAX 128
/* "NOERROR, 2 records, authentic". Returns dst (TRACE_ANSWER_MAX bytes). */
const char *trace_answer(const struct answer *a, char *dst);

#endif
