/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bulk through a real worker: splice, slow readers, ends and resets amid it. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/loop.h"
#include "proxy_rig.h"

/* Writes len bytes that depend on their place; in a process of its own, so that both ends run. */
static pid_t write_pattern(int fd, size_t len, int then_close)
{
	static uint8_t block[65521]; /* a prime, so that a lost block shows */
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0) {
		return pid;
	}
	/* else a socket of the parent would outlive its close() */
	if (fd > 3) {
		assert_int_equal(close_range(3, (unsigned int)fd - 1, 0), 0);
	}
	assert_int_equal(close_range((unsigned int)fd + 1, ~0U, 0), 0);
	for (size_t i = 0; i < sizeof(block); i++) {
		block[i] = (uint8_t)(i ^ i >> 8);
	}
	for (size_t done = 0; done < len;) {
		size_t at = done % sizeof(block);
		size_t n = sizeof(block) - at < len - done ? sizeof(block) - at : len - done;
		ssize_t sent = send(fd, block + at, n, MSG_NOSIGNAL);

		if (sent <= 0) {
			_exit(1);
		}
		done += (size_t)sent;
	}
	if (then_close) {
		close(fd);
	}
	_exit(0);
}

static void read_pattern(int fd, size_t len)
{
	static uint8_t buf[100000];

	for (size_t done = 0; done < len;) {
		size_t n = len - done < sizeof(buf) ? len - done : sizeof(buf);

		rig_read(fd, buf, n);
		for (size_t i = 0; i < n; i++) {
			size_t at = (done + i) % 65521;

			if (buf[i] != (uint8_t)(at ^ at >> 8)) {
				fail_msg("byte %zu is wrong", done + i);
			}
		}
		done += n;
	}
}

#define BULK ((size_t)32 << 20)

static void test_bulk_both_ways_at_once_is_whole(void **state)
{
	struct bench b;
	int client, backend;
	pid_t pids[2], reader;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	pids[0] = write_pattern(client, BULK, 0);
	pids[1] = write_pattern(backend, BULK, 0);
	reader = fork();
	if (reader == 0) {
		read_pattern(client, BULK);
		_exit(0);
	}
	read_pattern(backend, BULK);
	for (int i = 0; i < 3; i++) {
		int status;

		assert_true(waitpid(i < 2 ? pids[i] : reader, &status, 0) > 0);
		assert_int_equal(status, 0);
	}
	close(client);
	rig_expect_eof(backend);
	close(backend);
	rig_expect_log(&b.rig, "\"bytes_in\":33554432,\"bytes_out\":33554432,");
	bench_stop(&b);
}

static void test_fin_behind_bulk_loses_nothing_with_a_slow_reader(void **state)
{
	struct bench b;
	int client, backend, status;
	pid_t writer;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	writer = write_pattern(backend, BULK, 1);
	close(backend);
	(void)poll(NULL, 0, 300); /* pipe and socket fill up */
	read_pattern(client, BULK);
	rig_expect_eof(client);
	assert_true(waitpid(writer, &status, 0) > 0);
	assert_int_equal(status, 0);
	close(client);
	bench_expect_closed(&b, "done");
	bench_stop(&b);
}

/* The worker reads the last bytes and the end in one go, and can pass on but a few of them. */
static void test_fin_with_bytes_that_have_to_wait_loses_nothing(void **state)
{
	const struct rig_options options = {.sndbuf = 4096};
	const size_t len = 15000; /* in one segment with the FIN, and too few to be spliced */
	const int on = 1, small = 4096;
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct bench b;
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), backend, status;
	pid_t writer;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, &options);
	sa.sin_port = htons(b.port);
	assert_int_equal(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&sa, sizeof(sa)), 0);
	backend = rig_accept(b.backend_fd);
	assert_int_equal(setsockopt(backend, IPPROTO_TCP, TCP_CORK, &on, sizeof(on)), 0);
	writer = write_pattern(backend, len, 1);
	close(backend);
	read_pattern(client, len);
	rig_expect_eof(client);
	assert_true(waitpid(writer, &status, 0) > 0);
	assert_int_equal(status, 0);
	close(client);
	bench_expect_closed(&b, "done");
	bench_stop(&b);
}

