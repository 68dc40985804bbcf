/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading the node config, at start and again at SIGHUP or `reload`. What cannot change while we
 * run is named, not ignored; what fails leaves everything as it was.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "conf/text/conf.h"
#include "gateway/control/control.h"
#include "gateway/control/internal.h"
#include "gateway/kernel/kernel.h"
#include "gateway/registry/dir.h"

#define MOD  "reload"
#define WHAT "reload"

int control_load_conf(const char *path, struct node_conf **ret_conf, struct buf *text)
{
	struct issues issues;
	int rc;

	issues_init(&issues);
	rc = conf_node_load(path, 0, ret_conf, &issues);
	if (rc < 0) {
		issues_text(&issues, text);
	}
	issues_fini(&issues);
	return rc;
}

static bool text_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool pool_same(const struct node_conf *a, const struct node_conf *b)
{
	if (a->n_pool != b->n_pool) {
		return false;
	}
	for (size_t i = 0; i < a->n_pool; i++) {
		if (a->pool[i].range.len != b->pool[i].range.len ||
		    !addr_eq(&a->pool[i].range.addr, &b->pool[i].range.addr)) {
			return false;
		}
	}
	return true;
}

static bool listeners_same(const struct node_conf *a, const struct node_conf *b)
{
	if (a->n_listeners != b->n_listeners) {
		return false;
	}
	for (size_t i = 0; i < a->n_listeners; i++) {
		const struct listener_conf *l = &a->listeners[i], *m = &b->listeners[i];

		if (l->any != m->any || l->port != m->port || l->protocol != m->protocol ||
		    !addr_eq(&l->address, &m->address)) {
			return false;
		}
	}
	return true;
}

static bool prefix_same(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && addr_eq(&a->addr, &b->addr);
}

/* Whether a tenant object may read differently with the other config. */
static bool tenants_depend(const struct node_conf *a, const struct node_conf *b)
{
	return a->has_client_prefix != b->has_client_prefix ||
	       a->has_ipv6_prefix != b->has_ipv6_prefix || a->ipv6_reserved != b->ipv6_reserved ||
	       !prefix_same(&a->client_prefix, &b->client_prefix) ||
	       !prefix_same(&a->ipv6_prefix, &b->ipv6_prefix) || !pool_same(a, b) ||
	       !listeners_same(a, b);
}

/* What the start could not do is tried again, and goes without again if it must. */
static int reload_kernel(struct control *c, const struct node_conf *conf, struct err *err)
{
	const struct kernel_uids uids = {.proxy = c->identity.proxy_uid,
					 .agent = c->identity.agent_uid};
	bool in_force;
	int rc;

	if (!c->kernel) {
		return 0;
	}
	in_force = kernel_applied(c->kernel);
	rc = kernel_apply_node(c->kernel, conf, &uids, err);
	if (rc == 0) {
		rc = control_watch_kernel(c, err);
	}
	if (rc == 0) {
		problem_clear(&c->problems, PROBLEM_KERNEL);
	} else if (!in_force) {
		log_warn(MOD, "kernel: %s", err->msg);
		problem_set(&c->problems, LOG_LEVEL_WARN, PROBLEM_KERNEL, err->msg);
		rc = 0;
	}
	return rc < 0 ? err_prefix(err, "kernel: ") : 0;
}

/* Sessions that run have addresses of the prefix: without its route they would hang. */
static bool client_prefix_leaves(const struct node_conf *former, const struct node_conf *conf)
{
	return former->has_client_prefix &&
	       (!conf->has_client_prefix || conf->client_prefix.len != former->client_prefix.len ||
		!addr_eq(&conf->client_prefix.addr, &former->client_prefix.addr));
}

/* Puts conf in force; it is taken over on success only. */
static int reload_apply(struct control *c, struct node_conf *conf, struct err *err)
{
	struct node_conf *former = c->conf;
	struct err undo;
	int rc;

	if (conf->workers != former->workers ||
	    !text_same(conf->registry.dir, former->registry.dir)) {
		return err_set(err, -EBUSY,
			       "workers and registry cannot change while running: "
			       "restart sixgated");
	}
	if (client_prefix_leaves(former, conf)) {
		return err_set(err, -EBUSY,
			       "client_prefix cannot change while running, as sessions use it: "
			       "restart sixgated");
	}
	rc = reload_kernel(c, conf, err);
	if (rc < 0) {
		return rc;
	}
	rc = listeners_configure(&c->listeners, conf, err);
	if (rc < 0) {
		if (reload_kernel(c, former, &undo) < 0) {
			log_err(MOD, "going back: %s", undo.msg);
		}
		return rc;
	}
	if (logchild_configure(&c->logchild, &conf->access_log) < 0) {
		log_err(MOD, "out of memory, the access log keeps its former settings");
	}
	c->conf = conf;
	c->tenants.folder = conf->registry.dir;
	tenants_set_node(&c->tenants, conf, tenants_depend(conf, former));
	objects_change(&c->objects, &c->node);
	if (c->dir) {
		dir_rescan(c->dir);
	}
	node_conf_free(former);
	return 0;
}

static int reload(struct control *c, struct buf *text)
{
	struct node_conf *conf = NULL;
	struct err err;
	int rc;

	if (c->phase == CONTROL_DRAINING) {
		/* the listeners are closed: none can be changed or opened again */
		buf_printf(text, "sixgated is stopping");
		return -EBUSY;
	}
	rc = control_load_conf(c->conf_path, &conf, text);
	if (rc < 0) {
		return rc;
	}
	rc = reload_apply(c, conf, &err);
	if (rc < 0) {
		buf_printf(text, "%s", err.msg);
		node_conf_free(conf);
	}
	return rc;
}

int control_reload(struct control *c, struct buf *text)
{
	bool running = c->phase == CONTROL_RUNNING;
	int rc;

	if (running) {
		notify_reloading(&c->notify);
	}
	rc = reload(c, text);
	if (rc < 0) {
		buf_u8(text, '\0');
		text->len -= !text->bad;
		log_err(MOD, "%s: refused, the former config stays in force: %.*s", c->conf_path,
			text->bad ? 0 : (int)strcspn((const char *)text->data, "\n"),
			text->bad ? "" : (const char *)text->data);
		problem_set(&c->problems, LOG_LEVEL_ERR, WHAT,
			    text->bad ? "many errors" : (const char *)text->data);
	} else {
		log_info(MOD, "%s is in force", c->conf_path);
		problem_clear(&c->problems, WHAT);
	}
	if (running) {
		notify_send(&c->notify, "READY=1");
	}
	return rc;
}
