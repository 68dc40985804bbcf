/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of an upgrade, and the workers of before it. */
#include "gateway/control/former.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/control/former.h"
#include "gateway/control/notify.h"
#include "gateway/control/socket.h"
#include "gateway/control/spawn.h"
#include "tests/unit/forever.h"
#include "tests/unit/handover_rig.h"

static void give_list(struct handover_list *list)
{
	char number[24];
	int fd = handover_list_seal(list);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	(void)snprintf(number, sizeof(number), "%d", fd);
	setenv(HANDOVER_VARIABLE, number, 1);
}

static void test_list_comes_out_as_it_went_in(void **state)
{
	struct fixture *f = *state;
	struct handover_list list;
	int fds[WORKERS], got[WORKERS];
	char name[FDSTORE_NAME_MAX];

	open_group(f, fds);
	handover_list_init(&list);
	for (unsigned int i = 0; i < WORKERS; i++) {
		name_of(f, i, name);
		assert_int_equal(handover_list_add(&list, name, fds[i]), 0);
	}
	give_list(&list);
	assert_int_equal(fcntl(fds[0], F_GETFD), 0);
	take_in(f);
	assert_int_equal(handover_slots(&f->handover), WORKERS);
	match(f, WORKERS, geteuid());
	assert_true(take(f, &f->local, WORKERS, got));
	assert_memory_equal(got, fds, sizeof(fds));
	/* a failed exec takes it back */
	handover_list_keep(&list, false);
	assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	handover_list_fini(&list);
	sockets_close(fds, WORKERS);
}

static void test_damaged_list_is_an_error(void **state)
{
	static const char *const lines[] = {"5", "x 203.0.113.10,443,0,2\n", "5\n", "\n", "5 name"};
	struct fixture *f = *state;
	struct err err;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct handover_list list;

		handover_list_init(&list);
		buf_printf(&list.text, "%s", lines[i]);
		give_list(&list);
		handover_list_fini(&list);
		assert_int_equal(handover_read(&f->handover, &f->notify, &f->former, &err),
				 -EINVAL);
		handover_fini(&f->handover);
	}
	assert_true(is_open(5));
	setenv(HANDOVER_VARIABLE, "1000000", 1);
	assert_int_equal(handover_read(&f->handover, &f->notify, &f->former, &err), -EBADF);
}

enum worker_kind {
	WORKER_DRAINS, /* ends when it is told to, or its channel ends */
	WORKER_DEAF,
};

/* A process as a former worker; *ret_channel is control's end. */
static pid_t fork_worker(enum worker_kind kind, int *ret_channel)
{
	char part[64];
	struct err err;
	int ends[2];
	pid_t pid;

	assert_int_equal(channel_pair(ends, &err), 0);
	pid = fork();
	if (pid == 0) {
		struct pollfd readable = {.fd = ends[1], .events = POLLIN};

		close(ends[0]);
		while (kind == WORKER_DEAF) {
			pause();
		}
		(void)poll(&readable, 1, -1);
		_exit(read(ends[1], part, sizeof(part)) >= 0 ? 0 : 1);
	}
	assert_true(pid > 0);
	close(ends[1]);
	*ret_channel = ends[0];
	return pid;
}

/* Hands pid on as an upgrade does, and takes it in. */
static void hand_on_worker(struct fixture *f, pid_t pid, int channel, uint64_t end_ms)
{
	const struct child child = {.pid = pid, .pidfd = pidfd_open(pid, 0), .channel = channel};
	struct handover_list list;

	handover_list_init(&list);
	assert_int_equal(former_pass_process(&list, 1, &child, -1, end_ms), 0);
	give_list(&list);
	handover_list_fini(&list);
	take_in(f);
	assert_int_equal(f->former.n, 1);
}

