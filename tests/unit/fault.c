/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Preloaded into a program under test: lets some calls fail as if the system had run short.
 * FAULT="CALL ERRNO FIRST COUNT", by number: COUNT calls of CALL from the FIRST one (1) on fail
 * with ERRNO. CALL is the number of the system call.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
	long call;
	int error;
	unsigned int first, count, seen;
} fault;

__attribute__((constructor)) static void fault_init(void)
{
	const char *text = getenv("FAULT");

	if (text && sscanf(text, "%ld %d %u %u", &fault.call, &fault.error, &fault.first,
			   &fault.count) != 4) {
		abort();
	}
}

static int fault_hits(long call)
{
	if (fault.call != call) {
		return 0;
	}
	fault.seen++;
	errno = fault.error;
	return fault.seen >= fault.first && fault.seen < fault.first + fault.count;
}

int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len, int flags)
{
	return fault_hits(SYS_accept4)
		       ? -1
		       : (int)syscall(SYS_accept4, fd, addr.__sockaddr__, len, flags);
}

int socket(int domain, int type, int protocol)
{
	return fault_hits(SYS_socket) ? -1 : (int)syscall(SYS_socket, domain, type, protocol);
}

int pipe2(int fds[2], int flags)
{
	return fault_hits(SYS_pipe2) ? -1 : (int)syscall(SYS_pipe2, fds, flags);
}

int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
	return fault_hits(SYS_epoll_ctl) ? -1
					 : (int)syscall(SYS_epoll_ctl, epoll_fd, op, fd, event);
}
