/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sixgated: options, what has to be right before anything starts, and the exit code.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/control/control.h"
#include "gateway/kernel/kernel.h"

#define MOD "sixgated"

struct arguments {
	const char *conf_path, *run_dir;
	bool self_test, down;
	char *const *argv;
};

static void usage(FILE *out)
{
	fputs("usage: sixgated [-c FILE] [--run-dir DIR] [--self-test | --down]\n"
	      "  -c FILE         node config (" SIXGATE_SYSCONFDIR "/sixgate.yaml)\n"
	      "  --run-dir DIR   control socket and the workers' empty root (" SIXGATE_RUNDIR ")\n"
	      "  --self-test     check the config, and that all is there to start; start nothing\n"
	      "  --down          take away what an ended sixgated left in the kernel\n"
	      "  --help, --version\n"
	      "Runs in the foreground and logs to standard error. SIGHUP reads the config again,\n"
	      "SIGUSR2 puts the program that is installed now in our place,\n"
	      "SIGTERM lets sessions end and stops, a second SIGTERM stops at once.\n",
	      out);
}

/* Returns -1 to go on, else the exit code. */
static int arguments_read(int argc, char **argv, struct arguments *args)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"run-dir", required_argument, NULL, 'r'},
		{"self-test", no_argument, NULL, 't'},
		{"down", no_argument, NULL, 'd'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	int c;

	*args = (struct arguments){
		.argv = argv,
		.conf_path = SIXGATE_SYSCONFDIR "/sixgate.yaml",
		.run_dir = SIXGATE_RUNDIR,
	};
	while ((c = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			args->conf_path = optarg;
			break;
		case 'r':
			args->run_dir = optarg;
			break;
		case 't':
			args->self_test = true;
			break;
		case 'd':
			args->down = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'v':
			puts("sixgated " PACKAGE_VERSION);
			return 0;
		default: /* getopt_long() has said what is wrong */
			return 2;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return 2;
	}
	return -1;
}

static int load(const char *path, struct node_conf **ret_conf)
{
	struct buf text;
	int rc;

	buf_init(&text, 1 << 20);
	rc = control_load_conf(path, ret_conf, &text);
	if (rc < 0) {
		fwrite(text.data, 1, text.len, stderr);
	}
	buf_fini(&text);
	return rc;
}

/* What a start needs besides the config; without it an upgrade would end all there is. */
static int self_test(struct err *err)
{
	struct identity identity;
	int rc = identity_find(&identity, err);

	if (rc == 0) {
		rc = program_check("sixgate-proxy", err);
	}
	return rc < 0 ? rc : program_check("sixgate-agent", err);
}

/* Route and nftables table stay when sixgated ends; this is how they go. */
static int take_down(const struct arguments *args, struct err *err)
{
	char path[PATH_MAX];
	struct kernel *k;
	int rc;

	if (snprintf(path, sizeof(path), "%s/control.sock", args->run_dir) >= (int)sizeof(path)) {
		return err_set(err, -ENAMETOOLONG, "%s: path is too long", args->run_dir);
	}
	rc = server_absent(path, err);
	if (rc < 0) {
		return rc;
	}
	rc = kernel_new(NULL, args->run_dir, &k, err);
	if (rc < 0) {
		return rc;
	}
	rc = kernel_down(k, err);
	kernel_free(k);
	return rc;
}

static int run(const struct arguments *args, struct node_conf *conf, struct err *err)
{
	struct control_setup setup = {
		.conf_path = args->conf_path,
		.run_dir = args->run_dir,
		.argv = args->argv,
		.conf = conf,
	};
	struct control *control = NULL;
	int rc = identity_find(&setup.identity, err);

	if (rc == 0) {
		rc = raise_descriptors(err);
	}
	if (rc == 0 && setup.identity.root) {
		rc = identity_bound(conf, err);
	}
	if (rc < 0) {
		node_conf_free(conf);
		return rc;
	}
	rc = control_new(&setup, &control, err);
	if (rc < 0) {
		return rc;
	}
	rc = control_run(control);
	control_free(control);
	return rc < 0 ? err_set_errno(err, rc, "event loop") : 0;
}

/* What is closed of the first three would be taken by a socket, and the log go there. */
static int fill_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0) {
		return -errno;
	}
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	struct node_conf *conf = NULL;
	struct arguments args;
	struct err err;
	int code;

	if (fill_standard_descriptors() < 0) {
		return 1; /* nobody could read why */
	}
	code = arguments_read(argc, argv, &args);
	if (code >= 0) {
		return code;
	}
	if (args.down) {
		if (take_down(&args, &err) < 0) {
			log_err(MOD, "%s", err.msg);
			return 1;
		}
		return 0;
	}
	if (load(args.conf_path, &conf) < 0) {
		return 1;
	}
	if (args.self_test) {
		node_conf_free(conf);
		if (self_test(&err) < 0) {
			log_err(MOD, "%s", err.msg);
			return 1;
		}
		puts("configuration and programs are right");
		return 0;
	}
	/* what our starter left open is not for the workers */
	(void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail for this signal */
	log_info(MOD, "sixgated " PACKAGE_VERSION " starting, config %s", args.conf_path);
	if (run(&args, conf, &err) < 0) {
		log_err(MOD, "%s", err.msg);
		return 1;
	}
	log_info(MOD, "stopped");
	return 0;
}
