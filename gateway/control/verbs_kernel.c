/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The verbs plan, drift, nat64, tunnels and denied: what is asked, and who asks, is checked here;
 * what is shown is made by gateway/kernel, drift.c, nat64.c, tunnels.c and denied.c.
 */
#include "gateway/control/verbs_kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "gateway/control/control.h"
#include "gateway/control/denied.h"
#include "gateway/control/nat64.h"
#include "gateway/control/status.h"
#include "gateway/control/tunnels.h"
#include "gateway/kernel/kernel.h"

#define MOD       "verbs"
#define PIECE_MAX 65536 /* bytes of a list's piece */
#define NO_KERNEL "sixgated may not touch the kernel: it has no CAP_NET_ADMIN"
#define BUSY      "sixgated is answering others from all of the kernel: try again in a moment"

_Static_assert(sizeof(struct nat64_query) <= CLIENT_STATE_MAX, "fits into a client's state");

static const struct tenant_conf *next_tenant(void *ctx, uint32_t *at)
{
	return tenants_next(ctx, at);
}

/* The tenant that is asked for, in c->text; empty: all. False: there is none of that name. */
static bool take_tenant(struct client *c, struct control *control, const struct request *req,
			size_t arg)
{
	struct str tenant = req->n_args > arg ? req->args[arg] : (struct str){0};

	if (tenant.len > 0 && !tenants_find(&control->tenants, tenant)) {
		client_fail(c, "there is no such tenant");
		return false;
	}
	memcpy(c->text, tenant.p ? tenant.p : "", tenant.len); /* a name that exists fits */
	c->text[tenant.len] = '\0';
	return true;
}

/* One piece. Returns as nat64_write(). */
static int nat64_piece(struct client *c, struct control *control, struct buf *out, struct err *err)
{
	struct nat64_view view = {.conf = control->conf,
				  .only = c->text[0] != '\0' ? c->text : NULL,
				  .next = next_tenant,
				  .ctx = &control->tenants};
	struct nat64_query query;
	int rc;

	memcpy(&query, c->state, sizeof(query));
	rc = nat64_write(&view, &query, out, err);
	memcpy(c->state, &query, sizeof(query));
	return rc;
}

static void nat64_more(struct client *c, void *ctx)
{
	struct err err;
	int rc = nat64_piece(c, ctx, &c->out, &err);

	if (rc < 0) {
		log_warn(MOD, "nat64: %s", err.msg);
		c->more = NULL;
		c->last = true; /* without an end: the caller knows that it was cut */
	} else if (rc == 0) {
		client_end(c);
	}
}

void verb_nat64(struct client *c, struct control *control, const struct request *req)
{
	struct nat64_query query = {0};
	struct err err;
	struct buf first;
	int rc;

	if (req->n_args < 1 || !nat64_what_parse(req->args[0], &query.what)) {
		client_fail(c, "nat64 needs sessions, bib, pool or stats");
		return;
	}
	if (!control->conf->nat64.on) {
		client_fail(c, "nat64 is not configured");
		return;
	}
	if (!take_tenant(c, control, req, 1)) {
		return;
	}
	memcpy(c->state, &query, sizeof(query));
	buf_init(&first, SERVER_ANSWER_MAX);
	rc = nat64_piece(c, control, &first, &err);
	if (rc < 0 || first.bad) {
		client_fail(c, "%s", rc < 0 ? err.msg : "out of memory");
	} else {
		client_ok(c);
		buf_bytes(&c->out, first.data, first.len);
		c->more = nat64_more;
		if (rc == 0) {
			client_end(c);
		}
	}
	buf_fini(&first);
}

void verb_tunnels(struct client *c, struct control *control, const struct request *req)
{
	const struct tenant_conf *tenant;
	struct object_set *seen = NULL;
	struct tunnels_view view = {.conf = control->conf,
				    .kernel = control->kernel,
				    .now_s = (uint64_t)time(NULL)};
	struct err err;
	uint32_t at = 0;

	if (!take_tenant(c, control, req, 0)) {
		return;
	}
	/* Without what the kernel has the rest is shown. */
	if (tunnels_observe(control->conf, &seen, &err) < 0) {
		log_warn(MOD, "tunnels: %s", err.msg);
	}
	view.seen = seen;
	client_ok(c);
	if (c->text[0] == '\0') {
		tunnels_write_uplink(&view, &c->out);
	}
	while ((tenant = tenants_next(&control->tenants, &at))) {
		if (c->text[0] == '\0' || strcmp(c->text, tenant->name) == 0) {
			tunnels_write(&view, tenant, &c->out);
		}
	}
	client_end(c);
	tunnels_free(seen);
}

/* The kernel's counts as they were when the answer began. */
struct denied_view {
	struct kernel_counters total;
	struct denied_counts counts;
};

static void denied_view_free(void *job)
{
	struct denied_view *view = job;

	denied_fini(&view->counts);
	free(view);
}

