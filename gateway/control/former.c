/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The processes of before an upgrade: their channels, which nobody reads any more, and their end.
 * They are children of ours as before, because an upgrade keeps the process id.
 */
#include "gateway/control/former.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "base/counters.h"
#include "base/log.h"
#include "gateway/control/carry.h"
#include "gateway/control/fdstore.h"
#include "gateway/control/handover.h"
#include "gateway/control/spawn.h"

#define MOD      "upgrade"
#define LOG_SLOT (-1)

struct former_process {
	struct former_process *next; /* former.processes */
	struct former *former;
	struct io exited;
	struct deferred gone;
	struct child child;        /* channel: -1 when released */
	int slot;                  /* LOG_SLOT: the log child */
	int counters_fd;           /* owned; -1: none */
	struct counters *counters; /* of carry; NULL: they do not count */
};

static void process_free(struct deferred *deferred)
{
	free(container_of(deferred, struct former_process, gone));
}

static void process_close_channel(struct former_process *p)
{
	if (p->child.channel >= 0) {
		close(p->child.channel);
		p->child.channel = -1;
	}
}

static void process_close_counters(struct former_process *p)
{
	if (p->counters) {
		carry_fold(p->former->carry, p->counters);
		p->counters = NULL;
	}
	if (p->counters_fd >= 0) {
		close(p->counters_fd);
		p->counters_fd = -1;
	}
}

static void process_unlink(struct former_process *p)
{
	struct former_process **at = &p->former->processes;

	while (*at != p) {
		at = &(*at)->next;
	}
	*at = p->next;
	p->former->n--;
}

static void process_exited(struct io *io, uint32_t events)
{
	struct former_process *p = container_of(io, struct former_process, exited);
	struct former *former = p->former;
	int pid = (int)p->child.pid;
	char how[64];

	(void)events;
	loop_del(former->loop, io);
	child_reap(&p->child, how, sizeof(how));
	process_close_channel(p);
	process_close_counters(p);
	log_info(MOD, "former %s, pid %d, ended: %s", p->slot == LOG_SLOT ? "log child" : "worker",
		 pid, how);
	process_unlink(p);
	loop_defer(former->loop, &p->gone);
	former->changed(former->ctx);
}

static struct former_process *process_find(const struct former *former, pid_t pid)
{
	struct former_process *p = former->processes;

	while (p && p->child.pid != pid) {
		p = p->next;
	}
	return p;
}

/* Takes pidfd. False when there is no memory: the process is left to itself. */
static bool process_add(struct former *former, int slot, pid_t pid, int pidfd)
{
	struct former_process *p = calloc(1, sizeof(*p));

	if (!p) {
		return false;
	}
	*p = (struct former_process){
		.next = former->processes,
		.former = former,
		.exited = {.fd = pidfd, .ready = process_exited},
		.gone.run = process_free,
		.child = {.pid = pid, .pidfd = pidfd, .channel = -1},
		.slot = slot,
		.counters_fd = -1,
	};
	if (loop_add(former->loop, &p->exited, EPOLLIN) < 0) {
		free(p);
		return false;
	}
	former->processes = p;
	former->n++;
	return true;
}

/* Reads "WORD,SLOT,PID". */
static bool name_parse(struct str name, const char *word, int *ret_slot, pid_t *ret_pid)
{
	size_t len = strlen(word);
	struct str slot, pid;
	const char *comma;
	uint64_t slot_v, pid_v;

	if (name.len <= len || memcmp(name.p, word, len) != 0) {
		return false;
	}
	slot = (struct str){.p = name.p + len, .len = name.len - len};
	comma = memchr(slot.p, ',', slot.len);
	if (!comma) {
		return false;
	}
	pid = (struct str){.p = comma + 1, .len = slot.len - (size_t)(comma + 1 - slot.p)};
	slot.len = (size_t)(comma - slot.p);
	if (str_to_u64(slot, 0, WORKERS_MAX - 1, &slot_v) < 0 ||
	    str_to_u64(pid, 1, INT32_MAX, &pid_v) < 0) {
		return false;
	}
	*ret_slot = (int)slot_v;
	*ret_pid = (pid_t)pid_v;
	return true;
}

