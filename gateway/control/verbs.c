/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the control socket's requests do (conf/model/request.h). Who may: whoever can open the
 * socket, but the agent's uid reads only.
 *
 * A verb that needs workers is a call: they are asked with one serial, and the client waits until
 * each has answered or ended. A client that leaves meanwhile is simply not found any more.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "conf/model/message.h"
#include "gateway/control/control.h"
#include "gateway/control/status.h"
#include "gateway/control/verbs_kernel.h"
#include "gateway/kernel/kernel.h"

#define MOD       "verbs"
#define CALL_MS   10000
#define PIECE_MAX 65536 /* bytes of a list's piece */

#define CONFIRM_MAX_S 86400

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

/*
 * Asks the next worker that is up, from c->at on, to write its sessions to the client; those of
 * before an upgrade come last.
 */
static void sessions_more(struct client *c, void *ctx)
{
	struct control *control = ctx;
	const struct channel_msg msg = {
		.type = MSG_SESSIONS,
		.serial = c->call_serial,
		.data = (const uint8_t *)c->text,
		.len = strlen(c->text),
		.fds = {c->io.fd},
		.n_fds = 1,
	};

	while (c->at < control->workers.n) {
		struct worker *w = &control->workers.worker[c->at++];

		if (w->state == WORKER_READY && worker_send(w, &msg) == 0) {
			c->call_pending = UINT64_C(1) << w->slot;
			client_wait(c, CALL_MS);
			return;
		}
	}
	c->former_pending = former_ask(&control->former, &c->former, -1, &msg);
	if (c->former_pending) {
		client_wait(c, CALL_MS);
	} else {
		client_end(c);
	}
}

static void begin_call(struct client *c, struct control *control, uint16_t type)
{
	c->call_type = type;
	c->call_serial = ++control->workers.serial;
	c->call_pending = 0;
}

static void verb_sessions(struct client *c, struct control *control, const struct request *req)
{
	struct str tenant = req->n_args > 0 ? req->args[0] : (struct str){0};

	if (tenant.len > 0 && !tenants_find(&control->tenants, tenant)) {
		client_fail(c, "there is no such tenant");
		return;
	}
	memcpy(c->text, tenant.p ? tenant.p : "", tenant.len); /* a name that exists fits */
	c->text[tenant.len] = '\0';
	begin_call(c, control, MSG_SESSIONS);
	client_ok(c);
	c->more = sessions_more;
}

/* Answered by control_reloaded(), in its own time. */
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

	if (req->n_args > 0 && str_to_u64(req->args[0], 1, CONFIRM_MAX_S, &seconds) < 0) {
		client_fail(c, "apply takes 1..%d seconds to confirm", CONFIRM_MAX_S);
	} else if (control->reload.phase != RELOAD_IDLE || control->reload.wanted) {
		client_fail(c, "a reload is under way: try again");
	} else {
		control->reload.confirm_s = control->workers.released ? (uint32_t)seconds : 0;
		verb_reload(c, control);
	}
}

/* The steps to what the file on disk asks for. */
static void verb_plan(struct client *c, struct control *control)
{
	struct node_conf *conf = NULL;
	struct buf text;
	struct err err;

	buf_init(&text, SERVER_ANSWER_MAX / 4);
	if (!control->kernel) {
		client_fail(c, "sixgated may not touch the kernel: it has no CAP_NET_ADMIN");
	} else if (control_load_conf(control->conf_path, &conf, &text) < 0) {
		buf_u8(&text, '\0');
		client_fail(c, "%s", text.bad ? "many errors" : (const char *)text.data);
	} else if (kernel_plan(control->kernel, conf, &text, &err) < 0) {
		client_fail(c, "%s", err.msg);
	} else {
		client_ok(c);
		status_write_lines(&text, "step", &c->out);
		client_end(c);
	}
	node_conf_free(conf);
	buf_fini(&text);
}

