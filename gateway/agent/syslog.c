/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Datagrams to the system's log; see syslog.h. By writev(2) and not sendmsg(2), which could name
 * another receiver and is not for the log child (base/sandbox.c).
 */
#include "gateway/agent/syslog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <syslog.h>
#include <time.h>

#define TAG      "sixgate"
#define HEAD_MAX 64 /* bytes */

static size_t head_make(char head[HEAD_MAX])
{
	const time_t now = time(NULL);
	struct tm tm = {0};
	size_t len = (size_t)snprintf(head, HEAD_MAX, "<%d>", LOG_LOCAL0 | LOG_INFO);

	(void)localtime_r(&now, &tm); /* fails for years that no int holds */
	return len + strftime(head + len, HEAD_MAX - len, "%b %e %T " TAG ": ", &tm);
}

size_t syslog_write(int fd, struct str lines, int *ret_cause)
{
	char head[HEAD_MAX];
	struct iovec iov[2] = {{.iov_base = head, .iov_len = head_make(head)}};
	size_t done = 0;

	while (done < lines.len) {
		const char *line = lines.p + done;
		const char *end = memchr(line, '\n', lines.len - done);
		size_t len = end ? (size_t)(end - line) : lines.len - done;

		iov[1] = (struct iovec){.iov_base = (void *)line, .iov_len = len};
		if (writev(fd, iov, 2) >= 0) {
			done += len + (end ? 1 : 0);
		} else if (errno != EINTR) {
			*ret_cause = -errno;
			break;
		}
	}
	return done;
}
