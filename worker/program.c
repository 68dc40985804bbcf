/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What main() of every worker program does; see program.h. */
#include "worker/program.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

static void usage(const struct program *p, FILE *to)
{
	(void)fprintf(to,
		      "usage: %s --user USER --root FOLDER\n"
		      "Started by sixgated, with the channel to it on descriptor 3.\n",
		      p->name); /* no one to tell */
}

/* Returns -1 to go on, or the exit status. */
static int parse_args(const struct program *p, int argc, char **argv, struct sandbox *sb)
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
			usage(p, stdout);
			return EXIT_SUCCESS;
		case 'V':
			(void)printf("%s " PACKAGE_VERSION "\n", p->name); /* no one to tell */
			return EXIT_SUCCESS;
		default:
			usage(p, stderr);
			return EXIT_FAILURE;
		}
	}
	if (optind != argc || !sb->user || !sb->root) {
		usage(p, stderr);
		return EXIT_FAILURE;
	}
	return -1;
}

/* What needs the outside world, then the door shuts, then the channel opens. */
static int start(const struct program *p, void *worker, const struct sandbox *sb, struct err *err)
{
	bool partial;
	int rc = p->init(worker, err);

	if (rc == 0) {
		rc = sandbox_enter(sb, &partial, err);
	}
	if (rc == 0 && partial) {
		log_info(p->mod, "not started as root: user and root folder stay");
	}
	if (rc == 0) {
		rc = link_open(p->link(worker), CHANNEL_FD, err);
	}
	return rc;
}

int program_main(const struct program *p, void *worker, int argc, char **argv)
{
	struct sandbox sb = {.kind = p->sandbox, .keep_dir_fd = -1};
	struct err err = {0};
	int status = parse_args(p, argc, argv, &sb);

	if (status >= 0) {
		return status;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* splice(2) knows no MSG_NOSIGNAL; cannot fail */
	if (start(p, worker, &sb, &err) < 0) {
		log_err(p->mod, "%s", err.msg);
		status = EXIT_FAILURE;
	} else {
		status = p->run(worker);
	}
	p->fini(worker);
	return status;
}
