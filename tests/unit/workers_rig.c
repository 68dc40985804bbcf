/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tests of the workers' supervision share; see workers_rig.h. */
#include "tests/unit/workers_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"

static const struct workers_times quick = {
	.hello_ms = 300,
	.ping_ms = 100,
	.silence_ms = 400,
	.soon_ms = 60000,
	.backoff_ms = 200,
	.backoff_max_ms = 400,
	.loan_ms = 100,
};

static void on_changed(void *ctx)
{
	(void)ctx;
}

static void on_answered(void *ctx, unsigned int slot, uint16_t type, uint64_t serial,
			const struct str *refused)
{
	(void)ctx;
	(void)slot;
	(void)type;
	(void)serial;
	(void)refused;
}

static void on_gone(void *ctx, unsigned int slot)
{
	(void)slot;
	((struct fixture *)ctx)->n_gone++;
}

static void on_logs(void *ctx, unsigned int slot)
{
	(void)ctx;
	(void)slot;
}

static const struct workers_ops ops = {on_changed, on_answered, on_gone, on_logs};

static void on_batch(struct loop *loop)
{
	struct fixture *f = container_of(loop, struct fixture, rig.c.loop);

	loop->busy = workers_pump(f->workers, clock_ms() + 4) || loop->busy;
	loop->stop = f->done;
}

static void on_end(struct timer *timer)
{
	container_of(timer, struct fixture, end)->done = true;
}

void run(struct fixture *f, uint64_t ms)
{
	f->done = false;
	f->loop->stop = false;
	f->loop->now_ms = clock_ms();
	wheel_arm(&f->loop->wheel, &f->end, f->loop->now_ms + ms);
	assert_int_equal(loop_run(f->loop), 0);
}

void set_mode(struct fixture *f, const char *mode)
{
	char path[128];
	FILE *file;

	/* replaced, not written over: a worker may be reading it */
	snprintf(path, sizeof(path), "%s.new", f->mode_path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(mode, file);
	fclose(file);
	assert_int_equal(rename(path, f->mode_path), 0);
}

const char *sent(struct fixture *f, unsigned int slot)
{
	ssize_t n;

	while ((n = read(f->workers->worker[slot].log_fd, f->log[slot] + f->n_log[slot],
			 sizeof(f->log[0]) - 1 - f->n_log[slot])) > 0) {
		f->n_log[slot] += (size_t)n;
	}
	f->log[slot][f->n_log[slot]] = '\0';
	return f->log[slot];
}

void forget(struct fixture *f, unsigned int slot)
{
	(void)sent(f, slot);
	f->n_log[slot] = 0;
}

unsigned int count_sent(struct fixture *f, unsigned int slot, uint16_t type)
{
	const char *text = sent(f, slot);
	unsigned int n = 0;
	char line[16];

	snprintf(line, sizeof(line), "%u ", type);
	for (const char *at = text; (at = strstr(at, line)); at++) {
		n += at == text || at[-1] == '\n';
	}
	return n;
}

static void setup_listener(struct fixture *f)
{
	struct err err = {0};

	f->listener = (struct listener_conf){
		.address.b = {[10] = 0xff, 0xff, 127, 0, 0, 1},
		.port = (uint16_t)f->rig.port,
		.protocol = PROTOCOL_TCP,
	};
	f->node = (struct node_conf){.listeners = &f->listener, .n_listeners = 1};
	if (listeners_configure(f->listeners, &f->node, &err) < 0) {
		fail_msg("%s", err.msg);
	}
}

int workers_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct control *c = &f->rig.c;
	struct err err = {0};
	int fd;

	strcpy(f->mode_path, "/tmp/workers-test-XXXXXX");
	fd = mkstemp(f->mode_path);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(setenv("SIXGATE_FAKE_WORKER", f->mode_path, 1), 0);
	assert_int_equal(program_path("fake_worker", f->worker_path, sizeof(f->worker_path), &err),
			 0);
	c->workers = (struct workers){
		.loop = &c->loop,
		.items = &c->items,
		.listeners = &c->listeners,
		.slots = &c->slots,
		.problems = &c->problems,
		.ops = &ops,
		.ctx = f,
		.times = &quick,
		.path = f->worker_path,
		.user = "nobody",
		.root = "/",
		.log_level = LOG_LEVEL_INFO,
	};
	assert_int_equal(workers_init(&c->workers, WORKERS, &err), 0);
	rig_init(&f->rig, WORKERS, c->workers.segments);
	f->loop = &c->loop;
	f->items = &c->items;
	f->slots = &c->slots;
	f->problems = &c->problems;
	f->listeners = &c->listeners;
	f->workers = &c->workers;
	f->loop->batch_end = on_batch;
	timer_init(&f->end, on_end);
	setup_listener(f);
	*state = f;
	return 0;
}

int workers_teardown(void **state)
{
	struct fixture *f = *state;

	f->workers->stopping = true;
	workers_fini(f->workers);
	rig_fini(&f->rig);
	unlink(f->mode_path);
	free(f);
	return 0;
}

unsigned int n_ready(const struct fixture *f)
{
	return workers_count(f->workers, WORKER_READY);
}

void start(struct fixture *f, const char *mode)
{
	struct err err = {0};

	set_mode(f, mode);
	assert_int_equal(workers_start(f->workers, &err), 0);
	workers_release(f->workers);
}

void start_good(struct fixture *f)
{
	start(f, "good");
	RUN_UNTIL(f, n_ready(f) == WORKERS);
}

void kill_worker(struct fixture *f, unsigned int slot)
{
	assert_int_equal(kill(f->workers->worker[slot].child.pid, SIGKILL), 0);
	RUN_UNTIL(f, f->workers->worker[slot].state != WORKER_READY);
}
