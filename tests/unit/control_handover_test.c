/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sockets from one sixgated to the next: names, what is adopted and what is not, what a service
 * manager is told. Real sockets on loopback; the manager is a datagram socket of this process.
 */
#include "gateway/control/handover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/control/former.h"
#include "gateway/control/notify.h"
#include "gateway/control/socket.h"
#include "gateway/control/spawn.h"

#define WORKERS    2
#define N_MESSAGES 900    /* more than a socket takes, fewer than the descriptors there are */
#define RESERVED   8      /* descriptors from 3 on, where LISTEN_FDS puts its own */
#define ENV_BYTES  131072 /* MAX_ARG_STRLEN of the kernel: the longest variable */

struct fixture {
	struct loop loop;
	struct notify notify;
	struct handover handover;
	struct former former;
	unsigned int n_changed;
	int manager; /* -1: none */
	struct endpoint local;
};

static void on_changed(void *ctx)
{
	struct fixture *f = ctx;

	f->n_changed++;
	f->loop.stop = f->former.n == 0;
}

static const struct former_ops former_ops = {.changed = on_changed};

static void reserve(void)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(null >= 0);
	for (int fd = 3; fd < 3 + RESERVED; fd++) {
		assert_int_equal(dup2(null, fd), fd);
	}
	if (null >= 3 + RESERVED) {
		close(null);
	}
}

static struct fixture *fixture_new(int manager)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = {0};

	assert_non_null(f);
	reserve();
	assert_int_equal(loop_init(&f->loop, &err), 0);
	assert_int_equal(notify_init(&f->notify, &f->loop, &err), 0);
	f->former = (struct former){.loop = &f->loop, .ops = &former_ops, .ctx = f};
	f->manager = manager;
	f->local = (struct endpoint){
		.addr = {.b = {[10] = 0xff, 0xff, 127, 0, 79, 1}},
		.port = (uint16_t)(10000 + getpid() % 50000),
	};
	return f;
}

static int setup(void **state)
{
	*state = fixture_new(-1);
	return 0;
}

static int setup_managed(void **state)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), n;
	char path[64];

	n = snprintf(path, sizeof(path), "@sixgate-handover-test-%d", (int)getpid());
	memcpy(sa.sun_path + 1, path + 1, (size_t)n - 1);
	assert_int_equal(bind(manager, (struct sockaddr *)&sa,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)),
			 0);
	manager = fcntl(manager, F_DUPFD_CLOEXEC, 3 + RESERVED);
	setenv("NOTIFY_SOCKET", path, 1);
	*state = fixture_new(manager);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	handover_fini(&f->handover);
	former_fini(&f->former);
	notify_fini(&f->notify);
	loop_fini(&f->loop);
	if (f->manager >= 0) {
		close(f->manager);
	}
	for (int fd = 3; fd < 3 + RESERVED; fd++) {
		close(fd);
	}
	free(f);
	return 0;
}

/* Names */

static void test_names_there_and_back(void **state)
{
	static const char *const names[] = {
		"203.0.113.10,443,0,2",
		"0.0.0.0,1,0,1",
		"2001-db8-a000--10,65535,63,64",
		"--,80,1,3",
		"2001-db8-a000-ffff-ffff-ffff-ffff-ffff,65535,63,64",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct handover_name name;
		char text[FDSTORE_NAME_MAX];

		assert_int_equal(handover_name_parse(str_from(names[i]), &name), 0);
		handover_name_format(&name, text);
		assert_string_equal(text, names[i]);
		assert_null(strchr(text, ':'));
		/* so many of the longest fit the variable that names them */
		assert_true(FDSTORE_MAX * (strlen(text) + 1) < ENV_BYTES);
	}
}

static void test_names_that_are_not_ours(void **state)
{
	static const char *const names[] = {
		"",
		"stored",
		",,,",
		"203.0.113.10",
		"203.0.113.10,443",
		"203.0.113.10,443,0",
		"203.0.113.10,443,0,",
		"203.0.113.10,443,0,2,",
		"203.0.113.10,443,0,2 ",
		"203.0.113.10,443,2,2",
		"203.0.113.10,443,0,0",
		"203.0.113.10,443,0,65",
		"203.0.113.10,0,0,1",
		"203.0.113.10,65536,0,1",
		"203.0.113.10,0443,0,1",
		"203.0.113.10,443,-1,1",
		"203.0.113.300,443,0,1",
		"2001:db8::1,443,0,1",
		"2001-DB8--1,443,0,1",
		"2001-db8-0-0-0-0-0-1,443,0,1",
		"-,443,0,1",
		"--ffff-203.0.113.10,443,0,1",
		"worker,0,1",
		"2001-db8-a000-ffff-ffff-ffff-ffff-ffff-ffff-ffff-ffff-ffff-ffff-ffff,1,0,1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct handover_name name;

		if (handover_name_parse(str_from(names[i]), &name) != -EINVAL) {
			fail_msg("'%s' is taken for a name of ours", names[i]);
		}
	}
}

