/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sessions of a service across changes of its object; see service.h. */
#include "proxy/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "proxy/listener.h"
#include "proxy/worker.h"

/* One step of the walks; it ends with whichever comes first. */
#define STEP_LOOK  1024 /* sessions looked at */
#define STEP_ENDS  256  /* of these ended */
#define STEP_MS    2    /* milliseconds it took */
#define STEP_CLOCK 32   /* sessions between two looks at the clock */

/*
 * Has all present sessions looked at: they follow an order, which counts until the end of the
 * walk, or those whose drain time is over end.
 */
static void service_walk(struct service *service, bool ordered)
{
	struct worker *w = service->worker;

	if (TAILQ_EMPTY(&service->sessions)) {
		return;
	}
	if (service->walking) {
		TAILQ_REMOVE(&w->walks, service, walk);
	} else {
		service->refs++;
		service->walking = true;
	}
	if (ordered) { /* control waits for it */
		w->n_ordered += !service->ordered;
		service->ordered = true;
		TAILQ_INSERT_HEAD(&w->walks, service, walk);
	} else {
		TAILQ_INSERT_TAIL(&w->walks, service, walk);
	}
	service->walk_at = TAILQ_FIRST(&service->sessions);
	service->walk_end_ms = 0;
}

static void service_walk_over(struct service *service)
{
	struct worker *w = service->worker;

	TAILQ_REMOVE(&w->walks, service, walk);
	w->n_ordered -= service->ordered;
	service->walking = false;
	service->ordered = false;
	service->walk_at = NULL;
	if (service->walk_end_ms > 0) {
		wheel_arm(&w->loop.wheel, &service->drain, service->walk_end_ms);
	}
	service_unref(service);
}

static void service_drain_over(struct timer *timer)
{
	struct service *service = container_of(timer, struct service, drain);

	if (!service->walking) { /* else the timer is armed again at the end of the walk */
		service_walk(service, false);
	}
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

void service_leave(struct session *s)
{
	struct service *service = s->service;

	if (service->walk_at == s) {
		service->walk_at = TAILQ_NEXT(s, entry);
	}
	TAILQ_REMOVE(&service->sessions, s, entry);
	service_unref(service);
}

/* Ends the session after drain_ms; an earlier end that is under way stays. */
static void session_drain(struct session *s, uint32_t drain_ms)
{
	uint64_t end = s->worker->loop.now_ms + drain_ms;

	if (s->drain_ms == 0 || end < s->drain_ms) {
		s->drain_ms = end;
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

/* Goes over to the service's present object, so that the old one can be freed. */
static void session_rebase(struct session *s)
{
	struct tenant_conf *tenant = s->service->tenant->conf;
	const struct service_conf *conf = s->service->conf;
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

/* The service is gone, and its slots with it. */
static void session_part(struct session *s)
{
	session_account(s);
	if (s->service->tenant_gone) {
		session_uncount(s, COUNT_TENANT, s->connected);
	}
	session_uncount(s, COUNT_SERVICE, s->connected);
	session_uncount(s, COUNT_BACKEND, s->connected);
	s->tried = UINT64_MAX;
	session_drain(s, s->conf->drain_ms);
}

static bool is_drained(const struct session *s)
{
	const struct service *service = s->service;

	return service->drained || (s->conf == service->conf && s->tries > 0 &&
				    (service->drained_backends >> s->backend_index & 1));
}

/* Does what was ordered of the service. A second time it changes nothing. */
static void session_follow(struct session *s)
{
	const struct service *service = s->service;

	if (!service->tenant) {
		session_part(s);
		return;
	}
	if (s->tenant != service->tenant->conf) {
		session_rebase(s);
	}
	if (is_drained(s)) {
		session_drain(s, service->conf->drain_ms);
	}
}

/* True when the session was ended. */
static bool session_visit(struct session *s)
{
	struct service *service = s->service;

	if (service->ordered) {
		session_follow(s);
	} else if (s->drain_ms > 0 && s->drain_ms <= s->worker->loop.now_ms) {
		session_close(s, CLOSE_DRAINED);
		return true;
	}
	if (s->drain_ms > 0 && (service->walk_end_ms == 0 || s->drain_ms < service->walk_end_ms)) {
		service->walk_end_ms = s->drain_ms;
	}
	return false;
}

bool services_step(struct worker *w)
{
	unsigned int n_looked = 0, n_ended = 0;
	struct service *service;
	uint64_t end_ms = 0;

	while ((service = TAILQ_FIRST(&w->walks))) {
		struct session *s = service->walk_at;

		if (!s) {
			service_walk_over(service);
			continue;
		}
		if (n_looked % STEP_CLOCK == 0) {
			uint64_t now_ms = clock_ms();

			end_ms = end_ms ? end_ms : now_ms + STEP_MS;
			if (now_ms >= end_ms) {
				return true;
			}
		}
		if (n_looked == STEP_LOOK || n_ended == STEP_ENDS) {
			return true;
		}
		service->walk_at = TAILQ_NEXT(s, entry);
		n_looked++;
		n_ended += session_visit(s);
	}
	return false;
}

void services_fini(struct worker *w)
{
	while (!TAILQ_EMPTY(&w->walks)) {
		service_walk_over(TAILQ_FIRST(&w->walks));
	}
}

void service_update(struct service *service, const struct service_conf *conf)
{
	service->conf = conf;
	service->drained = conf->drained;
	service->drained_backends = 0;
	for (size_t i = 0; i < conf->n_backends && i < SERVICE_BACKENDS_MAX; i++) {
		service->drained_backends |= (uint64_t)conf->backends[i].drained << i;
	}
	service_walk(service, true);
}

void service_remove(struct service *service, bool tenant_gone)
{
	service->tenant = NULL;
	service->conf = NULL;
	service->tenant_gone = tenant_gone;
	service_walk(service, true);
	service_unref(service);
}

void service_drain(struct service *service, int backend)
{
	if (backend < 0) {
		service->drained = true;
	} else {
		service->drained_backends |= 1ull << backend;
	}
	service_walk(service, true);
}
