/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DOC: upgrade
 *
 * 1. The new program runs as --self-test with our config; a failure ends the matter.
 * 2. We become it by exec(3): the process, its children, and what handover.h lists stay, all else
 *    is closed. The old workers go on serving.
 * 3. It starts as always, but adopts the sockets, and starts workers of its own on them.
 * 4. When these are READY it tells the old ones to drain (former.h).
 *
 * A listening socket is open somewhere all the time, and somebody accepts on it.
 */
#include "gateway/control/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "gateway/control/control.h"

#define MOD          "upgrade"
#define SELF_TEST_MS 30000
#define STORE_MS     50 /* between two looks at the service manager's queue */

static void upgrade_timer(struct timer *timer);

void upgrade_init(struct upgrade *u, struct control *control, char *const *argv)
{
	ssize_t n;

	*u = (struct upgrade){
		.control = control,
		.argv = argv,
		.test = {.pidfd = -1, .channel = -1},
		.exited.fd = -1,
	};
	timer_init(&u->timer, upgrade_timer);
	/* now, because the link leads nowhere once the file was replaced */
	n = readlink("/proc/self/exe", u->path, sizeof(u->path) - 1);
	u->path[n > 0 ? n : 0] = '\0';
}

static void test_reap(struct upgrade *u, char *how, size_t size)
{
	loop_del(&u->control->loop, &u->exited);
	wheel_disarm(&u->control->loop.wheel, &u->timer);
	child_reap(&u->test, how, size);
}

void upgrade_fini(struct upgrade *u)
{
	char how[64];

	if (!u->control) {
		return;
	}
	wheel_disarm(&u->control->loop.wheel, &u->timer);
	if (u->test.pidfd >= 0) {
		child_signal(&u->test, SIGKILL);
		test_reap(u, how, sizeof(how));
	}
}

static void upgrade_failed(struct upgrade *u, const char *why)
{
	u->passed = false;
	log_err(MOD, "%s, going on as before", why);
	problem_set(&u->control->problems, LOG_LEVEL_ERR, MOD, why);
}

static void test_ended(struct io *io, uint32_t events)
{
	struct upgrade *u = container_of(io, struct upgrade, exited);
	char how[64], text[PATH_MAX + 128];

	(void)events;
	test_reap(u, how, sizeof(how));
	if (strcmp(how, CHILD_ENDED_WELL) != 0) {
		(void)snprintf(text, sizeof(text), "self-test of %s: %s; the log has its words",
			       u->path, how); /* fits */
		upgrade_failed(u, text);
		return;
	}
	u->passed = true;
	wheel_arm(&u->control->loop.wheel, &u->timer, u->control->loop.now_ms);
}

static int test_start(struct upgrade *u, struct err *err)
{
	char *argv[] = {u->path, "--self-test", "-c", (char *)u->control->conf_path, NULL};
	struct loop *loop = &u->control->loop;
	char how[64];
	int rc = child_spawn(argv, &u->test, err);

	if (rc < 0) {
		return rc;
	}
	close(u->test.channel); /* it has nothing to say */
	u->test.channel = -1;
	u->exited = (struct io){.fd = u->test.pidfd, .ready = test_ended};
	rc = loop_add(loop, &u->exited, EPOLLIN);
	if (rc < 0) {
		child_signal(&u->test, SIGKILL);
		child_reap(&u->test, how, sizeof(how));
		return err_set_errno(err, rc, "self-test");
	}
	wheel_arm(&loop->wheel, &u->timer, loop->now_ms + SELF_TEST_MS);
	return 0;
}

/* What would be lost by starting anew. Returns 0 or a negative errno. */
static int upgrade_possible(const struct upgrade *u, struct err *err)
{
	const struct control *c = u->control;
	size_t n_held = tenants_held(&c->tenants);

	if (u->path[0] == '\0') {
		return err_set(err, -ENOENT, "the path of our own program is not known");
	}
	if (c->former.n > FORMER_MAX - 2 * WORKERS_MAX) {
		return err_set(err, -EBUSY, "%zu processes of before earlier upgrades still run",
			       c->former.n);
	}
	if (n_held > 0) {
		return err_set(err, -EBUSY,
			       "the newest objects of %zu tenants are refused, the former ones "
			       "would not be found again",
			       n_held);
	}
	if (problem_has(&c->problems, "registry")) {
		return err_set(err, -EBUSY, "the registry cannot be read");
	}
	return 0;
}

void upgrade_start(struct upgrade *u)
{
	struct control *c = u->control;
	struct err err;
	int rc;

	if (c->phase == CONTROL_DRAINING) {
		log_info(MOD, "stopping already");
		return;
	}
	if (c->phase == CONTROL_STARTING) {
		log_info(MOD, "waits for the start to be over");
		u->wanted = true;
		return;
	}
	if (u->test.pidfd >= 0 || u->passed) {
		log_info(MOD, "is under way already");
		return;
	}
	rc = upgrade_possible(u, &err);
	if (rc == 0) {
		log_info(MOD, "self-test of %s", u->path);
		notify_send(&c->notify, "STATUS=upgrade: self-test of the new program");
		rc = test_start(u, &err);
	}
	if (rc < 0) {
		upgrade_failed(u, err.msg);
	}
}

void upgrade_ready(struct upgrade *u)
{
	if (u->wanted) {
		u->wanted = false;
		upgrade_start(u);
	}
}

