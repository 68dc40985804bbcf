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
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/text/conf.h"
#include "gateway/control/control.h"
#include "gateway/control/probation.h"
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

/* The config that comes back. NULL: it cannot. */
static struct node_conf *former_conf(const struct probation *p)
{
	struct node_conf *conf = NULL;
	struct issues issues;

	issues_init(&issues);
	if (conf_node_parse("the former config", str_from(p->former), &conf, &issues) < 0) {
		log_err(MOD, "the config before the one on probation cannot be used any more");
	}
	issues_fini(&issues);
	return conf;
}

/*
 * An earlier run's config on probation: the file's is still tried, or the former one comes back,
 * because its time is over or the file's cannot even start. load_rc: what reading the file gave.
 */
static int load_tried(const struct arguments *args, const struct probation *p, int load_rc,
		      struct control_setup *setup)
{
	const uint64_t now_s = (uint64_t)time(NULL);
	struct node_conf *former;
	struct err err;

	if (load_rc == 0 && strcmp(setup->conf->text, p->tried) != 0) {
		log_info(MOD, "%s was written anew: it is not on probation", args->conf_path);
		probation_remove(args->run_dir);
		return 0;
	}
	former = former_conf(p);
	if (!former) {
		return load_rc;
	}
	if (load_rc == 0 && p->until_s > now_s) {
		const uint64_t left_s = p->until_s - now_s; /* more: the clock was set back */

		setup->former = former;
		setup->confirm_s = (uint32_t)(left_s < PROBATION_MAX_S ? left_s : PROBATION_MAX_S);
		return 0;
	}
	log_warn(MOD, "nobody has confirmed %s: the former config is in force", args->conf_path);
	node_conf_free(setup->conf);
	setup->conf = former;
	setup->rolled_back = true;
	if (probation_write(args->run_dir, 0, p->former, p->tried, &err) < 0) {
		log_err(MOD, "%s", err.msg);
	}
	return 0;
}

static int load(const struct arguments *args, struct control_setup *setup)
{
	struct probation tried;
	struct buf text;
	struct err err;
	int rc;

	buf_init(&text, 1 << 20);
	rc = control_load_conf(args->conf_path, args->run_dir, &setup->conf, &text);
	if (rc < 0) {
		fwrite(text.data, 1, text.len, stderr);
	}
	buf_fini(&text);
	if (args->self_test) {
		return rc;
	}
	switch (probation_read(args->run_dir, &tried, &err)) {
	case 0:
		rc = load_tried(args, &tried, rc, setup);
		probation_fini(&tried);
		break;
	case -ENOENT:
		break;
	default:
		log_err(MOD, "%s, ignoring", err.msg);
		break;
	}
	return rc;
}

/* What a start needs besides conf; without it an upgrade would end all there is. */
static int self_test(const struct node_conf *conf, struct err *err)
{
	struct identity identity;
	int rc = identity_find(&identity, err);

	if (rc == 0) {
		rc = identity_check(&identity, conf, err);
	}
	if (rc == 0) {
		rc = program_check("sixgate-proxy", err);
	}
	if (rc == 0 && conf->dns64.on) {
		rc = program_check("sixgate-dns64", err);
	}
	return rc < 0 ? rc : program_check("sixgate-agent", err);
}

/* Another sixgated that runs is found before anything is touched. */
static int check_alone(const struct arguments *args, struct err *err)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/control.sock", args->run_dir) >= (int)sizeof(path)) {
		return err_set(err, -ENAMETOOLONG, "%s: path is too long", args->run_dir);
	}
	return server_absent(path, err);
}

/* Route and nftables table stay when sixgated ends; this is how they go. */
static int take_down(const struct arguments *args, struct err *err)
{
	struct kernel *k;
	int rc = kernel_new(NULL, args->run_dir, &k, err);

	if (rc < 0) {
		return rc;
	}
	rc = kernel_down(k, err);
	kernel_free(k);
	return rc;
}

/* Takes the configs of setup. */
static int run(struct control_setup *setup, struct err *err)
{
	struct control *control = NULL;
	int rc = identity_find(&setup->identity, err);

	if (rc == 0) {
		rc = identity_check(&setup->identity, setup->conf, err);
	}
	if (rc == 0) {
		rc = raise_descriptors(err);
	}
	if (rc == 0 && setup->identity.root) {
		rc = identity_bound(setup->conf, setup->former, err);
	}
	if (rc < 0) {
		node_conf_free(setup->conf);
		node_conf_free(setup->former);
		return rc;
	}
	rc = control_new(setup, &control, err);
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
	struct control_setup setup = {0};
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
	if (!args.self_test && check_alone(&args, &err) < 0) {
		log_err(MOD, "%s", err.msg);
		return 1;
	}
	if (args.down) {
		if (take_down(&args, &err) < 0) {
			log_err(MOD, "%s", err.msg);
			return 1;
		}
		return 0;
	}
	setup.conf_path = args.conf_path;
	setup.run_dir = args.run_dir;
	setup.argv = args.argv;
	if (load(&args, &setup) < 0) {
		return 1;
	}
	if (args.self_test) {
		code = self_test(setup.conf, &err);
		node_conf_free(setup.conf);
		if (code < 0) {
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
	if (run(&setup, &err) < 0) {
		log_err(MOD, "%s", err.msg);
		return 1;
	}
	log_info(MOD, "stopped");
	return 0;
}
