/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Addresses, sockets and the clock for the bench programs. Shares nothing with base/, so that a
 * mistake there does not hide in the instrument that measures it.
 */
#include "tests/bench/net.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

struct endpoint_arg endpoint_parse(const char *text)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct endpoint_arg ret = {0};
	struct addrinfo *found;
	char host[64];
	const char *colon = strrchr(text, ':');
	size_t len;

	errno = EINVAL;
	if (colon == NULL) {
		die(text);
	}
	len = (size_t)(colon - text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len >= sizeof(host)) {
		die(text);
	}
	memcpy(host, text, len);
	host[len] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0) {
		errno = EINVAL;
		die(text);
	}
	memcpy(&ret.addr, found->ai_addr, found->ai_addrlen);
	ret.len = found->ai_addrlen;
	freeaddrinfo(found);
	return ret;
}

int listen_on(const char *text)
{
	struct endpoint_arg local = endpoint_parse(text);
	int fd = socket(local.addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
	    bind(fd, (struct sockaddr *)&local.addr, local.len) != 0 || listen(fd, 4096) != 0) {
		die(text);
	}
	return fd;
}

uint64_t clock_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with this clock */
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int wait_spinning(int epoll_fd, struct epoll_event *events, int max)
{
	int n;

	while ((n = epoll_wait(epoll_fd, events, max, 0)) == 0) {
		(void)sched_yield(); /* cannot fail */
	}
	return n;
}

uint64_t number_parse(const char *text, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < min || n > max) {
		errno = ERANGE;
		die(text);
	}
	return n;
}
