/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_ACCESS_LOG_H
#define SIXGATE_PROXY_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/counters.h"
#include "base/str.h"
#include "conf/model/message.h"
#include "conf/model/node.h"

/*
 * One line a session, written when it has ended. Lines are made by hand (a session costs some
 * microseconds in all) and leave in blocks, to a pipe that is never waited for: when it is full
 * and the block as well, lines are dropped and counted.
 */
#define ACCESS_LINE_MAX 2560  /* bytes; each byte of a name may become six */
#define ACCESS_BLOCK    16384 /* bytes at which a block is written without waiting for its time */
#define ACCESS_BUFFER   65536
#define ACCESS_FLUSH_MS 100

#define ACCESS_SECOND_MAX 24

/* What a line says. */
struct access_record {
	uint64_t time_ms; /* real time when the client was accepted */
	uint64_t number;
	unsigned int worker;
	const char *tenant, *service; /* NULL: not routed */
	struct str name;              /* any bytes */
	struct endpoint listener, client, backend;
	bool has_backend;
	uint64_t bytes_in, bytes_out;
	uint32_t hello_ms, connect_ms;
	uint64_t total_ms;
	enum close_reason reason;
};

struct access_log {
	int fd;   /* owned; -1: none yet */
	bool off; /* by the node config: nobody reads the pipe */
	enum log_format format;
	char *buffer;              /* owned; ACCESS_BUFFER */
	size_t start, end;         /* of buffer: not yet written */
	struct counters *counters; /* borrowed; NULL: not counted */
	uint64_t second;           /* real time, of text */
	char text[ACCESS_SECOND_MAX];
};

int access_log_init(struct access_log *log) CHECKED;
void access_log_fini(struct access_log *log);
/* Takes fd, -1 to end logging. */
void access_log_set(struct access_log *log, int fd, enum log_format format);
/* Appends the record's line, or drops it. */
void access_log_add(struct access_log *log, const struct access_record *record);
/* Writes what waits, as far as the pipe takes it. */
void access_log_flush(struct access_log *log);
static inline bool access_log_is_on(const struct access_log *log)
{
	return log->fd >= 0 && !log->off;
}
static inline bool access_log_waits(const struct access_log *log)
{
	return log->end > log->start;
}

/*
 * "2026-11-20T17:00:00" from seconds since 1970. By hand: the C library wants to read a file for
 * it, which the sandbox has put out of reach.
 */
void access_second_format(uint64_t second, char out[ACCESS_SECOND_MAX]);
/* One line with its end of line. Returns the length. */
size_t access_line_json(const struct access_record *record, const char *second,
			char out[ACCESS_LINE_MAX]);
size_t access_line_text(const struct access_record *record, const char *second,
			char out[ACCESS_LINE_MAX]);

#endif
