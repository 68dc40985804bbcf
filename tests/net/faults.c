/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Preloaded into a gateway by test_faults.py: in the proxy workers, and there only, some calls of
 * one kind fail with one errno. SIXGATE_FAULT is "call errno count": every second call fails until
 * count have, beginning with the first accepted client, so that the start-up is left alone.
 * With "clock 0 0" nothing fails, but the real time is a day ahead and a day behind by turns.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DAY_S 86400

static struct {
	char call[16];
	int code, left;
	unsigned int calls;
	bool begun;
} fault;

__attribute__((constructor)) static void faults_init(void)
{
	const char *text = getenv("SIXGATE_FAULT");

	if (text && strcmp(program_invocation_short_name, "sixgate-proxy") == 0 &&
	    sscanf(text, "%15s %d %d", fault.call, &fault.code, &fault.left) != 3) {
		abort();
	}
}

static bool fails(const char *call)
{
	if (!fault.begun || fault.left == 0 || strcmp(call, fault.call) != 0 ||
	    fault.calls++ % 2 != 0) {
		return false;
	}
	fault.left--;
	errno = fault.code;
	return true;
}

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int (*real)(int, struct sockaddr *, socklen_t *, int) = dlsym(RTLD_NEXT, "accept4");

	if (fails("accept4")) {
		return -1;
	}
	fault.begun = true;
	return real(fd, addr, len, flags);
}

int socket(int domain, int type, int protocol)
{
	int (*real)(int, int, int) = dlsym(RTLD_NEXT, "socket");

	return fails("socket") ? -1 : real(domain, type, protocol);
}

int pipe2(int fds[2], int flags)
{
	int (*real)(int *, int) = dlsym(RTLD_NEXT, "pipe2");

	return fails("pipe2") ? -1 : real(fds, flags);
}

int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
	int (*real)(int, int, int, struct epoll_event *) = dlsym(RTLD_NEXT, "epoll_ctl");

	/* taking one out or changing it cannot fail for want of memory */
	return op == EPOLL_CTL_ADD && fails("epoll_ctl") ? -1 : real(epoll_fd, op, fd, event);
}

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");

	return fails("connect") ? -1 : real(fd, addr, len);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int (*real)(int, int, int, const void *, socklen_t) = dlsym(RTLD_NEXT, "setsockopt");

	return fails("setsockopt") ? -1 : real(fd, level, name, value, len);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
	int rc = real(id, ts);

	if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) &&
	    strcmp(fault.call, "clock") == 0) {
		ts->tv_sec += fault.calls++ % 2 == 0 ? DAY_S : -DAY_S;
	}
	return rc;
}
