/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Starting and reaping the processes under control: workers and the log child. Always fork+exec,
 * so that each has an address space of its own and nothing of root's memory.
 */
#include "gateway/control/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/channel.h"

int program_path(const char *name, char *dst, size_t size, struct err *err)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;
	int len;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash) {
		*slash = '\0';
		len = snprintf(dst, size, "%s/%s", self, name);
		if (len > 0 && (size_t)len < size && access(dst, X_OK) == 0) {
			return 0;
		}
	}
	len = snprintf(dst, size, "%s/%s", SIXGATE_LIBEXECDIR, name);
	if (len < 0 || (size_t)len >= size) {
		return err_set(err, -ENAMETOOLONG, "%s: path is too long", name);
	}
	return 0;
}

static int spawn_actions(posix_spawn_file_actions_t *actions, int channel)
{
	int rc = posix_spawn_file_actions_init(actions);

	if (rc != 0) {
		return rc;
	}
	rc = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (rc == 0) {
		rc = posix_spawn_file_actions_adddup2(actions, STDERR_FILENO, STDOUT_FILENO);
	}
	if (rc == 0) {
		/* clears close-on-exec, also when it is 3 already; all others have it */
		rc = posix_spawn_file_actions_adddup2(actions, channel, CHANNEL_FD);
	}
	if (rc != 0) {
		(void)posix_spawn_file_actions_destroy(actions); /* cannot fail */
	}
	return rc;
}

static int spawn_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, all;
	int rc = posix_spawnattr_init(attr);

	if (rc != 0) {
		return rc;
	}
	sigemptyset(&none);
	sigfillset(&all);
	rc = posix_spawnattr_setsigmask(attr, &none);
	if (rc == 0) {
		rc = posix_spawnattr_setsigdefault(attr, &all);
	}
	if (rc == 0) {
		/* a group of its own: Ctrl-C at a terminal is for control alone */
		rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
							    POSIX_SPAWN_SETPGROUP);
	}
	if (rc != 0) {
		(void)posix_spawnattr_destroy(attr); /* cannot fail */
	}
	return rc;
}

/*
 * What the loader, the sanitizers and our own programs read. All else of our environment is none
 * of a worker's business: it talks to the network.
 */
static bool is_inherited(const char *variable)
{
	static const char *const begins[] =
		{"LD_",   "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=", "LLVM_PROFILE_FILE=",
		 "GCOV_", "SIXGATE_"};

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		if (strncmp(variable, begins[i], strlen(begins[i])) == 0) {
			return true;
		}
	}
	return false;
}

/* NULL when out of memory; the strings are environ's. */
static char **child_environment(void)
{
	size_t n = 0, n_kept = 0;
	char **env;

	while (environ[n]) {
		n++;
	}
	env = calloc(n + 1, sizeof(char *));
	for (size_t i = 0; env && i < n; i++) {
		if (is_inherited(environ[i])) {
			env[n_kept++] = environ[i];
		}
	}
	return env;
}

static int spawn(char *const argv[], int channel, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	char **env = child_environment();
	int rc = env ? spawn_actions(&actions, channel) : ENOMEM;

	if (rc != 0) {
		free(env);
		return -rc;
	}
	rc = spawn_attributes(&attr);
	if (rc == 0) {
		rc = posix_spawn(ret_pid, argv[0], &actions, &attr, argv, env);
		(void)posix_spawnattr_destroy(&attr); /* cannot fail */
	}
	(void)posix_spawn_file_actions_destroy(&actions); /* cannot fail */
	free(env);
	return -rc;
}

/* It is run, because a file that is there may be half a program, or miss a library. */
int program_check(const char *name, struct err *err)
{
	char path[PATH_MAX], how[64];
	char *argv[] = {path, "--version", NULL};
	struct child child;
	int rc = program_path(name, path, sizeof(path), err);

	if (rc == 0) {
		rc = child_spawn(argv, &child, err);
	}
	if (rc < 0) {
		return rc;
	}
	child_reap(&child, how, sizeof(how));
	close(child.channel);
	return strcmp(how, CHILD_ENDED_WELL) == 0
		       ? 0
		       : err_set(err, -ENOEXEC, "%s --version: %s", path, how);
}

int child_spawn(char *const argv[], struct child *ret_child, struct err *err)
{
	int pair[2];
	int rc = channel_pair(pair, err);

	if (rc < 0) {
		return rc;
	}
	*ret_child = (struct child){.pidfd = -1, .channel = pair[0]};
	rc = spawn(argv, pair[1], &ret_child->pid);
	close(pair[1]);
	if (rc < 0) {
		err_set_errno(err, rc, "%s", argv[0]);
		goto out;
	}
	ret_child->pidfd = pidfd_open(ret_child->pid, 0);
	if (ret_child->pidfd >= 0) {
		return 0;
	}
	rc = err_set_errno(err, -errno, "pidfd_open");
	(void)kill(ret_child->pid, SIGKILL); /* it is ours and not reaped: the pid is right */
	(void)waitpid(ret_child->pid, NULL, 0);
out:
	close(pair[0]);
	ret_child->channel = -1;
	return rc;
}

void child_reap(struct child *child, char *dst, size_t size)
{
	siginfo_t info = {0};

	if (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED) < 0) {
		(void)snprintf(dst, size, "gone"); /* fits */
	} else if (info.si_code == CLD_EXITED) {
		(void)snprintf(dst, size, "exit status %d", info.si_status);
	} else {
		(void)snprintf(dst, size, "signal %d", info.si_status);
	}
	close(child->pidfd);
	child->pidfd = -1;
	child->pid = 0;
}

void child_signal(const struct child *child, int sig)
{
	if (child->pidfd >= 0) {
		(void)pidfd_send_signal(child->pidfd, sig, NULL, 0); /* ended: nothing to do */
	}
}