/* Sockets */

static void open_group(const struct fixture *f, int fds[WORKERS])
{
	const struct selector selector = {.n = WORKERS, .live = 3};
	const struct socket_group group = {.local = f->local,
					   .uid = geteuid(),
					   .selector = &selector};
	struct err err = {0};

	if (sockets_open(&group, fds, &err) < 0) {
		fail_msg("%s", err.msg);
	}
}

static void name_of(const struct fixture *f, unsigned int slot, char text[FDSTORE_NAME_MAX])
{
	const struct handover_name name = {.local = f->local, .slot = slot, .n_slots = WORKERS};

	handover_name_format(&name, text);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* As the service manager starts us: descriptors from 3 on. They are closed elsewhere. */
static void give(const int *fds, size_t n, const char *names)
{
	char number[24];

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(dup2(fds[i], 3 + (int)i), 3 + (int)i);
		close(fds[i]);
	}
	(void)snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	(void)snprintf(number, sizeof(number), "%zu", n);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

static void take_in(struct fixture *f)
{
	struct err err = {0};

	if (handover_read(&f->handover, &f->notify, &f->former, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_FDNAMES"));
	assert_null(getenv(HANDOVER_VARIABLE));
}

static void give_pair(const struct fixture *f, const int fds[WORKERS], unsigned int slot0,
		      unsigned int slot1)
{
	char names[2 * FDSTORE_NAME_MAX];
	size_t len;

	name_of(f, slot0, names);
	len = strlen(names);
	names[len++] = ':';
	name_of(f, slot1, names + len);
	give(fds, WORKERS, names);
}

static void test_full_group_is_adopted_in_order_of_slots(void **state)
{
	struct fixture *f = *state;
	int fds[WORKERS], got[WORKERS];

	open_group(f, fds);
	give_pair(f, fds, 1, 0);
	take_in(f);
	handover_match(&f->handover, WORKERS, geteuid());
	assert_int_equal(handover_slots(&f->handover), 0); /* those of a restart decide nothing */
	assert_true(handover_take(&f->handover, &f->local, WORKERS, got));
	assert_int_equal(got[0], 4);
	assert_int_equal(got[1], 3);
	assert_false(handover_take(&f->handover, &f->local, WORKERS, got));
	handover_close(&f->handover);
	assert_true(is_open(3) && is_open(4)); /* they are the taker's */
}

static void test_what_nobody_takes_is_closed(void **state)
{
	struct fixture *f = *state;
	struct endpoint other = f->local;
	int fds[WORKERS], got[WORKERS];

	open_group(f, fds);
	give_pair(f, fds, 0, 1);
	take_in(f);
	handover_match(&f->handover, WORKERS, geteuid());
	other.port++;
	assert_false(handover_take(&f->handover, &other, WORKERS, got));
	handover_close(&f->handover);
	assert_false(is_open(3) || is_open(4));
}

static void assert_refused(struct fixture *f, unsigned int n_slots, uid_t uid)
{
	int got[WORKERS + 1], fds[WORKERS];

	take_in(f);
	handover_match(&f->handover, n_slots, uid);
	assert_false(handover_take(&f->handover, &f->local, n_slots, got));
	assert_false(is_open(3) || is_open(4));
	open_group(f, fds); /* the address is free again */
	sockets_close(fds, WORKERS);
}

static void test_group_for_another_number_of_workers_is_closed(void **state)
{
	struct fixture *f = *state;
	int fds[WORKERS];

	open_group(f, fds);
	give_pair(f, fds, 0, 1);
	assert_refused(f, WORKERS + 1, geteuid());
}

static void test_group_made_by_another_user_is_closed(void **state)
{
	struct fixture *f = *state;
	int fds[WORKERS];

	open_group(f, fds);
	give_pair(f, fds, 0, 1);
	assert_refused(f, WORKERS, geteuid() + 1);
}

static void test_half_a_group_is_closed(void **state)
{
	struct fixture *f = *state;
	char name[FDSTORE_NAME_MAX];
	int fds[WORKERS];

	open_group(f, fds);
	close(fds[1]);
	name_of(f, 0, name);
	give(fds, 1, name);
	close(4);
	assert_refused(f, WORKERS, geteuid());
}

static void test_two_sockets_of_one_slot_are_closed(void **state)
{
	struct fixture *f = *state;
	int fds[WORKERS];

	open_group(f, fds);
	give_pair(f, fds, 0, 0);
	assert_refused(f, WORKERS, geteuid());
}

static void test_one_socket_under_two_names_is_closed(void **state)
{
	struct fixture *f = *state;
	int fds[WORKERS];

	open_group(f, fds);
	close(fds[1]);
	fds[1] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	give_pair(f, fds, 0, 1);
	assert_refused(f, WORKERS, geteuid());
}

/* Descriptors that are not what their name says. */

static int make_udp(const struct fixture *f)
{
	(void)f;
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static int make_file(const struct fixture *f)
{
	(void)f;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int make_bound(const struct fixture *f, uint16_t port, bool shared, bool listening)
{
	struct endpoint local = {.addr = f->local.addr, .port = port};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = shared;
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&local, false, &sa);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listening ? listen(fd, 1) : 0, 0);
	return fd;
}

static int make_mute(const struct fixture *f)
{
	return make_bound(f, f->local.port, true, false);
}

static int make_alone(const struct fixture *f)
{
	return make_bound(f, f->local.port, false, true);
}

static int make_elsewhere(const struct fixture *f)
{
	return make_bound(f, (uint16_t)(f->local.port + 1), true, true);
}

static void test_descriptor_that_is_not_what_its_name_says_is_closed(void **state)
{
	static int (*const make[])(const struct fixture *f) = {make_udp, make_file, make_mute,
							       make_alone, make_elsewhere};
	struct fixture *f = *state;
	char name[FDSTORE_NAME_MAX];

	for (size_t i = 0; i < sizeof(make) / sizeof(make[0]); i++) {
		int fd = make[i](f);

		name_of(f, 0, name);
		give(&fd, 1, name);
		take_in(f);
		if (is_open(3) || f->handover.n_handed > 0) {
			fail_msg("kind %zu is taken for a socket of ours", i);
		}
		assert_int_equal(dup2(STDERR_FILENO, 3), 3);
	}
}

static void test_fewer_names_than_descriptors(void **state)
{
	struct fixture *f = *state;
	char name[FDSTORE_NAME_MAX];
	int fds[WORKERS];

	open_group(f, fds);
	name_of(f, 0, name);
	give(fds, WORKERS, name);
	take_in(f);
	assert_int_equal(f->handover.n_handed, 1);
	assert_true(is_open(3));
	assert_false(is_open(4));
}

static void test_what_is_for_another_process_is_left_alone(void **state)
{
	struct fixture *f = *state;
	int fds[WORKERS];

	open_group(f, fds);
	give_pair(f, fds, 0, 1);
	setenv("LISTEN_PID", "1", 1);
	take_in(f);
	assert_int_equal(f->handover.n_handed, 0);
	assert_true(is_open(3) && is_open(4));
}

static void test_process_of_an_upgrade_is_none_of_a_service_manager(void **state)
{
	struct fixture *f = *state;
	int fd = make_file(f);

	give(&fd, 1, "worker,0,1");
	take_in(f);
	assert_int_equal(f->former.n, 0);
	assert_false(is_open(3));
}

/* The list of an upgrade */

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
	handover_match(&f->handover, WORKERS, geteuid());
	assert_true(handover_take(&f->handover, &f->local, WORKERS, got));
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

/* What the service manager is told */

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

static void test_manager_gets_each_socket_under_its_name(void **state)
{
	struct fixture *f = *state;
	char text[256], want[256], name[FDSTORE_NAME_MAX];
	int fds[WORKERS], fd;

	open_group(f, fds);
	take_in(f);
	assert_true(handover_store(&f->handover, &f->local, fds, WORKERS));
	for (unsigned int i = 0; i < WORKERS; i++) {
		name_of(f, i, name);
		assert_true(hear(f, text, &fd));
		(void)snprintf(want, sizeof(want), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
		assert_string_equal(text, want);
		assert_int_equal(inode(fd), inode(fds[i]));
		close(fd);
	}
	handover_forget(&f->handover, &f->local, WORKERS);
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
	assert_false(handover_store(&f->handover, &f->local, fds, WORKERS));
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
	assert_true(handover_store(&f->handover, &f->local, fds, WORKERS));
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
#define WITH(name)    cmocka_unit_test_setup_teardown(name, setup, teardown)
#define MANAGED(name) cmocka_unit_test_setup_teardown(name, setup_managed, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_there_and_back),
		cmocka_unit_test(test_names_that_are_not_ours),
		WITH(test_full_group_is_adopted_in_order_of_slots),
		WITH(test_what_nobody_takes_is_closed),
		WITH(test_group_for_another_number_of_workers_is_closed),
		WITH(test_group_made_by_another_user_is_closed),
		WITH(test_half_a_group_is_closed),
		WITH(test_two_sockets_of_one_slot_are_closed),
		WITH(test_one_socket_under_two_names_is_closed),
		WITH(test_descriptor_that_is_not_what_its_name_says_is_closed),
		WITH(test_fewer_names_than_descriptors),
		WITH(test_what_is_for_another_process_is_left_alone),
		WITH(test_process_of_an_upgrade_is_none_of_a_service_manager),
		WITH(test_list_comes_out_as_it_went_in),
		WITH(test_damaged_list_is_an_error),
		WITH(test_former_worker_serves_until_it_is_told_to_drain),
		WITH(test_former_worker_that_stays_is_killed_when_its_time_is_over),
		WITH(test_time_of_a_former_worker_goes_on_over_an_upgrade),
		WITH(test_former_worker_is_ended_with_us),
		WITH(test_channel_of_an_unknown_process_is_not_taken),
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
