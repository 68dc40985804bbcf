/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From what a client asked for to the service that answers it; see route.h. */
#include "proxy/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/acl.h"
#include "proxy/connect.h"
#include "proxy/listener.h"
#include "proxy/rules.h"
#include "proxy/tenants.h"
#include "proxy/worker.h"

/* No reply tells a client more than that it is not served here. */
static void route_refuse(struct session *s, enum close_reason reason)
{
	if (s->listener->protocol != PROTOCOL_TLS) {
		session_close(s, reason);
		return;
	}
	switch (reason) {
	case CLOSE_NAME_UNKNOWN:
		session_refuse(s, SNI_ALERT_UNRECOGNIZED_NAME, reason);
		break;
	case CLOSE_ALPN_UNKNOWN:
		session_refuse(s, SNI_ALERT_NO_APPLICATION_PROTOCOL, reason);
		break;
	default: /* of no interest to TLS: a reset */
		session_close(s, reason);
		break;
	}
}

uint64_t route_admitted(const struct worker *w, uint32_t slot)
{
	uint64_t accepted = counter_sum(w->all, w->n_all, slot, COUNTER_ACCEPTED);
	uint64_t denied = counter_sum(w->all, w->n_all, slot, COUNTER_DENIED);
	uint64_t limited = counter_sum(w->all, w->n_all, slot, COUNTER_LIMITED);

	return accepted - denied - limited;
}

/* True when one more session goes; asked before the session is counted in slot. */
static bool within_limits(const struct worker *w, const struct limits *limits, struct rate *rate,
			  uint32_t slot)
{
	if (limits->connections > 0 &&
	    counter_sum(w->all, w->n_all, slot, COUNTER_ACTIVE) >= limits->connections) {
		return false;
	}
	return limits->new_per_second == 0 ||
	       rate_admit(rate, route_admitted(w, slot), limits->new_per_second, w->loop.now_ms);
}

/* Whether the service may have the session; counts it either way. */
static bool route_admit(struct session *s, enum close_reason *ret_reason)
{
	struct worker *w = s->worker;
	struct service *service = s->service;
	bool tenant_ok, service_ok;

	if (!acl_allows(s->expose, &s->client_addr)) {
		*ret_reason = CLOSE_DENIED;
		session_count(s, COUNT_TENANT);
		session_count(s, COUNT_SERVICE);
		return false;
	}
	tenant_ok = within_limits(w, &s->tenant->limits, &service->tenant->rate, s->tenant->slot);
	service_ok = within_limits(w, &s->conf->limits, &service->rate, s->conf->slot);
	session_count(s, COUNT_TENANT);
	session_count(s, COUNT_SERVICE);
	if (!tenant_ok || !service_ok) {
		*ret_reason = tenant_ok ? CLOSE_SERVICE_LIMIT : CLOSE_TENANT_LIMIT;
		return false;
	}
	*ret_reason = CLOSE_DRAINED;
	return !service->drained;
}

/* The session belongs to the service from here on. */
static void route_take(struct session *s, const struct rule *rule)
{
	struct service *service = rule->runtime;
	enum close_reason reason;

	TAILQ_REMOVE(&s->worker->unrouted, s, entry);
	TAILQ_INSERT_TAIL(&service->sessions, s, entry);
	service->refs++;
	s->service = service;
	s->tenant = tenant_conf_ref(rule->tenant);
	s->conf = rule->service;
	s->expose = rule->expose;
	s->to = rule->expose->to;
	if (!route_admit(s, &reason)) {
		route_refuse(s, reason);
		return;
	}
	connect_next(s);
}

/* An exposure of the default service that fits the listener, for its port "to" and its ways. */
static const struct expose_conf *default_expose(const struct service_conf *conf,
						const struct listener *listener)
{
	const struct expose_conf *found = NULL;

	for (size_t i = 0; i < conf->n_exposes; i++) {
		const struct expose_conf *expose = &conf->exposes[i];

		if (expose->protocol != listener->protocol) {
			continue;
		}
		if (expose->port == listener->local.port) {
			return expose;
		}
		found = found ? found : expose;
	}
	return found;
}

