/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_SELECTOR_H
#define SIXGATE_GATEWAY_SELECTOR_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Which worker a new connection goes to: hash(source address) mod n, so that a client meets one
 * worker and what is counted by source is local to it. A source is an IPv4 address or the /64 of
 * an IPv6 one. The keys make the choice unforeseeable for clients; they stay the same as long as
 * control runs.
 */
struct selector {
	uint32_t keys[2];
	unsigned int n; /* worker slots, 1 to WORKERS_MAX */
	uint64_t live;  /* slots that take connections, by bit; none: as if all did */
};

/* Instructions of the longest program: the hash, a jump for each dead and each live slot. */
#define SELECTOR_PROGRAM_MAX 256

/*
 * Writes the classic BPF program for a socket of AF_INET (v4) or AF_INET6. The sources of a dead
 * slot are spread over the live ones; those of a live slot stay where they are. Returns the
 * number of instructions.
 */
size_t selector_program(const struct selector *sel, bool v4,
			struct sock_filter program[SELECTOR_PROGRAM_MAX]);

/* Sets the program on the group of fd. Returns 0 or a negative errno. */
int selector_attach(const struct selector *sel, bool v4, int fd, struct err *err) CHECKED;

#endif
