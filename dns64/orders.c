/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What control tells a worker, and how it is carried out; see worker/link.h. */
#include <errno.h>

#include "base/container.h"
#include "conf/model/tenant.h"
#include "dns64/cache_verbs.h"
#include "dns64/query_verbs.h"
#include "dns64/worker.h"
#include "dns64/zone_verbs.h"

#define MOD       "dns64"
#define NOBODY_MS 5000 /* to end in, when control has gone */

static struct dns_worker *worker_of(struct link *link)
{
	return container_of(link, struct dns_worker, link);
}

static int on_drain(struct link *link, struct channel_msg *msg, struct err *err)
{
	uint32_t ms;
	int rc = link_drain_ms(msg, &ms, err);

	if (rc == 0) {
		dns_worker_drain(worker_of(link), ms);
	}
	return rc;
}

static int on_counters(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct dns_worker *w = worker_of(link);
	int rc = link_counters(msg, &w->n_workers, err);

	if (rc < 0 || w->own) {
		return rc < 0 ? rc : err_set(err, -EPROTO, "COUNTERS: twice");
	}
	link->index = msg->id;
	rc = counters_map(msg->fds[0], 1, &w->own, err);
	for (size_t i = 0; rc == 0 && i < w->n_workers; i++) {
		if (i != msg->id) {
			rc = counters_map(msg->fds[i + 1], 0, &w->others[w->n_others], err);
			w->n_others += rc == 0;
		}
	}
	return rc;
}

static int on_log(struct link *link, struct channel_msg *msg, struct err *err)
{
	(void)err;
	dns_log_set(worker_of(link), link_take_fd(msg, 0));
	return 0;
}

static int on_begin(struct link *link, struct channel_msg *msg, struct err *err)
{
	(void)msg;
	(void)err;
	tenants_begin(&worker_of(link)->tenants);
	return 0;
}

static int on_end(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct dns_worker *w = worker_of(link);

	if (!w->tenants.filling) {
		return err_set(err, -EPROTO, "END without BEGIN");
	}
	tenants_end(&w->tenants);
	authority_changed(w, msg->serial);
	return 0;
}

static int on_set(struct link *link, struct channel_msg *msg, struct err *err)
{
	return worker_of(link)->tenants.filling
		       ? link_set(link, msg, err)
		       : err_set(err, -EPROTO, "SET outside of BEGIN and END");
}

static int on_node(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct dns_worker *w = worker_of(link);
	struct node_conf *node;
	int rc;

	if (!w->own) {
		return err_set(err, -EPROTO, "NODE before COUNTERS");
	}
	rc = node_conf_unpack(cursor_from(msg->data, msg->len), &node, err);
	if (rc == 0) {
		rc = dns_worker_set_node(w, node, err);
	}
	if (rc == 0) {
		authority_changed(w, msg->serial);
	}
	return rc;
}

static int on_tenant(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct dns_worker *w = worker_of(link);
	struct tenant_conf *conf;
	int rc;

	if (!w->node) {
		return err_set(err, -EPROTO, "TENANT before NODE");
	}
	rc = tenant_conf_unpack(cursor_from(msg->data, msg->len), &conf, err);
	if (rc == 0) {
		rc = tenants_put(&w->tenants, msg->id, conf, msg->type == MSG_TENANT_SWAP, err);
	}
	if (rc == 0) {
		authority_changed(w, msg->serial);
	}
	return rc;
}

static int on_tenant_remove(struct link *link, struct channel_msg *msg, struct err *err)
{
	(void)err;
	tenants_remove(&worker_of(link)->tenants, msg->id);
	authority_changed(worker_of(link), msg->serial);
	return 0;
}

static int on_listener(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct dns_worker *w = worker_of(link);
	struct listener_msg listener;

	if (msg->n_fds > 1 ||
	    listener_msg_unpack(cursor_from(msg->data, msg->len), &listener) < 0 ||
	    listener.protocol == PROTOCOL_TLS) {
		return err_set(err, -EPROTO, "LISTENER: bad form");
	}
	if (!w->node) {
		return err_set(err, -EPROTO, "LISTENER before NODE");
	}
	return dns_listener_put(w, msg->id, &listener, msg->n_fds == 1 ? link_take_fd(msg, 0) : -1,
				err);
}

static int on_listener_remove(struct link *link, struct channel_msg *msg, struct err *err)
{
	(void)err;
	dns_listener_remove(worker_of(link), msg->id);
	return 0;
}

static int on_lend(struct link *link, struct channel_msg *msg, struct err *err)
{
	int rc = dns_listener_lend(worker_of(link), msg->id, link_take_fd(msg, 0));

	return rc < 0 ? err_set_errno(err, rc, "lent socket") : 0;
}

static int on_lend_end(struct link *link, struct channel_msg *msg, struct err *err)
{
	(void)err;
	dns_listener_lend_end(worker_of(link), msg->id);
	return 0;
}

/* Of proxies; after an upgrade every worker of before is asked. */
static int on_sessions(struct link *link, struct channel_msg *msg, struct err *err)
{
	(void)link;
	(void)msg;
	return err_set(err, -ENOENT, "there are no sessions here");
}

static int on_flush(struct link *link, struct channel_msg *msg, struct err *err)
{
	return dns_flush(worker_of(link), msg, err);
}

static int on_zone(struct link *link, struct channel_msg *msg, struct err *err)
{
	return dns_zone(worker_of(link), msg, err);
}

static int on_cache(struct link *link, struct channel_msg *msg, struct err *err)
{
	return dns_cache(worker_of(link), msg, err);
}

static int on_query(struct link *link, struct channel_msg *msg, struct err *err)
{
	return dns_query(worker_of(link), msg, err);
}

static void on_ended(struct link *link)
{
	dns_worker_drain(worker_of(link), NOBODY_MS);
}

static const struct link_order orders[] = {
	{MSG_STATS, 0, link_on_stats},
	{MSG_DRAIN, 0, on_drain},
	{MSG_QUIT, 0, link_on_quit},
	{MSG_COUNTERS, LINK_ANY_FDS, on_counters},
	{MSG_LOG, 1, on_log},
	{MSG_BEGIN, 0, on_begin},
	{MSG_END, 0, on_end},
	{MSG_NODE, 0, on_node},
	{MSG_TENANT, 0, on_tenant},
	{MSG_TENANT_SWAP, 0, on_tenant},
	{MSG_SET, 0, on_set},
	{MSG_TENANT_REMOVE, 0, on_tenant_remove},
	{MSG_LISTENER, LINK_ANY_FDS, on_listener},
	{MSG_LISTENER_REMOVE, 0, on_listener_remove},
	{MSG_LEND, 1, on_lend},
	{MSG_LEND_END, 0, on_lend_end},
	{MSG_SESSIONS, LINK_ANY_FDS, on_sessions},
	{MSG_KILL, 0, on_sessions},
	{MSG_DRAIN_SERVICE, 0, on_sessions},
	{MSG_LOG_LEVEL, 0, link_on_log_level},
	{MSG_DNS_ZONE, 1, on_zone},
	{MSG_DNS_FLUSH, 1, on_flush},
	{MSG_DNS_CACHE, 1, on_cache},
	{MSG_DNS_QUERY, 1, on_query},
};

const struct link_ops dns_link_ops = {
	.mod = MOD,
	.orders = orders,
	.n_orders = sizeof(orders) / sizeof(orders[0]),
	.ended = on_ended,
};
