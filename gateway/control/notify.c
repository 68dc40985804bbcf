/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sd_notify(3) by hand: one datagram a message. Called by control.c at the turns of its life; the
 * watchdog is fed by the loop itself, so that a loop that hangs is noticed.
 */
#include "gateway/control/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "base/str.h"

#define MOD      "notify"
#define RETRY_MS 20

struct notify_msg {
	struct notify_msg *next; /* notify.first */
	int fd;                  /* owned duplicate; -1: none */
	char text[];
};

static void notify_retry(struct timer *timer);

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

/* Notes the variables as they are before they are taken out of the environment. */
static int notify_keep(struct notify *n)
{
	static const char *const names[NOTIFY_VARIABLES] = {"NOTIFY_SOCKET", "WATCHDOG_USEC"};

	for (int i = 0; i < NOTIFY_VARIABLES; i++) {
		const char *value = getenv(names[i]);

		if (value && asprintf(&n->environment[i], "%s=%s", names[i], value) < 0) {
			n->environment[i] = NULL;
			return -ENOMEM;
		}
	}
	return 0;
}

/* By the environment; sets fd and watchdog_ms. */
static int notify_open(struct notify *n, struct err *err)
{
	const char *path = getenv("NOTIFY_SOCKET");
	const char *watchdog = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t value, for_pid;
	int fd;

	if (!path || path[0] == '\0') {
		return 0;
	}
	fd = notify_connect(path, err);
	if (fd < 0) {
		return fd;
	}
	n->fd = fd;
	if (watchdog && str_to_u64(str_from(watchdog), 1, UINT64_MAX, &value) == 0 &&
	    (!pid || (str_to_u64(str_from(pid), 1, INT32_MAX, &for_pid) == 0 &&
		      for_pid == (uint64_t)getpid()))) {
		n->watchdog_ms = value / 1000 / 2;
	}
	return notify_keep(n) < 0 ? err_set(err, -ENOMEM, "out of memory") : 0;
}

int notify_init(struct notify *n, struct loop *loop, struct err *err)
{
	int rc;

	*n = (struct notify){.fd = -1, .loop = loop};
	timer_init(&n->timer, notify_alive);
	timer_init(&n->retry, notify_retry);
	rc = notify_open(n, err);
	(void)unsetenv("NOTIFY_SOCKET"); /* fails for bad names only */
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	if (n->watchdog_ms > 0) {
		wheel_arm(&loop->wheel, &n->timer, loop->now_ms);
	}
	return rc;
}

static void msg_free(struct notify_msg *msg)
{
	if (msg->fd >= 0) {
		close(msg->fd);
	}
	free(msg);
}

void notify_fini(struct notify *n)
{
	wheel_disarm(&n->loop->wheel, &n->timer);
	wheel_disarm(&n->loop->wheel, &n->retry);
	while (n->first) {
		struct notify_msg *next = n->first->next;

		msg_free(n->first);
		n->first = next;
	}
	if (n->fd >= 0) {
		close(n->fd);
		n->fd = -1;
	}
	for (int i = 0; i < NOTIFY_VARIABLES; i++) {
		free(n->environment[i]);
		n->environment[i] = NULL;
	}
}

/* False when the manager's queue is full. For other failures there is no remedy: they are sent. */
static bool notify_post(struct notify *n, const char *text, int fd)
{
	struct iovec iov = {.iov_base = (char *)text, .iov_len = strlen(text)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};

	if (fd >= 0) {
		control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
						.cmsg_level = SOL_SOCKET,
						.cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	return sendmsg(n->fd, &msg, MSG_NOSIGNAL) >= 0 ||
	       (errno != EAGAIN && errno != ENOBUFS && errno != ETOOMANYREFS);
}

void notify_flush(struct notify *n)
{
	struct notify_msg *msg;

	while ((msg = n->first) && notify_post(n, msg->text, msg->fd)) {
		n->first = msg->next;
		n->n_waiting--;
		msg_free(msg);
	}
	if (!n->first) {
		n->last = NULL;
	} else if (!timer_armed(&n->retry)) {
		wheel_arm(&n->loop->wheel, &n->retry, n->loop->now_ms + RETRY_MS);
	}
}

static void notify_retry(struct timer *timer)
{
	notify_flush(container_of(timer, struct notify, retry));
}

bool notify_busy(const struct notify *n)
{
	return n->first != NULL;
}

/* Returns 0, -ENOMEM or another negative errno. */
static int notify_wait(struct notify *n, const char *text, int fd)
{
	size_t size = strlen(text) + 1;
	struct notify_msg *msg;

	if (n->n_waiting >= NOTIFY_QUEUE_MAX) {
		return -ENOBUFS;
	}
	msg = calloc(1, sizeof(*msg) + size);
	if (!msg) {
		return -ENOMEM;
	}
	memcpy(msg->text, text, size);
	msg->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0 && msg->fd < 0) {
		int rc = -errno;

		free(msg);
		return rc;
	}
	if (n->last) {
		n->last->next = msg;
	} else {
		n->first = msg;
	}
	n->last = msg;
	n->n_waiting++;
	notify_flush(n);
	return 0;
}

static void PRINTF_LIKE(3, 0) notify_vsend(struct notify *n, int fd, const char *fmt, va_list ap)
{
	char text[512];
	unsigned int suppressed;
	int len, rc;

	if (n->fd < 0) {
		return;
	}
	len = vsnprintf(text, sizeof(text), fmt, ap);
	if (len <= 0 || (size_t)len >= sizeof(text) || (!n->first && notify_post(n, text, fd))) {
		return;
	}
	/* a manager that is too busy to listen must not hold us up */
	rc = notify_wait(n, text, fd);
	if (rc < 0 && log_limit_pass(&n->warning, n->loop->now_ms, &suppressed)) {
		log_err_errno(rc, MOD, "the service manager does not listen, leaving out messages");
	}
}

void notify_send(struct notify *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	notify_vsend(n, -1, fmt, ap);
	va_end(ap);
}

void notify_send_fd(struct notify *n, int fd, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	notify_vsend(n, fd, fmt, ap);
	va_end(ap);
}

void notify_reloading(struct notify *n)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
	notify_send(n, "RELOADING=1\nMONOTONIC_USEC=%llu",
		    (unsigned long long)ts.tv_sec * 1000000 +
			    (unsigned long long)ts.tv_nsec / 1000);
}
