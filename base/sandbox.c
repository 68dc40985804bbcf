/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Takes everything from a worker that it does not need: user, capabilities, root folder, paths,
 * system calls. Called once by each worker's main, before it handles a byte it did not make.
 * Builds with sanitizers keep the root folder, paths and system calls: their reports need them.
 */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/channel.h"

#define N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

/* <linux/landlock.h>; newer than the headers of the systems we build on */
struct landlock_rules {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};
struct landlock_path {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

#define LANDLOCK_VERSION       1u /* flag of landlock_create_ruleset(2) */
#define LANDLOCK_PATH_BENEATH  1  /* rule type */
#define LANDLOCK_FS_WRITE_FILE (1u << 1)
#define LANDLOCK_FS_MAKE_REG   (1u << 8)
#define LANDLOCK_FS_TRUNCATE   (1u << 14)
#define LANDLOCK_SCOPED        3u /* abstract sockets, signals */

/* Every right of the file system that this version of Landlock knows. */
static uint64_t landlock_fs_rights(long abi)
{
	static const unsigned int n_rights[] = {0, 13, 14, 15, 15, 16};
	size_t last = N_ELEMENTS(n_rights) - 1;

	return (1u << n_rights[(size_t)abi < last ? (size_t)abi : last]) - 1;
}

static int landlock_allow_folder(int ruleset, int dir_fd, uint64_t handled)
{
	struct landlock_path rule = {
		.allowed = (LANDLOCK_FS_WRITE_FILE | LANDLOCK_FS_MAKE_REG | LANDLOCK_FS_TRUNCATE) &
			   handled,
		.parent_fd = dir_fd,
	};

	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_PATH_BENEATH, &rule, 0) < 0) {
		return -errno;
	}
	return 0;
}

/* Returns 0, -EOPNOTSUPP where the kernel has no Landlock, or another error. */
static int close_paths(const struct sandbox *sb, struct err *err)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);
	struct landlock_rules rules = {0};
	size_t size = sizeof(rules.fs);
	int ruleset, rc = 0;

	if (abi < 0) {
		return -EOPNOTSUPP;
	}
	rules.fs = landlock_fs_rights(abi);
	if (abi >= 6) {
		rules.scoped = LANDLOCK_SCOPED;
		size = sizeof(rules);
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (ruleset < 0) {
		return err_set_errno(err, -errno, "landlock_create_ruleset");
	}
	if (sb->kind == SANDBOX_LOG && sb->keep_dir_fd >= 0) {
		rc = landlock_allow_folder(ruleset, sb->keep_dir_fd, rules.fs);
	}
	if (rc == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0) {
		rc = -errno;
	}
	close(ruleset);
	return rc < 0 ? err_set_errno(err, rc, "landlock") : 0;
}

/* What every worker calls. */
static const int calls_all[] = {
	SCMP_SYS(read),          SCMP_SYS(readv),
	SCMP_SYS(write),         SCMP_SYS(writev),
	SCMP_SYS(close),         SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),    SCMP_SYS(lseek),
	SCMP_SYS(recvmsg),       SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),     SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),   SCMP_SYS(brk),
	SCMP_SYS(munmap),        SCMP_SYS(mremap),
	SCMP_SYS(madvise),       SCMP_SYS(futex),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
	SCMP_SYS(time),          SCMP_SYS(getrandom),
	SCMP_SYS(getpid),        SCMP_SYS(gettid),
	SCMP_SYS(rt_sigaction),  SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),  SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),          SCMP_SYS(exit_group),
};

static const int calls_proxy[] = {
	SCMP_SYS(accept4),     SCMP_SYS(bind),        SCMP_SYS(connect),    SCMP_SYS(shutdown),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),      SCMP_SYS(recvmmsg),    SCMP_SYS(sendmmsg),   SCMP_SYS(splice),
	SCMP_SYS(pipe2),       SCMP_SYS(sendmsg),
};

static const int calls_dns64[] = {
	SCMP_SYS(accept4), SCMP_SYS(connect),  SCMP_SYS(recvfrom), SCMP_SYS(sendto),
	SCMP_SYS(sendmsg), SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg),
};

static const int calls_log[] = {
	SCMP_SYS(openat),
	SCMP_SYS(fsync),
};