/* A descriptor that carry knows. */
static bool former_add_carried(struct former *former, struct str name, int fd)
{
	pid_t pid;
	int slot;

	if (!former->carry) {
		return false;
	}
	if (str_eq(name, str_from("slots"))) {
		carry_take_list(former->carry, fd);
		return true;
	}
	if (str_eq(name, str_from("base"))) {
		carry_take_base(former->carry, fd);
		return true;
	}
	if (name_parse(name, "spent,", &slot, &pid) && former->n_spent < WORKERS_MAX) {
		former->spent[former->n_spent++] = fd;
		return true;
	}
	return false;
}

bool former_add(struct former *former, struct str name, int fd)
{
	struct former_process *p;
	pid_t pid;
	int slot;

	if (name_parse(name, "worker,", &slot, &pid)) {
		return process_add(former, slot, pid, fd);
	}
	if (name_parse(name, "log,", &slot, &pid)) {
		return process_add(former, LOG_SLOT, pid, fd);
	}
	if (name_parse(name, "counters,", &slot, &pid)) {
		p = process_find(former, pid);
		if (!p || p->counters_fd >= 0) {
			return false;
		}
		p->counters_fd = fd;
		return true;
	}
	if (!name_parse(name, "channel,", &slot, &pid)) {
		return former_add_carried(former, name, fd);
	}
	p = process_find(former, pid);
	if (!p || p->child.channel >= 0) {
		return false;
	}
	p->child.channel = fd;
	return true;
}

void former_start(struct former *former)
{
	for (struct former_process *p = former->processes; p; p = p->next) {
		if (p->counters_fd >= 0) {
			p->counters = carry_join(former->carry, p->counters_fd);
		}
	}
	while (former->n_spent > 0) {
		int fd = former->spent[--former->n_spent];
		struct counters *counters = carry_join(former->carry, fd);

		if (counters) {
			carry_fold(former->carry, counters);
		}
		close(fd);
	}
}

void former_release(struct former *former)
{
	for (struct former_process *p = former->processes; p; p = p->next) {
		process_close_channel(p);
	}
	if (!former->released && former->n > 0) {
		log_info(MOD, "done: %zu former processes end with their last sessions", former->n);
	}
	former->released = true;
}

void former_kill(struct former *former)
{
	for (struct former_process *p = former->processes; p; p = p->next) {
		if (p->slot != LOG_SLOT) { /* which writes what they have logged, then ends */
			child_signal(&p->child, SIGKILL);
		}
	}
}

void former_fini(struct former *former)
{
	char how[64];

	while (former->processes) {
		struct former_process *p = former->processes;

		loop_del(former->loop, &p->exited);
		child_signal(&p->child, SIGKILL);
		child_reap(&p->child, how, sizeof(how));
		process_close_channel(p);
		process_close_counters(p);
		process_unlink(p);
		free(p);
	}
}

static int pass_one(struct handover_list *list, const char *what, int slot, pid_t pid, int fd)
{
	char name[FDSTORE_NAME_MAX];

	if (fd < 0) {
		return 0;
	}
	(void)snprintf(name, sizeof(name), "%s,%d,%d", what, slot, (int)pid); /* fits */
	return handover_list_add(list, name, fd);
}

int former_pass_process(struct handover_list *list, int slot, const struct child *child,
			int counters_fd)
{
	bool log = slot == LOG_SLOT;
	int rc = pass_one(list, log ? "log" : "worker", log ? 0 : slot, child->pid, child->pidfd);

	if (rc == 0) {
		rc = pass_one(list, "channel", slot, child->pid, child->channel);
	}
	return rc < 0 ? rc : pass_one(list, "counters", slot, child->pid, counters_fd);
}

int former_pass_spent(struct handover_list *list, int slot, int counters_fd)
{
	return pass_one(list, "spent", slot, 1, counters_fd);
}

int former_pass(const struct former *former, struct handover_list *list)
{
	int rc = 0;

	for (struct former_process *p = former->processes; rc == 0 && p; p = p->next) {
		rc = former_pass_process(list, p->slot, &p->child, p->counters_fd);
	}
	return rc;
}

void former_write(const struct former *former, struct json *j, const char *key)
{
	json_open(j, key, '[');
	for (const struct former_process *p = former->processes; p; p = p->next) {
		if (p->slot == LOG_SLOT) {
			continue;
		}
		json_open(j, NULL, '{');
		json_u64(j, "worker", (uint64_t)p->slot);
		json_u64(j, "pid", (uint64_t)p->child.pid);
		json_text(j, "state", former->released ? "draining" : "running");
		json_close(j, '}');
	}
	json_close(j, ']');
}
