/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A worker whose system calls fail for want of descriptors or memory: it neither spins nor stops
 * for good, and what it had is served on.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/loop.h"
#include "proxy_rig.h"

/* User and system time of a process in clock ticks of 10 ms. */
static unsigned long cpu_ticks(pid_t pid)
{
	char path[64];
	unsigned long user, system;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				&user, &system),
			 2);
	(void)fclose(f);
	return user + system;
}

static void start_with_fault(struct bench *b, long call, int error, unsigned int first,
			     unsigned int count)
{
	struct rig_options options = {.preload = "./tests/unit/fault.so"};

	(void)snprintf(options.fault, sizeof(options.fault), "%ld %d %u %u", call, error, first,
		       count);
	bench_start(b, PROTOCOL_TCP, &options);
}

static void end_session(int client, int backend)
{
	close(client);
	rig_expect_eof(backend);
	close(backend);
}

static void test_accept_that_fails_pauses_and_recovers(void **state)
{
	static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS};

	(void)state;
	for (unsigned int i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct bench b;
		int client, backend;
		unsigned long before;
		uint64_t start;

		start_with_fault(&b, SYS_accept4, errors[i], 1, 1);
		before = cpu_ticks(b.rig.pid);
		start = clock_ms();
		bench_open(&b, &client, &backend);
		assert_in_range(clock_ms() - start, 800, 5000);
		assert_in_range(cpu_ticks(b.rig.pid) - before, 0, 20);
		bench_exchange(client, backend, "at last");
		assert_int_equal(b.rig.counters->worker[WORKER_ACCEPT_PAUSES], 1);
		end_session(client, backend);
		bench_stop(&b);
	}
}

/* The session that meets the shortage is reset; the one it had goes on; the next is served. */
static void check_session_is_lost(long call, int error, unsigned int first)
{
	struct bench b;
	int client, backend;

	start_with_fault(&b, call, error, first, 1);
	bench_open(&b, &client, &backend);
	bench_exchange(client, backend, "early");
	rig_expect_refused("127.0.0.1", b.port);
	rig_expect_log(&b.rig, "\"reason\":\"no-memory\"");
	bench_exchange(client, backend, "unharmed");
	end_session(client, backend);
	if (call == SYS_epoll_ctl) { /* it had got as far as the backend's queue */
		close(rig_accept(b.backend_fd));
	}
	bench_open(&b, &client, &backend);
	bench_exchange(client, backend, "the next one");
	end_session(client, backend);
	assert_int_equal(b.rig.counters->worker[WORKER_ACCEPT_PAUSES], 1);
	bench_stop(&b);
}

static void test_no_socket_for_a_backend(void **state)
{
	(void)state;
	check_session_is_lost(SYS_socket, EMFILE, 2);
	check_session_is_lost(SYS_socket, ENOBUFS, 2);
}

static void test_no_watch_for_a_leg(void **state)
{
	(void)state;
	/* channel, listener, two legs of the first session, then the second one's */
	check_session_is_lost(SYS_epoll_ctl, ENOSPC, 5);
	check_session_is_lost(SYS_epoll_ctl, ENOMEM, 6);
}

static void test_no_pipe_means_copying(void **state)
{
	const size_t len = (size_t)4 << 20;
	struct bench b;
	char *sent = malloc(len), *seen = malloc(len);
	int client, backend;
	pid_t writer;

	(void)state;
	assert_non_null(sent);
	assert_non_null(seen);
	for (size_t i = 0; i < len; i++) {
		sent[i] = (char)(i * 2654435761u >> 16);
	}
	start_with_fault(&b, SYS_pipe2, EMFILE, 1, 1000000);
	bench_open(&b, &client, &backend);
	writer = fork();
	if (writer == 0) {
		rig_write(client, sent, len);
		_exit(0);
	}
	rig_read(backend, seen, len);
	assert_memory_equal(sent, seen, len);
	end_session(client, backend);
	assert_int_equal(b.rig.counters->worker[WORKER_PIPES], 0);
	free(sent);
	free(seen);
	bench_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept_that_fails_pauses_and_recovers),
		cmocka_unit_test(test_no_socket_for_a_backend),
		cmocka_unit_test(test_no_watch_for_a_leg),
		cmocka_unit_test(test_no_pipe_means_copying),
	};

#ifdef SIXGATE_SANITIZERS
	return 77; /* their runtime has to be loaded first */
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
