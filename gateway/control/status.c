/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What `status` and `services` show; the fields are in conf/model/request.h. Only reads.
 */
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "gateway/control/control.h"
#include "gateway/control/status.h"
#include "gateway/kernel/kernel.h"

struct counter_name {
	enum counter counter;
	const char *name;
};

static const struct counter_name service_counters[] = {
	{COUNTER_ACTIVE, "active"},
	{COUNTER_ACCEPTED, "accepted"},
	{COUNTER_REFUSED, "refused"},
	{COUNTER_CLOSED, "closed"},
	{COUNTER_DENIED, "denied"},
	{COUNTER_LIMITED, "limited"},
	{COUNTER_CONNECT_FAILED, "connect_failed"},
	{COUNTER_BYTES_IN, "bytes_in"},
	{COUNTER_BYTES_OUT, "bytes_out"},
};
#define N_SERVICE_COUNTERS (sizeof(service_counters) / sizeof(service_counters[0]))

static uint64_t worker_value(const struct worker *w, enum worker_counter which)
{
	return atomic_load_explicit(&w->counters->worker[which], memory_order_relaxed);
}

/* Sessions of one worker, on listeners that are there. */
static uint64_t worker_active(const struct control *c, const struct worker *w)
{
	struct table_iter it = {0};
	struct listener *listener;
	uint64_t sum = 0;

	while ((listener = listeners_next(&c->listeners, &it))) {
		sum += counter_sum(&w->counters, 1, listener->slot, COUNTER_ACTIVE);
	}
	return sum;
}

/* Opens its object, with what workers of both kinds have. */
static void open_worker(const struct worker *w, struct json *j)
{
	json_open(j, NULL, '{');
	json_u64(j, "worker", w->slot);
	json_u64(j, "pid", (uint64_t)w->child.pid);
	json_text(j, "state", worker_state_name(w));
	json_u64(j, "restarts", w->restarts);
}

static void write_workers(const struct control *c, struct json *j)
{
	json_open(j, "workers", '[');
	for (unsigned int i = 0; i < c->workers.n; i++) {
		const struct worker *w = &c->workers.worker[i];

		open_worker(w, j);
		json_u64(j, "active", worker_active(c, w));
		json_u64(j, "fds_budget", worker_value(w, WORKER_FDS_BUDGET));
		json_u64(j, "accept_pauses", worker_value(w, WORKER_ACCEPT_PAUSES));
		json_u64(j, "log_dropped", worker_value(w, WORKER_LOG_DROPPED));
		json_u64(j, "sources", worker_value(w, WORKER_SOURCES));
		json_close(j, '}');
	}
	json_close(j, ']');
}

static const char *protocol_name(enum protocol protocol)
{
	switch (protocol) {
	case PROTOCOL_TCP:
		return "tcp";
	case PROTOCOL_UDP:
		return "udp";
	case PROTOCOL_TLS:
		return "tls";
	case PROTOCOL_HTTP:
		return "http";
	case PROTOCOL_ADDRESS:
		return "address";
	case PROTOCOL_DETECT:
		return "detect";
	}
	return "?";
}

