/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared counters: what another process may do to a segment, and sums that never step back. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/counters.h"

static struct counters *map(int fd, int writable)
{
	struct counters *c;

	assert_int_equal(counters_map(fd, writable, &c, NULL), 0);
	return c;
}

static void a_segment_keeps_its_size(void **state)
{
	int fd = counters_create(NULL);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, (off_t)sizeof(struct counters) + 1), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void a_reader_cannot_write(void **state)
{
	int fd = counters_create(NULL), ro = counters_reopen_readonly(fd, NULL);
	struct counters *c = NULL;
	struct err err;

	(void)state;
	assert_true(ro >= 0);
	assert_int_equal(counters_map(ro, 1, &c, &err), -EACCES);
	assert_null(c);
	c = map(ro, 0);
	assert_int_equal(mprotect(c, sizeof(*c), PROT_READ | PROT_WRITE), -1);
	counters_unmap(c);
	counters_unmap(NULL);
	close(ro);
	close(fd);
}

static void a_segment_of_another_size_is_refused(void **state)
{
	int fd = memfd_create("short", MFD_CLOEXEC);
	struct counters *c = NULL;
	struct err err;

	(void)state;
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(counters_map(fd, 0, &c, &err), -EPROTO);
	assert_null(c);
	close(fd);
	assert_int_equal(counters_map(fd, 0, &c, &err), -EBADF);
}

static void another_process_sees_what_is_counted(void **state)
{
	int fd = counters_create(NULL), ro = counters_reopen_readonly(fd, NULL), status;
	struct counters *read = map(ro, 0);
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct counters *c = map(fd, 1);

		counter_add(c, COUNTERS_SLOTS - 1, COUNTER_BYTES_IN, UINT64_C(1) << 40);
		counter_sub(c, COUNTERS_SLOTS - 1, COUNTER_BYTES_IN, 1);
		worker_counter_add(c, WORKER_LOG_DROPPED, 7);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(counter_sum(&read, 1, COUNTERS_SLOTS - 1, COUNTER_BYTES_IN) ==
		    (UINT64_C(1) << 40) - 1);
	assert_int_equal(read->worker[WORKER_LOG_DROPPED], 7);
	counters_unmap(read);
	close(ro);
	close(fd);
}

static void a_dead_worker_is_settled_and_sums_hold(void **state)
{
	struct counters *c[2];
	int fds[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		fds[i] = counters_create(NULL);
		c[i] = map(fds[i], 1);
		counter_add(c[i], 3, COUNTER_ACCEPTED, 10);
		counter_add(c[i], 3, COUNTER_REFUSED, 2);
		counter_add(c[i], 3, COUNTER_CLOSED, 5);
		counter_add(c[i], 3, COUNTER_ACTIVE, 3);
		counter_add(c[i], 9, COUNTER_ACTIVE, 1);
	}
	worker_counter_add(c[0], WORKER_PIPES, 4);
	worker_counter_add(c[0], WORKER_LOG_DROPPED, 4);
	counters_settle(c[0], 4);
	assert_int_equal(counter_sum(c, 2, 3, COUNTER_ACTIVE), 3);
	assert_int_equal(counter_sum(c, 2, 3, COUNTER_CLOSED), 13);
	assert_int_equal(counter_sum(c, 2, 3, COUNTER_ACCEPTED), 20);
	assert_int_equal(counter_sum(c, 2, 9, COUNTER_ACTIVE), 2); /* beyond the slots in use */
	assert_int_equal(c[0]->worker[WORKER_PIPES], 0);
	assert_int_equal(c[0]->worker[WORKER_LOG_DROPPED], 4);
	counters_clear_slot(c[0], 3);
	for (unsigned int i = 0; i < N_COUNTERS; i++) {
		assert_int_equal(c[0]->slots[3].v[i], 0);
	}
	assert_int_equal(counter_sum(c, 2, 3, COUNTER_ACCEPTED), 10);
	for (int i = 0; i < 2; i++) {
		counters_unmap(c[i]);
		close(fds[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_keeps_its_size),
		cmocka_unit_test(a_reader_cannot_write),
		cmocka_unit_test(a_segment_of_another_size_is_refused),
		cmocka_unit_test(another_process_sees_what_is_counted),
		cmocka_unit_test(a_dead_worker_is_settled_and_sums_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