static void verb_drift(struct client *c, struct control *control)
{
	struct buf text;
	struct err err;

	buf_init(&text, SERVER_ANSWER_MAX / 4);
	if (!control->kernel) {
		client_fail(c, "sixgated may not touch the kernel: it has no CAP_NET_ADMIN");
	} else if (drift_write(&control->drift, &text, &err) < 0) {
		client_fail(c, "%s", err.msg);
	} else {
		client_ok(c);
		buf_bytes(&c->out, text.data, text.len);
		c->out.bad |= text.bad;
		client_end(c);
	}
	buf_fini(&text);
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
		client_fail(c, "there is nothing to roll back");
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

/* Cuts "left<separator>right". False when one of them is missing. */
static bool str_cut(struct str text, char separator, struct str *ret_left, struct str *ret_right)
{
	const char *at = memchr(text.p, separator, text.len);

	if (!at || at == text.p || at + 1 == text.p + text.len) {
		return false;
	}
	*ret_left = (struct str){.p = text.p, .len = (size_t)(at - text.p)};
	*ret_right = (struct str){.p = at + 1, .len = text.len - ret_left->len - 1};
	return true;
}

static bool tenant_has_service(const struct tenant_conf *tenant, struct str name)
{
	for (size_t i = 0; tenant && i < tenant->n_services; i++) {
		if (str_eq(str_from(tenant->services[i].name), name)) {
			return true;
		}
	}
	return false;
}

static bool tenant_has_backend(const struct tenant_conf *tenant, const struct addr *address)
{
	for (size_t i = 0; i < tenant->n_services; i++) {
		const struct service_conf *service = &tenant->services[i];

		for (size_t n = 0; n < service->n_backends; n++) {
			if (!service->backends[n].is_name &&
			    addr_eq(&service->backends[n].address, address)) {
				return true;
			}
		}
	}
	return false;
}

/* A backend's address belongs to one tenant only. */
static const struct tenant_conf *find_backend(const struct control *control,
					      const struct addr *address)
{
	const struct tenant_conf *tenant;
	uint32_t at = 0;

	while ((tenant = tenants_next(&control->tenants, &at))) {
		if (tenant_conf_owns(tenant, address) && tenant_has_backend(tenant, address)) {
			return tenant;
		}
	}
	return NULL;
}

/* Sends msg to every worker that is up, and lets the client wait for all of them. */
static void call_all(struct client *c, struct control *control, struct channel_msg *msg)
{
	begin_call(c, control, msg->type);
	msg->serial = c->call_serial;
	for (unsigned int i = 0; i < control->workers.n; i++) {
		struct worker *w = &control->workers.worker[i];

		if (w->state == WORKER_READY && worker_send(w, msg) == 0) {
			c->call_pending |= UINT64_C(1) << i;
		}
	}
	if (c->call_pending == 0) {
		client_fail(c, "no worker is up");
	} else {
		client_wait(c, CALL_MS);
	}
}

static void verb_drain(struct client *c, struct control *control, const struct request *req)
{
	struct channel_msg msg = {.type = MSG_DRAIN_SERVICE};
	const struct tenant_conf *tenant = NULL;
	struct str name, what;
	struct addr address;
	struct buf data;

	if (req->n_args != 1) {
		client_fail(c, "drain needs tenant/service or a backend's address");
		return;
	}
	if (str_cut(req->args[0], '/', &name, &what)) {
		tenant = tenants_find(&control->tenants, name);
		tenant = tenant_has_service(tenant, what) ? tenant : NULL;
	} else if (addr_parse(req->args[0], &address) == 0) {
		what = req->args[0];
		tenant = find_backend(control, &address);
	}
	if (!tenant) {
		client_fail(c, "there is no such service or backend");
		return;
	}
	buf_init(&data, REQUEST_MAX * 2);
	buf_str(&data, str_from(tenant->name));
	buf_str(&data, what);
	msg.data = data.data;
	msg.len = data.len;
	if (data.bad) {
		client_fail(c, "out of memory");
	} else {
		former_tell(&control->former, &msg);
		call_all(c, control, &msg);
	}
	buf_fini(&data);
}

/* Workers of before an upgrade are asked one after the other: c->at is their slot. */
static void kill_former(struct client *c, struct control *control)
{
	const struct channel_msg msg = {.type = MSG_KILL, .serial = c->call_serial};

	c->former_pending = former_ask(&control->former, &c->former, (int)c->at, &msg);
	if (c->former_pending) {
		client_wait(c, CALL_MS);
	} else {
		client_fail(c, "%s", c->text[0] != '\0' ? c->text : "there is no such session");
	}
}

static void verb_kill(struct client *c, struct control *control, const struct request *req)
{
	struct channel_msg msg = {.type = MSG_KILL};
	struct str worker, number;
	uint64_t slot, session;

	if (req->n_args != 1 || !str_cut(req->args[0], '.', &worker, &number) ||
	    str_to_u64(worker, 0, WORKERS_MAX, &slot) < 0 ||
	    str_to_u64(number, 0, UINT64_MAX, &session) < 0) {
		client_fail(c, "kill needs a session as sessions shows it: worker.number");
		return;
	}
	msg.serial = session;
	c->call_type = MSG_KILL;
	c->call_serial = session;
	c->at = (uint32_t)slot;
	if (slot >= control->workers.n || control->workers.worker[slot].state != WORKER_READY ||
	    worker_send(&control->workers.worker[slot], &msg) < 0) {
		kill_former(c, control);
		return;
	}
	c->call_pending = UINT64_C(1) << slot;
	client_wait(c, CALL_MS);
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
		return false;
	case VERB_RELOAD:
	case VERB_DRAIN:
	case VERB_KILL:
	case VERB_LOG_LEVEL:
	case VERB_APPLY:
	case VERB_CONFIRM:
	case VERB_ROLLBACK:
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
	case VERB_WHO:
		verb_who(c, control, req);
		break;
	case VERB_PLAN:
		verb_plan(c, control);
		break;
	case VERB_DRIFT:
		verb_drift(c, control);
		break;
	}
}

