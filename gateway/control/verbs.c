/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the control socket's requests do (conf/model/request.h). Who may: whoever can open the
 * socket, but the agent's uid reads only.
 * Verbs that need workers are in calls.c.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "conf/model/message.h"
#include "gateway/control/calls.h"
#include "gateway/control/control.h"
#include "gateway/control/probation.h"
#include "gateway/control/status.h"
#include "gateway/control/verbs_dns.h"
#include "gateway/control/verbs_kernel.h"
#include "gateway/kernel/kernel.h"

#define MOD       "verbs"
#define PIECE_MAX 65536 /* bytes of a list's piece */

static void status_more(struct client *c, void *ctx)
{
	control_write_status(ctx, &c->out);
	client_end(c);
}

/* Whole tenants at a time, until the piece is large enough. */
static void services_more(struct client *c, void *ctx)
{
	struct control *control = ctx;
	const struct tenant_conf *tenant;

	while (c->out.len < PIECE_MAX) {
		tenant = tenants_next(&control->tenants, &c->at);
		if (!tenant) {
			client_end(c);
			return;
		}
		for (size_t i = 0; i < tenant->n_services; i++) {
			status_write_service(control, tenant, &tenant->services[i], &c->out);
		}
	}
}

static void verb_reload(struct client *c, struct control *control)
{
	if (!control->workers.released) {
		client_fail(c, "sixgated is starting: the registry is not read yet");
		return;
	}
	c->call_type = MSG_NODE;
	c->call_serial = control_reload(control);
	client_wait(c, CALL_MS * 2); /* an earlier reload may be under way */
}

/* A reload that may have to be confirmed. */
static void verb_apply(struct client *c, struct control *control, const struct request *req)
{
	uint64_t seconds = 0;

	if (req->n_args > 0 && str_to_u64(req->args[0], 1, PROBATION_MAX_S, &seconds) < 0) {
		client_fail(c, "apply takes 1..%d seconds to confirm", PROBATION_MAX_S);
	} else if (control->reload.phase != RELOAD_IDLE || control->reload.wanted) {
		client_fail(c, "a reload is under way: try again");
	} else {
		control->reload.confirm_s = control->workers.released ? (uint32_t)seconds : 0;
		verb_reload(c, control);
	}
}

static void verb_confirm(struct client *c, struct control *control)
{
	if (control_confirm(control)) {
		client_ok(c);
		client_end(c);
	} else {
		client_fail(c, "there is nothing to confirm");
	}
}

static void verb_rollback(struct client *c, struct control *control)
{
	uint64_t serial = control_rollback(control);

	if (serial == 0) {
		client_fail(c, control->confirm.former ? "a reload is under way: try again"
						       : "there is nothing to roll back");
		return;
	}
	c->call_type = MSG_NODE;
	c->call_serial = serial;
	client_wait(c, CALL_MS * 2);
}

void control_reloaded(struct control *c, uint64_t serial, const char *why)
{
	struct client *client = c->server.clients, *next;

	for (; client; client = next) {
		next = client->next;
		if (client->call_type != MSG_NODE || client->call_serial != serial) {
			continue;
		}
		client->call_type = 0;
		if (why) {
			client_fail(client, "%s", why);
		} else {
			client_ok(client);
			client_end(client);
		}
		client_flush(client);
	}
}

static void verb_log_level(struct client *c, struct control *control, const struct request *req)
{
	enum log_level level;
	char name[16];

	if (req->n_args != 1 || req->args[0].len >= sizeof(name)) {
		client_fail(c, "log-level needs err, warn, info or debug");
		return;
	}
	memcpy(name, req->args[0].p, req->args[0].len);
	name[req->args[0].len] = '\0';
	if (log_level_parse(name, &level) < 0) {
		client_fail(c, "log-level needs err, warn, info or debug");
		return;
	}
	log_set_level(level);
	workers_set_log_level(&control->workers, level);
	workers_set_log_level(&control->dns64, level);
	client_ok(c);
	client_end(c);
}

static bool verb_changes(enum verb verb)
{
	switch (verb) {
	case VERB_STATUS:
	case VERB_SERVICES:
	case VERB_SESSIONS:
	case VERB_PLAN:
	case VERB_DRIFT:
	case VERB_NAT64:
	case VERB_TUNNELS:
	case VERB_WHO:
	case VERB_DENIED:
	case VERB_DNS_ZONE:
	case VERB_DNS_STATS:
	case VERB_DNS_CACHE:
	case VERB_DNS_QUERY:
		return false;
	case VERB_RELOAD:
	case VERB_DRAIN:
	case VERB_KILL:
	case VERB_LOG_LEVEL:
	case VERB_APPLY:
	case VERB_CONFIRM:
	case VERB_ROLLBACK:
	case VERB_DNS_FLUSH:
		return true;
	}
	return true;
}

static void control_request(struct client *c, const struct request *req, void *ctx)
{
	struct control *control = ctx;

	if (verb_changes(req->verb) && control->identity.root &&
	    c->uid == control->identity.agent_uid) {
		log_warn(MOD, "the agent asked for verb %d, which it may not", req->verb);
		client_fail(c, "not permitted");
		return;
	}
	switch (req->verb) {
	case VERB_STATUS:
		client_ok(c);
		c->more = status_more;
		break;
	case VERB_SERVICES:
		client_ok(c);
		c->more = services_more;
		break;
	case VERB_SESSIONS:
		verb_sessions(c, control, req);
		break;
	case VERB_RELOAD:
		verb_reload(c, control);
		break;
	case VERB_DRAIN:
		verb_drain(c, control, req);
		break;
	case VERB_KILL:
		verb_kill(c, control, req);
		break;
	case VERB_LOG_LEVEL:
		verb_log_level(c, control, req);
		break;
	case VERB_APPLY:
		verb_apply(c, control, req);
		break;
	case VERB_CONFIRM:
		verb_confirm(c, control);
		break;
	case VERB_ROLLBACK:
		verb_rollback(c, control);
		break;
	case VERB_NAT64:
		verb_nat64(c, control, req);
		break;
	case VERB_TUNNELS:
		verb_tunnels(c, control, req);
		break;
	case VERB_DENIED:
		verb_denied(c, control, req);
		break;
	case VERB_WHO:
		verb_who(c, control, req);
		break;
	case VERB_PLAN:
		verb_plan(c, control);
		break;
	case VERB_DRIFT:
		verb_drift(c, control);
		break;
	case VERB_DNS_CACHE:
	case VERB_DNS_QUERY:
	case VERB_DNS_FLUSH:
	case VERB_DNS_ZONE:
		verb_dns(c, control, req);
		break;
	case VERB_DNS_STATS:
		verb_dns_stats(c, control, req);
		break;
	}
}

const struct server_ops control_server_ops = {.request = control_request};
