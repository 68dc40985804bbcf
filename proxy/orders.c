/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages of control; see orders.h. */
#include "proxy/orders.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/listener.h"
#include "proxy/sessions_dump.h"
#include "proxy/worker.h"

#define MOD        "proxy"
#define ANSWER_MAX 1024 /* bytes */
#define KILL_STEP  1024 /* sessions looked at in one go */

/*
 * One message type. need_fds: how many descriptors it has to come with, ANY_FDS if it looks for
 * itself. Returns 0 (answered ACK), ANSWERED, -EPROTO (a bad message: the process ends) or
 * another negative errno (answered NAK) with err.
 */
struct order_type {
	enum message type;
	int need_fds;
	int (*run)(struct worker *w, struct channel_msg *msg, struct err *err);
};

#define ANY_FDS  (-1)
#define ANSWERED 1 /* or will be, by orders_step() */

/* A descriptor of the message, which is the caller's from here on. */
static int take_fd(struct channel_msg *msg, size_t i)
{
	int fd = msg->fds[i];

	msg->fds[i] = -1;
	return fd;
}

static void send_answer(struct worker *w, struct channel_msg *msg, struct buf *data)
{
	int rc = data->bad ? -ENOMEM : 0;

	msg->data = data->data;
	msg->len = data->len;
	if (rc == 0 && w->channel.fd >= 0) { /* else control has gone meanwhile */
		rc = channel_send(&w->channel, msg);
	}
	buf_fini(data);
	/*
	 * Without answers control cannot know what is in force here; at the end of the channel,
	 * which is read next, nobody wants to.
	 */
	if (rc < 0 && rc != -EPIPE) {
		log_err_errno(rc, MOD, "answer to control");
		w->loop.stop = true;
		w->failed = true;
	}
}

void orders_ack(struct worker *w, enum message type, uint32_t id, uint64_t serial)
{
	struct channel_msg msg = {.type = MSG_ACK, .id = id, .serial = serial};
	struct buf data;

	buf_init(&data, ANSWER_MAX);
	buf_u16(&data, (uint16_t)type);
	send_answer(w, &msg, &data);
}

void orders_nak(struct worker *w, enum message type, uint32_t id, uint64_t serial, const char *why)
{
	struct channel_msg msg = {.type = MSG_NAK, .id = id, .serial = serial};
	struct buf data;

	buf_init(&data, ANSWER_MAX);
	buf_u16(&data, (uint16_t)type);
	buf_str(&data, str_from(why));
	send_answer(w, &msg, &data);
}

int orders_hello(struct worker *w)
{
	struct channel_msg msg = {.type = MSG_HELLO};
	struct buf data;
	int rc;

	buf_init(&data, ANSWER_MAX);
	buf_str(&data, str_from(PACKAGE_VERSION));
	buf_u32(&data, (uint32_t)getpid());
	if (data.bad) {
		return -ENOMEM;
	}
	msg.data = data.data;
	msg.len = data.len;
	rc = channel_send(&w->channel, &msg);
	buf_fini(&data);
	return rc;
}

/* The order is under way: orders_step() answers it. */
static int answer_later(struct worker *w, const struct channel_msg *msg)
{
	w->order = (struct order){.type = msg->type, .id = msg->id, .serial = msg->serial};
	return ANSWERED;
}

/* Done, or as soon as the sessions it concerns have followed. */
static int answer_after_walk(struct worker *w, const struct channel_msg *msg)
{
	return w->n_ordered > 0 ? answer_later(w, msg) : 0;
}

static int on_stats(struct worker *w, struct channel_msg *msg, struct err *err)
{
	(void)w;
	(void)msg;
	(void)err;
	return 0;
}

static int on_drain(struct worker *w, struct channel_msg *msg, struct err *err)
{
	struct cursor in = cursor_from(msg->data, msg->len);
	uint32_t ms = cursor_u32(&in);

	if (!cursor_done(&in)) {
		return err_set(err, -EPROTO, "DRAIN: bad form");
	}
	worker_drain(w, w->loop.now_ms + ms);
	return 0;
}

static int on_quit(struct worker *w, struct channel_msg *msg, struct err *err)
{
	(void)msg;
	(void)err;
	w->loop.stop = true;
	return ANSWERED;
}