static int list_sockets(const struct listeners *ls, struct handover_list *list)
{
	struct handover_name name = {.n_slots = ls->selector.n};
	struct table_iter it = {0};
	struct listener *listener;
	char text[FDSTORE_NAME_MAX];
	int rc = 0;

	while (rc == 0 && (listener = listeners_next(ls, &it))) {
		name.local = listener->local;
		name.udp = listener->protocol == PROTOCOL_UDP;
		for (name.slot = 0; rc == 0 && name.slot < name.n_slots; name.slot++) {
			handover_name_format(&name, text);
			rc = handover_list_add(list, text, listener->fds[name.slot]);
		}
	}
	return rc;
}

/* Its channel ends with our image, and it with that; the log child with the last pipe. */
static int list_helper(const struct helper *h, struct handover_list *list)
{
	struct child child = h->child;

	child.channel = -1;
	return helper_running(h) ? former_pass_process(list, -1, &child, -1, 0) : 0;
}

/* To the next image a worker of DNS64 is one like all others, in a slot behind theirs. */
static int list_workers(const struct workers *ws, struct handover_list *list)
{
	int rc = 0;

	for (unsigned int i = 0; rc == 0 && i < ws->n; i++) {
		const struct worker *w = &ws->worker[i];
		int slot = (int)w->feed;
		struct child child = w->child;

		child.channel = w->channel.fd;
		rc = child.pidfd >= 0 ? former_pass_process(list, slot, &child, w->counters_fd, 0)
				      : former_pass_spent(list, slot, w->counters_fd);
	}
	return rc;
}

static int list_processes(const struct control *c, struct handover_list *list)
{
	int rc = former_pass(&c->former, list);

	rc = rc == 0 ? list_workers(&c->workers, list) : rc;
	rc = rc == 0 ? list_workers(&c->dns64, list) : rc;
	rc = rc == 0 ? list_helper(&c->logchild.helper, list) : rc;
	rc = rc == 0 ? list_helper(&c->query_log.helper, list) : rc;
	return rc == 0 ? list_helper(&c->responder.helper, list) : rc;
}

/* Our environment and what was taken out of it at our start. NULL when out of memory. */
static char **environment_for(const struct control *c, char *handover)
{
	size_t n = 0;
	char **env;

	while (environ[n]) {
		n++;
	}
	env = calloc(n + NOTIFY_VARIABLES + 2, sizeof(*env));
	if (!env) {
		return NULL;
	}
	memcpy(env, environ, n * sizeof(*env));
	env[n++] = handover;
	for (int i = 0; i < NOTIFY_VARIABLES; i++) {
		if (c->notify.environment[i]) {
			env[n++] = c->notify.environment[i];
		}
	}
	return env;
}

/* Returns only when it fails, with everything as it was. */
static int upgrade_exec(struct upgrade *u, struct handover_list *list, struct err *err)
{
	char handover[sizeof(HANDOVER_VARIABLE) + 16];
	char **env;
	int fd, rc = -ENOMEM;

	/* nothing that we forgot goes along */
	(void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	fd = handover_list_seal(list);
	if (fd < 0) {
		return err_set_errno(err, fd, "list of sockets");
	}
	(void)snprintf(handover, sizeof(handover), HANDOVER_VARIABLE "=%d", fd); /* fits */
	env = environment_for(u->control, handover);
	if (env) {
		log_info(MOD, "starting %s", u->path);
		(void)execve(u->path, u->argv, env); /* a return is the failure */
		rc = -errno;
	}
	handover_list_keep(list, false);
	close(fd);
	free(env);
	return err_set_errno(err, rc, "%.200s", u->path);
}

/* Half a message to a worker would be lost, and the next one not be understood. */
static bool channels_busy(const struct workers *ws)
{
	for (unsigned int i = 0; i < ws->n; i++) {
		const struct worker *w = &ws->worker[i];

		if (w->readable.fd >= 0 && channel_busy(&w->channel)) {
			return true;
		}
	}
	return false;
}

static void upgrade_timer(struct timer *timer)
{
	struct upgrade *u = container_of(timer, struct upgrade, timer);
	struct control *c = u->control;
	struct handover_list list;
	int slots_fd = -1;
	struct err err;

	if (!u->passed) {
		log_err(MOD, "the self-test does not end, killing it");
		child_signal(&u->test, SIGKILL);
		return;
	}
	if (c->phase != CONTROL_RUNNING) {
		u->passed = false; /* stopped meanwhile */
		return;
	}
	if (notify_busy(&c->notify) || channels_busy(&c->workers) || channels_busy(&c->dns64) ||
	    former_busy(&c->former)) {
		/* what waits would be lost, and a closed socket stay open at the manager */
		wheel_arm(&c->loop.wheel, timer, c->loop.now_ms + STORE_MS);
		return;
	}
	keeper_flush(&c->keeper);
	handover_list_init(&list);
	if (list_sockets(&c->listeners, &list) < 0 ||
	    list_sockets(&c->dns64_listeners, &list) < 0 || list_processes(c, &list) < 0 ||
	    carry_pass(&c->carry, &list, &slots_fd) < 0) {
		upgrade_failed(u, "out of memory");
	} else if (upgrade_exec(u, &list, &err) < 0) {
		upgrade_failed(u, err.msg);
	}
	if (slots_fd >= 0) {
		close(slots_fd);
	}
	handover_list_fini(&list);
}
