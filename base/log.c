/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Diagnostics on stderr, one write(2) a line so that the lines of several processes never mix.
 * The level is the one variable of the process that is not in a struct.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_MAX 1024

static enum log_level log_max = LOG_LEVEL_INFO;

bool log_shows(enum log_level level)
{
	return level <= log_max;
}

static PRINTF_LIKE(4, 0) void log_write(enum log_level level, int code, const char *module,
					const char *fmt, va_list ap)
{
	char line[LOG_LINE_MAX];
	int saved = errno;
	size_t len = 0;

	if (!log_shows(level)) {
		return;
	}
	if (!isatty(STDERR_FILENO)) {
		len += (size_t)snprintf(line, sizeof(line), "<%d>", level);
	}
	len += (size_t)snprintf(line + len, sizeof(line) - len, "%s: ", module);
	len += (size_t)vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	if (code != 0 && len < sizeof(line)) {
		len += (size_t)snprintf(line + len, sizeof(line) - len, ": %s", strerror(-code));
	}
	if (len > sizeof(line) - 2) {
		len = sizeof(line) - 2;
	}
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0) {
		/* nowhere to tell */
	}
	errno = saved;
}

void log_at(enum log_level level, const char *module, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_write(level, 0, module, fmt, ap);
	va_end(ap);
}

void log_errno_at(enum log_level level, int code, const char *module, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_write(level, code, module, fmt, ap);
	va_end(ap);
}

void log_set_level(enum log_level level)
{
	log_max = level;
}

int log_level_parse(const char *name, enum log_level *ret_level)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = {
		{"err", LOG_LEVEL_ERR},
		{"warn", LOG_LEVEL_WARN},
		{"info", LOG_LEVEL_INFO},
		{"debug", LOG_LEVEL_DEBUG},
	};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(name, levels[i].name) == 0) {
			*ret_level = levels[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

bool log_limit_pass(struct log_limit *limit, uint64_t now_ms, unsigned int *ret_suppressed)
{
	if (now_ms < limit->next_ms) {
		limit->suppressed++;
		return false;
	}
	*ret_suppressed = limit->suppressed;
	limit->suppressed = 0;
	limit->next_ms = now_ms + 1000;
	return true;
}
