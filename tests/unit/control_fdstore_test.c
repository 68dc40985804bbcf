/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a service manager is told, and keeps. */
#include "gateway/control/handover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/control/former.h"
#include "gateway/control/notify.h"
#include "gateway/control/socket.h"
#include "gateway/control/spawn.h"
#include "tests/unit/handover_rig.h"

#define N_MESSAGES 900 /* more than a socket takes, fewer than the descriptors there are */

/* The next message; false when there is none. */
static bool hear(const struct fixture *f, char text[256], int *ret_fd)
{
	struct iovec iov = {.iov_base = text, .iov_len = 255};
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(f->manager, &msg, MSG_CMSG_CLOEXEC);

	if (n < 0) {
		return false;
	}
	text[n] = '\0';
	*ret_fd = -1;
	if (CMSG_FIRSTHDR(&msg)) {
		memcpy(ret_fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(*ret_fd));
	}
	return true;
}

static ino_t inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static bool store(struct fixture *f, const int fds[WORKERS])
{
	const struct handover_name group = group_of(&f->local, WORKERS);

	return handover_store(&f->handover, &group, fds);
}

static void test_manager_gets_each_socket_under_its_name(void **state)
{
	struct fixture *f = *state;
	const struct handover_name group = group_of(&f->local, WORKERS);
	char text[256], want[256], name[FDSTORE_NAME_MAX];
	int fds[WORKERS], fd;

	open_group(f, fds);
	take_in(f);
	assert_true(store(f, fds));
	for (unsigned int i = 0; i < WORKERS; i++) {
		name_of(f, i, name);
		assert_true(hear(f, text, &fd));
		(void)snprintf(want, sizeof(want), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
		assert_string_equal(text, want);
		assert_int_equal(inode(fd), inode(fds[i]));
		close(fd);
	}
	handover_forget(&f->handover, &group);
	for (unsigned int i = 0; i < WORKERS; i++) {
		name_of(f, i, name);
		assert_true(hear(f, text, &fd));
		(void)snprintf(want, sizeof(want), "FDSTOREREMOVE=1\nFDNAME=%s", name);
		assert_string_equal(text, want);
		assert_int_equal(fd, -1);
	}
	assert_false(hear(f, text, &fd));
	sockets_close(fds, WORKERS);
}

static void test_manager_is_not_given_more_than_it_keeps(void **state)
{
	struct fixture *f = *state;
	int fds[WORKERS], fd;
	char text[256];

	open_group(f, fds);
	take_in(f);
	f->handover.n_stored = FDSTORE_MAX - WORKERS + 1;
	assert_false(store(f, fds));
	assert_false(hear(f, text, &fd)); /* not half a group either */
	sockets_close(fds, WORKERS);
}

static void test_slow_manager_loses_no_message_and_no_order(void **state)
{
	struct fixture *f = *state;
	int fds[WORKERS], fd;
	char text[256], want[256];

	open_group(f, fds);
	for (unsigned int i = 0; i < N_MESSAGES; i++) {
		(void)snprintf(want, sizeof(want), "%u", i);
		fdstore_put(&f->notify, want, fds[0]);
	}
	notify_send(&f->notify, "READY=1");
	sockets_close(fds, WORKERS);
	assert_true(notify_busy(&f->notify));
	for (unsigned int i = 0; i < N_MESSAGES; i++) {
		assert_true(hear(f, text, &fd));
		(void)snprintf(want, sizeof(want), "FDSTORE=1\nFDNAME=%u\nFDPOLL=0", i);
		assert_string_equal(text, want);
		close(fd);
		notify_flush(&f->notify);
	}
	assert_true(hear(f, text, &fd));
	assert_string_equal(text, "READY=1");
	assert_false(notify_busy(&f->notify));
}

static void test_mute_manager_costs_bounded_memory(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < NOTIFY_QUEUE_MAX + 1000; i++) {
		fdstore_remove(&f->notify, "203.0.113.10,443,0,2");
	}
	assert_int_equal(f->notify.n_waiting, NOTIFY_QUEUE_MAX);
}

static void *manage(void *ctx)
{
	struct fixture *f = ctx;
	char text[256];
	int fd;

	/* the one that was given up, and the one that waits */
	for (int n = 0; n < 2;) {
		if (!hear(f, text, &fd)) {
			sched_yield();
		} else if (strcmp(text, "BARRIER=1") == 0) {
			close(fd);
			n++;
		}
	}
	return NULL;
}

static void test_barrier_waits_for_the_manager(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;

	assert_false(fdstore_barrier(&f->notify, 10)); /* nobody listens yet */
	for (int i = 0; i < 1000; i++) {
		fdstore_remove(&f->notify, "name");
	}
	assert_int_equal(pthread_create(&thread, NULL, manage, f), 0);
	assert_true(fdstore_barrier(&f->notify, 5000));
	assert_false(notify_busy(&f->notify));
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_without_a_manager_nothing_waits(void **state)
{
	struct fixture *f = *state;
	int fds[WORKERS] = {1, 2};

	take_in(f);
	f->handover.n_stored = FDSTORE_MAX;
	assert_true(store(f, fds));
	assert_false(notify_busy(&f->notify));
	assert_true(fdstore_barrier(&f->notify, 0));
}

static void test_variables_are_kept_for_the_successor_only(void **state)
{
	struct fixture *f = *state;

	assert_null(getenv("NOTIFY_SOCKET"));
	assert_non_null(f->notify.environment[0]);
	assert_memory_equal(f->notify.environment[0], "NOTIFY_SOCKET=@", 15);
	assert_null(f->notify.environment[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MANAGED(test_manager_gets_each_socket_under_its_name),
		MANAGED(test_manager_is_not_given_more_than_it_keeps),
		MANAGED(test_slow_manager_loses_no_message_and_no_order),
		MANAGED(test_mute_manager_costs_bounded_memory),
		MANAGED(test_barrier_waits_for_the_manager),
		MANAGED(test_variables_are_kept_for_the_successor_only),
		WITH(test_without_a_manager_nothing_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
