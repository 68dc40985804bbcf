/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_UNIT_FOREVER_H
#define SIXGATE_TESTS_UNIT_FOREVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <sys/socket.h>

/*
 * The messages that never change between versions (conf/model/message.h), as they are on the
 * channel: an old worker has to understand a new control. What control sends and what a worker
 * takes are both held to these. A test that fails by them is right; the change is not.
 */
#define FOREVER_SERIAL   8   /* of forever_stats */
#define FOREVER_DRAIN_MS 200 /* in forever_drain */

/* version, flags, type; id; serial */
#define FOREVER_HEAD(type, serial) 1, 0, 0, type, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, serial

static const uint8_t forever_hello[] = {FOREVER_HEAD(1, 0)}; /* its header */
static const uint8_t forever_stats[] = {FOREVER_HEAD(2, FOREVER_SERIAL)};
static const uint8_t forever_drain[] = {FOREVER_HEAD(3, 0), 0, 0, 0, FOREVER_DRAIN_MS};
static const uint8_t forever_quit[] = {FOREVER_HEAD(4, 0)};
/* a worker's answer to forever_stats */
static const uint8_t forever_ack[] = {FOREVER_HEAD(48, FOREVER_SERIAL), 0, 2};

/* The next part on a channel's descriptor is these bytes. */
static inline void expect_part(int fd, const uint8_t *want, size_t len)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	uint8_t got[64];

	assert_int_equal(poll(&readable, 1, 10000), 1);
	assert_int_equal(recv(fd, got, sizeof(got), 0), len);
	assert_memory_equal(got, want, len);
}

#endif
