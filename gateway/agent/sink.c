/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the access log goes; see sink.h. Called by the log child alone, inside its sandbox. */
#include "gateway/agent/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "conf/model/message.h"
#include "gateway/agent/syslog.h"

#define FILE_MODE      0640
#define RETRY_OPEN_MS  1000
#define REPORT_MS      60000
#define TORN_BYTES_MAX 65536 /* a line is shorter: lines.h */

_Static_assert(RETRY_OPEN_MS > LOG_SOCKET_MS, "each request may be answered");

void sink_init(struct sink *s, int dir_fd, const char *name)
{
	*s = (struct sink){.dir_fd = dir_fd, .name = name};
	s->fd = dir_fd < 0 ? STDOUT_FILENO : -1;
	buf_init(&s->torn, TORN_BYTES_MAX);
}

void sink_init_syslog(struct sink *s)
{
	sink_init(s, -1, "to syslog");
	s->syslog = true;
	s->fd = -1;
	s->cause = -ENOTCONN;
}

static void sink_close(struct sink *s)
{
	if (s->fd >= 0 && (s->dir_fd >= 0 || s->syslog)) {
		close(s->fd);
		s->fd = -1;
	}
	if (s->torn.len > 0) {
		sink_lost(s, 1, s->cause);
		buf_consume(&s->torn, s->torn.len);
	}
}

void sink_fini(struct sink *s)
{
	sink_close(s);
	if (s->dir_fd >= 0) {
		close(s->dir_fd);
		s->dir_fd = -1;
	}
	buf_fini(&s->torn);
}

/* Without O_NONBLOCK a FIFO that has no reader would stop everything. */
static int sink_open(struct sink *s)
{
	int fd = openat(s->dir_fd, s->name,
			O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK | O_CLOEXEC,
			FILE_MODE);

	if (fd < 0) {
		return -errno;
	}
	s->fd = fd;
	return 0;
}

int sink_reopen(struct sink *s, struct err *err)
{
	int rc;

	if (s->dir_fd < 0) {
		return 0;
	}
	sink_close(s);
	rc = sink_open(s);
	return rc < 0 ? err_set_errno(err, rc, "access log %s", s->name) : 0;
}

bool sink_wants_socket(struct sink *s, uint64_t now_ms)
{
	if (!s->syslog || s->fd >= 0 || now_ms < s->retry_ms) {
		return false;
	}
	s->retry_ms = now_ms + RETRY_OPEN_MS;
	return true;
}

int sink_take_socket(struct sink *s, int fd, struct err *err)
{
	if (!s->syslog) {
		close(fd);
		return err_set(err, -EPROTO, "the access log does not go to syslog");
	}
	sink_close(s);
	s->fd = fd;
	return 0;
}

void sink_lost(struct sink *s, uint64_t n, int cause)
{
	s->n_dropped += n;
	if (n > 0) {
		s->cause = cause;
	}
}

static uint64_t count_lines(struct str lines)
{
	uint64_t n = 0;

	for (size_t i = 0; i < lines.len; i++) {
		n += lines.p[i] == '\n';
	}
	return n;
}

/* Writes what goes. Returns the number of bytes; fewer than asked for: why in cause. */
static size_t write_some(struct sink *s, const void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(s->fd, (const char *)data + done, len - done);

		if (n < 0 && errno != EINTR) {
			s->cause = -errno;
			break;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	return done;
}

static bool finish_torn(struct sink *s)
{
	buf_consume(&s->torn, write_some(s, s->torn.data, s->torn.len));
	if (s->torn.len > 0) {
		return false;
	}
	s->n_written++;
	return true;
}

/* The first done bytes of lines are written: keeps the rest of a line cut there, drops the others.
 */
static void drop_rest(struct sink *s, struct str lines, size_t done)
{
	struct str rest = {.p = lines.p + done, .len = lines.len - done};

	if (done > 0 && lines.p[done - 1] != '\n') {
		const char *end = memchr(rest.p, '\n', rest.len);
		size_t len = end ? (size_t)(end + 1 - rest.p) : rest.len;

		buf_bytes(&s->torn, rest.p, len);
		rest.p += len;
		rest.len -= len;
	}
	sink_lost(s, count_lines(rest), s->cause);
}

/* Whoever read what s->fd writes to went away; another may come. */
static bool reader_gone(const struct sink *s)
{
	if (s->syslog) {
		return s->cause != -EAGAIN && s->cause != -ENOBUFS && s->cause != -EMSGSIZE;
	}
	return s->cause == -EPIPE;
}

void sink_write(struct sink *s, struct str lines, uint64_t now_ms)
{
	size_t done;

	if (s->fd < 0 && s->dir_fd >= 0 && now_ms >= s->retry_ms) {
		int rc = sink_open(s);

		s->cause = rc < 0 ? rc : s->cause;
		s->retry_ms = now_ms + RETRY_OPEN_MS;
	}
	if (s->fd < 0 || (s->torn.len > 0 && !finish_torn(s))) {
		done = 0;
	} else {
		done = s->syslog ? syslog_write(s->fd, lines, &s->cause)
				 : write_some(s, lines.p, lines.len);
		s->n_written += count_lines((struct str){.p = lines.p, .len = done});
	}
	if (done < lines.len) {
		drop_rest(s, lines, done);
		if (reader_gone(s)) {
			sink_close(s);
		}
	}
}

bool sink_report(struct sink *s, uint64_t now_ms, bool last, uint64_t *ret_dropped)
{
	if (s->n_dropped == s->n_reported || (now_ms < s->report_ms && !last)) {
		return false;
	}
	*ret_dropped = s->n_dropped - s->n_reported;
	s->n_reported = s->n_dropped;
	s->report_ms = now_ms + REPORT_MS;
	return true;
}