static const int calls_neighbours[] = {
	SCMP_SYS(sendmsg),
};

static int allow_calls(scmp_filter_ctx ctx, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);

		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

/* Calls that are allowed for some arguments only: each row is one of the choices. */
struct bounded_call {
	int call;
	unsigned int n_args;
	struct scmp_arg_cmp args[2];
};

#define ALLOW_IF(name, arg)        \
	{                          \
		SCMP_SYS(name), 1, \
		{                  \
			arg        \
		}                  \
	}
#define ALLOW_OPTION(level, name)                                                     \
	{                                                                             \
		SCMP_SYS(setsockopt), 2,                                              \
		{                                                                     \
			SCMP_A1(SCMP_CMP_EQ, level, 0), SCMP_A2(SCMP_CMP_EQ, name, 0) \
		}                                                                     \
	}
#define NO_EXEC SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)

static int allow_bounded(scmp_filter_ctx ctx, const struct bounded_call *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, calls[i].call, calls[i].n_args,
						calls[i].args);

		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

static int allow_bounded_all(scmp_filter_ctx ctx)
{
	const struct bounded_call calls[] = {
		ALLOW_IF(mmap, NO_EXEC),
		ALLOW_IF(mprotect, NO_EXEC),
		ALLOW_IF(ioctl, SCMP_A1(SCMP_CMP_EQ, TCGETS, 0)), /* isatty(3) of the log */
		/* abort(3); another process of this user is a sibling */
		ALLOW_IF(tgkill, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0)),
		/* not F_SETOWN and F_SETSIG, which are kill(2) by another name */
		ALLOW_IF(fcntl, SCMP_A1(SCMP_CMP_EQ, F_GETFD, 0)),
		ALLOW_IF(fcntl, SCMP_A1(SCMP_CMP_EQ, F_SETFD, 0)),
		ALLOW_IF(fcntl, SCMP_A1(SCMP_CMP_EQ, F_GETFL, 0)),
		ALLOW_IF(fcntl, SCMP_A1(SCMP_CMP_EQ, F_SETFL, 0)),
	};

	return allow_bounded(ctx, calls, N_ELEMENTS(calls));
}

static int allow_bounded_proxy(scmp_filter_ctx ctx)
{
	const struct bounded_call calls[] = {
		ALLOW_IF(socket, SCMP_A0(SCMP_CMP_EQ, AF_INET, 0)),
		ALLOW_IF(socket, SCMP_A0(SCMP_CMP_EQ, AF_INET6, 0)),
		ALLOW_IF(fcntl, SCMP_A1(SCMP_CMP_EQ, F_SETPIPE_SZ, 0)),
		ALLOW_IF(fcntl, SCMP_A1(SCMP_CMP_EQ, F_DUPFD_CLOEXEC, 0)),
		/* by name: what is set on a listening socket stays when this worker has ended */
		ALLOW_OPTION(SOL_SOCKET, SO_KEEPALIVE),
		ALLOW_OPTION(SOL_SOCKET, SO_LINGER),
		ALLOW_OPTION(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
		ALLOW_OPTION(IPPROTO_IPV6, IPV6_FREEBIND),
		ALLOW_OPTION(IPPROTO_TCP, TCP_NODELAY),
		ALLOW_OPTION(IPPROTO_TCP, TCP_QUICKACK),
		ALLOW_OPTION(IPPROTO_TCP, TCP_KEEPIDLE),
		ALLOW_OPTION(IPPROTO_TCP, TCP_KEEPINTVL),
		ALLOW_OPTION(IPPROTO_TCP, TCP_KEEPCNT),
		ALLOW_OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT),
	};

	return allow_bounded(ctx, calls, N_ELEMENTS(calls));
}

static int allow_bounded_dns64(scmp_filter_ctx ctx)
{
	const struct bounded_call calls[] = {
		ALLOW_IF(socket, SCMP_A0(SCMP_CMP_EQ, AF_INET, 0)),
		ALLOW_IF(socket, SCMP_A0(SCMP_CMP_EQ, AF_INET6, 0)),
	};

	return allow_bounded(ctx, calls, N_ELEMENTS(calls));
}

/*
 * It has a socket of the system's log: with sendmsg(2) that would reach whoever has an abstract
 * name. write(2) does not, and nothing that duplicates could make it the channel.
 */