static int denied_look(struct client *c, struct control *control, struct err *err)
{
	struct denied_view *view = calloc(1, sizeof(*view));
	int rc = view ? kernel_counters(control->kernel, &view->total, err)
		      : err_set(err, -ENOMEM, "out of memory");

	rc = rc < 0 ? rc : kernel_denied(control->kernel, &view->counts, err);
	if (rc < 0) {
		free(view);
		return rc;
	}
	c->job = view;
	c->job_free = denied_view_free;
	return 0;
}

/* The tenants from c->at on, until the piece is large enough, then what is no tenant's. */
static void denied_more(struct client *c, void *ctx)
{
	const char *only = c->text[0] != '\0' ? c->text : NULL;
	const struct tenant_conf *tenant = NULL;
	const struct denied_view *view = c->job;
	struct control *control = ctx;

	while (c->out.len < PIECE_MAX && (tenant = tenants_next(&control->tenants, &c->at))) {
		if (!only || strcmp(only, tenant->name) == 0) {
			denied_write_tenant(control->conf, tenant, &view->counts, &c->out);
		}
	}
	if (!tenant) {
		if (!only) {
			denied_write_rest(&view->total, &view->counts, &c->out);
		}
		client_end(c);
	}
}

void verb_denied(struct client *c, struct control *control, const struct request *req)
{
	struct err err;

	if (!control->kernel) {
		client_fail(c, NO_KERNEL);
	} else if (!take_tenant(c, control, req, 0)) {
		return; /* it was told */
	} else if (server_busy(c->server)) {
		client_fail(c, BUSY);
	} else if (denied_look(c, control, &err) < 0) {
		client_fail(c, "%s", err.msg);
	} else {
		client_ok(c);
		c->more = denied_more;
	}
}

void verb_who(struct client *c, struct control *control, const struct request *req)
{
	const struct tenant_conf *tenant;
	struct endpoint at;
	uint64_t port;
	uint32_t next = 0;

	if (req->n_args != 2 || addr_parse(req->args[0], &at.addr) < 0 ||
	    str_to_u64(req->args[1], 0, UINT16_MAX, &port) < 0) {
		client_fail(c, "who needs an address and a port");
		return;
	}
	at.port = (uint16_t)port;
	client_ok(c);
	while ((tenant = tenants_next(&control->tenants, &next))) {
		nat64_write_holder(control->conf, tenant, &at, &c->out);
	}
	client_end(c);
}

/* One piece of the lines, made JSON by write. */
static void plan_piece(struct client *c, void (*write)(const struct buf *lines, struct buf *out))
{
	struct buf lines;
	bool more;

	buf_init(&lines, SERVER_ANSWER_MAX);
	more = kernel_plan_write(c->job, PIECE_MAX, &lines);
	write(&lines, &c->out);
	if (!more) {
		client_end(c);
	}
	buf_fini(&lines);
}

static void write_steps(const struct buf *lines, struct buf *out)
{
	status_write_lines(lines, "step", out);
}

static void plan_text(struct client *c, void *ctx)
{
	(void)ctx;
	plan_piece(c, write_steps);
}

static void drift_text(struct client *c, void *ctx)
{
	(void)ctx;
	plan_piece(c, drift_write_now);
}

/* A step of the work; true when it is done. */
static bool plan_worked(struct client *c)
{
	struct err err;
	int rc = kernel_plan_step(c->job, &err);

	if (rc < 0) {
		client_fail(c, "%s", err.msg);
	} else if (rc == 0) {
		client_ok(c);
	}
	return rc == 0;
}

static void plan_more(struct client *c, void *ctx)
{
	(void)ctx;
	if (plan_worked(c)) {
		c->more = plan_text;
	}
}

static void drift_more(struct client *c, void *ctx)
{
	const struct control *control = ctx;

	if (plan_worked(c)) {
		drift_write(&control->drift, &c->out);
		c->more = drift_text;
	}
}

static void plan_job_free(void *job)
{
	kernel_plan_free(job);
}

/* The steps to what node asks for; NULL: to what is wanted now. Takes node. */
static void plan_begin(struct client *c, struct control *control, struct node_conf *node,
		       void (*more)(struct client *c, void *ctx))
{
	struct kernel_plan *plan;
	struct err err;

	if (server_busy(c->server)) {
		node_conf_free(node);
		client_fail(c, BUSY);
		return;
	}
	if (kernel_plan_new(control->kernel, node, &plan, &err) < 0) {
		client_fail(c, "%s", err.msg);
		return;
	}
	c->job = plan;
	c->job_free = plan_job_free;
	c->more = more;
}

void verb_plan(struct client *c, struct control *control)
{
	struct node_conf *conf = NULL;
	struct buf text;

	buf_init(&text, SERVER_ANSWER_MAX / 4);
	if (!control->kernel) {
		client_fail(c, NO_KERNEL);
	} else if (control_load_conf(control->conf_path, control->run_dir, &conf, &text) < 0) {
		buf_u8(&text, '\0');
		client_fail(c, "%s", text.bad ? "many errors" : (const char *)text.data);
	} else {
		plan_begin(c, control, conf, plan_more);
	}
	buf_fini(&text);
}

void verb_drift(struct client *c, struct control *control)
{
	if (!control->kernel) {
		client_fail(c, NO_KERNEL);
	} else {
		plan_begin(c, control, NULL, drift_more);
	}
}
