/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sessions of a service across changes of its object; see service.h. */
#include "proxy/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "proxy/listener.h"
#include "proxy/worker.h"

#define DRAIN_STEP 256 /* sessions ended at a time, so that others are not kept waiting */

static void service_drain_over(struct timer *timer)
{
	struct service *service = container_of(timer, struct service, drain);
	struct worker *w = service->worker;
	struct session *s, *next;
	uint64_t first = 0;
	unsigned int n = 0;

	service->refs++; /* it may lose its last session here */
	for (s = TAILQ_FIRST(&service->sessions); s && n < DRAIN_STEP; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (s->drain_ms > w->loop.now_ms) {
			first = first == 0 || s->drain_ms < first ? s->drain_ms : first;
		} else if (s->drain_ms > 0) {
			session_close(s, CLOSE_DRAINED);
			n++;
		}
	}
	if (n == DRAIN_STEP || first > 0) {
		wheel_arm(&w->loop.wheel, &service->drain,
			  n == DRAIN_STEP ? w->loop.now_ms : first);
	}
	service_unref(service);
}

struct service *service_new(struct worker *w, struct tenant *tenant, const char *name)
{
	struct service *service = calloc(1, sizeof(*service));

	if (!service) {
		return NULL;
	}
	service->refs = 1;
	service->worker = w;
	service->tenant = tenant;
	TAILQ_INIT(&service->sessions);
	timer_init(&service->drain, service_drain_over);
	memcpy(service->name, name, strnlen(name, TENANT_NAME_MAX));
	return service;
}

void service_unref(struct service *service)
{
	if (service && --service->refs == 0) {
		wheel_disarm(&service->worker->loop.wheel, &service->drain);
		free(service);
	}
}

/* Ends the session after drain_ms; an earlier end that is under way stays. */
static void session_drain(struct session *s, uint32_t drain_ms)
{
	struct timer *timer = &s->service->drain;
	struct wheel *wheel = &s->worker->loop.wheel;
	uint64_t end = s->worker->loop.now_ms + drain_ms;

	if (s->drain_ms == 0 || end < s->drain_ms) {
		s->drain_ms = end;
	}
	if (!timer_armed(timer) || s->drain_ms < timer->deadline_ms) {
		wheel_arm(wheel, timer, s->drain_ms);
	}
}

/* The exposure, of a newer object, that still stands for what the session came by, or NULL. */
static const struct expose_conf *find_expose(const struct service_conf *conf,
					     const struct session *s)
{
	const struct str name = {.p = s->name, .len = s->name_len};
	const struct str protocol = {.p = s->name ? s->name + s->name_len : NULL,
				     .len = s->protocol_len};
	const struct rule *rule =
		rules_find_like(&s->worker->tenants.rules, conf, s->expose, name, protocol);

	if (rule) {
		return rule->expose;
	}
	/* by the listener's default a session comes with a name that is nowhere, or none */
	for (size_t i = 0; s->by_default && i < conf->n_exposes; i++) {
		const struct expose_conf *expose = &conf->exposes[i];

		if (expose->protocol == s->expose->protocol && expose->port == s->expose->port) {
			return expose;
		}
	}
	return NULL;
}

static int find_backend(const struct service_conf *conf, const struct backend_conf *backend)
{
	for (size_t i = 0; i < conf->n_backends; i++) {
		const struct backend_conf *b = &conf->backends[i];

		if (!b->is_name && addr_eq(&b->address, &backend->address)) {
			return (int)i;
		}
	}
	return -ENOENT;
}

/* A slot that is given up may be given out again, so nothing of the session may stay in it. */
static void session_leave_slot(struct session *s, enum count_level level, uint32_t new_slot)
{
	if ((s->counted & (1u << level)) && session_slot(s, level) != new_slot) {
		session_uncount(s, level, s->connected);
	}
}

/* Goes over to the new object, so that the old one can be freed. */
static void session_rebase(struct session *s, struct tenant_conf *tenant,
			   const struct service_conf *conf)
{
	const struct expose_conf *expose = find_expose(conf, s);
	int backend = s->tries > 0 ? find_backend(conf, &s->conf->backends[s->backend_index]) : 0;

	session_account(s);
	session_leave_slot(s, COUNT_TENANT, tenant->slot);
	session_leave_slot(s, COUNT_SERVICE, conf->slot);
	if (backend < 0) {
		session_uncount(s, COUNT_BACKEND, s->connected);
		s->tried = UINT64_MAX; /* the old object's backends are not tried any more */
	} else if (s->tries > 0) {
		session_leave_slot(s, COUNT_BACKEND, conf->backends[backend].slot);
	}
	if (!expose || tenant->state != TENANT_ACTIVE) {
		session_drain(s, conf->drain_ms);
	}
	if (!expose || backend < 0) {
		return;
	}
	tenant_conf_ref(tenant);
	tenant_conf_unref(s->tenant);
	s->tenant = tenant;
	s->conf = conf;
	s->expose = expose;
	s->backend_index = (uint8_t)backend;
	s->tried = 1ull << backend;
}

void service_update(struct service *service, struct tenant_conf *tenant,
		    const struct service_conf *conf)
{
	struct session *s;

	service->drained = false;
	service->drained_backends = 0;
	TAILQ_FOREACH(s, &service->sessions, entry) {
		session_rebase(s, tenant, conf);
	}
}

void service_remove(struct service *service, bool tenant_gone)
{
	struct session *s = TAILQ_FIRST(&service->sessions);
	uint32_t drain_ms = s ? s->conf->drain_ms : 0;

	service->tenant = NULL;
	TAILQ_FOREACH(s, &service->sessions, entry) {
		session_account(s);
		if (tenant_gone) {
			session_uncount(s, COUNT_TENANT, s->connected);
		}
		session_uncount(s, COUNT_SERVICE, s->connected);
		session_uncount(s, COUNT_BACKEND, s->connected);
		s->tried = UINT64_MAX;
		session_drain(s, drain_ms);
	}
	service_unref(service);
}

void service_drain(struct service *service, const struct service_conf *conf, int backend)
{
	struct session *s;

	if (backend < 0) {
		service->drained = true;
	} else {
		service->drained_backends |= 1ull << backend;
	}
	TAILQ_FOREACH(s, &service->sessions, entry) {
		if (backend < 0 || (s->tries > 0 && s->backend_index == backend)) {
			session_drain(s, conf->drain_ms);
		}
	}
}
