/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sixgate-agent: the unprivileged programs beside the proxy: `--log` writes the access log,
 * `--neighbours` answers on an on-link uplink. Started by sixgated with the channel on descriptor
 * 3; nobody else runs it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/sandbox.h"
#include "gateway/agent/logger.h"
#include "gateway/agent/neighbours.h"

#define MOD "sixgate-agent"

struct arguments {
	bool log, neighbours; /* one of them */
	const char *user, *root;
	const char *folder, *file; /* NULL: not to a file */
	bool syslog;
};

static void usage(FILE *out)
{
	fputs("usage: sixgate-agent --log [--user USER] [--root DIR]\n"
	      "                           [--folder DIR --file NAME | --syslog]\n"
	      "       sixgate-agent --neighbours [--user USER] [--root DIR]\n"
	      "Started by sixgated; see sixgated(8).\n"
	      "  --log          write the access log\n"
	      "  --neighbours   answer neighbour solicitations for tenants' addresses\n"
	      "  --user USER    user to become\n"
	      "  --root DIR     empty folder to become the root folder\n"
	      "  --folder DIR   folder of the access log; without it and --syslog: standard output\n"
	      "  --file NAME    its file in that folder\n"
	      "  --syslog       to the system's log, by sockets that sixgated opens\n"
	      "  --help, --version\n",
	      out);
}

/* Returns -1 to go on, else the exit code. */
static int arguments_read(int argc, char **argv, struct arguments *args)
{
	static const struct option options[] = {
		{"log", no_argument, NULL, 'l'},          {"neighbours", no_argument, NULL, 'n'},
		{"user", required_argument, NULL, 'u'},   {"root", required_argument, NULL, 'r'},
		{"folder", required_argument, NULL, 'd'}, {"file", required_argument, NULL, 'f'},
		{"syslog", no_argument, NULL, 's'},       {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},      {0},
	};
	int c;

	*args = (struct arguments){.user = "sixgate-agent", .root = SIXGATE_RUNDIR "/empty"};
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'l':
			args->log = true;
			break;
		case 'n':
			args->neighbours = true;
			break;
		case 'u':
			args->user = optarg;
			break;
		case 'r':
			args->root = optarg;
			break;
		case 'd':
			args->folder = optarg;
			break;
		case 'f':
			args->file = optarg;
			break;
		case 's':
			args->syslog = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'v':
			puts("sixgate-agent " PACKAGE_VERSION);
			return 0;
		default: /* getopt_long() has said what is wrong */
			return 2;
		}
	}
	if (optind < argc || args->log == args->neighbours || !args->folder != !args->file ||
	    (args->neighbours && (args->file || args->syslog)) ||
	    (args->file && (args->syslog || strchr(args->file, '/')))) {
		usage(stderr);
		return 2;
	}
	return -1;
}

static int run_log(const struct arguments *args, struct err *err)
{
	struct sandbox sb = {.kind = SANDBOX_LOG,
			     .user = args->user,
			     .root = args->root,
			     .keep_dir_fd = -1};
	int rc;

	if (args->folder) {
		sb.keep_dir_fd = open(args->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (sb.keep_dir_fd < 0) {
			return err_set_errno(err, -errno, "access log: folder %s", args->folder);
		}
	}
	tzset(); /* dates for syslog are local */
	rc = sandbox_enter(&sb, NULL, err);
	return rc < 0 ? rc /* fails closed: the process ends */
		      : logger_run(sb.keep_dir_fd, args->file, args->syslog, err);
}

static int run_neighbours(const struct arguments *args, struct err *err)
{
	const struct sandbox sb = {.kind = SANDBOX_NEIGHBOURS,
				   .user = args->user,
				   .root = args->root,
				   .keep_dir_fd = -1};
	int rc = sandbox_enter(&sb, NULL, err);

	return rc < 0 ? rc : neighbours_run(err);
}

int main(int argc, char **argv)
{
	struct arguments args;
	struct err err;
	int code = arguments_read(argc, argv, &args);

	if (code >= 0) {
		return code;
	}
	signal(SIGPIPE, SIG_IGN);
	/* The signals of a terminal or of a service manager are for control; it ends the channel.
	 */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if ((args.log ? run_log : run_neighbours)(&args, &err) < 0) {
		log_err(MOD, "%s", err.msg);
		return 1;
	}
	return 0;
}
