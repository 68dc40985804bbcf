/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The start of sixgated: workers, listeners, registry; when that was read, the kernel. What fails
 * here ends it, but for what it can do without, which is said in `status`.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "gateway/control/control.h"
#include "gateway/control/internal.h"
#include "gateway/kernel/kernel.h"
#include "gateway/registry/dir.h"

#define MOD         "control"
#define ADMIN_GROUP "sixgate-admin"

/* Of each kind. */
static unsigned int count_workers(const struct node_conf *conf)
{
	long n = conf->workers > 0 ? (long)conf->workers : sysconf(_SC_NPROCESSORS_ONLN);
	long max = conf->dns64.on ? NODE_DNS64_WORKERS : WORKERS_USABLE;

	return n < 1 ? 1 : n > max ? (unsigned int)max : (unsigned int)n;
}

static int make_dirs(struct control *c, struct err *err)
{
	if (mkdir(c->run_dir, 0755) < 0 && errno != EEXIST) {
		return err_set_errno(err, -errno, "%s", c->run_dir);
	}
	if (snprintf(c->empty_dir, sizeof(c->empty_dir), "%s/empty", c->run_dir) >=
	    (int)sizeof(c->empty_dir)) {
		return err_set(err, -ENAMETOOLONG, "%s: path is too long", c->run_dir);
	}
	if (mkdir(c->empty_dir, 0755) < 0 && errno != EEXIST) {
		return err_set_errno(err, -errno, "%s", c->empty_dir);
	}
	return 0;
}

static void init_helper(struct control *c, struct helper *h)
{
	h->problems = &c->problems;
	h->path = c->agent_path;
	h->user = c->identity.agent_user;
	h->root = c->empty_dir;
}

static int find_programs(struct control *c, struct err *err)
{
	int rc = program_path("sixgate-proxy", c->proxy_path, sizeof(c->proxy_path), err);

	if (rc == 0) {
		rc = program_path("sixgate-agent", c->agent_path, sizeof(c->agent_path), err);
	}
	return rc < 0 ? rc
		      : program_path("sixgate-dns64", c->dns64_path, sizeof(c->dns64_path), err);
}

/* What both kinds of workers have in common. */
static struct workers workers_of(struct control *c, struct listeners *listeners)
{
	return (struct workers){
		.loop = &c->loop,
		.items = &c->items,
		.listeners = listeners,
		.slots = &c->slots,
		.problems = &c->problems,
		.times = &workers_times_default,
		.ctx = c,
		.root = c->empty_dir,
		.log_level = LOG_LEVEL_INFO,
	};
}

static int init_workers(struct control *c, unsigned int n_workers, struct err *err)
{
	int rc;

	c->workers = workers_of(c, &c->listeners);
	c->workers.former = &c->former;
	c->workers.ops = &control_workers_ops;
	c->workers.path = c->proxy_path;
	c->workers.user = c->identity.proxy_user;
	c->dns64 = workers_of(c, &c->dns64_listeners);
	c->dns64.ops = &control_dns64_ops;
	c->dns64.path = c->dns64_path;
	c->dns64.user = c->identity.dns64_user;
	c->dns64.what = "dns64 worker";
	c->dns64.first_feed = n_workers;
	rc = workers_init(&c->workers, n_workers, err);
	if (rc == 0 && c->conf->dns64.on) {
		rc = workers_init(&c->dns64, n_workers, err);
	}
	for (unsigned int i = 0; i < c->workers.n; i++) {
		c->segments[i] = c->workers.segments[i];
	}
	for (unsigned int i = 0; i < c->dns64.n; i++) {
		c->segments[n_workers + i] = c->dns64.segments[i];
	}
	return rc;
}

