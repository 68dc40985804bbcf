/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The real sandbox, each case in a child of its own: what a worker needs still works, what it must
 * not do ends it with SIGSYS. As root the change of user and root folder is tested too.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/channel.h"
#include "base/sandbox.h"

#define NOBODY              65534
#define LOW_PORT            1
#define LANDLOCK_ABI_SCOPED 6 /* the first to know of sockets' scopes */
#define N_ELEMENTS(a)       (sizeof(a) / sizeof((a)[0]))

struct fixture {
	char root[32]; /* an empty folder */
	char logs[32];
};

static pid_t sibling; /* of the child's */

/* A socket that the child has, and the abstract address of one outside of its sandbox. */
static int unix_fd;
static struct sockaddr_un outside;
static socklen_t outside_len = sizeof(outside);

/* What a child does; its result is the child's exit status: 0 good. */
typedef int (*action_fn)(int dir_fd);

struct probe {
	const char *name;
	action_fn action;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->root, "/tmp/sixgate-root-XXXXXX");
	strcpy(f->logs, "/tmp/sixgate-logs-XXXXXX");
	*state = f;
	return mkdtemp(f->root) && mkdtemp(f->logs) && chmod(f->logs, 0777) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/access.log", f->logs); /* fits */
	(void)unlink(path);                                           /* not every test makes it */
	(void)rmdir(f->logs);
	(void)rmdir(f->root);
	free(f);
	return 0;
}

static struct sandbox sandbox_of(const struct fixture *f, enum sandbox_kind kind)
{
	return (struct sandbox){.kind = kind, .user = "nobody", .root = f->root, .keep_dir_fd = -1};
}