static void write_listeners(const struct listeners *ls, struct json *j)
{
	struct table_iter it = {0};
	struct listener *listener;
	char text[ENDPOINT_TEXT_MAX];

	json_open(j, "listeners", '[');
	while ((listener = listeners_next(ls, &it))) {
		json_open(j, NULL, '{');
		json_text(j, "address", endpoint_format(&listener->local, text));
		json_text(j, "protocol", protocol_name(listener->protocol));
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void write_dns64(const struct control *c, struct json *j)
{
	static const struct {
		enum worker_counter which;
		const char *name;
	} counts[] = {
		{WORKER_DNS_QUERIES, "queries"},     {WORKER_DNS_CACHED, "cached"},
		{WORKER_DNS_ASKED, "asked"},         {WORKER_DNS_SYNTHESISED, "synthesised"},
		{WORKER_DNS_NXDOMAIN, "nxdomain"},   {WORKER_DNS_SERVFAIL, "servfail"},
		{WORKER_DNS_STALE, "stale"},         {WORKER_DNS_FAILED, "failed"},
		{WORKER_DNS_OVER_RATE, "over_rate"}, {WORKER_DNS_FOREIGN, "foreign"},
		{WORKER_DNS_MALFORMED, "malformed"}, {WORKER_DNS_UNSENT, "unsent"},
		{WORKER_DNS_ZONE, "zone_queries"},   {WORKER_DNS_SLIPPED, "slipped"},
		{WORKER_DNS_LIMITED, "limited"},
	};

	json_open(j, "dns64", '{');
	json_bool(j, "on", c->conf->dns64.on);
	json_text(j, "zone", c->conf->dns64.zone);
	json_open(j, "workers", '[');
	for (unsigned int i = 0; i < c->dns64.n; i++) {
		const struct worker *w = &c->dns64.worker[i];

		open_worker(w, j);
		json_u64(j, "clients", worker_value(w, WORKER_DNS_CLIENTS));
		json_close(j, '}');
	}
	json_close(j, ']');
	write_listeners(&c->dns64_listeners, j);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		json_u64(j, counts[i].name, slots_sum_workers(&c->slots, counts[i].which));
	}
	json_close(j, '}');
}

static void write_tenants(const struct control *c, struct json *j)
{
	json_open(j, "tenants", '{');
	json_u64(j, "active", tenants_count(&c->tenants, TENANT_ACTIVE));
	json_u64(j, "suspended", tenants_count(&c->tenants, TENANT_SUSPENDED));
	json_u64(j, "refused", c->tenants.n_refused);
	json_close(j, '}');
}

static void write_kernel(const struct control *c, struct json *j)
{
	struct kernel_counters counters;
	struct err err;

	json_open(j, "kernel", '{');
	json_bool(j, "applied", c->kernel && kernel_applied(c->kernel));
	if (c->kernel && kernel_counters(c->kernel, &counters, &err) == 0) {
		for (int i = 0; i < N_DENIALS; i++) {
			json_u64(j, denial_name((enum denial)i), counters.of[i].packets);
		}
	}
	json_close(j, '}');
}

/* dropped: which counter of workers has what they have lost. */
static void write_log(const struct control *c, const char *name, const struct logchild *lc,
		      enum worker_counter dropped, struct json *j)
{
	json_open(j, name, '{');
	json_bool(j, "on", lc->helper.on);
	json_bool(j, "running", helper_running(&lc->helper));
	json_u64(j, "lines", lc->lines_before + lc->lines);
	json_u64(j, "dropped",
		 slots_sum_workers(&c->slots, dropped) + lc->dropped_before + lc->dropped);
	json_close(j, '}');
}

void control_write_status(struct control *c, struct buf *out)
{
	struct json j = json_to(out);

	json_open(&j, NULL, '{');
	json_text(&j, "version", PACKAGE_VERSION);
	json_text(&j, "node", c->conf->name);
	json_text(&j, "farm", c->conf->farm);
	json_u64(&j, "pid", (uint64_t)getpid());
	json_u64(&j, "uptime_ms", c->loop.now_ms - c->started_ms);
	json_text(&j, "state",
		  c->phase == CONTROL_STARTING  ? "starting"
		  : c->phase == CONTROL_RUNNING ? "running"
						: "draining");
	problems_write(&c->problems, &j, "problems");
	json_u64(&j, "n_problems", problems_count(&c->problems));
	write_workers(c, &j);
	former_write(&c->former, &j, "former");
	write_tenants(c, &j);
	write_listeners(&c->listeners, &j);
	write_dns64(c, &j);
	write_kernel(c, &j);
	write_log(c, "access_log", &c->logchild, WORKER_LOG_DROPPED, &j);
	write_log(c, "query_log", &c->query_log, WORKER_DNS_LOG_DROPPED, &j);
	responder_write(&c->responder, &j, "neighbours");
	json_u64(&j, "active", listeners_total(&c->listeners, COUNTER_ACTIVE));
	json_u64(&j, "accepted", listeners_total(&c->listeners, COUNTER_ACCEPTED));
	json_u64(&j, "refused", listeners_total(&c->listeners, COUNTER_REFUSED));
	json_u64(&j, "closed", listeners_total(&c->listeners, COUNTER_CLOSED));
	json_u64(&j, "bytes_in", listeners_total(&c->listeners, COUNTER_BYTES_IN));
	json_u64(&j, "bytes_out", listeners_total(&c->listeners, COUNTER_BYTES_OUT));
	json_close(&j, '}');
	json_end_line(&j);
}

static void write_backend(const struct control *c, const struct backend_conf *backend,
			  struct json *j)
{
	char text[ADDR_TEXT_MAX];

	json_open(j, NULL, '{');
	json_text(j, "address",
		  backend->is_name ? backend->name : addr_format(&backend->address, text));
	json_u64(j, "active", slots_sum(&c->slots, backend->slot, COUNTER_ACTIVE));
	json_u64(j, "accepted", slots_sum(&c->slots, backend->slot, COUNTER_ACCEPTED));
	json_u64(j, "connect_failed", slots_sum(&c->slots, backend->slot, COUNTER_CONNECT_FAILED));
	json_bool(j, "drained", backend->drained);
	json_close(j, '}');
}

void status_write_service(const struct control *c, const struct tenant_conf *tenant,
			  const struct service_conf *service, struct buf *out)
{
	struct json j = json_to(out);

	json_open(&j, NULL, '{');
	json_text(&j, "tenant", tenant->name);
	json_text(&j, "service", service->name);
	json_bool(&j, "drained", service->drained);
	json_open(&j, "backends", '[');
	for (size_t i = 0; i < service->n_backends; i++) {
		write_backend(c, &service->backends[i], &j);
	}
	json_close(&j, ']');
	for (size_t i = 0; i < N_SERVICE_COUNTERS; i++) {
		json_u64(&j, service_counters[i].name,
			 slots_sum(&c->slots, service->slot, service_counters[i].counter));
	}
	json_close(&j, '}');
	json_end_line(&j);
}

void status_write_lines(const struct buf *text, const char *key, struct buf *out)
{
	const char *at = (const char *)text->data, *end = at + text->len;

	out->bad |= text->bad;
	while (at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		struct json j = json_to(out);

		line_end = line_end ? line_end : end;
		json_open(&j, NULL, '{');
		json_str(&j, key, (struct str){.p = at, .len = (size_t)(line_end - at)});
		json_close(&j, '}');
		json_end_line(&j);
		at = line_end + 1;
	}
}
