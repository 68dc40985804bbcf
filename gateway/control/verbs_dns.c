/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The verbs `dns ...`: a table of what is asked with which message. Arguments go to the workers as
 * they are: they may be names of anything, and control reads none.
 */
#include "gateway/control/verbs_dns.h"

#include "base/json.h"
#include "conf/model/message.h"
#include "gateway/control/calls.h"
#include "gateway/control/control.h"

#define NO_TENANT REQUEST_ARGS_MAX
#define PIECE_MAX 65536 /* bytes of a list's piece */

_Static_assert(CALL_ARGS_MAX == REQUEST_ARGS_MAX, "all that is asked is passed on");

struct dns_verb {
	enum verb verb;
	enum message type;
	size_t min_args, max_args;
	size_t tenant_arg; /* which one names a tenant; it may be missing */
	bool one;          /* asks one worker, not all of them */
};

static const struct dns_verb dns_verbs[] = {
	{VERB_DNS_FLUSH, MSG_DNS_FLUSH, 1, 2, NO_TENANT, false},
	{VERB_DNS_CACHE, MSG_DNS_CACHE, 0, 2, NO_TENANT, false},
	{VERB_DNS_QUERY, MSG_DNS_QUERY, 2, 3, 2, true},
	{VERB_DNS_ZONE, MSG_DNS_ZONE, 0, 0, NO_TENANT, true},
};

static const struct dns_verb *verb_of(enum verb verb)
{
	const struct dns_verb *v = dns_verbs;

	while (v->verb != verb) {
		v++; /* control has no other verbs for us */
	}
	return v;
}

/* The message for the next worker; the request is still in the client's buffer. */
static void write_call(const struct client *c, struct buf *out)
{
	struct call_msg call = {.begins = !c->begun};
	struct request req;
	struct err err;

	if (request_unpack(c->in, c->n_in, &req, &err) == 1) {
		call.n_args = req.n_args;
		for (size_t i = 0; i < req.n_args; i++) {
			call.args[i] = req.args[i];
		}
	}
	call_msg_pack(&call, out);
}

/* False: no worker is left to be asked. */
static bool ask_next(struct client *c)
{
	struct channel_msg msg = {
		.type = c->call_type,
		.id = c->call_id,
		.serial = c->call_serial,
		.fds = {c->io.fd},
		.n_fds = 1,
	};
	struct buf data;
	bool asked;

	buf_init(&data, REQUEST_MAX * 2);
	write_call(c, &data);
	msg.data = data.data;
	msg.len = data.len;
	c->found = false;
	asked = !data.bad && call_next(c, &msg);
	buf_fini(&data);
	return asked;
}

/* One has answered, or is gone. */
static void dns_end(struct client *c, void *ctx)
{
	(void)ctx;
	if (c->found) {
		c->begun = true;
		if (!ask_next(c)) {
			client_end(c);
		}
	} else if (!c->begun && c->text[0] != '\0') {
		client_fail(c, "%s", c->text);
	} else {
		c->more = NULL;
		c->last = true; /* without an end: the caller knows that it was cut */
	}
}

/* False: the client was told that there is no such tenant. */
static bool take_tenant(struct client *c, const struct control *control, struct str name)
{
	if (name.len == 0) {
		return true;
	}
	c->call_id = tenants_id(&control->tenants, name);
	if (c->call_id == 0) {
		client_fail(c, "there is no such tenant");
	}
	return c->call_id != 0;
}

void verb_dns(struct client *c, struct control *control, const struct request *req)
{
	const struct dns_verb *v = verb_of(req->verb);
	struct str tenant =
		v->tenant_arg < req->n_args ? req->args[v->tenant_arg] : (struct str){0};

	if (!control->conf->dns64.on) {
		client_fail(c, "dns64 is not configured");
	} else if (req->n_args < v->min_args || req->n_args > v->max_args) {
		client_fail(c, "it takes %zu to %zu arguments", v->min_args, v->max_args);
	} else if (take_tenant(c, control, tenant)) {
		call_begin(c, control, &control->dns64, v->type, dns_end);
		if (!ask_next(c)) {
			client_fail(c, "no worker of dns64 is running: try again in a moment");
		} else if (v->one) {
			c->at = control->dns64.n;
		}
	}
}

static void write_stats(const struct control *control, const struct tenant_conf *tenant,
			struct buf *out)
{
	static const struct {
		enum counter counter;
		const char *name;
	} counts[] = {
		{COUNTER_QUERIES, "queries"},     {COUNTER_QUERIES_CACHED, "cached"},
		{COUNTER_QUERIES_ASKED, "asked"}, {COUNTER_SYNTHESISED, "synthesised"},
		{COUNTER_NXDOMAIN, "nxdomain"},   {COUNTER_SERVFAIL, "servfail"},
		{COUNTER_OVER_RATE, "over_rate"},
	};
	struct json j = json_to(out);

	json_open(&j, NULL, '{');
	json_text(&j, "tenant", tenant->name);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		json_u64(&j, counts[i].name,
			 slots_sum(&control->slots, tenant->slot, counts[i].counter));
	}
	json_close(&j, '}');
	json_end_line(&j);
}

static void stats_more(struct client *c, void *ctx)
{
	const struct control *control = ctx;
	const struct tenant_conf *tenant = NULL;

	while (c->out.len < PIECE_MAX && (tenant = tenants_next(&control->tenants, &c->at))) {
		write_stats(control, tenant, &c->out);
	}
	if (!tenant) {
		client_end(c);
	}
}

void verb_dns_stats(struct client *c, struct control *control, const struct request *req)
{
	const struct tenant_conf *tenant =
		req->n_args > 0 ? tenants_find(&control->tenants, req->args[0]) : NULL;

	if (!control->conf->dns64.on) {
		client_fail(c, "dns64 is not configured");
	} else if (req->n_args > 0 && !tenant) {
		client_fail(c, "there is no such tenant");
	} else if (tenant) {
		client_ok(c);
		write_stats(control, tenant, &c->out);
		client_end(c);
	} else {
		client_ok(c);
		c->more = stats_more;
	}
}