const struct server_ops control_server_ops = {.request = control_request};

/* The last worker that was asked has answered, or is gone. */
static void call_end(struct client *c, struct control *control)
{
	if (c->call_type == MSG_SESSIONS) {
		sessions_more(c, control);
	} else if (c->found) {
		client_ok(c);
		client_end(c);
	} else if (c->call_type == MSG_KILL) {
		kill_former(c, control);
	} else {
		client_fail(c, "%s", c->text[0] != '\0' ? c->text : "the worker has ended");
	}
	client_flush(c);
}

static void call_answer(struct client *c, struct control *control, unsigned int slot,
			const struct str *refused, bool gone)
{
	uint64_t bit = UINT64_C(1) << slot;

	if (!(c->call_pending & bit)) {
		return;
	}
	c->call_pending &= ~bit;
	if (refused && c->call_type != MSG_SESSIONS) {
		str_escape(c->text, sizeof(c->text), *refused);
	} else if (!gone) {
		c->found = true;
	}
	if (c->call_pending == 0) {
		call_end(c, control);
	}
}

void control_answered(struct control *c, unsigned int slot, uint16_t type, uint64_t serial,
		      const struct str *refused)
{
	struct client *client = c->server.clients, *next;

	for (; client; client = next) {
		next = client->next;
		if (client->call_type == type && client->call_serial == serial) {
			call_answer(client, c, slot, refused, false);
		}
	}
}

void control_worker_gone(struct control *c, unsigned int slot)
{
	struct client *client = c->server.clients, *next;

	for (; client; client = next) {
		next = client->next;
		if (client->call_type != 0) {
			call_answer(client, c, slot, NULL, true);
		}
	}
}

/* The last of before an upgrade that was asked has answered, or is gone. */
static void former_answer(struct client *c, struct control *control, const struct str *refused,
			  bool gone)
{
	c->former_pending = false;
	if (refused && c->call_type != MSG_SESSIONS) {
		str_escape(c->text, sizeof(c->text), *refused);
	} else if (!gone) {
		c->found = true;
	}
	call_end(c, control);
}

void control_former_answered(struct control *c, unsigned int number, uint16_t type, uint64_t serial,
			     const struct str *refused)
{
	struct client *client = c->server.clients, *next;

	for (; client; client = next) {
		next = client->next;
		if (client->former_pending && client->former == number &&
		    client->call_type == type && client->call_serial == serial) {
			former_answer(client, c, refused, false);
		}
	}
}

void control_former_gone(struct control *c, unsigned int number)
{
	struct client *client = c->server.clients, *next;

	for (; client; client = next) {
		next = client->next;
		if (client->former_pending && client->former == number) {
			former_answer(client, c, NULL, true);
		}
	}
}