/* Runs action inside the sandbox. Returns the status of wait(2). */
static int run(const struct fixture *f, enum sandbox_kind kind, action_fn action)
{
	struct rlimit no_core = {0, 0};
	int dir_fd = open(f->logs, O_RDONLY | O_DIRECTORY | O_CLOEXEC), status;
	pid_t pid;

	sibling = getpid();
	pid = fork();
	if (pid == 0) {
		struct sandbox sb = sandbox_of(f, kind);
		struct err err = {0};

		sb.keep_dir_fd = kind == SANDBOX_LOG ? dir_fd : -1;
		(void)setrlimit(RLIMIT_CORE, &no_core); /* a core is only untidy */
		if (sandbox_enter(&sb, NULL, &err) < 0) {
			fprintf(stderr, "%s\n", err.msg);
			_exit(99);
		}
		_exit(action(dir_fd));
	}
	close(dir_fd);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int do_memory(int dir_fd)
{
	uint8_t *p = malloc(64 << 20);

	(void)dir_fd;
	if (!p) {
		return 1;
	}
	memset(p, 1, 64 << 20);
	p = realloc(p, 128 << 20);
	free(p);
	return 0;
}

static int do_sockets(int dir_fd)
{
	int v4 = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int v6 = socket(AF_INET6, SOCK_DGRAM, 0), on = 1;
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	(void)dir_fd;
	if (v4 < 0 || v6 < 0 || setsockopt(v4, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0 ||
	    bind(v4, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		return 1;
	}
	sa.sin_port = htons(LOW_PORT);
	return connect(v4, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno == EINPROGRESS ? 0 : 2;
}

static int do_splice(int dir_fd)
{
	int a[2], b[2];
	char got = 0;

	(void)dir_fd;
	if (pipe2(a, O_NONBLOCK) < 0 || pipe2(b, O_NONBLOCK) < 0 || write(a[1], "x", 1) != 1 ||
	    splice(a[0], NULL, b[1], NULL, 1, SPLICE_F_NONBLOCK) != 1) {
		return 1;
	}
	return read(b[0], &got, 1) == 1 && got == 'x' ? 0 : 2;
}

static int do_log_file(int dir_fd)
{
	int fd = openat(dir_fd, "access.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

	return fd >= 0 && write(fd, "x\n", 2) == 2 && fsync(fd) == 0 ? 0 : 1;
}

/* Reached by no path: outside of the folder neither reading nor writing. */
static int do_other_files(int dir_fd)
{
	if (openat(AT_FDCWD, "/etc/passwd", O_RDONLY) >= 0 ||
	    openat(AT_FDCWD, "/tmp/sixgate-x", O_WRONLY | O_CREAT, 0600) >= 0 ||
	    openat(dir_fd, "../sixgate-x", O_WRONLY | O_CREAT, 0600) >= 0) {
		return 1;
	}
	return openat(dir_fd, ".", O_RDONLY | O_DIRECTORY) >= 0 ? 2 : 0;
}

static int do_open(int dir_fd)
{
	return openat(dir_fd, "access.log", O_RDONLY);
}

static int do_unix_socket(int dir_fd)
{
	(void)dir_fd;
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int do_netlink(int dir_fd)
{
	(void)dir_fd;
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

static int do_packet(int dir_fd)
{
	(void)dir_fd;
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static int do_inet(int dir_fd)
{
	(void)dir_fd;
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int do_socketpair(int dir_fd)
{
	int fds[2];

	(void)dir_fd;
	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}

/* The channel is descriptor 3; another socket's message could have any receiver. */
static int do_send_message(int dir_fd)
{
	struct msghdr message = {0};

	(void)dir_fd;
	return sendmsg(CHANNEL_FD + 1, &message, 0) >= 0;
}

static int do_send_on_the_channel(int dir_fd)
{
	struct msghdr message = {0};

	(void)dir_fd;
	return sendmsg(CHANNEL_FD, &message, 0) < 0 && (errno == EBADF || errno == ENOTSOCK) ? 0
											     : 1;
}

static int do_duplicate(int dir_fd)
{
	return fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
}

static int do_listen(int dir_fd)
{
	return listen(dir_fd, 1);
}

static int do_exec(int dir_fd)
{
	(void)dir_fd;
	return execl("/bin/true", "true", (char *)NULL);
}

static int do_fork(int dir_fd)
{
	(void)dir_fd;
	return fork() == 0;
}

static int do_kill(int dir_fd)
{
	(void)dir_fd;
	return kill(getpid(), 0);
}

static int do_kill_a_sibling(int dir_fd)
{
	(void)dir_fd;
	return (int)syscall(SYS_tgkill, sibling, sibling, 0);
}

/* With F_SETSIG and O_ASYNC the kernel would send any signal to processes of the same user. */
static int do_own_by_a_sibling(int dir_fd)
{
	return fcntl(dir_fd, F_SETOWN, sibling);
}

/* The group is all workers': one of them could steer every connection to itself. */
static int do_steer_the_group(int dir_fd)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {.len = 1, .filter = &all};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)dir_fd;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program));
}

/* An option of a listening socket stays when the worker has ended. */
static int do_cut_replies_short(int dir_fd)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)dir_fd;
	return setsockopt(fd, IPPROTO_IP, IP_TTL, &(int){1}, sizeof(int));
}

static int do_abort(int dir_fd)
{
	(void)dir_fd;
	abort();
}

static int do_executable_memory(int dir_fd)
{
	(void)dir_fd;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED;
}

static int do_protect_executable(int dir_fd)
{
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)dir_fd;
	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static int do_setuid(int dir_fd)
{
	(void)dir_fd;
	return setuid(0);
}

static int do_prctl(int dir_fd)
{
	(void)dir_fd;
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int do_ioctl(int dir_fd)
{
	return ioctl(dir_fd, FIONREAD, &(int){0});
}

static int do_ptrace(int dir_fd)
{
	(void)dir_fd;
	return (int)syscall(SYS_ptrace, 0, 0, 0, 0);
}

static int do_unshare(int dir_fd)
{
	(void)dir_fd;
	return (int)syscall(SYS_unshare, 0);
}

/* Of what the system calls leave, only Landlock stops this. */
static int do_send_outside(int dir_fd)
{
	(void)dir_fd;
	return sendto(unix_fd, "x", 1, 0, (struct sockaddr *)&outside, outside_len) < 0 &&
			       errno == EPERM
		       ? 0
		       : 1;
}

static int do_unlink(int dir_fd)
{
	return unlinkat(dir_fd, "access.log", 0);
}

static void what_a_worker_needs_still_works(void **state)
{
	static const struct probe probes[] = {{"memory", do_memory},
					      {"sockets", do_sockets},
					      {"splice", do_splice}};

	for (size_t i = 0; i < N_ELEMENTS(probes); i++) {
		int status = run(*state, SANDBOX_PROXY, probes[i].action);

		if (status != 0) {
			fail_msg("proxy: %s: status %#x", probes[i].name, status);
		}
	}
	assert_int_equal(run(*state, SANDBOX_LOG, do_memory), 0);
	assert_int_equal(run(*state, SANDBOX_LOG, do_log_file), 0);
	assert_int_equal(run(*state, SANDBOX_LOG, do_send_on_the_channel), 0);
	assert_int_equal(WTERMSIG(run(*state, SANDBOX_PROXY, do_abort)), SIGABRT);
}

#ifdef SIXGATE_SANITIZERS
#define SKIP_WITH_SANITIZERS() skip()
#else
#define SKIP_WITH_SANITIZERS() ((void)0)
#endif

static void expect_killed(void **state, enum sandbox_kind kind, const struct probe *probes,
			  size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int status = run(*state, kind, probes[i].action);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS) {
			fail_msg("%s: status %#x", probes[i].name, status);
		}
	}
}

static void a_forbidden_call_kills_the_proxy(void **state)
{
	static const struct probe probes[] = {
		{"open", do_open},
		{"AF_UNIX", do_unix_socket},
		{"AF_NETLINK", do_netlink},
		{"AF_PACKET", do_packet},
		{"socketpair", do_socketpair},
		{"listen", do_listen},
		{"exec", do_exec},
		{"fork", do_fork},
		{"kill", do_kill},
		{"tgkill of another process", do_kill_a_sibling},
		{"F_SETOWN", do_own_by_a_sibling},
		{"SO_ATTACH_REUSEPORT_CBPF", do_steer_the_group},
		{"IP_TTL", do_cut_replies_short},
		{"mmap PROT_EXEC", do_executable_memory},
		{"mprotect PROT_EXEC", do_protect_executable},
		{"setuid", do_setuid},
		{"prctl", do_prctl},
		{"ioctl", do_ioctl},
		{"ptrace", do_ptrace},
		{"unshare", do_unshare},
		{"unlink", do_unlink},
	};

	SKIP_WITH_SANITIZERS();
	expect_killed(state, SANDBOX_PROXY, probes, N_ELEMENTS(probes));
}

static void a_forbidden_call_kills_the_log_child(void **state)
{
	static const struct probe probes[] = {
		{"AF_INET", do_inet},
		{"AF_UNIX", do_unix_socket},
		{"exec", do_exec},
		{"fork", do_fork},
		{"kill", do_kill},
		{"mmap PROT_EXEC", do_executable_memory},
		{"splice", do_splice},
		{"unlink", do_unlink},
		{"sendmsg", do_send_message},
		{"F_DUPFD_CLOEXEC", do_duplicate},
	};

	SKIP_WITH_SANITIZERS();
	expect_killed(state, SANDBOX_LOG, probes, N_ELEMENTS(probes));
}

static void a_forbidden_call_kills_the_neighbour_child(void **state)
{
	static const struct probe probes[] = {
		{"open", do_open},     {"AF_INET", do_inet},       {"AF_PACKET", do_packet},
		{"exec", do_exec},     {"fork", do_fork},          {"kill", do_kill},
		{"splice", do_splice}, {"AF_NETLINK", do_netlink},
	};

	assert_int_equal(run(*state, SANDBOX_NEIGHBOURS, do_memory), 0);
	SKIP_WITH_SANITIZERS();
	expect_killed(state, SANDBOX_NEIGHBOURS, probes, N_ELEMENTS(probes));
}

static int do_bind(int dir_fd)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};

	(void)dir_fd;
	return bind(socket(AF_INET, SOCK_DGRAM, 0), (struct sockaddr *)&sa, sizeof(sa));
}

