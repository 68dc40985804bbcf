/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sixgated's life: start, the events that make it act, the end. What each part does is in its own
 * file; this one joins them.
 */
#include "gateway/control/control.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/model/message.h"
#include "conf/text/conf.h"
#include "gateway/control/internal.h"
#include "gateway/kernel/kernel.h"
#include "gateway/registry/dir.h"

#define MOD            "control"
#define ADMIN_GROUP    "sixgate-admin"
#define PROGRESS_FILES 2000 /* between two lines about the start */
#define LOG_DRAIN_MS   3000
#define PROBLEM_FILES  "registry files"
#define STEP_MS        4 /* of work between two looks at the events */

static struct control *control_of(struct loop *loop)
{
	return container_of(loop, struct control, loop);
}

/* Ready when each worker is, or has been and is being started again. */
static bool workers_are_up(const struct workers *ws)
{
	unsigned int n_ready = workers_count(ws, WORKER_READY);

	return ws->n == 0 || (n_ready > 0 && n_ready + workers_count(ws, WORKER_DOWN) == ws->n);
}

static bool control_is_up(const struct control *c)
{
	return workers_are_up(&c->workers) && workers_are_up(&c->dns64);
}

static bool workers_are_left(const struct control *c)
{
	return workers_count(&c->workers, WORKER_DOWN) < c->workers.n ||
	       workers_count(&c->dns64, WORKER_DOWN) < c->dns64.n || c->former.n > 0;
}

static void control_notify_status(struct control *c)
{
	notify_send(&c->notify, "STATUS=%u of %u workers ready, %zu tenants, %zu problems",
		    workers_count(&c->workers, WORKER_READY) +
			    workers_count(&c->dns64, WORKER_READY),
		    c->workers.n + c->dns64.n, tenants_count(&c->tenants, TENANT_ACTIVE),
		    problems_count(&c->problems));
}

/* Else it is told to write what is left, if that was not done before. */
static bool log_is_drained(struct control *c, struct logchild *lc)
{
	if (helper_running(&lc->helper) && lc->helper.on) {
		logchild_drain(lc);
		wheel_arm(&c->loop.wheel, &c->deadline, c->loop.now_ms + LOG_DRAIN_MS);
	}
	return !helper_running(&lc->helper);
}

/* When the last worker has ended, the log children write what is left, and that is all. */
static void control_end(struct control *c)
{
	bool drained;

	if (workers_are_left(c)) {
		return;
	}
	drained = log_is_drained(c, &c->logchild); /* both are told to drain */
	if (log_is_drained(c, &c->query_log) && drained) {
		c->loop.stop = true;
	}
}

void control_log_ended(void *ctx)
{
	struct control *c = ctx;

	/* or by a reload just before: workers may still have sessions then */
	if (c->phase == CONTROL_DRAINING) {
		control_end(c);
	}
}

static void on_workers_changed(void *ctx)
{
	struct control *c = ctx;

	if (c->phase == CONTROL_STARTING && control_is_up(c)) {
		c->phase = CONTROL_RUNNING;
		log_info(MOD, "ready: %u workers, %zu listeners, %zu tenants",
			 workers_count(&c->workers, WORKER_READY), c->listeners.n_open,
			 tenants_count(&c->tenants, TENANT_ACTIVE));
		notify_send(&c->notify, "READY=1");
		former_release(&c->former);
		upgrade_ready(&c->upgrade);
	}
	if (c->phase == CONTROL_DRAINING) {
		control_end(c);
	}
	control_notify_status(c);
}

static void on_worker_answered(void *ctx, unsigned int slot, uint16_t type, uint64_t serial,
			       const struct str *refused)
{
	struct control *c = ctx;

	control_answered(c, &c->workers, slot, type, serial, refused);
}

static void on_worker_gone(void *ctx, unsigned int slot)
{
	struct control *c = ctx;

	control_worker_gone(c, &c->workers, slot);
}

static void on_dns64_answered(void *ctx, unsigned int slot, uint16_t type, uint64_t serial,
			      const struct str *refused)
{
	struct control *c = ctx;

	control_answered(c, &c->dns64, slot, type, serial, refused);
}

static void on_dns64_gone(void *ctx, unsigned int slot)
{
	struct control *c = ctx;

	control_worker_gone(c, &c->dns64, slot);
}

static void on_worker_logs(void *ctx, unsigned int slot)
{
	struct control *c = ctx;

	logchild_add_pipe(&c->logchild, slot);
}

const struct workers_ops control_workers_ops = {
	.changed = on_workers_changed,
	.answered = on_worker_answered,
	.gone = on_worker_gone,
	.logs = on_worker_logs,
};

static void on_dns64_logs(void *ctx, unsigned int slot)
{
	struct control *c = ctx;

	logchild_add_pipe(&c->query_log, slot);
}

const struct workers_ops control_dns64_ops = {
	.changed = on_workers_changed,
	.answered = on_dns64_answered,
	.gone = on_dns64_gone,
	.logs = on_dns64_logs,
};

