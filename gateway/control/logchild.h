/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_LOGCHILD_H
#define SIXGATE_GATEWAY_LOGCHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/model/node.h"
#include "gateway/control/helper.h"

struct workers;

/* The process that writes a log of the workers: of sessions, or of queries (sixgate-agent --log).
 */
struct logchild {
	struct helper helper;     /* its loop, problems, path, user and root are set before */
	struct workers *workers;  /* borrowed */
	void (*ended)(void *ctx); /* it has ended, as asked for */
	void *ctx;
	char *folder, *file, *syslog; /* owned; NULL: none; without any: standard error */
	const char *problem;          /* of its socket of the system's log, among the problems */
	uint64_t socket_ms;           /* monotonic: no socket of syslog is opened before */
	uint64_t lines, dropped;      /* as it said last, and those before it */
	uint64_t lines_before, dropped_before;
};

/* The borrowed members are set before. queries: it is the query log's. Starts nothing. */
void logchild_init(struct logchild *lc, bool queries);
/* Ends it at once. */
void logchild_fini(struct logchild *lc);
/* Starts, ends or replaces the process as conf asks for. Returns 0 or -ENOMEM. */
int logchild_configure(struct logchild *lc, const struct access_log_conf *conf) CHECKED;
/* A worker has a new pipe. */
void logchild_add_pipe(struct logchild *lc, unsigned int slot);
/* The file was renamed: it makes a new one. */
void logchild_reopen(struct logchild *lc);
/* No more workers: it writes what is left and ends. */
void logchild_drain(struct logchild *lc);

#endif
