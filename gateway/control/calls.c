/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Verbs that need workers are calls: workers are asked with one serial, and the client waits until
 * each has answered or ended. A client that leaves meanwhile is simply not found any more.
 */
#include "gateway/control/calls.h"

#include <string.h>

#include "conf/model/message.h"
#include "gateway/control/control.h"

void call_begin(struct client *c, struct control *control, struct workers *whom, uint16_t type,
		void (*end)(struct client *c, void *ctx))
{
	c->call_type = type;
	c->call_serial = ++control->workers.serial;
	c->call_pending = 0;
	c->call_workers = whom;
	c->call_end = end;
}

bool call_next(struct client *c, const struct channel_msg *msg)
{
	struct workers *whom = c->call_workers;

	while (c->at < whom->n) {
		struct worker *w = &whom->worker[c->at++];

		if (w->state == WORKER_READY && worker_send(w, msg) == 0) {
			c->call_pending = UINT64_C(1) << w->slot;
			client_wait(c, CALL_STREAM_MS);
			return true;
		}
	}
	return false;
}

/* Asks one worker after the other for its sessions; those of before an upgrade come last. */
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

	if (call_next(c, &msg)) {
		return;
	}
	c->former_pending = former_ask(&control->former, &c->former, -1, &msg);
	if (c->former_pending) {
		client_wait(c, CALL_STREAM_MS);
	} else {
		client_end(c);
	}
}

void verb_sessions(struct client *c, struct control *control, const struct request *req)
{
	struct str tenant = req->n_args > 0 ? req->args[0] : (struct str){0};

	if (tenant.len > 0 && !tenants_find(&control->tenants, tenant)) {
		client_fail(c, "there is no such tenant");
		return;
	}
	memcpy(c->text, tenant.p ? tenant.p : "", tenant.len); /* a name that exists fits */
	c->text[tenant.len] = '\0';
	call_begin(c, control, &control->workers, MSG_SESSIONS, sessions_more);
	client_ok(c);
	c->more = sessions_more;
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

/* Who has the prefix that the address is in; NULL: nobody. */
static const struct tenant_conf *find_owner(const struct control *control,
					    const struct addr *address)
{
	const struct tenant_conf *tenant;
	uint32_t at = 0;

	do {
		tenant = tenants_next(&control->tenants, &at);
	} while (tenant && !tenant_conf_owns(tenant, address));
	return tenant;
}

static void drain_end(struct client *c, void *ctx)
{
	(void)ctx;
	if (c->found) {
		client_ok(c);
		client_end(c);
	} else {
		client_fail(c, "%s", c->text[0] != '\0' ? c->text : "the worker has ended");
	}
}

/* Sends msg to every worker that is up, and lets the client wait for all of them. */
static void call_all(struct client *c, struct control *control, struct channel_msg *msg)
{
	call_begin(c, control, &control->workers, msg->type, drain_end);
	msg->serial = c->call_serial;
	for (unsigned int i = 0; i < control->workers.n; i++) {
		struct worker *w = &control->workers.worker[i];

		if (w->state == WORKER_READY && worker_send(w, msg) == 0) {
			c->call_pending |= UINT64_C(1) << i;
		}
	}
	if (c->call_pending == 0) { /* it is noted: those that come have it from the object */
		client_ok(c);
		client_end(c);
	} else {
		client_wait(c, CALL_MS);
	}
}

void verb_drain(struct client *c, struct control *control, const struct request *req)
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
	} else if (addr_parse(req->args[0], &address) == 0) {
		what = req->args[0];
		tenant = find_owner(control, &address);
	}
	if (!tenant || !tenants_drain(&control->tenants, str_from(tenant->name), what)) {
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

static void kill_end(struct client *c, void *ctx)
{
	if (c->found) {
		client_ok(c);
		client_end(c);
	} else {
		kill_former(c, ctx);
	}
}

void verb_kill(struct client *c, struct control *control, const struct request *req)
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
	call_begin(c, control, &control->workers, MSG_KILL, kill_end);
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

/* What the workers have said may not be read yet. */
static void call_end(struct client *c, struct control *control)
{
	client_wait(c, READER_MS);
	c->call_end(c, control);
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

void control_answered(struct control *c, const struct workers *whom, unsigned int slot,
		      uint16_t type, uint64_t serial, const struct str *refused)
{
	struct client *client = c->server.clients, *next;

	for (; client; client = next) {
		next = client->next;
		if (client->call_workers == whom && client->call_type == type &&
		    client->call_serial == serial) {
			call_answer(client, c, slot, refused, false);
		}
	}
}

void control_worker_gone(struct control *c, const struct workers *whom, unsigned int slot)
{
	struct client *client = c->server.clients, *next;

	for (; client; client = next) {
		next = client->next;
		if (client->call_workers == whom) {
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
