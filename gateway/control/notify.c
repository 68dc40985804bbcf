/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sd_notify(3) by hand: one datagram a message. Called by control.c at the turns of its life; the
 * watchdog is fed by the loop itself, so that a loop that hangs is noticed.
 */
#include "gateway/control/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/container.h"
#include "base/str.h"

static void notify_alive(struct timer *timer)
{
	struct notify *n = container_of(timer, struct notify, timer);

	notify_send(n, "WATCHDOG=1");
	wheel_arm(&n->loop->wheel, timer, n->loop->now_ms + n->watchdog_ms);
}

static int notify_connect(const char *path, struct err *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	int fd, rc;

	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(sa.sun_path)) {
		return err_set(err, -EINVAL, "NOTIFY_SOCKET is not a socket's path");
	}
	memcpy(sa.sun_path, path, len);
	if (path[0] == '@') {
		sa.sun_path[0] = '\0'; /* abstract name */
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return err_set_errno(err, -errno, "NOTIFY_SOCKET");
	}
	len += offsetof(struct sockaddr_un, sun_path);
	if (connect(fd, (struct sockaddr *)&sa, (socklen_t)len) < 0) {
		rc = err_set_errno(err, -errno, "NOTIFY_SOCKET");
		close(fd);
		return rc;
	}
	return fd;
}

int notify_init(struct notify *n, struct loop *loop, struct err *err)
{
	const char *path = getenv("NOTIFY_SOCKET");
	const char *watchdog = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t value, for_pid;

	*n = (struct notify){.fd = -1, .loop = loop};
	timer_init(&n->timer, notify_alive);
	if (path && path[0] != '\0') {
		n->fd = notify_connect(path, err);
		if (n->fd < 0) {
			return n->fd;
		}
		if (watchdog && str_to_u64(str_from(watchdog), 1, UINT64_MAX, &value) == 0 &&
		    (!pid || (str_to_u64(str_from(pid), 1, INT32_MAX, &for_pid) == 0 &&
			      for_pid == (uint64_t)getpid()))) {
			n->watchdog_ms = value / 1000 / 2;
		}
	}
	(void)unsetenv("NOTIFY_SOCKET"); /* fails for bad names only */
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	if (n->watchdog_ms > 0) {
		wheel_arm(&loop->wheel, &n->timer, loop->now_ms);
	}
	return 0;
}

void notify_fini(struct notify *n)
{
	wheel_disarm(&n->loop->wheel, &n->timer);
	if (n->fd >= 0) {
		close(n->fd);
		n->fd = -1;
	}
}

void notify_send(struct notify *n, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int len;

	if (n->fd < 0) {
		return;
	}
	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len > 0 && (size_t)len < sizeof(text)) {
		/* a manager that is too busy to listen must not hold us up */
		(void)send(n->fd, text, (size_t)len, MSG_NOSIGNAL);
	}
}

void notify_reloading(struct notify *n)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
	notify_send(n, "RELOADING=1\nMONOTONIC_USEC=%llu",
		    (unsigned long long)ts.tv_sec * 1000000 +
			    (unsigned long long)ts.tv_nsec / 1000);
}
