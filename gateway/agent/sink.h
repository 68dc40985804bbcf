/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_AGENT_SINK_H
#define SIXGATE_GATEWAY_AGENT_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"
#include "base/str.h"

/*
 * Where the access log goes: a file in one folder, standard output, or the system's log. Never
 * stops for a full disk, a FIFO or a socket that nobody reads: what cannot be written is dropped
 * and counted. A line of which a part is written is finished first, so that the file never holds
 * half a line followed by another one.
 */
struct sink {
	int dir_fd;                    /* owned; -1: no file */
	const char *name;              /* borrowed; of the file in that folder, without '/' */
	bool syslog;                   /* else without a file: standard output */
	int fd;                        /* owned but for standard output; -1: to be opened */
	struct buf torn;               /* rest of a line that is written in part */
	uint64_t retry_ms;             /* monotonic: no try to open, or wish for a socket, before */
	uint64_t n_written, n_dropped; /* lines */
	uint64_t n_reported;           /* of n_dropped, said in the log */
	uint64_t report_ms;            /* monotonic: nothing more is said before */
	int cause;                     /* negative errno of the last drop */
};

/* Takes dir_fd; -1 is standard output, and name is not used. */
void sink_init(struct sink *s, int dir_fd, const char *name);
/* The system's log: lines are dropped while it has no socket. */
void sink_init_syslog(struct sink *s);
void sink_fini(struct sink *s);
/* Opens the file anew, as after a rename. Returns 0 or why not; later writes try again. */
int sink_reopen(struct sink *s, struct err *err) CHECKED;
/*
 * The system's log has no socket, or nobody reads from the one it had: true at most once a second.
 * It takes another one by sink_take_socket(): inside the sandbox nobody can open it.
 */
bool sink_wants_socket(struct sink *s, uint64_t now_ms);
/* Takes fd, a connected datagram socket, not blocking. Returns 0, or -EPROTO when not to syslog. */
int sink_take_socket(struct sink *s, int fd, struct err *err) CHECKED;
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
