/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_BENCH_NET_H
#define SIXGATE_TESTS_BENCH_NET_H

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* What the programs of the bench share. They are tools: whatever fails at start ends them. */

struct endpoint_arg {
	struct sockaddr_storage addr;
	socklen_t len;
};

/* Prints "program: what: error of errno" and exits with 1. */
_Noreturn void die(const char *what);
/* Reads "address:port" or "[address]:port"; dies on anything else. */
struct endpoint_arg endpoint_parse(const char *text);
/* A non-blocking listening socket. */
int listen_on(const char *text);
/* Monotonic clock in ns. */
uint64_t clock_ns(void);
/*
 * epoll_wait(2) that never sleeps, but lets others of its core run. Waking a sleeper on another
 * core is charged to whom does it, and in a virtual machine it costs as much as the rest of a
 * send(2): with load that sleeps, a proxy's cost is that of waking it.
 */
int wait_spinning(int epoll_fd, struct epoll_event *events, int max);
/* Whole decimal number from min to max; dies on anything else. */
uint64_t number_parse(const char *text, uint64_t min, uint64_t max);

#endif