static int allow_bounded_log(scmp_filter_ctx ctx)
{
	const struct bounded_call calls[] = {
		ALLOW_IF(sendmsg, SCMP_A0(SCMP_CMP_EQ, CHANNEL_FD, 0)),
	};

	return allow_bounded(ctx, calls, N_ELEMENTS(calls));
}

static int close_calls(const struct sandbox *sb, struct err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc;

	if (!ctx) {
		return err_set(err, -ENOMEM, "seccomp_init: out of memory");
	}
	rc = allow_calls(ctx, calls_all, N_ELEMENTS(calls_all));
	if (rc == 0 && sb->kind == SANDBOX_PROXY) {
		rc = allow_calls(ctx, calls_proxy, N_ELEMENTS(calls_proxy));
	}
	if (rc == 0 && sb->kind == SANDBOX_DNS64) {
		rc = allow_calls(ctx, calls_dns64, N_ELEMENTS(calls_dns64));
	}
	if (rc == 0 && sb->kind == SANDBOX_LOG) {
		rc = allow_calls(ctx, calls_log, N_ELEMENTS(calls_log));
	}
	if (rc == 0 && sb->kind == SANDBOX_NEIGHBOURS) {
		rc = allow_calls(ctx, calls_neighbours, N_ELEMENTS(calls_neighbours));
	}
	if (rc == 0) {
		rc = allow_bounded_all(ctx);
	}
	if (rc == 0 && sb->kind == SANDBOX_PROXY) {
		rc = allow_bounded_proxy(ctx);
	}
	if (rc == 0 && sb->kind == SANDBOX_DNS64) {
		rc = allow_bounded_dns64(ctx);
	}
	if (rc == 0 && sb->kind == SANDBOX_LOG) {
		rc = allow_bounded_log(ctx);
	}
	if (rc == 0) {
		rc = seccomp_load(ctx);
	}
	seccomp_release(ctx);
	return rc < 0 ? err_set_errno(err, rc, "seccomp") : 0;
}

/* A process that was not started as root may have capabilities too, from its unit. */
static int drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[2] = {0};

	/* the ambient ones go with the permitted */
	if (syscall(SYS_capset, &head, none) < 0) {
		return err_set_errno(err, -errno, "capset");
	}
	return 0;
}

static int change_root(const char *root)
{
#ifdef SIXGATE_SANITIZERS
	return chdir(root); /* the leak report reads /proc */
#else
	return chroot(root) < 0 ? -1 : chdir("/");
#endif
}

/* Root only: the empty root folder, then the user and group. */
static int become_user(const struct sandbox *sb, struct err *err)
{
	const struct passwd *pw = getpwnam(sb->user);

	if (!pw) {
		return err_set(err, -ENOENT,
			       "user '%s' does not exist; make it with systemd-sysusers", sb->user);
	}
	if (pw->pw_uid == 0 || pw->pw_gid == 0) {
		return err_set(err, -EPERM, "user '%s' is root", sb->user);
	}
	if (change_root(sb->root) < 0) {
		return err_set_errno(err, -errno, "root folder %s", sb->root);
	}
	if (setgroups(0, NULL) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0) {
		return err_set_errno(err, -errno, "change to user %s", sb->user);
	}
	return 0;
}

int sandbox_enter(const struct sandbox *sb, bool *ret_partial, struct err *err)
{
	bool partial = geteuid() != 0;
	int rc;

	if (!partial) {
		rc = become_user(sb, err);
		if (rc < 0) {
			return rc;
		}
	}
	rc = drop_capabilities(err);
	if (rc < 0) {
		return rc;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		return err_set_errno(err, -errno, "no_new_privs");
	}
#ifdef SIXGATE_SANITIZERS
	(void)close_paths;
	(void)close_calls;
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* for the leak report only */
#else
	rc = close_paths(sb, err);
	if (rc == -EOPNOTSUPP) {
		partial = true; /* the empty root folder and seccomp still stand */
	} else if (rc < 0) {
		return rc;
	}
	rc = close_calls(sb, err);
	if (rc < 0) {
		return rc;
	}
#endif
	if (ret_partial) {
		*ret_partial = partial;
	}
	return 0;
}
