/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_BUDGET_H
#define SIXGATE_PROXY_BUDGET_H

#include <stddef.h>

/*
 * What a worker's descriptors are for. Half of what is left after listeners, pipes and a reserve
 * is the number of sessions, two descriptors each. A sibling that dies has its sockets lent to us,
 * as many as we have: they find room however many sessions there are.
 */
#define BUDGET_RESERVE   32   /* channel, epoll, log, counters, answers to "sessions" */
#define BUDGET_PIPES_MAX 1000 /* of all workers together; see pipes.h */

struct budget {
	unsigned int pipes;    /* two descriptors each */
	unsigned int sessions; /* 0: too few descriptors for any */
};

/* Shares out limit descriptors in one of n_workers workers with so many listening sockets. */
struct budget budget_share(size_t limit, size_t n_workers, size_t n_own, size_t n_lent);

#endif