static void test_reset_with_a_full_pipe_leaves_nothing(void **state)
{
	struct bench b;
	int client, backend;
	pid_t writer;
	int status;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	writer = write_pattern(backend, BULK, 0);
	(void)poll(NULL, 0, 300);
	rig_reset(client);
	bench_expect_closed(&b, "client-reset");
	assert_true(waitpid(writer, &status, 0) > 0);
	assert_int_not_equal(status, 0); /* it met the reset */
	close(backend);
	rig_expect_count(&b.rig, RIG_SLOT_LISTENER, COUNTER_ACTIVE, 0);
	assert_int_equal(b.rig.counters->worker[WORKER_PIPES], 0);
	bench_stop(&b);
}

static void test_urgent_data_does_not_stop_the_stream(void **state)
{
	struct bench b;
	int client, backend;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, NULL);
	bench_open(&b, &client, &backend);
	bench_exchange(client, backend, "before");
	rig_write(client, "ab", 2);
	assert_int_equal(send(client, "!", 1, MSG_OOB), 1);
	rig_write(client, "cd", 2);
	bench_exchange(backend, client, "sync");
	{
		char seen[4];

		rig_read(backend, seen, 4); /* the urgent byte itself is out of band */
		assert_memory_equal(seen, "abcd", 4);
	}
	close(client);
	rig_expect_eof(backend);
	close(backend);
	bench_stop(&b);
}

/* Pipes of the worker that bytes wait in. */
static unsigned int filled_pipes(const struct bench *b)
{
	char path[64], target[32];
	unsigned int n_filled = 0;

	for (int number = 3; number < 160; number++) {
		int waiting = 0, fd;
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)b->rig.pid, number);
		n = readlink(path, target, sizeof(target));
		if (n < 5 || memcmp(target, "pipe:", 5) != 0) {
			continue;
		}
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0) {
			assert_int_equal(ioctl(fd, FIONREAD, &waiting), 0);
			close(fd);
		}
		n_filled += waiting > 0;
	}
	return n_filled / 2; /* each end was counted */
}

#define STUCK 12 /* more than there are pipes */

static void test_readers_that_stand_still_do_not_keep_the_pipes(void **state)
{
	const struct rig_options options = {.nofile = 160};
	const size_t size = (size_t)4 << 20;
	int client[STUCK + 1], backend[STUCK + 1], status;
	pid_t writer[STUCK + 1];
	uint64_t until_ms = clock_ms() + RIG_WAIT_MS;
	unsigned int most = 0;
	struct bench b;

	(void)state;
	bench_start(&b, PROTOCOL_TCP, &options);
	for (int i = 0; i <= STUCK; i++) {
		bench_open(&b, &client[i], &backend[i]);
	}
	for (int i = 0; i < STUCK; i++) {
		writer[i] = write_pattern(backend[i], size, 0);
	}
	while (most < 10 && clock_ms() < until_ms) { /* 160 / 16 of them */
		unsigned int n = filled_pipes(&b);

		most = n > most ? n : most;
	}
	assert_int_equal(most, 10);
	for (until_ms = clock_ms() + RIG_WAIT_MS; filled_pipes(&b) > 2;) {
		assert_true(clock_ms() < until_ms);
		writer[STUCK] = write_pattern(backend[STUCK], size, 0);
		read_pattern(client[STUCK], size);
		assert_true(waitpid(writer[STUCK], &status, 0) > 0);
	}
	for (int i = 0; i < STUCK; i++) {
		read_pattern(client[i], size);
		assert_true(waitpid(writer[i], &status, 0) > 0);
		assert_int_equal(status, 0);
	}
	for (int i = 0; i <= STUCK; i++) {
		bench_end(client[i], backend[i]);
	}
	bench_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bulk_both_ways_at_once_is_whole),
		cmocka_unit_test(test_fin_behind_bulk_loses_nothing_with_a_slow_reader),
		cmocka_unit_test(test_fin_with_bytes_that_have_to_wait_loses_nothing),
		cmocka_unit_test(test_reset_with_a_full_pipe_leaves_nothing),
		cmocka_unit_test(test_urgent_data_does_not_stop_the_stream),
		cmocka_unit_test(test_readers_that_stand_still_do_not_keep_the_pipes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
