/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_WORKER_LOG_LINES_H
#define SIXGATE_WORKER_LOG_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "conf/model/node.h"
#include "worker/pen.h"

/*
 * Lines of a worker for the log child. They leave in blocks, to a pipe that is never waited for:
 * when it is full and the block as well, lines are dropped and counted.
 */
#define LOG_LINE_MAX       2560  /* bytes; each byte of a name may become six */
#define LOG_LINES_BLOCK    16384 /* bytes at which they are written without waiting for the time */
#define LOG_LINES_BUFFER   65536
#define LOG_LINES_FLUSH_MS 100

struct log_lines {
	int fd;   /* owned; -1: none yet */
	bool off; /* by the node config: nobody reads the pipe */
	enum log_format format;
	char *buffer;              /* owned; LOG_LINES_BUFFER */
	size_t start, end;         /* of buffer: not yet written */
	_Atomic uint64_t *dropped; /* borrowed counter; NULL: not counted */
	uint64_t second;           /* real time, of text */
	char text[PEN_SECOND_MAX];
};

int log_lines_init(struct log_lines *log) CHECKED;
void log_lines_fini(struct log_lines *log);
/* Takes fd, -1 to end logging. */
void log_lines_set(struct log_lines *log, int fd, enum log_format format);
/*
 * Room for a line, LOG_LINE_MAX bytes, or NULL: it is dropped, and counted. log->text is the second
 * of time_ms (since 1970). Then log_lines_added().
 */
char *log_lines_room(struct log_lines *log, uint64_t time_ms);
void log_lines_added(struct log_lines *log, size_t len);
/* Writes what waits, as far as the pipe takes it. */
void log_lines_flush(struct log_lines *log);
static inline bool log_lines_are_on(const struct log_lines *log)
{
	return log->fd >= 0 && !log->off;
}
static inline bool log_lines_wait(const struct log_lines *log)
{
	return log->end > log->start;
}

#endif
