/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Flows at the limit of what a worker reads ahead, which is a small one here. */
#include "proxy/flow.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/worker.h"
#include "tests/unit/proxy_rig.h"

#define N_SLOW      40
#define STASHED_MAX ((size_t)64 << 10)
#define SLOW_BYTES  ((size_t)1 << 20) /* more than the sockets of a slow one hold */
#define SINK_BUFFER 131072
#define PATTERN     65521 /* a prime, so that a lost block shows */

/* One flow between sockets, with the test at both ends. */
struct way {
	struct worker *w;
	struct flow flow;
	int in, from, to, out;
	size_t written, read; /* bytes, by the test */
};

static void connect_pair(int listener, uint16_t port, int *ret_one, int *ret_other)
{
	*ret_one = rig_connect("::1", port);
	*ret_other = rig_accept(listener);
	assert_int_equal(fcntl(*ret_one, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(*ret_other, F_SETFL, O_NONBLOCK), 0);
}

static void way_open(struct way *way, struct worker *w, int listener, uint16_t port)
{
	const int bytes = SINK_BUFFER;

	*way = (struct way){.w = w, .flow = {.readable = true, .writable = true}};
	connect_pair(listener, port, &way->in, &way->from);
	connect_pair(listener, port, &way->to, &way->out);
	assert_int_equal(setsockopt(way->to, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
}

static void way_close(struct way *way)
{
	flow_fini(way->w, &way->flow);
	close(way->in);
	close(way->from);
	close(way->to);
	close(way->out);
}

/* As events of both sockets would have it run, over its budget, too. */
static enum flow_result way_run(struct way *way)
{
	enum flow_result result;

	way->flow.readable = way->flow.writable = true;
	do {
		struct run run = {.worker = way->w,
				  .flow = &way->flow,
				  .from = way->from,
				  .to = way->to,
				  .budget = RELAY_BUDGET};

		result = flow_run(&run);
	} while (result == FLOW_MORE);
	return result;
}

/* Until the socket takes no more, of bytes that depend on their place. */
static size_t way_write(struct way *way, size_t max)
{
	uint8_t block[8192];
	size_t total = 0;
	ssize_t n = 1;

	while (n > 0 && total < max) {
		size_t len = max - total < sizeof(block) ? max - total : sizeof(block);

		for (size_t i = 0; i < len; i++) {
			size_t at = (way->written + i) % PATTERN;

			block[i] = (uint8_t)(at ^ at >> 8);
		}
		n = send(way->in, block, len, MSG_NOSIGNAL);
		total += n > 0 ? (size_t)n : 0;
		way->written += n > 0 ? (size_t)n : 0;
	}
	return total;
}

/* All that is there. Returns its length; ret_end: a FIN was behind it. */
static size_t way_read(struct way *way, bool *ret_end)
{
	uint8_t block[8192];
	size_t total = 0;
	ssize_t n;

	while ((n = recv(way->out, block, sizeof(block), 0)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			size_t at = (way->read + (size_t)i) % PATTERN;

			assert_int_equal(block[i], (uint8_t)(at ^ at >> 8));
		}
		way->read += (size_t)n;
		total += (size_t)n;
	}
	*ret_end = n == 0;
	return total;
}

static void worker_start(struct worker *w)
{
	memset(w, 0, sizeof(*w));
	w->buffer = malloc(WORKER_BUFFER);
	w->stashed_max = STASHED_MAX;
	pipes_init(&w->pipes, 0); /* all are lent: every flow is copied */
}

/* Their readers take nothing: all that sockets and limit hold is on its way. */
static void fill(struct worker *w, struct way *ways, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct way *way = &ways[i];
		struct pollfd p = {.fd = way->from, .events = POLLIN};

		do {
			(void)way_write(way, SLOW_BYTES - way->written);
			assert_int_equal(poll(&p, 1, RIG_WAIT_MS), 1);
			assert_int_equal(way_run(way), FLOW_WAIT); /* not: no memory */
			assert_in_range(w->stashed, 0, STASHED_MAX + RELAY_BUFFER);
		} while (way->flow.writable);
	}
	assert_true(w->stashed >= STASHED_MAX);
}

/* Reads on until all that was written has come through. */
static void drain(struct way *way)
{
	struct pollfd p[] = {{.fd = way->out, .events = POLLIN},
			     {.fd = way->from, .events = POLLIN}};
	bool end;

	while (way->read < way->written) {
		assert_int_equal(way_run(way), FLOW_WAIT);
		assert_true(poll(p, 2, RIG_WAIT_MS) > 0);
		(void)way_read(way, &end);
		assert_false(end);
	}
	assert_int_equal(way_run(way), FLOW_WAIT);
	assert_int_equal(flow_bytes(&way->flow), way->written);
}

static void test_slow_readers_at_the_limit_wait_and_lose_nothing(void **state)
{
	struct way *ways = calloc(N_SLOW, sizeof(*ways));
	struct worker w;
	uint16_t port;
	int listener = rig_listen("::1", &port);

	(void)state;
	worker_start(&w);
	for (size_t i = 0; i < N_SLOW; i++) {
		way_open(&ways[i], &w, listener, port);
	}
	fill(&w, ways, N_SLOW);
	for (size_t i = 0; i < N_SLOW; i++) {
		drain(&ways[i]);
		way_close(&ways[i]);
	}
	assert_int_equal(w.stashed, 0);
	close(listener);
	free(w.buffer);
	free(ways);
}

/* At the limit by others, a flow goes on as before: requests, bulk, and its end. */
static void test_reader_that_keeps_up_is_served_while_others_are_at_the_limit(void **state)
{
	struct way *ways = calloc(N_SLOW, sizeof(*ways)), fast;
	size_t stashed, total = 0;
	struct worker w;
	uint16_t port;
	int listener = rig_listen("::1", &port);
	bool end = false;

	(void)state;
	worker_start(&w);
	for (size_t i = 0; i < N_SLOW; i++) {
		way_open(&ways[i], &w, listener, port);
	}
	fill(&w, ways, N_SLOW);
	stashed = w.stashed;
	way_open(&fast, &w, listener, port);
	for (int i = 0; i < 200; i++) {
		total += way_write(&fast, i % 2 ? 100 : 100000);
		assert_int_equal(way_run(&fast), FLOW_WAIT);
		assert_int_equal(w.stashed, stashed); /* nothing of it was read ahead */
		(void)way_read(&fast, &end);
	}
	assert_true(total > 1000000);
	close(fast.in);
	fast.in = -1;
	fast.flow.fin_seen = true;
	drain(&fast);
	assert_true(fast.flow.eof);
	assert_int_equal(w.stashed, stashed);
	way_close(&fast);
	for (size_t i = 0; i < N_SLOW; i++) {
		way_close(&ways[i]);
	}
	assert_int_equal(w.stashed, 0);
	close(listener);
	free(w.buffer);
	free(ways);
}

/* A source that is reset, and a sink, are told apart there, too. */
static void test_resets_at_the_limit(void **state)
{
	struct worker w;
	struct way way;
	uint16_t port;
	int listener = rig_listen("::1", &port);

	(void)state;
	worker_start(&w);
	w.stashed = STASHED_MAX;
	way_open(&way, &w, listener, port);
	(void)way_write(&way, 100);
	rig_reset(way.out);
	way.out = -1;
	assert_int_equal(way_run(&way), FLOW_SINK_RESET);
	way_close(&way);
	way_open(&way, &w, listener, port);
	rig_reset(way.in);
	way.in = -1;
	assert_int_equal(way_run(&way), FLOW_SOURCE_RESET);
	way_close(&way);
	close(listener);
	free(w.buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_readers_at_the_limit_wait_and_lose_nothing),
		cmocka_unit_test(test_reader_that_keeps_up_is_served_while_others_are_at_the_limit),
		cmocka_unit_test(test_resets_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