static void test_former_worker_serves_until_it_is_told_to_drain(void **state)
{
	struct fixture *f = *state;
	int channel;
	pid_t pid = fork_worker(WORKER_DRAINS, &channel);

	hand_on_worker(f, pid, channel, 0);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* it serves on */
	former_release(&f->former);
	assert_true(is_open(channel)); /* told by a message: it may be asked on */
	assert_int_equal(loop_run(&f->loop), 0);
	assert_int_equal(f->former.n, 0);
	assert_false(is_open(channel));
	assert_int_equal(f->n_changed, 1);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1); /* reaped */
}

/* It has been told, but does not listen: its time and a little more, then it is killed. */
static void test_former_worker_that_stays_is_killed_when_its_time_is_over(void **state)
{
	struct fixture *f = *state;
	uint64_t start_ms = clock_ms();
	int channel;
	pid_t pid = fork_worker(WORKER_DEAF, &channel);

	hand_on_worker(f, pid, channel, 0);
	f->former.drain_ms = 100;
	former_release(&f->former);
	assert_int_equal(loop_run(&f->loop), 0);
	assert_int_equal(f->former.n, 0);
	assert_true(clock_ms() - start_ms >= 100);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
}

/* Another upgrade does not give its sessions more time. */
static void test_time_of_a_former_worker_goes_on_over_an_upgrade(void **state)
{
	struct fixture *f = *state;
	uint64_t end_ms = f->loop.now_ms + 50;
	int channel;
	pid_t pid = fork_worker(WORKER_DEAF, &channel);

	hand_on_worker(f, pid, channel, end_ms);
	former_release(&f->former);
	assert_true(f->former.processes->end_ms == end_ms);
	former_drain(&f->former, 10); /* but may take some away */
	assert_true(f->former.processes->end_ms < end_ms);
	assert_int_equal(loop_run(&f->loop), 0);
	assert_int_equal(f->former.n, 0);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
}

/* It may be of any version. */
static void test_former_worker_is_told_in_bytes_that_never_change(void **state)
{
	struct fixture *f = *state;
	int ends[2], unused;
	pid_t pid = fork_worker(WORKER_DEAF, &unused);

	close(unused);
	assert_int_equal(channel_pair(ends, NULL), 0);
	hand_on_worker(f, pid, ends[0], 0);
	former_drain(&f->former, FOREVER_DRAIN_MS);
	expect_part(ends[1], forever_drain, sizeof(forever_drain));
	former_fini(&f->former);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
	close(ends[1]);
}

static void test_former_worker_is_ended_with_us(void **state)
{
	struct fixture *f = *state;
	char name[FDSTORE_NAME_MAX];
	int channel;
	pid_t pid = fork_worker(WORKER_DRAINS, &channel);

	(void)snprintf(name, sizeof(name), "worker,0,%d", (int)pid);
	assert_true(former_add(&f->former, str_from(name), pidfd_open(pid, 0)));
	former_fini(&f->former);
	assert_int_equal(f->former.n, 0);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
	close(channel);
}

static void test_channel_of_an_unknown_process_is_not_taken(void **state)
{
	struct fixture *f = *state;

	assert_false(former_add(&f->former, str_from("channel,0,4711"), 5));
	assert_false(former_add(&f->former, str_from("worker,64,4711"), 5));
	assert_false(former_add(&f->former, str_from("worker,0"), 5));
	assert_false(former_add(&f->former, str_from("worker,0,0"), 5));
	assert_false(former_add(&f->former, str_from("worker,"), 5));
	assert_false(former_add(&f->former, str_from("worker,0,4711,x"), 5));
	assert_false(former_add(&f->former, str_from("worker,0,4711,1,1"), 5));
	assert_int_equal(f->former.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(test_list_comes_out_as_it_went_in),
		WITH(test_damaged_list_is_an_error),
		WITH(test_former_worker_serves_until_it_is_told_to_drain),
		WITH(test_former_worker_that_stays_is_killed_when_its_time_is_over),
		WITH(test_time_of_a_former_worker_goes_on_over_an_upgrade),
		WITH(test_former_worker_is_told_in_bytes_that_never_change),
		WITH(test_former_worker_is_ended_with_us),
		WITH(test_channel_of_an_unknown_process_is_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
