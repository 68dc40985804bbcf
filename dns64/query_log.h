/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_QUERY_LOG_H
#define SIXGATE_DNS64_QUERY_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "worker/log_lines.h"

/*
 * One line a query of a tenant, or of every one_in-th, when it has its answer. What a name has is
 * the client's word: what is not printable, quotes, backslashes and dots within a label are
 * written as \DDD (RFC 1035 5.1).
 */
struct query_record {
	uint64_t time_ms; /* real time when it came */
	const char *tenant;
	struct endpoint client;
	const char *protocol; /* "udp", "tcp" */
	const uint8_t *name;  /* on the wire */
	uint16_t type;
	uint16_t rcode;        /* with EDNS's bits */
	const char *from;      /* "here", "cache", "upstream", "stale" */
	const char *synthesis; /* "yes", or why not; NULL: it was not for IPv6 addresses */
	uint64_t ms;           /* until it was answered */
};

/* One line with its end of line. Returns the length. */
size_t query_line_json(const struct query_record *record, const char *second,
		       char out[LOG_LINE_MAX]);
size_t query_line_text(const struct query_record *record, const char *second,
		       char out[LOG_LINE_MAX]);
/* Appends the record's line, or drops it. */
void query_log_add(struct log_lines *log, const struct query_record *record);

#endif