static void on_former_answered(void *ctx, unsigned int number, uint16_t type, uint64_t serial,
			       const struct str *refused)
{
	control_former_answered(ctx, number, type, serial, refused);
}

static void on_former_gone(void *ctx, unsigned int number)
{
	control_former_gone(ctx, number);
}

static const struct former_ops control_former_ops = {
	.changed = on_workers_changed,
	.answered = on_former_answered,
	.gone = on_former_gone,
};

static void on_file_changed(void *ctx, const char *file)
{
	struct control *c = ctx;

	tenants_changed(&c->tenants, file);
	if (!c->workers.released && ++c->n_read % PROGRESS_FILES == 0) {
		log_info(MOD, "registry %s: %u files read", c->conf->registry.dir, c->n_read);
		notify_send(&c->notify, "STATUS=%u files of the registry read", c->n_read);
	}
}

static bool on_file_recalled(void *ctx, const char *file, const struct file_identity *id)
{
	struct control *c = ctx;

	return tenants_recall(&c->tenants, file, id);
}

static void on_file_gone(void *ctx, const char *file)
{
	struct control *c = ctx;

	tenants_gone(&c->tenants, file);
	keeper_forget(&c->keeper);
}

static void on_scanned(void *ctx, size_t n_files)
{
	struct control *c = ctx;

	log_info(MOD, "registry %s: %zu files, %zu tenants, %zu refused", c->conf->registry.dir,
		 n_files, tenants_count(&c->tenants, TENANT_ACTIVE), c->tenants.n_refused);
	if (!c->workers.released) {
		log_info(MOD, "registry %s: %u files read, %u are as in the snapshot",
			 c->conf->registry.dir, c->n_read, c->tenants.n_recalled);
	}
	keeper_scanned(&c->keeper, n_files);
	control_release(c);
	carry_end(&c->carry);
	handover_close(&c->handover);
	control_notify_status(c);
}

static void on_registry_unreadable(void *ctx, const char *why)
{
	struct control *c = ctx;

	if (!why) {
		problem_clear(&c->problems, "registry");
		return;
	}
	log_err(MOD, "registry %s: %s, keeping what is in force", c->conf->registry.dir, why);
	problem_set(&c->problems, LOG_LEVEL_ERR, "registry", why);
	control_release(c); /* the node's own listeners need no registry */
}

static void on_files_ignored(void *ctx, size_t n)
{
	struct control *c = ctx;
	char text[128];

	if (n == 0) {
		problem_clear(&c->problems, PROBLEM_FILES);
		return;
	}
	(void)snprintf(text, sizeof(text),
		       "%zu files are more than %u and are ignored: remove some", n,
		       REGISTRY_FILES_MAX); /* fits */
	log_err(MOD, "registry %s: %s", c->conf->registry.dir, text);
	problem_set(&c->problems, LOG_LEVEL_ERR, PROBLEM_FILES, text);
}

const struct dir_ops control_dir_ops = {
	.changed = on_file_changed,
	.gone = on_file_gone,
	.scanned = on_scanned,
	.unreadable = on_registry_unreadable,
	.ignored = on_files_ignored,
	.files_max = REGISTRY_FILES_MAX,
	.recall = on_file_recalled,
};

/* After each batch of events: a bounded step of what is left to do. */
static void control_batch_end(struct loop *loop)
{
	struct control *c = control_of(loop);
	uint64_t until_ms = clock_ms() + STEP_MS;
	bool more = c->dir && c->phase != CONTROL_DRAINING && dir_work(c->dir, until_ms);

	serial_keep(&c->serial, c->items.serial); /* before anybody hears of it */
	more |= workers_pump(&c->workers, until_ms);
	more |= workers_pump(&c->dns64, until_ms);
	more |= control_reload_step(c);
	more |= drift_work(&c->drift);
	more |= keeper_work(&c->keeper, until_ms);
	loop->busy |= more;
}

static void control_sighup(struct control *c)
{
	logchild_reopen(&c->logchild);
	logchild_reopen(&c->query_log);
	(void)control_reload(c); /* nobody waits for it: its end is logged, and in status */
}

static void control_signal(struct io *io, uint32_t events)
{
	struct control *c = container_of(io, struct control, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(io->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			control_sighup(c);
		} else if (info.ssi_signo == SIGUSR2) {
			upgrade_start(&c->upgrade);
		} else {
			control_stop(c);
		}
	}
}

static void control_deadline(struct timer *timer)
{
	struct control *c = container_of(timer, struct control, deadline);

	log_warn(MOD, "%s did not end in time", workers_are_left(c) ? "workers" : "the log child");
	c->loop.stop = true;
}