static int do_ask_upstream(int dir_fd)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6,
				  .sin6_port = htons(LOW_PORT),
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)dir_fd;
	return fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	       send(fd, "x", 1, 0) != 1 || close(fd) < 0;
}

/* Its sockets of port 53 are control's: it has no others that anybody could ask. */
static void a_forbidden_call_kills_the_dns64_worker(void **state)
{
	static const struct probe probes[] = {
		{"open", do_open},
		{"AF_UNIX", do_unix_socket},
		{"AF_NETLINK", do_netlink},
		{"AF_PACKET", do_packet},
		{"socketpair", do_socketpair},
		{"bind", do_bind},
		{"listen", do_listen},
		{"exec", do_exec},
		{"fork", do_fork},
		{"kill", do_kill},
		{"splice", do_splice},
		{"SO_ATTACH_REUSEPORT_CBPF", do_steer_the_group},
		{"IP_TTL", do_cut_replies_short},
		{"mmap PROT_EXEC", do_executable_memory},
		{"unlink", do_unlink},
	};

	assert_int_equal(run(*state, SANDBOX_DNS64, do_memory), 0);
	assert_int_equal(run(*state, SANDBOX_DNS64, do_ask_upstream), 0);
	SKIP_WITH_SANITIZERS();
	expect_killed(state, SANDBOX_DNS64, probes, N_ELEMENTS(probes));
}

