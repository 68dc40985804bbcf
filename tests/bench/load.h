/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_BENCH_LOAD_H
#define SIXGATE_TESTS_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "tests/bench/net.h"

#define LOAD_ANSWER_BYTES  16 /* what sink's close and hold send */
#define LOAD_MESSAGE_BYTES 64 /* one request */

enum mode {
	MODE_CONN, /* connections: open, one exchange, closed by the backend */
	MODE_RR,   /* keep-alive requests, the next one when the answer is there */
	MODE_RATE, /* keep-alive requests at a fixed rate, whatever the answers do */
	MODE_BULK, /* downloads */
	MODE_IDLE, /* connections that stay open until standard input ends */
};

struct options {
	enum mode mode;
	struct endpoint_arg target;
	struct endpoint_arg source; /* first client address */
	unsigned int n_sources; /* addresses from there on, taken in turn; 0: the kernel's choice */
	unsigned int n_connections; /* at a time */
	uint64_t n_units;           /* connections, requests or bytes in all */
	uint64_t per_second;        /* MODE_RATE */
	bool spin;                  /* never sleeps; not for MODE_RATE, whose clock it would stop */
	bool watch; /* MODE_RR, MODE_RATE: says the longest stall without those of the machine */
	const char **names; /* each connection begins with a ClientHello for one of them */
	size_t n_names;
};

enum connection_state {
	CONNECTION_CLOSED,
	CONNECTION_OPENING,
	CONNECTION_READY,   /* nothing in flight */
	CONNECTION_WAITING, /* for an answer */
};

struct connection {
	int fd;
	enum connection_state state;
	uint64_t n_got; /* bytes of the running answer */
	uint64_t n_want;
	uint64_t asked_ns; /* when the request should have left */
};

/* For one answer: when its request should have left, when it came. */
struct wait {
	uint64_t from_ns, to_ns;
};

struct witness;

struct load {
	const struct options *options;
	int epoll_fd;
	struct connection *connections;
	unsigned int n_open;
	uint64_t n_started, n_done, n_errors, n_bytes;
	uint64_t random; /* state of the name choice */
	uint32_t *ready; /* MODE_RATE: connections without a request in flight */
	unsigned int n_ready;
	uint32_t *latencies_us; /* one an answer; NULL where nobody asks */
	struct wait *waits;     /* the same, kept with options->watch */
	struct witness *witness;
	uint64_t first_ns, last_ns;
};

#endif