void control_stop(struct control *c)
{
	if (c->phase == CONTROL_DRAINING) {
		log_info(MOD, "stopping at once");
		workers_quit(&c->workers);
		workers_quit(&c->dns64);
		former_kill(&c->former);
		wheel_arm(&c->loop.wheel, &c->deadline, c->loop.now_ms + 2000);
		return;
	}
	log_info(MOD, "stopping: sessions have %d s to end", DRAIN_MS / 1000);
	c->phase = CONTROL_DRAINING;
	notify_send(&c->notify, "STOPPING=1");
	workers_drain(&c->workers, DRAIN_MS);
	workers_drain(&c->dns64, DRAIN_MS);
	listeners_close_all(&c->listeners);
	listeners_close_all(&c->dns64_listeners);
	handover_fini(&c->handover);
	former_drain(&c->former, DRAIN_MS);
	wheel_arm(&c->loop.wheel, &c->deadline, c->loop.now_ms + DRAIN_MS + 2000);
	on_workers_changed(c);
}

int control_open_signals(struct control *c, struct err *err)
{
	sigset_t set;
	int rc;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR2);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
		return err_set_errno(err, -errno, "sigprocmask");
	}
	c->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (c->signals.fd < 0) {
		return err_set_errno(err, -errno, "signalfd");
	}
	rc = loop_add(&c->loop, &c->signals, EPOLLIN);
	return rc < 0 ? err_set_errno(err, rc, "signalfd") : 0;
}

/* What was no error before an upgrade does not end us after it. */
static int control_open_notify(struct control *c, struct err *err)
{
	int rc = notify_init(&c->notify, &c->loop, err);

	if (rc < 0 && getenv(HANDOVER_VARIABLE)) {
		log_warn(MOD, "%s, going on without", err->msg);
		rc = 0;
	}
	return rc;
}

int control_new(const struct control_setup *setup, struct control **ret_control, struct err *err)
{
	struct control *c = calloc(1, sizeof(*c));
	int rc;

	if (!c) {
		node_conf_free(setup->conf);
		node_conf_free(setup->former);
		return err_set(err, -ENOMEM, "out of memory");
	}
	c->conf = setup->conf;
	c->conf_path = setup->conf_path;
	c->run_dir = setup->run_dir;
	c->identity = setup->identity;
	c->signals = (struct io){.fd = -1, .ready = control_signal};
	c->server.io.fd = c->notify.fd = -1;
	rc = loop_init(&c->loop, err);
	c->started_ms = c->loop.now_ms;
	c->dns64.loop = c->dns64_listeners.loop = c->query_log.helper.loop = &c->loop;
	c->listeners.loop = c->logchild.helper.loop = c->responder.helper.loop = c->notify.loop =
		c->workers.loop = &c->loop;
	c->carry.control = c;
	c->former = (struct former){.loop = &c->loop,
				    .carry = &c->carry,
				    .ops = &control_former_ops,
				    .ctx = c};
	timer_init(&c->deadline, control_deadline);
	control_reload_init(c);
	control_confirm_init(c);
	drift_init(&c->drift);
	port_alarm_init(&c->port_alarm);
	uplink_init(&c->uplink);
	keeper_init(&c->keeper, c);
	upgrade_init(&c->upgrade, c, setup->argv);
	problems_init(&c->problems);
	if (setup->former) {
		control_confirm_keep(c, setup->former, setup->confirm_s);
	} else if (setup->rolled_back) {
		control_confirm_is_back(c);
	}
	logchild_init(&c->logchild, false);
	logchild_init(&c->query_log, true);
	responder_init(&c->responder);
	if (rc == 0 && tenants_init(&c->tenants) < 0) {
		rc = err_set(err, -ENOMEM, "out of memory");
	}
	if (rc == 0) {
		rc = control_open_notify(c, err);
	}
	if (rc == 0) {
		rc = control_start(c, err);
	}
	if (rc < 0) {
		control_free(c);
		return rc;
	}
	c->loop.batch_end = control_batch_end;
	c->loop.busy = true;
	*ret_control = c;
	return 0;
}

int control_run(struct control *c)
{
	return loop_run(&c->loop);
}

void control_free(struct control *c)
{
	if (!c) {
		return;
	}
	keeper_flush(&c->keeper);
	c->workers.stopping = c->dns64.stopping = true;
	server_fini(&c->server);
	dir_free(c->dir);
	workers_fini(&c->workers);
	workers_fini(&c->dns64);
	logchild_fini(&c->logchild);
	logchild_fini(&c->query_log);
	responder_fini(&c->responder);
	listeners_fini(&c->listeners);
	listeners_fini(&c->dns64_listeners);
	upgrade_fini(&c->upgrade);
	former_fini(&c->former);
	carry_fini(&c->carry);
	slots_fini(&c->slots);
	handover_fini(&c->handover);
	keeper_fini(&c->keeper);
	port_alarm_fini(&c->port_alarm);
	tenants_fini(&c->tenants);
	items_fini(&c->items);
	drift_fini(&c->drift);
	kernel_free(c->kernel);
	problems_fini(&c->problems);
	notify_fini(&c->notify);
	loop_close(&c->loop, &c->signals);
	loop_fini(&c->loop);
	node_conf_free(c->reload.conf);
	control_confirm_fini(c);
	node_conf_free(c->conf);
	free(c);
}