static int on_counters(struct worker *w, struct channel_msg *msg, struct err *err)
{
	struct cursor in = cursor_from(msg->data, msg->len);
	size_t n_all = msg->n_fds > 0 ? msg->n_fds - 1 : 0;
	size_t n_workers = msg->len > 0 ? cursor_u8(&in) : n_all;

	if (!cursor_done(&in) || n_all > WORKERS_MAX || n_workers > n_all || msg->id >= n_workers ||
	    w->own) {
		return err_set(err, -EPROTO, "COUNTERS: bad form");
	}
	return worker_set_counters(w, msg, n_workers, err);
}

static int on_log(struct worker *w, struct channel_msg *msg, struct err *err)
{
	(void)err;
	access_log_set(&w->log, take_fd(msg, 0),
		       w->node ? w->node->access_log.format : LOG_FORMAT_JSON);
	return 0;
}

static int on_begin(struct worker *w, struct channel_msg *msg, struct err *err)
{
	(void)msg;
	(void)err;
	tenants_begin(&w->tenants);
	return 0;
}

static int on_end(struct worker *w, struct channel_msg *msg, struct err *err)
{
	if (!w->tenants.filling) {
		return err_set(err, -EPROTO, "END without BEGIN");
	}
	tenants_end(w);
	return answer_after_walk(w, msg);
}

static int on_node(struct worker *w, struct channel_msg *msg, struct err *err)
{
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

static int on_tenant(struct worker *w, struct channel_msg *msg, struct err *err)
{
	struct tenant_conf *conf;
	int rc = tenant_conf_unpack(cursor_from(msg->data, msg->len), &conf, err);

	if (rc == 0) {
		rc = tenants_put(w, msg->id, conf, msg->type == MSG_TENANT_SWAP, err);
	}
	return rc < 0 ? rc : answer_after_walk(w, msg);
}

static int on_tenant_remove(struct worker *w, struct channel_msg *msg, struct err *err)
{
	(void)err;
	tenants_remove(w, msg->id);
	return answer_after_walk(w, msg);
}

static int on_listener(struct worker *w, struct channel_msg *msg, struct err *err)
{
	struct listener_msg listener;

	if (msg->n_fds > 1 ||
	    listener_msg_unpack(cursor_from(msg->data, msg->len), &listener) < 0) {
		return err_set(err, -EPROTO, "LISTENER: bad form");
	}
	if (!w->own || !w->node) {
		return err_set(err, -EPROTO, "LISTENER before COUNTERS and NODE");
	}
	return listener_put(w, msg->id, &listener, msg->n_fds == 1 ? take_fd(msg, 0) : -1, err);
}

static int on_listener_remove(struct worker *w, struct channel_msg *msg, struct err *err)
{
	(void)err;
	return listener_remove(w, msg->id, msg->serial) ? ANSWERED : 0;
}

static int run_order(struct worker *w, struct channel_msg *msg, struct err *err);

/* Each as if it had come alone, but that those not refused are answered together. */
static int on_set(struct worker *w, struct channel_msg *msg, struct err *err)
{
	struct cursor in = cursor_from(msg->data, msg->len);
	uint32_t n_taken = 0;

	if (!w->tenants.filling) {
		return err_set(err, -EPROTO, "SET outside of BEGIN and END");
	}
	while (in.left > 0) {
		struct channel_msg one;
		int rc;

		if (set_entry_unpack(&in, &one) < 0) {
			return err_set(err, -EPROTO, "SET: bad form");
		}
		rc = run_order(w, &one, err);
		if (rc == -EPROTO) {
			return rc;
		}
		if (rc < 0) {
			orders_nak(w, (enum message)one.type, one.id, one.serial, err->msg);
		} else {
			n_taken++;
		}
	}
	msg->id = n_taken;
	return answer_after_walk(w, msg);
}

static int on_lend(struct worker *w, struct channel_msg *msg, struct err *err)
{
	int rc = listener_lend(w, msg->id, take_fd(msg, 0));

	return rc < 0 ? err_set_errno(err, rc, "lent socket") : 0;
}

static int on_lend_end(struct worker *w, struct channel_msg *msg, struct err *err)
{
	(void)err;
	listener_lend_end(w, msg->id);
	return 0;
}

static int on_sessions(struct worker *w, struct channel_msg *msg, struct err *err)
{
	const struct str tenant = {.p = (const char *)msg->data, .len = msg->len};
	int rc = dump_start(w, msg->id, msg->serial, tenant, take_fd(msg, 0));

	return rc < 0 ? err_set_errno(err, rc, "sessions") : ANSWERED;
}

static int on_kill(struct worker *w, struct channel_msg *msg, struct err *err)
{
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
			orders_nak(w, MSG_KILL, order.id, order.serial, "no such session");
		} else if (session_is_open(s) && s->number == order.serial) {
			w->order.type = 0;
			session_close(s, CLOSE_KILLED);
			orders_ack(w, MSG_KILL, order.id, order.serial);
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
		orders_ack(w, (enum message)order.type, order.id, order.serial);
	}
	return more || w->order.type;
}

