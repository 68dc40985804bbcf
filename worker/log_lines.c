/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A worker's log lines and their way out; see log_lines.h. */
#include "worker/log_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/counters.h"

int log_lines_init(struct log_lines *log)
{
	*log = (struct log_lines){.fd = -1, .buffer = malloc(LOG_LINES_BUFFER)};
	return log->buffer ? 0 : -ENOMEM;
}

void log_lines_fini(struct log_lines *log)
{
	log_lines_set(log, -1, log->format);
	free(log->buffer);
	log->buffer = NULL;
}

void log_lines_set(struct log_lines *log, int fd, enum log_format format)
{
	log_lines_flush(log);
	if (log->fd >= 0) {
		close(log->fd);
	}
	log->fd = fd;
	log->format = format;
}

static void log_compact(struct log_lines *log)
{
	memmove(log->buffer, log->buffer + log->start, log->end - log->start);
	log->end -= log->start;
	log->start = 0;
}

void log_lines_flush(struct log_lines *log)
{
	ssize_t n;

	if (log->fd < 0 || log->start == log->end) {
		log->start = log->end = 0;
		return;
	}
	n = write(log->fd, log->buffer + log->start, log->end - log->start);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		n = (ssize_t)(log->end - log->start); /* no reader: nothing can be kept for ever */
	}
	log->start += n > 0 ? (size_t)n : 0;
	if (log->start == log->end) {
		log->start = log->end = 0;
	}
}

char *log_lines_room(struct log_lines *log, uint64_t time_ms)
{
	if (LOG_LINES_BUFFER - log->end < LOG_LINE_MAX) {
		log_compact(log);
	}
	if (LOG_LINES_BUFFER - log->end < LOG_LINE_MAX) {
		if (log->dropped) {
			counter_up(log->dropped, 1);
		}
		return NULL;
	}
	if (log->second != time_ms / 1000) {
		log->second = time_ms / 1000;
		pen_second_format(log->second, log->text);
	}
	return log->buffer + log->end;
}

void log_lines_added(struct log_lines *log, size_t len)
{
	size_t waited = log->end - log->start;

	log->end += len;
	/* a full pipe is not tried again with each line */
	if (waited < LOG_LINES_BLOCK && log->end - log->start >= LOG_LINES_BLOCK) {
		log_lines_flush(log);
	}
}
