/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The processes of before an upgrade, from the list of the image before to their end. They are
 * children of ours as before, because an upgrade keeps the process id. What is said to them and
 * answered is in former_talk.c.
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
#include "conf/model/message.h"
#include "gateway/control/carry.h"
#include "gateway/control/fdstore.h"
#include "gateway/control/handover.h"
#include "gateway/control/workers.h"

#define MOD         "upgrade"
#define LOG_SLOT    (-1)
#define GRACE_MS    2000       /* from the end of its time to SIGKILL */
#define NUMBER_STEP 1000000000 /* more sessions than former workers still accept */

static void process_free(struct deferred *deferred)
{
	free(container_of(deferred, struct former_process, gone));
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
	if (p->counters_ro_fd >= 0) {
		close(p->counters_ro_fd);
		p->counters_ro_fd = -1;
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
	wheel_disarm(&former->loop->wheel, &p->deadline);
	former_close_channel(p);
	process_close_counters(p);
	log_info(MOD, "former %s, pid %d, ended: %s", p->slot == LOG_SLOT ? "child" : "worker", pid,
		 how);
	process_unlink(p);
	loop_defer(former->loop, &p->gone);
	former->ops->changed(former->ctx);
}

/* A worker closes its sessions by itself when its time is over; this one does not. */
static void process_late(struct timer *timer)
{
	struct former_process *p = container_of(timer, struct former_process, deadline);

	log_warn(MOD, "former worker, pid %d, does not end in time, killing it", (int)p->child.pid);
	child_signal(&p->child, SIGKILL);
}

static void process_set_end(struct former_process *p, uint64_t end_ms)
{
	p->end_ms = end_ms;
	wheel_arm(&p->former->loop->wheel, &p->deadline, end_ms + GRACE_MS);
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
static bool process_add(struct former *former, int slot, pid_t pid, uint64_t end_ms, int pidfd)
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
		.number = ++former->last_number,
		.readable.fd = -1,
		.channel.fd = -1,
		.counters_fd = -1,
		.counters_ro_fd = -1,
	};
	timer_init(&p->deadline, process_late);
	if (loop_add(former->loop, &p->exited, EPOLLIN) < 0) {
		free(p);
		return false;
	}
	former->processes = p;
	former->n++;
	if (end_ms > 0) {
		process_set_end(p, end_ms);
	}
	return true;
}

/* Cuts the next number off, which must be min to max. */
static bool number_parse(struct str *rest, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	const char *comma = rest->len > 0 ? memchr(rest->p, ',', rest->len) : NULL;
	struct str word = {.p = rest->p, .len = comma ? (size_t)(comma - rest->p) : rest->len};
	size_t used = word.len + (comma != NULL);

	*rest = (struct str){.p = rest->p + used, .len = rest->len - used};
	return str_to_u64(word, min, max, ret_value) == 0;
}

/* Reads "WORD,SLOT,PID" or "WORD,SLOT,PID,END". */
static bool name_parse_end(struct str name, const char *word, int *ret_slot, pid_t *ret_pid,
			   uint64_t *ret_end_ms)
{
	size_t len = strlen(word);
	struct str rest;
	uint64_t slot, pid;

	if (name.len <= len || memcmp(name.p, word, len) != 0) {
		return false;
	}
	rest = (struct str){.p = name.p + len, .len = name.len - len};
	*ret_end_ms = 0;
	if (!number_parse(&rest, 0, WORKERS_MAX - 1, &slot) ||
	    !number_parse(&rest, 1, INT32_MAX, &pid) ||
	    (rest.len > 0 && !number_parse(&rest, 0, UINT64_MAX, ret_end_ms)) || rest.len > 0) {
		return false;
	}
	*ret_slot = (int)slot;
	*ret_pid = (pid_t)pid;
	return true;
}