bool orders_wait(const struct worker *w)
{
	return w->ending || w->order.type;
}

static int on_drain_service(struct worker *w, struct channel_msg *msg, struct err *err)
{
	struct cursor in = cursor_from(msg->data, msg->len);
	struct str tenant = cursor_str(&in), what = cursor_str(&in);

	if (!cursor_done(&in)) {
		return err_set(err, -EPROTO, "DRAIN_SERVICE: bad form");
	}
	return tenants_drain(w, tenant, what) < 0
		       ? err_set(err, -ENOENT, "no such service or backend")
		       : answer_after_walk(w, msg);
}

static int on_log_level(struct worker *w, struct channel_msg *msg, struct err *err)
{
	(void)w;
	if (msg->id > LOG_LEVEL_DEBUG) {
		return err_set(err, -EPROTO, "LOG_LEVEL: bad level");
	}
	log_set_level((enum log_level)msg->id);
	return 0;
}

static const struct order_type *find_order(uint16_t type)
{
	static const struct order_type orders[] = {
		{MSG_STATS, 0, on_stats},
		{MSG_DRAIN, 0, on_drain},
		{MSG_QUIT, 0, on_quit},
		{MSG_COUNTERS, ANY_FDS, on_counters},
		{MSG_LOG, 1, on_log},
		{MSG_BEGIN, 0, on_begin},
		{MSG_END, 0, on_end},
		{MSG_NODE, 0, on_node},
		{MSG_TENANT, 0, on_tenant},
		{MSG_TENANT_SWAP, 0, on_tenant},
		{MSG_SET, 0, on_set},
		{MSG_TENANT_REMOVE, 0, on_tenant_remove},
		{MSG_LISTENER, ANY_FDS, on_listener},
		{MSG_LISTENER_REMOVE, 0, on_listener_remove},
		{MSG_LEND, 1, on_lend},
		{MSG_LEND_END, 0, on_lend_end},
		{MSG_SESSIONS, 1, on_sessions},
		{MSG_KILL, 0, on_kill},
		{MSG_DRAIN_SERVICE, 0, on_drain_service},
		{MSG_LOG_LEVEL, 0, on_log_level},
	};

	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		if (orders[i].type == type) {
			return &orders[i];
		}
	}
	return NULL;
}

static int run_order(struct worker *w, struct channel_msg *msg, struct err *err)
{
	const struct order_type *order = find_order(msg->type);

	if (!order) {
		return err_set(err, -EPROTO, "message of unknown type %u", msg->type);
	}
	if (msg->fds_lost) { /* only a loan is offered to somebody else */
		return err_set(err, msg->type == MSG_LEND ? -EMFILE : -EPROTO,
			       "no descriptors are left for it");
	}
	if (order->need_fds != ANY_FDS && msg->n_fds != (size_t)order->need_fds) {
		return err_set(err, -EPROTO, "message of type %u with %zu descriptors", msg->type,
			       msg->n_fds);
	}
	return order->run(w, msg, err);
}

int orders_handle(struct worker *w, struct channel_msg *msg, struct err *err)
{
	int rc = run_order(w, msg, err);

	for (size_t i = 0; i < msg->n_fds; i++) {
		if (msg->fds[i] >= 0) {
			close(msg->fds[i]);
		}
	}
	if (rc == -EPROTO) {
		return rc;
	}
	if (rc < 0) {
		orders_nak(w, (enum message)msg->type, msg->id, msg->serial, err->msg);
	} else if (rc == 0) {
		orders_ack(w, (enum message)msg->type, msg->id, msg->serial);
	}
	return 0;
}
