/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The query log of a worker: what the resolver reports becomes lines, which leave soon. */
#include <time.h>

#include "base/container.h"
#include "dns64/query_log.h"
#include "dns64/worker.h"

static uint64_t real_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &ts); /* cannot fail for this clock */
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void dns_log_report(struct dns_worker *w, const struct query_report *report)
{
	const struct query_record record = {
		.time_ms = real_ms() - report->ms,
		.tenant = report->tenant->name,
		.client = report->client->from,
		.protocol = report->request->over_tcp ? "tcp" : "udp",
		.name = report->request->name,
		.type = report->request->q.type,
		.rcode = report->rcode,
		.from = report->from,
		.synthesis = report->synthesis,
		.ms = report->ms,
	};

	query_log_add(&w->log, &record);
	if (!timer_armed(&w->log_timer)) {
		wheel_arm(&w->loop.wheel, &w->log_timer, w->loop.now_ms + LOG_LINES_FLUSH_MS);
	}
}

static void log_flush(struct timer *timer)
{
	struct dns_worker *w = container_of(timer, struct dns_worker, log_timer);

	log_lines_flush(&w->log);
	if (log_lines_wait(&w->log)) {
		wheel_arm(&w->loop.wheel, timer, w->loop.now_ms + LOG_LINES_FLUSH_MS);
	}
}

int dns_log_init(struct dns_worker *w)
{
	timer_init(&w->log_timer, log_flush);
	return log_lines_init(&w->log);
}

void dns_log_configure(struct dns_worker *w)
{
	const struct query_log_conf *conf = &w->node->dns64.query_log;

	w->log.format = conf->to.format;
	w->log.off = !conf->to.on;
	w->resolver.report_one_in = log_lines_are_on(&w->log) ? conf->one_in : 0;
}

void dns_log_set(struct dns_worker *w, int fd)
{
	log_lines_set(&w->log, fd, w->log.format);
	w->log.dropped = w->own ? &w->own->worker[WORKER_DNS_LOG_DROPPED] : NULL;
	if (w->node) {
		dns_log_configure(w);
	}
}
