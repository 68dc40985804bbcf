/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sixgate down`: sixgated knows how, this finds it and hands over to it. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/cli/internal.h"

/* The folder of the control socket is what sixgated calls its run-dir. */
static void run_dir(const char *socket_path, char dst[PATH_MAX])
{
	const char *slash = strrchr(socket_path, '/');

	if (!slash) {
		(void)snprintf(dst, PATH_MAX, "."); /* fits */
	} else {
		(void)snprintf(dst, PATH_MAX, "%.*s",
			       (int)(slash - socket_path + (slash == socket_path)),
			       socket_path); /* cut: sixgated complains */
	}
}

/* Beside us, as in a build folder, or where it is installed. */
static void find_sixgated(char dst[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", dst, PATH_MAX - sizeof("/sixgated"));
	char *slash;

	dst[n > 0 ? n : 0] = '\0';
	slash = strrchr(dst, '/');
	if (slash) {
		(void)snprintf(slash + 1, (size_t)(dst + PATH_MAX - slash - 1),
			       "sixgated"); /* fits */
		if (access(dst, X_OK) == 0) {
			return;
		}
	}
	(void)snprintf(dst, PATH_MAX, "%s/sixgated", SIXGATE_SBINDIR); /* fits */
}

enum cli_exit cli_down(struct cli *cli)
{
	char program[PATH_MAX], dir[PATH_MAX];

	find_sixgated(program);
	run_dir(cli->socket_path, dir);
	(void)execl(program, program, "--down", "--run-dir", dir,
		    (char *)NULL); /* it is not back */
	cli_complain(cli, "%s: %s", program, strerror(errno));
	return CLI_UNREACHABLE;
}
