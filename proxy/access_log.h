/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_ACCESS_LOG_H
#define SIXGATE_PROXY_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/str.h"
#include "conf/model/message.h"
#include "worker/log_lines.h"

/* One line a session, written when it has ended. */

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

/* Appends the record's line, or drops it. */
void access_log_add(struct log_lines *log, const struct access_record *record);

/* One line with its end of line. Returns the length. */
size_t access_line_json(const struct access_record *record, const char *second,
			char out[LOG_LINE_MAX]);
size_t access_line_text(const struct access_record *record, const char *second,
			char out[LOG_LINE_MAX]);

#endif