static bool name_parse(struct str name, const char *word, int *ret_slot, pid_t *ret_pid)
{
	uint64_t none;

	return name_parse_end(name, word, ret_slot, ret_pid, &none);
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
	uint64_t end_ms;
	pid_t pid;
	int slot;

	if (name_parse_end(name, "worker,", &slot, &pid, &end_ms)) {
		return process_add(former, slot, pid, end_ms, fd);
	}
	if (name_parse(name, "log,", &slot, &pid)) {
		return process_add(former, LOG_SLOT, pid, 0, fd);
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
	if (!p || p->channel.fd >= 0) {
		return false;
	}
	former_open_channel(p, fd);
	return true;
}

/* The sessions of ws begin behind all numbers that workers of before give out. */
static void workers_number_from(struct workers *ws, uint64_t last)
{
	uint64_t first = (last / NUMBER_STEP + 1) * NUMBER_STEP;

	for (unsigned int i = 0; i < ws->n; i++) {
		atomic_store_explicit(&ws->segments[i]->worker[WORKER_NUMBER], first,
				      memory_order_relaxed);
	}
}

static uint64_t number_max(const struct counters *counters, uint64_t max)
{
	uint64_t last =
		atomic_load_explicit(&counters->worker[WORKER_NUMBER], memory_order_relaxed);

	return last > max && last < NUMBERS_MAX ? last : max;
}

/* Without it new workers count a tenant's sessions in this one for nothing. */
static void process_share(struct former_process *p)
{
	struct err err;

	p->counters_ro_fd = counters_reopen_readonly(p->counters_fd, &err);
	if (p->counters_ro_fd < 0) {
		log_warn(MOD, "limits do not count a former worker's sessions: %s", err.msg);
	}
}

size_t former_segments(const struct former *former, int *fds, size_t max)
{
	size_t n = 0;

	for (const struct former_process *p = former->processes; p && n < max; p = p->next) {
		if (p->counters && p->counters_ro_fd >= 0) {
			fds[n++] = p->counters_ro_fd;
		}
	}
	return n;
}

void former_start(struct former *former, struct workers *ws)
{
	bool any = former->n > 0 || former->n_spent > 0;
	uint64_t last = 0;

	for (struct former_process *p = former->processes; p; p = p->next) {
		if (p->counters_fd >= 0) {
			p->counters = carry_join(former->carry, p->counters_fd);
			process_share(p);
			last = p->counters ? number_max(p->counters, last) : last;
		}
	}
	while (former->n_spent > 0) {
		int fd = former->spent[--former->n_spent];
		struct counters *counters = carry_join(former->carry, fd);

		if (counters) {
			last = number_max(counters, last);
			carry_fold(former->carry, counters);
		}
		close(fd);
	}
	if (any) {
		workers_number_from(ws, last);
	}
}

void former_drain(struct former *former, uint32_t ms)
{
	uint8_t data[4] = {(uint8_t)(ms >> 24), (uint8_t)(ms >> 16), (uint8_t)(ms >> 8),
			   (uint8_t)ms};
	const struct channel_msg msg = {.type = MSG_DRAIN, .data = data, .len = sizeof(data)};
	uint64_t end_ms = former->loop->now_ms + ms;

	for (struct former_process *p = former->processes; p; p = p->next) {
		if (p->slot == LOG_SLOT || (p->end_ms > 0 && p->end_ms <= end_ms)) {
			continue;
		}
		process_set_end(p, end_ms);
		if (p->channel.fd >= 0 && channel_send(&p->channel, &msg) < 0) {
			former_close_channel(p); /* its end says the same, without a time */
		}
	}
}

void former_release(struct former *former)
{
	if (former->n > 0) {
		log_info(MOD, "done: %zu former processes end with their last sessions", former->n);
	}
	former_drain(former, former->drain_ms > 0 ? former->drain_ms : FORMER_DRAIN_MS);
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
		wheel_disarm(&former->loop->wheel, &p->deadline);
		former_close_channel(p);
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
			int counters_fd, uint64_t end_ms)
{
	char name[FDSTORE_NAME_MAX];
	int rc;

	if (slot == LOG_SLOT) {
		return pass_one(list, "log", 0, child->pid, child->pidfd);
	}
	(void)snprintf(name, sizeof(name), "worker,%d,%d,%llu", slot, (int)child->pid, /* fits */
		       (unsigned long long)end_ms);
	rc = handover_list_add(list, name, child->pidfd);
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
		struct child child = p->child;

		child.channel = p->channel.fd;
		rc = former_pass_process(list, p->slot, &child, p->counters_fd, p->end_ms);
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
		json_text(j, "state", p->end_ms > 0 ? "draining" : "running");
		json_close(j, '}');
	}
	json_close(j, ']');
}
