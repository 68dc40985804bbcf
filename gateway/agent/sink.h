/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_AGENT_SINK_H
#define SIXGATE_GATEWAY_AGENT_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"
#include "base/str.h"

/*
 * Where the access log goes: a file in one folder, or standard output. Never stops for a full
 * disk or a FIFO that nobody reads: what cannot be written is dropped and counted. A line of
 * which a part is written is finished first, so that the file never holds half a line followed
 * by another one.
 */
struct sink {
	int dir_fd;                    /* owned; -1: standard output */
	const char *name;              /* borrowed; of the file in that folder, without '/' */
	int fd;                        /* owned but for standard output; -1: to be opened */
	struct buf torn;               /* rest of a line that is written in part */
	uint64_t retry_ms;             /* monotonic: no try to open before */
	uint64_t n_written, n_dropped; /* lines */
	uint64_t n_reported;           /* of n_dropped, said in the log */
	uint64_t report_ms;            /* monotonic: nothing more is said before */
	int cause;                     /* negative errno of the last drop */
};

/* Takes dir_fd; -1 is standard output, and name is not used. */
void sink_init(struct sink *s, int dir_fd, const char *name);
void sink_fini(struct sink *s);
/* Opens the file anew, as after a rename. Returns 0 or why not; later writes try again. */
int sink_reopen(struct sink *s, struct err *err) CHECKED;
/* Writes whole lines, or drops those that do not go. */
void sink_write(struct sink *s, struct str lines, uint64_t now_ms);
/* Counts lines that were lost before they came here. */
void sink_lost(struct sink *s, uint64_t n, int cause);
/*
 * At most once a minute, or with last at any time: true when lines were dropped since it was last
 * true, ret_dropped is how many.
 */
bool sink_report(struct sink *s, uint64_t now_ms, bool last, uint64_t *ret_dropped);

#endif