/* Negative where the kernel has no Landlock. */
static long landlock_abi(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1u);
}

static void the_log_child_writes_below_its_folder_only(void **state)
{
	SKIP_WITH_SANITIZERS();
	if (landlock_abi() < 0 && getuid() != 0) {
		skip(); /* neither Landlock nor a root folder of its own */
	}
	assert_int_equal(run(*state, SANDBOX_LOG, do_other_files), 0);
}

/* The value of one line of /proc/PID/status, with its tab. */
static void expect_status_line(pid_t pid, const char *want)
{
	char path[64], line[256];
	bool found = false;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid); /* fits */
	f = fopen(path, "r");
	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f)) {
		found = strncmp(line, want, strlen(want)) == 0;
	}
	fclose(f);
	if (!found) {
		fail_msg("no line '%s'", want);
	}
}

/* A child that entered the sandbox and waits, to be looked at from outside; it ends at end_fd's
 * end. */
static pid_t waiting_child(const struct sandbox *sb, void (*before)(void), bool *ret_partial,
			   int *ret_end_fd)
{
	int ready[2], end[2];
	bool partial = false;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		char byte;

		close(end[1]);
		before();
		if (sandbox_enter(sb, &partial, NULL) < 0 ||
		    write(ready[1], &partial, sizeof(partial)) != sizeof(partial)) {
			_exit(99);
		}
		_exit((int)read(end[0], &byte, 1));
	}
	assert_true(pid > 0);
	close(ready[1]);
	close(end[0]);
	assert_int_equal(read(ready[0], ret_partial, sizeof(*ret_partial)), sizeof(*ret_partial));
	close(ready[0]);
	*ret_end_fd = end[1];
	return pid;
}

