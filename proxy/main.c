/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sixgate-proxy: a worker process. Started by sixgated with the channel on descriptor 3; of no use
 * by hand. Everything it works with comes over the channel, after the sandbox has closed.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/channel.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "proxy/worker.h"

#define MOD "proxy"

static void usage(FILE *to)
{
	(void)fputs("usage: sixgate-proxy --user USER --root FOLDER\n"
		    "Started by sixgated, with the channel to it on descriptor 3.\n",
		    to); /* no one to tell */
}

/* Returns -1 to go on, or the exit status. */
static int parse_args(int argc, char **argv, struct sandbox *sb)
{
	static const struct option options[] = {
		{"user", required_argument, NULL, 'u'},
		{"root", required_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'u':
			sb->user = optarg;
			break;
		case 'r':
			sb->root = optarg;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		case 'V':
			(void)puts("sixgate-proxy " PACKAGE_VERSION); /* no one to tell */
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_FAILURE;
		}
	}
	if (optind != argc || !sb->user || !sb->root) {
		usage(stderr);
		return EXIT_FAILURE;
	}
	return -1;
}

/* What needs the outside world, then the door shuts, then the channel opens. */
static int start(struct worker *w, const struct sandbox *sb, struct err *err)
{
	bool partial;
	int rc = worker_init(w, err);

	if (rc == 0) {
		rc = sandbox_enter(sb, &partial, err);
	}
	if (rc == 0 && partial) {
		log_info(MOD, "not started as root: user and root folder stay");
	}
	if (rc == 0) {
		rc = worker_open_channel(w, CHANNEL_FD, err);
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct sandbox sb = {.kind = SANDBOX_PROXY, .keep_dir_fd = -1};
	struct worker *w;
	struct err err = {0};
	int status = parse_args(argc, argv, &sb);

	if (status >= 0) {
		return status;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* splice(2) knows no MSG_NOSIGNAL; cannot fail */
	w = calloc(1, sizeof(*w));
	if (!w) {
		log_err(MOD, "out of memory");
		return EXIT_FAILURE;
	}
	if (start(w, &sb, &err) < 0) {
		log_err(MOD, "%s", err.msg);
		status = EXIT_FAILURE;
	} else {
		status = worker_run(w);
	}
	worker_fini(w);
	free(w);
	return status;
}