static int init_listeners(struct control *c, unsigned int n_workers, struct err *err)
{
	struct listeners_setup setup = {
		.loop = &c->loop,
		.items = &c->items,
		.slots = &c->slots,
		.problems = &c->problems,
		.handover = &c->handover,
		.n_workers = n_workers,
		.uid = c->identity.proxy_uid,
	};
	int rc = listeners_init(&c->listeners, &setup);

	if (rc == 0 && c->conf->dns64.on) {
		setup.uid = c->identity.dns64_uid;
		setup.dns64 = true;
		setup.first_feed = n_workers;
		rc = listeners_init(&c->dns64_listeners, &setup);
	}
	return rc < 0 ? err_set(err, rc, "out of memory") : 0;
}

static void init_log(struct control *c, struct logchild *lc, struct workers *workers)
{
	lc->ended = control_log_ended;
	lc->ctx = c;
	lc->workers = workers;
	init_helper(c, &lc->helper);
}

static int init_parts(struct control *c, unsigned int n_workers, struct err *err)
{
	int rc = find_programs(c, err);

	if (rc == 0) {
		rc = init_workers(c, n_workers, err);
	}
	if (rc < 0) {
		return rc;
	}
	slots_init(&c->slots, c->segments, c->workers.n + c->dns64.n);
	if (items_init(&c->items, c->workers.n + c->dns64.n) < 0) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (c->conf->dns64.zone) {
		items_begin_at(&c->items, serial_begin(&c->serial, c->run_dir));
	}
	items_set_dns64(&c->items, n_workers, c->dns64.n);
	rc = init_listeners(c, n_workers, err);
	if (rc < 0) {
		return rc;
	}
	carry_start(&c->carry);
	former_start(&c->former, &c->workers);
	init_log(c, &c->logchild, &c->workers);
	init_log(c, &c->query_log, &c->dns64);
	init_helper(c, &c->responder.helper);
	return 0;
}

static void kernel_missing(struct control *c, const struct err *err)
{
	log_warn(MOD, "kernel: %s", err->msg);
	problem_set(&c->problems, LOG_LEVEL_WARN, PROBLEM_KERNEL, err->msg);
}

/* Without the right to it the rest goes on, and `status` says what is missing. */
static void start_kernel(struct control *c)
{
	struct err err;
	int rc;

	if (!c->identity.net_admin) {
		rc = err_set(
			&err, -EPERM,
			"without CAP_NET_ADMIN: no `embed`, no guard of client_prefix, no output "
			"chain; `hide` and PROXY headers work");
	} else {
		rc = kernel_new(NULL, c->run_dir, &c->kernel, &err);
	}
	c->drift.loop = &c->loop;
	c->drift.problems = &c->problems;
	c->drift.kernel = c->kernel;
	if (rc < 0) {
		kernel_missing(c, &err);
	} else {
		responder_follow(&c->responder, c->kernel);
	}
}

struct kernel_uids control_uids(const struct control *c)
{
	return (struct kernel_uids){.proxy = c->identity.proxy_uid,
				    .agent = c->identity.agent_uid,
				    .dns64 = c->identity.dns64_uid};
}

static void apply_kernel(struct control *c)
{
	const struct kernel_uids uids = control_uids(c);
	struct err err;
	int rc = kernel_apply_node(c->kernel, c->conf, &uids, &err);

	if (rc == 0) {
		rc = drift_watch(&c->drift, &err);
	}
	wheel_arm(&c->loop.wheel, &c->port_alarm.timer, c->loop.now_ms);
	uplink_arm(&c->uplink, &c->loop);
	if (rc < 0) {
		kernel_missing(c, &err);
	}
	drift_problems(&c->drift);
}

void control_release(struct control *c)
{
	if (c->workers.released) {
		return;
	}
	if (c->kernel) {
		apply_kernel(c);
	}
	workers_release(&c->workers);
	workers_release(&c->dns64);
}

