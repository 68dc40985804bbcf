/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The worker as a whole: its parts, its channel, its end; see worker.h. */
#include "proxy/worker.h"

#include <errno.h>
#include <stdlib.h>

#include "base/container.h"
#include "base/log.h"
#include "proxy/listener.h"
#include "proxy/orders.h"
#include "worker/program.h"

#define MOD          "proxy"
#define SOURCES_MAX  262144 /* entries touched only as far as used */
#define SOURCES_STEP 4096   /* forgotten with each tick */
#define DRAIN_LOOK   1024   /* sessions looked at in one go at the end */
#define DRAIN_STEP   256    /* of these closed */

/* Takes a session off the list of those that have work left; NULL when there is none. */
static struct session *ready_take(struct session **list)
{
	struct session *s = *list;

	if (s) {
		*list = s->next_ready;
		s->ready = false;
	}
	return s;
}

static void worker_drain_over(struct timer *timer)
{
	container_of(timer, struct worker, drain_end)->drain_over = true;
}

/* Closes some of what is left. True when there is more. */
static bool worker_drain_step(struct worker *w)
{
	unsigned int n_looked, n_closed = 0;

	for (n_looked = 0; n_looked < DRAIN_LOOK && n_closed < DRAIN_STEP; n_looked++) {
		struct session *s = session_at(&w->pool, w->drain_at++);

		if (!s) {
			w->drain_at = 0; /* some were accepted meanwhile, perhaps */
			break;
		}
		if (session_is_open(s)) {
			session_close(s, CLOSE_WORKER_EXIT);
			n_closed++;
		}
	}
	return w->n_sessions > 0 || w->ending;
}

static void worker_batch_end(struct loop *loop)
{
	struct worker *w = container_of(loop, struct worker, loop);
	struct session *ready = w->ready, *s;

	w->ready = NULL;
	while ((s = ready_take(&ready))) {
		if (s->state == SESSION_RELAYING) {
			relay_run(s);
			session_check(s);
		}
	}
	loop->busy |= orders_step(w);
	if (w->drain_over) {
		loop->busy |= worker_drain_step(w);
	}
	link_watch(&w->link);
}

static void worker_tick(struct timer *timer)
{
	struct worker *w = container_of(timer, struct worker, tick);
	bool idle = source_expire(&w->sources, w->loop.now_ms, SOURCES_STEP);

	worker_count_sources(w);
	log_lines_flush(&w->log);
	if (idle || log_lines_wait(&w->log)) {
		worker_arm_tick(w);
	}
}

void worker_count_sources(struct worker *w)
{
	if (w->own) {
		atomic_store_explicit(&w->own->worker[WORKER_SOURCES], source_count(&w->sources),
				      memory_order_relaxed);
	}
}

void worker_arm_tick(struct worker *w)
{
	if (!timer_armed(&w->tick)) {
		wheel_arm(&w->loop.wheel, &w->tick, w->loop.now_ms + LOG_LINES_FLUSH_MS);
	}
}

void worker_set_budget(struct worker *w)
{
	w->budget = budget_share(w->fd_limit, w->n_workers, w->n_listeners - w->n_lent, w->n_lent);
	w->pipes.max = w->budget.pipes;
	if (w->own) {
		atomic_store_explicit(&w->own->worker[WORKER_FDS_BUDGET], w->budget.sessions,
				      memory_order_relaxed);
	}
	accept_resume_below_budget(w);
}

int worker_init(struct worker *w, struct err *err)
{
	int rc;

	*w = (struct worker){.log = {.fd = -1}};
	link_init(&w->link, &w->loop, &orders_link_ops);
	w->fd_limit = program_raise_descriptors();
	TAILQ_INIT(&w->unrouted);
	TAILQ_INIT(&w->walks);
	timer_init(&w->tick, worker_tick);
	timer_init(&w->drain_end, worker_drain_over);
	tenants_init(&w->tenants);
	accept_init(w);
	worker_set_budget(w);
	pipes_init(&w->pipes, w->budget.pipes);
	rc = loop_init(&w->loop, err);
	if (rc < 0) {
		return rc;
	}
	w->loop.batch_end = worker_batch_end;
	w->stashed_max = RELAY_STASHED_MAX;
	w->buffer = malloc(WORKER_BUFFER);
	if (!w->buffer || log_lines_init(&w->log) < 0 ||
	    source_table_init(&w->sources, SOURCES_MAX) < 0) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

int worker_set_counters(struct worker *w, struct channel_msg *msg, size_t n_workers,
			struct err *err)
{
	int rc = counters_map(msg->fds[0], 1, &w->own, err);

	for (size_t i = 1; rc == 0 && i < msg->n_fds; i++) {
		rc = counters_map(msg->fds[i], 0, &w->all[w->n_all], err);
		w->n_all += rc == 0;
	}
	if (rc < 0) {
		return rc;
	}
	w->n_workers = n_workers;
	w->index = w->link.index = msg->id;
	w->pipes.counters = w->own;
	w->log.dropped = &w->own->worker[WORKER_LOG_DROPPED];
	w->last_number = atomic_load_explicit(&w->own->worker[WORKER_NUMBER], memory_order_relaxed);
	if (w->last_number > NUMBERS_MAX) {
		w->last_number = 0; /* a predecessor that was taken over may have left anything */
	}
	/* gauges of a predecessor in this slot */
	atomic_store_explicit(&w->own->worker[WORKER_PIPES], 0, memory_order_relaxed);
	atomic_store_explicit(&w->own->worker[WORKER_SOURCES], 0, memory_order_relaxed);
	worker_set_budget(w);
	log_info(MOD, "worker %u: %zu descriptors: %u sessions, %u pipes", w->index, w->fd_limit,
		 w->budget.sessions, w->budget.pipes);
	return 0;
}

void worker_drain(struct worker *w, uint64_t deadline_ms)
{
	listener_remove_all(w);
	w->draining = true;
	if (deadline_ms > 0) {
		wheel_arm(&w->loop.wheel, &w->drain_end, deadline_ms);
	}
	worker_session_ended(w);
}

void worker_session_ended(struct worker *w)
{
	accept_resume_below_budget(w);
	if (w->draining && w->n_sessions == 0 && !w->ending) {
		w->loop.stop = true;
	}
}

int worker_run(struct worker *w)
{
	int rc = loop_run(&w->loop);

	if (rc < 0) {
		log_err_errno(rc, MOD, "event loop");
	}
	log_lines_flush(&w->log);
	return rc < 0 || w->link.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

void worker_fini(struct worker *w)
{
	struct session *s;

	w->loop.stop = true;
	listeners_fini(w);
	while (ready_take(&w->ready)) {
		/* none will have its turn */
	}
	for (size_t i = 0; (s = session_at(&w->pool, i)); i++) {
		if (session_is_open(s)) {
			session_close(s, CLOSE_WORKER_EXIT);
		}
	}
	log_lines_flush(&w->log);
	services_fini(w);
	tenants_fini(w);
	link_fini(&w->link);
	loop_fini(&w->loop);
	session_pool_fini(&w->pool);
	pipes_fini(&w->pipes);
	table_fini(&w->listeners);
	log_lines_fini(&w->log);
	source_table_fini(&w->sources);
	node_conf_free(w->node);
	for (size_t i = 0; i < w->n_all; i++) {
		counters_unmap(w->all[i]);
	}
	counters_unmap(w->own);
	free(w->buffer);
}
