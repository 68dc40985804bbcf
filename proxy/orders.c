/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages of control; see orders.h. */
#include "proxy/orders.h"

#include <errno.h>

#include "base/container.h"
#include "proxy/listener.h"
#include "proxy/sessions_dump.h"
#include "proxy/worker.h"

#define MOD       "proxy"
#define KILL_STEP 1024 /* sessions looked at in one go */

static struct worker *worker_of(struct link *link)
{
	return container_of(link, struct worker, link);
}

/* The order is under way: orders_step() answers it. */
static int answer_later(struct worker *w, const struct channel_msg *msg)
{
	w->order = (struct order){.type = msg->type, .id = msg->id, .serial = msg->serial};
	return LINK_ANSWERED;
}

/* Done, or as soon as the sessions it concerns have followed. */
static int answer_after_walk(struct worker *w, const struct channel_msg *msg)
{
	return w->n_ordered > 0 ? answer_later(w, msg) : 0;
}

static int on_drain(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct worker *w = worker_of(link);
	uint32_t ms;
	int rc = link_drain_ms(msg, &ms, err);

	if (rc == 0) {
		worker_drain(w, w->loop.now_ms + ms);
	}
	return rc;
}

static int on_counters(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct worker *w = worker_of(link);
	size_t n_workers;
	int rc = link_counters(msg, &n_workers, err);

	if (rc < 0 || w->own) {
		return rc < 0 ? rc : err_set(err, -EPROTO, "COUNTERS: bad form");
	}
	return worker_set_counters(w, msg, n_workers, err);
}

static int on_log(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct worker *w = worker_of(link);

	(void)err;
	log_lines_set(&w->log, link_take_fd(msg, 0),
		      w->node ? w->node->access_log.format : LOG_FORMAT_JSON);
	return 0;
}

static int on_begin(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct worker *w = worker_of(link);

	(void)msg;
	(void)err;
	tenants_begin(&w->tenants);
	return 0;
}

static int on_end(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct worker *w = worker_of(link);

	if (!w->tenants.filling) {
		return err_set(err, -EPROTO, "END without BEGIN");
	}
	tenants_end(w);
	return answer_after_walk(w, msg);
}

static int on_node(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct worker *w = worker_of(link);
	struct node_conf *node;
	int rc = node_conf_unpack(cursor_from(msg->data, msg->len), &node, err);

	if (rc < 0) {
		return rc;
	}
	node_conf_free(w->node);
	w->node = node;
	w->log.format = node->access_log.format;
	w->log.off = !node->access_log.on;
	return 0;
}

static int on_tenant(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct worker *w = worker_of(link);
	struct tenant_conf *conf;
	int rc = tenant_conf_unpack(cursor_from(msg->data, msg->len), &conf, err);

	if (rc == 0) {
		rc = tenants_put(w, msg->id, conf, msg->type == MSG_TENANT_SWAP, err);
	}
	return rc < 0 ? rc : answer_after_walk(w, msg);
}

static int on_tenant_remove(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct worker *w = worker_of(link);

	(void)err;
	tenants_remove(w, msg->id);
	return answer_after_walk(w, msg);
}

static int on_listener(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct worker *w = worker_of(link);
	struct listener_msg listener;

	if (msg->n_fds > 1 ||
	    listener_msg_unpack(cursor_from(msg->data, msg->len), &listener) < 0 ||
	    listener.protocol == PROTOCOL_UDP) {
		return err_set(err, -EPROTO, "LISTENER: bad form");
	}
	if (!w->own || !w->node) {
		return err_set(err, -EPROTO, "LISTENER before COUNTERS and NODE");
	}
	return listener_put(w, msg->id, &listener, msg->n_fds == 1 ? link_take_fd(msg, 0) : -1,
			    err);
}

static int on_listener_remove(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct worker *w = worker_of(link);

	(void)err;
	return listener_remove(w, msg->id, msg->serial) ? LINK_ANSWERED : 0;
}

static int on_set(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct worker *w = worker_of(link);
	int rc;

	if (!w->tenants.filling) {
		return err_set(err, -EPROTO, "SET outside of BEGIN and END");
	}
	rc = link_set(link, msg, err);
	return rc < 0 ? rc : answer_after_walk(w, msg);
}

static int on_lend(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct worker *w = worker_of(link);
	int rc = listener_lend(w, msg->id, link_take_fd(msg, 0));

	return rc < 0 ? err_set_errno(err, rc, "lent socket") : 0;
}

static int on_lend_end(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct worker *w = worker_of(link);

	(void)err;
	listener_lend_end(w, msg->id);
	return 0;
}

static int on_sessions(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct worker *w = worker_of(link);
	int rc = sessions_dump_start(w, msg);

	return rc < 0 ? err_set_errno(err, rc, "sessions") : LINK_ANSWERED;
}

static int on_kill(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct worker *w = worker_of(link);

	if (msg->serial == 0) {
		return err_set(err, -ENOENT, "no such session");
	}
	w->kill_at = 0;
	return answer_later(w, msg);
}

static void kill_step(struct worker *w)
{
	const struct order order = w->order;

	for (unsigned int n = 0; w->order.type && n < KILL_STEP; n++) {
		struct session *s = session_at(&w->pool, w->kill_at++);

		if (!s) {
			w->order.type = 0;
			link_nak(&w->link, MSG_KILL, order.id, order.serial, "no such session");
		} else if (session_is_open(s) && s->number == order.serial) {
			w->order.type = 0;
			session_close(s, CLOSE_KILLED);
			link_ack(&w->link, MSG_KILL, order.id, order.serial);
		}
	}
}

bool orders_step(struct worker *w)
{
	const struct order order = w->order;
	bool more = listeners_step(w);

	more |= services_step(w);
	if (order.type == MSG_KILL) {
		kill_step(w);
	} else if (order.type && w->n_ordered == 0) {
		w->order.type = 0;
		link_ack(&w->link, (enum message)order.type, order.id, order.serial);
	}
	return more || w->order.type;
}

static bool orders_wait(const struct link *link)
{
	const struct worker *w = container_of(link, const struct worker, link);

	return w->ending || w->order.type;
}

static int on_drain_service(struct link *link, struct channel_msg *msg, struct err *err)
{
	struct worker *w = worker_of(link);
	struct cursor in = cursor_from(msg->data, msg->len);
	struct str tenant = cursor_str(&in), what = cursor_str(&in);

	if (!cursor_done(&in)) {
		return err_set(err, -EPROTO, "DRAIN_SERVICE: bad form");
	}
	return tenants_drain(w, tenant, what) < 0
		       ? err_set(err, -ENOENT, "no such service or backend")
		       : answer_after_walk(w, msg);
}

static void orders_ended(struct link *link)
{
	worker_drain(worker_of(link), 0);
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
	{MSG_SESSIONS, 1, on_sessions},
	{MSG_KILL, 0, on_kill},
	{MSG_DRAIN_SERVICE, 0, on_drain_service},
	{MSG_LOG_LEVEL, 0, link_on_log_level},
};

const struct link_ops orders_link_ops = {
	.mod = MOD,
	.orders = orders,
	.n_orders = sizeof(orders) / sizeof(orders[0]),
	.wait = orders_wait,
	.ended = orders_ended,
};