static gid_t admin_gid(struct control *c)
{
	const struct group *group;

	if (!c->identity.root) {
		return (gid_t)-1;
	}
	group = getgrnam(ADMIN_GROUP);
	if (!group) {
		log_warn(MOD, "there is no group %s: the control socket is root's alone",
			 ADMIN_GROUP);
		problem_set(&c->problems, LOG_LEVEL_WARN, "group " ADMIN_GROUP,
			    "does not exist: the control socket is root's alone");
		return (gid_t)-1;
	}
	return group->gr_gid;
}

static int start_server(struct control *c, struct err *err)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/control.sock", c->run_dir) >= (int)sizeof(path)) {
		return err_set(err, -ENAMETOOLONG, "%s: path is too long", c->run_dir);
	}
	c->server.ops = &control_server_ops;
	c->server.ctx = c;
	return server_init(&c->server, &c->loop, path, admin_gid(c), err);
}

static int start_registry(struct control *c, struct err *err)
{
	int rc;

	c->tenants.items = &c->items;
	c->tenants.listeners = &c->listeners;
	c->tenants.slots = &c->slots;
	c->tenants.problems = &c->problems;
	c->tenants.kernel = c->kernel;
	c->tenants.folder = c->conf->registry.dir;
	tenants_set_node(&c->tenants, c->conf, true);
	if (!c->conf->registry.dir) {
		control_release(c);
		carry_end(&c->carry);
		handover_close(&c->handover);
		return 0;
	}
	keeper_load(&c->keeper);
	rc = dir_new(&c->loop, c->conf->registry.dir, &control_dir_ops, c, &c->dir, err);
	c->tenants.dir = c->dir;
	return rc;
}

/* What the sixgated before us has left. The sockets of an upgrade fix the number of workers. */
static int take_over(struct control *c, unsigned int *n_workers, struct err *err)
{
	int rc = handover_read(&c->handover, &c->notify, &c->former, err);
	unsigned int n;
	char text[96];

	if (rc < 0) {
		return rc;
	}
	n = handover_slots(&c->handover);
	if (c->conf->dns64.on && n > NODE_DNS64_WORKERS) {
		n = 0; /* more than there is room for beside DNS64: they are opened anew */
	}
	if (n > 0 && n != *n_workers) {
		(void)snprintf(text, sizeof(text), "%u as before the upgrade, %u after a restart",
			       n, *n_workers); /* fits */
		log_warn(MOD, "workers: %s", text);
		problem_set(&c->problems, LOG_LEVEL_WARN, "workers", text);
		*n_workers = n;
	}
	return 0;
}

int control_start(struct control *c, struct err *err)
{
	const uid_t uids[2] = {c->identity.proxy_uid, c->identity.dns64_uid};
	unsigned int n_workers = count_workers(c->conf);
	int rc = make_dirs(c, err);

	if (rc == 0) {
		rc = control_open_signals(c, err);
	}
	if (rc == 0) {
		rc = take_over(c, &n_workers, err);
	}
	if (rc == 0) {
		rc = init_parts(c, n_workers, err);
	}
	if (rc == 0) {
		/* first of all: it finds another sixgated that started with us */
		rc = start_server(c, err);
	}
	if (rc == 0) {
		handover_match(&c->handover, n_workers, uids);
		handover_match_conf(&c->handover, c->conf, uids);
		rc = workers_start(&c->workers, err);
	}
	if (rc == 0) {
		rc = workers_start(&c->dns64, err);
	}
	if (rc < 0) {
		return rc;
	}
	start_kernel(c);
	c->node.ops = &control_node_ops;
	if (items_add(&c->items, &c->node) < 0 ||
	    logchild_configure(&c->logchild, &c->conf->access_log) < 0 ||
	    logchild_configure(&c->query_log, &c->conf->dns64.query_log.to) < 0) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	responder_configure(&c->responder, c->conf);
	rc = listeners_configure(&c->listeners, c->conf, err);
	if (rc == 0 && c->dns64.n > 0) {
		rc = listeners_configure(&c->dns64_listeners, c->conf, err);
	}
	return rc < 0 ? rc : start_registry(c, err);
}
