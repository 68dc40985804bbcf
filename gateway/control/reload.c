/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DOC: reading the node config again, at SIGHUP or `reload`
 *
 * file -> checks -> every worker -> kernel, listeners, log child, tenants. Workers are asked first:
 * they answer for themselves only, and until all have taken the new config nothing else has moved.
 * One refusal, or a failure of what comes after, and the workers get the former one back. What
 * cannot change while we run is named, not ignored. A reload that is asked for meanwhile begins
 * when this one has ended, so that it reads the file anew.
 *
 * The steps run at the end of a batch of events, never inside an answer of a worker or a client.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/model/message.h"
#include "conf/text/conf.h"
#include "gateway/control/control.h"
#include "gateway/control/internal.h"
#include "gateway/control/probation.h"
#include "gateway/kernel/kernel.h"
#include "gateway/registry/dir.h"

#define MOD       "reload"
#define WHAT_NODE "node config"
#define LATE_MS   8000 /* who asked is told that workers take their time; the command waits 10 s */

int control_load_conf(const char *path, const char *run_dir, struct node_conf **ret_conf,
		      struct buf *text)
{
	struct node_conf *conf = NULL;
	struct issues issues;
	int rc;

	issues_init(&issues);
	rc = conf_node_load(path, 0, &conf, &issues);
	if (rc == 0) {
		rc = control_check_machine(conf, run_dir, &issues);
	}
	if (rc == 0 && issues_count(&issues) > 0) {
		conf_locate(path, 0, &issues, 0);
		rc = -EINVAL;
	}
	if (rc == 0) {
		*ret_conf = conf;
	} else {
		node_conf_free(conf);
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
		if (prefix_cmp(&a->pool[i].range, &b->pool[i].range) != 0 ||
		    a->pool[i].delivery != b->pool[i].delivery) {
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

static bool zone_listen_same(const struct node_conf *a, const struct node_conf *b)
{
	bool same = a->dns64.n_zone_listen == b->dns64.n_zone_listen;

	for (size_t i = 0; same && i < a->dns64.n_zone_listen; i++) {
		same = addr_eq(&a->dns64.zone_listen[i], &b->dns64.zone_listen[i]);
	}
	return same;
}

static bool ports_same(struct port_range a, struct port_range b)
{
	return a.first == b.first && a.last == b.last;
}

/* Whether a tenant object may read differently with the other config. */
static bool tenants_depend(const struct node_conf *a, const struct node_conf *b)
{
	return a->has_client_prefix != b->has_client_prefix ||
	       a->has_ipv6_prefix != b->has_ipv6_prefix || a->ipv6_reserved != b->ipv6_reserved ||
	       prefix_cmp(&a->client_prefix, &b->client_prefix) != 0 ||
	       prefix_cmp(&a->ipv6_prefix, &b->ipv6_prefix) != 0 ||
	       !text_same(a->interface, b->interface) ||
	       !ports_same(a->local_ports, b->local_ports) || a->uplink_kind != b->uplink_kind ||
	       a->exit.listen_port != b->exit.listen_port ||
	       !addr_eq(&a->exit.local, &b->exit.local) ||
	       !addr_eq(&a->exit.remote, &b->exit.remote) || !pool_same(a, b) ||
	       !listeners_same(a, b) || !zone_listen_same(a, b);
}

/* What the start could not do is tried again, and goes without again if it must. */
static int reload_kernel(struct control *c, const struct node_conf *conf, struct err *err)
{
	const struct kernel_uids uids = control_uids(c);
	bool in_force;
	int rc;

	if (!c->kernel) {
		return 0;
	}
	in_force = kernel_applied(c->kernel);
	rc = kernel_apply_node(c->kernel, conf, &uids, err);
	if (rc == 0) {
		rc = drift_watch(&c->drift, err);
	}
	if (rc == 0) {
		problem_clear(&c->problems, PROBLEM_KERNEL);
	} else if (!in_force && (!kernel_node(c->kernel) || kernel_node(c->kernel) == conf)) {
		log_warn(MOD, "kernel: %s", err->msg);
		problem_set(&c->problems, LOG_LEVEL_WARN, PROBLEM_KERNEL, err->msg);
		rc = 0;
	}
	drift_problems(&c->drift);
	return rc < 0 ? err_prefix(err, "kernel: ") : 0;
}

/* Sessions that run have addresses of the prefix: without its route they would hang. */
static bool client_prefix_leaves(const struct node_conf *former, const struct node_conf *conf)
{
	return former->has_client_prefix &&
	       (!conf->has_client_prefix || conf->client_prefix.len != former->client_prefix.len ||
		!addr_eq(&conf->client_prefix.addr, &former->client_prefix.addr));
}

static bool nat64_same(const struct node_conf *a, const struct node_conf *b)
{
	return a->nat64.on == b->nat64.on && prefix_cmp(&a->nat64.prefix, &b->nat64.prefix) == 0 &&
	       ports_same(a->nat64.ports, b->nat64.ports) &&
	       a->nat64.ports_per_tenant == b->nat64.ports_per_tenant &&
	       a->nat64.n_pool == b->nat64.n_pool &&
	       (a->nat64.n_pool == 0 || memcmp(a->nat64.pool, b->nat64.pool,
					       a->nat64.n_pool * sizeof(*a->nat64.pool)) == 0);
}

/*
 * Links, marks and blocks of ports of all tenants are made from these; while they run, none may
 * become another's. Returns the first key that differs, or NULL.
 */
static const char *tenants_stand_on(const struct node_conf *a, const struct node_conf *b)
{
	if (a->has_ipv6_prefix != b->has_ipv6_prefix || a->ipv6_reserved != b->ipv6_reserved ||
	    prefix_cmp(&a->ipv6_prefix, &b->ipv6_prefix) != 0 ||
	    node_conf_unit(a) != node_conf_unit(b)) {
		return "uplink.ipv6";
	}
	if (!nat64_same(a, b)) {
		return "nat64";
	}
	if (!ports_same(a->nat44_ports, b->nat44_ports)) {
		return "nat44";
	}
	if (a->has_siit_prefix != b->has_siit_prefix ||
	    prefix_cmp(&a->siit_prefix, &b->siit_prefix) != 0) {
		return "siit";
	}
	if (a->wireguard.on != b->wireguard.on ||
	    !text_same(a->wireguard.underlay_netns, b->wireguard.underlay_netns) ||
	    a->wireguard.listen_port != b->wireguard.listen_port ||
	    !text_same(a->wireguard.private_key_file, b->wireguard.private_key_file)) {
		return "wireguard";
	}
	if (a->six_in_four.on != b->six_in_four.on ||
	    !text_same(a->six_in_four.underlay_netns, b->six_in_four.underlay_netns) ||
	    !addr_eq(&a->six_in_four.local, &b->six_in_four.local)) {
		return "six_in_four";
	}
	return NULL;
}

/* What needs no worker to be found out. */
static int reload_check(const struct control *c, const struct node_conf *conf, struct err *err)
{
	const char *key;

	if (conf->workers != c->conf->workers ||
	    !text_same(conf->registry.dir, c->conf->registry.dir)) {
		return err_set(err, -EBUSY,
			       "workers and registry cannot change while running: "
			       "restart sixgated");
	}
	if (conf->dns64.on != c->conf->dns64.on) {
		return err_set(err, -EBUSY,
			       "dns64 cannot be turned %s while running: restart sixgated",
			       conf->dns64.on ? "on" : "off");
	}
	if (!text_same(conf->dns64.zone, c->conf->dns64.zone)) {
		return err_set(err, -EBUSY,
			       "dns64.zone cannot change while running, as tenants' names are "
			       "claimed in it: restart sixgated");
	}
	if (conf->dns64.on && (conf->dns64.n_listen == 0) != (c->conf->dns64.n_listen == 0)) {
		return err_set(
			err, -EBUSY,
			"dns64.listen cannot change from tenants to addresses, or back, while "
			"running: restart sixgated");
	}
	key = tenants_stand_on(c->conf, conf);
	if (key) {
		return err_set(err, -EBUSY,
			       "%s cannot change while running, as the tenants' tunnels and ports "
			       "are made from it: restart sixgated, which keeps what stays the same",
			       key);
	}
	if (!c->confirm.going_back && client_prefix_leaves(c->conf, conf)) {
		return err_set(err, -EBUSY,
			       "client_prefix cannot change while running, as sessions use it: "
			       "restart sixgated");
	}
	return 0;
}

/* conf, which is about to be freed, is the kernel's no more. */
static void reload_kernel_back(struct control *c, const struct node_conf *conf)
{
	struct err err;

	if (!c->kernel || kernel_node(c->kernel) != conf) {
		return;
	}
	if (reload_kernel(c, c->conf, &err) < 0) {
		log_err(MOD, "going back: %s", err.msg);
	}
	kernel_borrow_node(c->kernel, c->conf);
}

/* Both or none. */
static int reload_listeners(struct control *c, const struct node_conf *conf, struct err *err)
{
	int rc = listeners_open(&c->listeners, conf, err);

	if (rc == 0 && c->dns64.n > 0) {
		rc = listeners_open(&c->dns64_listeners, conf, err);
		if (rc < 0) {
			listeners_abandon(&c->listeners);
		}
	}
	if (rc < 0) {
		return rc;
	}
	listeners_commit(&c->listeners, conf);
	if (c->dns64.n > 0) {
		listeners_commit(&c->dns64_listeners, conf);
	}
	return 0;
}

/* Puts what every worker has in force; it is taken over on success only. */
static int reload_apply(struct control *c, struct node_conf *conf, struct err *err)
{
	struct node_conf *former = c->conf;
	bool reread = tenants_depend(conf, former);
	int rc = reload_kernel(c, conf, err);

	if (rc == 0) {
		rc = reload_listeners(c, conf, err);
	}
	if (rc < 0) {
		reload_kernel_back(c, conf);
		return rc;
	}
	if (logchild_configure(&c->logchild, &conf->access_log) < 0 ||
	    logchild_configure(&c->query_log, &conf->dns64.query_log.to) < 0) {
		log_err(MOD, "out of memory, a log keeps its former settings");
	}
	responder_configure(&c->responder, conf);
	c->conf = conf;
	c->tenants.folder = conf->registry.dir;
	keeper_stop(&c->keeper);
	tenants_set_node(&c->tenants, conf, reread);
	if (c->dir) {
		dir_rescan(c->dir);
	}
	if (c->reload.confirm_s > 0) {
		control_confirm_keep(c, former, c->reload.confirm_s);
		return 0;
	}
	if (c->confirm.going_back) {
		tenants_go_back(&c->tenants, reread);
	} else {
		tenants_keep_tried(&c->tenants);
	}
	node_conf_free(former);
	return 0;
}

/* Tells who waits. why: NULL when the config is in force. */
static void reload_end(struct control *c, const char *why)
{
	if (why) {
		log_err(MOD, "%s: refused, the former config stays in force: %.*s", c->conf_path,
			(int)strcspn(why, "\n"), why);
		problem_set(&c->problems, LOG_LEVEL_ERR, PROBLEM_RELOAD, why);
	} else {
		log_info(MOD, "%s%s is in force", c->confirm.going_back ? "the config before " : "",
			 c->conf_path);
		problem_clear(&c->problems, PROBLEM_RELOAD);
		if (c->confirm.going_back) {
			control_confirm_is_back(c);
		} else if (c->reload.confirm_s == 0) {
			problem_clear(&c->problems, PROBLEM_CONFIRM);
			probation_remove(c->run_dir);
		}
	}
	c->confirm.going_back = false;
	c->reload.confirm_s = 0;
	wheel_disarm(&c->loop.wheel, &c->reload.late);
	c->reload.phase = RELOAD_IDLE;
	if (c->reload.notified) {
		notify_send(&c->notify, "READY=1");
	}
	control_reloaded(c, c->reload.serial, why);
}

/* What was to come in force does not. The former config will be tried again. */
static void reload_drop(struct control *c)
{
	if (c->confirm.going_back) {
		control_confirm_return(c, c->reload.conf);
	} else {
		node_conf_free(c->reload.conf);
	}
	c->reload.conf = NULL;
}

/* Reads the file and sends it to the workers. */
static int reload_begin(struct control *c, struct buf *text)
{
	struct err err;
	int rc;

	if (c->phase == CONTROL_DRAINING) {
		/* the listeners are closed: none can be changed or opened again */
		buf_printf(text, "sixgated is stopping");
		return -EBUSY;
	}
	if (c->confirm.going_back) {
		c->reload.conf = control_confirm_take(c);
	} else if (c->confirm.former) {
		buf_printf(text, "the config in force is not confirmed yet: 'sixgate confirm' or "
				 "'sixgate rollback' first");
		return -EBUSY;
	} else if (control_load_conf(c->conf_path, c->run_dir, &c->reload.conf, text) < 0) {
		c->reload.conf = NULL;
		return -EINVAL;
	}
	rc = reload_check(c, c->reload.conf, &err);
	if (rc < 0) {
		buf_printf(text, "%s", err.msg);
		reload_drop(c);
		return rc;
	}
	c->reload.phase = RELOAD_SENT;
	wheel_arm(&c->loop.wheel, &c->reload.late, c->loop.now_ms + LATE_MS);
	items_change(&c->items, &c->node);
	return 0;
}

static void reload_start(struct control *c)
{
	struct buf text;

	c->reload.wanted = false;
	c->reload.serial++;
	c->reload.notified = c->phase == CONTROL_RUNNING;
	if (c->reload.notified) {
		notify_reloading(&c->notify);
	}
	buf_init(&text, PROBLEM_TEXT_MAX);
	if (reload_begin(c, &text) < 0) {
		buf_u8(&text, '\0');
		reload_end(c, text.bad ? "many errors" : (const char *)text.data);
	}
	buf_fini(&text);
}

/* Workers and all else have what they had. */
static void reload_go_back(struct control *c, const char *why)
{
	reload_drop(c);
	reload_end(c, why);
	items_change(&c->items, &c->node);
}

static void reload_commit(struct control *c)
{
	struct err err;

	if (c->phase == CONTROL_DRAINING) {
		reload_go_back(c, "sixgated is stopping");
	} else if (control_confirm_note(c, c->reload.conf, &err) < 0) {
		reload_go_back(c, err.msg);
	} else if (reload_apply(c, c->reload.conf, &err) < 0) {
		if (c->reload.confirm_s > 0) {
			probation_remove(c->run_dir);
		}
		reload_go_back(c, err.msg);
	} else {
		c->reload.conf = NULL;
		c->reload.told = c->items.serial;
		c->reload.phase = RELOAD_TELLING;
	}
}

/* Who asks hears of it when a new connection meets it, by whatever listener. */
static bool reload_told(struct control *c)
{
	if (!listeners_told(&c->listeners, c->reload.told) ||
	    (c->dns64.n > 0 && !listeners_told(&c->dns64_listeners, c->reload.told))) {
		return false;
	}
	reload_end(c, NULL);
	return true;
}

bool control_reload_step(struct control *c)
{
	switch (c->reload.phase) {
	case RELOAD_IDLE:
		/* the kernel's turn at the start is when the registry was read */
		if (!c->reload.wanted || (!c->workers.released && c->phase != CONTROL_DRAINING)) {
			return false;
		}
		reload_start(c);
		return true;
	case RELOAD_SENT:
		return false;
	case RELOAD_TAKEN:
		reload_commit(c);
		return true;
	case RELOAD_REFUSED:
		reload_go_back(c, c->reload.why);
		return true;
	case RELOAD_TELLING:
		return reload_told(c);
	}
	return false;
}

uint64_t control_reload(struct control *c)
{
	c->reload.wanted = true;
	c->loop.busy = true;
	return c->reload.serial + 1;
}

static void reload_late(struct timer *timer)
{
	struct control *c = container_of(timer, struct control, reload.late);

	control_reloaded(c, c->reload.serial,
			 c->reload.phase == RELOAD_TELLING
				 ? "it is in force, but not every worker has answered yet for the "
				   "listeners it changes: new connections may meet the former ones"
				 : "not every worker has answered yet, the former config is in "
				   "force until they have: 'sixgate status' shows how it ends");
}

void control_reload_init(struct control *c)
{
	timer_init(&c->reload.late, reload_late);
}

/* The node config as the object every worker gets first. */
static void node_pack(struct item *item, unsigned int feed, struct buf *out,
		      struct channel_msg *msg)
{
	const struct control *c = container_of(item, struct control, node);

	(void)feed;
	msg->type = MSG_NODE;
	node_conf_pack(c->reload.conf ? c->reload.conf : c->conf, out);
}

static void node_settled(struct item *item)
{
	struct control *c = container_of(item, struct control, node);

	problem_clear(&c->problems, WHAT_NODE);
	if (c->reload.phase == RELOAD_SENT) {
		c->reload.phase = RELOAD_TAKEN;
		c->loop.busy = true;
	}
}

static void node_refused(struct item *item, unsigned int feed, struct str why)
{
	struct control *c = container_of(item, struct control, node);
	char safe[ERR_MSG_MAX];

	(void)snprintf(c->reload.why, sizeof(c->reload.why), "%s refuses it: %s",
		       c->items.feeds[feed].name, str_escape(safe, sizeof(safe), why)); /* fits */
	if (c->reload.phase == RELOAD_SENT) {
		c->reload.phase = RELOAD_REFUSED;
		c->loop.busy = true;
	} else if (c->reload.phase != RELOAD_REFUSED) {
		/* what all others have: there is nothing to go back to */
		log_err(MOD, WHAT_NODE ": %s", c->reload.why);
		problem_set(&c->problems, LOG_LEVEL_ERR, WHAT_NODE, c->reload.why);
	}
}

const struct item_ops control_node_ops = {
	.stage = STAGE_SET,
	.pack = node_pack,
	.settled = node_settled,
	.refused = node_refused,
};