static void expect_end(pid_t pid, int end_fd)
{
	int status;

	close(end_fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void in_many_groups(void)
{
	gid_t groups[] = {0, 1, 2};

	if (setgroups(3, groups) < 0) {
		_exit(98);
	}
}

static void expect_nothing_left(pid_t pid)
{
	expect_status_line(pid, "CapPrm:\t0000000000000000");
	expect_status_line(pid, "CapEff:\t0000000000000000");
	expect_status_line(pid, "CapInh:\t0000000000000000");
	expect_status_line(pid, "CapAmb:\t0000000000000000");
	expect_status_line(pid, "NoNewPrivs:\t1");
#ifndef SIXGATE_SANITIZERS
	expect_status_line(pid, "Seccomp:\t2");
#endif
}

static void root_gives_up_user_groups_and_root_folder(void **state)
{
	struct sandbox sb = sandbox_of(*state, SANDBOX_PROXY);
	char link[64], root[64] = "";
	bool partial;
	pid_t pid;
	int fd;

	if (getuid() != 0) {
		skip();
	}
	pid = waiting_child(&sb, in_many_groups, &partial, &fd);
	expect_status_line(pid, "Uid:\t65534\t65534\t65534\t65534");
	expect_status_line(pid, "Gid:\t65534\t65534\t65534\t65534");
	expect_status_line(pid, "Groups:\t \n");
	expect_nothing_left(pid);
	(void)snprintf(link, sizeof(link), "/proc/%d/root", pid); /* fits */
	assert_true(readlink(link, root, sizeof(root) - 1) > 0);
#ifndef SIXGATE_SANITIZERS
	assert_string_equal(root, sb.root);
#endif
	expect_end(pid, fd);
}

static void landlock_shuts_the_proxy_in_where_the_kernel_has_it(void **state)
{
	struct sandbox sb = sandbox_of(*state, SANDBOX_PROXY);
	bool partial = true;
	int end_fd, fd;
	pid_t pid;

	SKIP_WITH_SANITIZERS();
	if (getuid() != 0 || landlock_abi() < 0) {
		print_message(getuid() != 0 ? "without root a sandbox is partial\n"
					    : "this kernel has no Landlock\n");
		skip();
	}
	pid = waiting_child(&sb, in_many_groups, &partial, &end_fd);
	expect_end(pid, end_fd);
	assert_false(partial);
	if (landlock_abi() < LANDLOCK_ABI_SCOPED) {
		return;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unix_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	outside.sun_family = AF_UNIX;
	assert_int_equal(bind(fd, (struct sockaddr *)&outside, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&outside, &outside_len), 0);
	assert_int_equal(run(*state, SANDBOX_PROXY, do_send_outside), 0);
	close(unix_fd);
	close(fd);
}

/* As a unit with User= and AmbientCapabilities= starts it. */
static void a_user_with_ambient_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2] = {0};

	caps[0].permitted = caps[0].effective = caps[0].inheritable = 1u << CAP_NET_ADMIN;
	if (getuid() == 0 &&
	    (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0 ||
	     syscall(SYS_capset, &head, caps) < 0 ||
	     prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) < 0)) {
		_exit(98);
	}
}

static void who_is_not_root_gives_up_capabilities(void **state)
{
	struct sandbox sb = sandbox_of(*state, SANDBOX_PROXY);
	bool partial;
	pid_t pid;
	int fd;

	pid = waiting_child(&sb, a_user_with_ambient_capabilities, &partial, &fd);
	expect_nothing_left(pid);
	assert_true(partial);
	expect_end(pid, fd);
}

/* Runs sandbox_enter() in a child that must not get in; its code comes back. */
static void expect_refused(const struct sandbox *sb, int code)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		_exit(-sandbox_enter(sb, NULL, NULL));
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), -code);
}

static void wrong_users_and_folders_are_refused(void **state)
{
	struct sandbox sb = sandbox_of(*state, SANDBOX_PROXY);

	if (getuid() != 0) {
		skip();
	}
	sb.user = "sixgate-no-such-user";
	expect_refused(&sb, -ENOENT);
	sb.user = "root";
	expect_refused(&sb, -EPERM);
	sb.user = "nobody";
	sb.root = "/nonexistent";
	expect_refused(&sb, -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_worker_needs_still_works),
		cmocka_unit_test(a_forbidden_call_kills_the_proxy),
		cmocka_unit_test(a_forbidden_call_kills_the_dns64_worker),
		cmocka_unit_test(a_forbidden_call_kills_the_log_child),
		cmocka_unit_test(a_forbidden_call_kills_the_neighbour_child),
		cmocka_unit_test(the_log_child_writes_below_its_folder_only),
		cmocka_unit_test(root_gives_up_user_groups_and_root_folder),
		cmocka_unit_test(landlock_shuts_the_proxy_in_where_the_kernel_has_it),
		cmocka_unit_test(who_is_not_root_gives_up_capabilities),
		cmocka_unit_test(wrong_users_and_folders_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