/* No rule: the listener's default, if it has one. */
static void route_default(struct session *s, enum close_reason reason)
{
	const struct listener *l = s->listener;
	const struct tenant *tenant = NULL;
	struct rule rule;
	int i;

	if (l->default_tenant) {
		tenant = tenants_find(&s->worker->tenants, str_from(l->default_tenant));
	}
	if (!tenant || tenant->conf->state != TENANT_ACTIVE) {
		route_refuse(s, reason);
		return;
	}
	i = tenant_find_service(tenant, str_from(l->default_service));
	if (i < 0) {
		route_refuse(s, reason);
		return;
	}
	rule = (struct rule){.tenant = tenant->conf,
			     .service = &tenant->conf->services[i],
			     .runtime = tenant->services[i]};
	rule.expose = default_expose(rule.service, l);
	if (!rule.expose) {
		route_refuse(s, reason);
		return;
	}
	s->by_default = true;
	route_take(s, &rule);
}

void route_by_endpoint(struct session *s)
{
	const struct rule *rule;

	if (rules_find_endpoint(&s->worker->tenants.rules, &s->listener->local, &rule) ==
	    RULE_FOUND) {
		route_take(s, rule);
	} else {
		route_default(s, CLOSE_NO_RULE);
	}
}

/* The protocol the rule was chosen by, else the first one the client offers. */
static struct str pick_protocol(const struct expose_conf *expose, struct str alpn)
{
	struct str first = {0}, protocol;

	while (sni_alpn_next(&alpn, &protocol)) {
		first = first.p ? first : protocol;
		if (expose && expose_has_alpn(expose, protocol)) {
			return protocol;
		}
	}
	return first;
}

/* RFC 8737 3: alone. Beside others it would be a way around the PROXY header. */
static bool is_acme_probe(const struct sni_hello *hello)
{
	return str_eq(sni_hello_alpn(hello), str_from("\012acme-tls/1"));
}

/* Keeps what log and PROXY header need of the hello. */
static int keep_hello(struct session *s, const struct sni_hello *hello, struct str protocol)
{
	s->name = malloc((size_t)hello->name_len + protocol.len + 1);
	if (!s->name) {
		return -ENOMEM;
	}
	s->name_len = (uint8_t)hello->name_len;  /* at most NAME_TEXT_MAX */
	s->protocol_len = (uint8_t)protocol.len; /* at most 255 */
	s->acme = is_acme_probe(hello);
	memcpy(s->name, hello->name, hello->name_len);
	if (protocol.len > 0) {
		memcpy(s->name + hello->name_len, protocol.p, protocol.len);
	}
	return 0;
}

static enum rule_result find_by_hello(const struct session *s, const struct sni_hello *hello,
				      const struct rule **ret_rule)
{
	const struct rule_query query = {
		.protocol = PROTOCOL_TLS,
		.port = s->listener->local.port,
		.name = {.p = hello->name, .len = hello->name_len},
		.alpn = sni_hello_alpn(hello),
	};

	return rules_find_name(&s->worker->tenants.rules, &query, ret_rule);
}

void route_by_hello(struct session *s, const struct sni_hello *hello)
{
	const struct rule *rule;
	enum rule_result result = find_by_hello(s, hello, &rule);
	const struct expose_conf *expose = result == RULE_FOUND ? rule->expose : NULL;

	if (keep_hello(s, hello, pick_protocol(expose, sni_hello_alpn(hello))) < 0) {
		session_close(s, CLOSE_NO_MEMORY);
		return;
	}
	switch (result) {
	case RULE_FOUND:
		route_take(s, rule);
		break;
	case RULE_NAME_UNKNOWN:
		route_default(s, CLOSE_NAME_UNKNOWN);
		break;
	case RULE_ALPN_UNKNOWN:
		route_refuse(s, CLOSE_ALPN_UNKNOWN);
		break;
	}
}
