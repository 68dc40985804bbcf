/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_LOG_H
#define SIXGATE_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* The syslog levels in use. */
enum log_level {
	LOG_LEVEL_ERR = 3,
	LOG_LEVEL_WARN = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/*
 * Diagnostics on stderr, one line an event: "<level>module: text", the prefix journald reads
 * (without it when stderr is a terminal). errno is preserved. Only mains and event callbacks log.
 */
void log_at(enum log_level level, const char *module, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Same, with ": " and the system's text of code (a negative errno) behind. */
void log_errno_at(enum log_level level, int code, const char *module, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

#define log_err(mod, ...)            log_at(LOG_LEVEL_ERR, mod, __VA_ARGS__)
#define log_warn(mod, ...)           log_at(LOG_LEVEL_WARN, mod, __VA_ARGS__)
#define log_info(mod, ...)           log_at(LOG_LEVEL_INFO, mod, __VA_ARGS__)
#define log_debug(mod, ...)          log_at(LOG_LEVEL_DEBUG, mod, __VA_ARGS__)
#define log_err_errno(rc, mod, ...)  log_errno_at(LOG_LEVEL_ERR, rc, mod, __VA_ARGS__)
#define log_warn_errno(rc, mod, ...) log_errno_at(LOG_LEVEL_WARN, rc, mod, __VA_ARGS__)

/* Lines above this level are left out; info at start. */
void log_set_level(enum log_level level);
/* Whether a line of this level would be written; for those that cost something to make. */
bool log_shows(enum log_level level);

/* Finds a level by name ("err", "warn", "info", "debug"). Returns 0 or -EINVAL. */
int log_level_parse(const char *name, enum log_level *ret_level) CHECKED;

/*
 * For what a peer can trigger: at most one line a second for each limit. On true the caller logs
 * and may add ret_suppressed, how many were left out since the last line.
 */
struct log_limit {
	uint64_t next_ms; /* monotonic */
	unsigned int suppressed;
};
bool log_limit_pass(struct log_limit *limit, uint64_t now_ms, unsigned int *ret_suppressed);

#endif
