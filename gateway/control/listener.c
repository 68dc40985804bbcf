/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One listener: opening and closing its sockets and telling the workers. Called by listeners.c,
 * which knows who wants it.
 *
 * A listener that nobody wants any more is closed here at once but stays in the table until every
 * worker has closed its copy too: until then the kernel would put a new socket behind the old ones
 * in the group, and the selector's numbers would be wrong.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/model/message.h"
#include "gateway/control/handover.h"
#include "gateway/control/internal.h"
#include "gateway/control/listeners.h"
#include "gateway/control/problems.h"
#include "gateway/control/slots.h"
#include "gateway/control/socket.h"

#define MOD        "listeners"
#define STORE_WHAT "restart"
#define STORE_TEXT                                                                              \
	"more listening sockets than the service manager keeps: those beyond are closed while " \
	"sixgated restarts"

static void listener_pack(struct item *item, unsigned int feed, struct buf *out,
			  struct channel_msg *msg);
static void listener_settled(struct item *item);
static void listener_refused(struct item *item, unsigned int feed, struct str why);

static const struct item_ops listener_ops = {
	.stage = STAGE_LATE,
	.pack = listener_pack,
	.remove_type = MSG_LISTENER_REMOVE,
	.settled = listener_settled,
	.refused = listener_refused,
	.not_for = FEED_DNS64,
};

static const struct item_ops dns64_listener_ops = {
	.stage = STAGE_LATE,
	.pack = listener_pack,
	.remove_type = MSG_LISTENER_REMOVE,
	.settled = listener_settled,
	.refused = listener_refused,
	.not_for = FEED_PROXY,
};

void listener_free(struct listener *listener)
{
	sockets_close(listener->fds, listener->listeners->selector.n);
	table_remove(&listener->listeners->by_local, &listener->node);
	free(listener->fds);
	free(listener);
}

struct listener *listener_new(struct listeners *ls, const struct endpoint *local,
			      enum protocol protocol, uint64_t hash)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	if (!listener) {
		return NULL;
	}
	*listener = (struct listener){
		.item.ops = ls->dns64 ? &dns64_listener_ops : &listener_ops,
		.listeners = ls,
		.local = *local,
		.protocol = protocol,
	};
	listener->fds = calloc(ls->selector.n, sizeof(*listener->fds));
	if (!listener->fds || table_insert(&ls->by_local, &listener->node, hash) < 0) {
		free(listener->fds);
		free(listener);
		return NULL;
	}
	memset(listener->fds, 0xff, ls->selector.n * sizeof(*listener->fds)); /* -1 */
	ls->n_waiting++;
	return listener;
}

bool listener_wanted(const struct listener *listener)
{
	return listener->conf || listener->exposures > 0;
}

const char *listener_what(const struct listener *listener, char dst[LISTENER_WHAT_MAX])
{
	char text[ENDPOINT_TEXT_MAX];

	(void)snprintf(dst, LISTENER_WHAT_MAX, "listener %s%s",
		       endpoint_format(&listener->local, text),
		       listener->protocol == PROTOCOL_UDP ? "/udp" : ""); /* fits */
	return dst;
}

static struct handover_name listener_group(const struct listener *listener)
{
	return (struct handover_name){.local = listener->local,
				      .udp = listener->protocol == PROTOCOL_UDP,
				      .n_slots = listener->listeners->selector.n};
}

/* For good: the service manager's copies go, too. */
static void listener_close_sockets(struct listener *listener)
{
	struct listeners *ls = listener->listeners;
	const struct handover_name group = listener_group(listener);

	if (listener->stored) {
		handover_forget(ls->handover, &group);
		listener->stored = false;
	}
	sockets_close(listener->fds, ls->selector.n);
}

/* Whether the two have one port, of which one takes all IPv6 addresses and one its own. */
static bool are_beside(const struct listener *a, const struct listener *b)
{
	return (a->protocol == PROTOCOL_UDP) == (b->protocol == PROTOCOL_UDP) &&
	       a->local.port == b->local.port && !addr_is_v4(&a->local.addr) &&
	       !addr_is_v4(&b->local.addr) &&
	       addr_is_any(&a->local.addr) != addr_is_any(&b->local.addr);
}

/* Of DNS64: whether its zone's socket meets the tenants' one here. */
static bool listener_is_beside(const struct listener *listener)
{
	const struct listeners *ls = listener->listeners;
	struct table_iter it = {0};
	struct table_node *node;

	while (ls->dns64 && (node = table_next(&ls->by_local, &it))) {
		const struct listener *other = container_of(node, struct listener, node);

		if (other->state != LISTENER_WAITING && are_beside(other, listener)) {
			return true;
		}
	}
	return false;
}

/* New sockets, or those that outlived the sixgated before us. */
static int listener_open_sockets(struct listener *listener, struct err *err)
{
	struct listeners *ls = listener->listeners;
	struct socket_group group = {
		.local = listener->local,
		.udp = listener->protocol == PROTOCOL_UDP,
		.defer_accept = listener->protocol == PROTOCOL_TLS,
		.beside = listener_is_beside(listener),
		.uid = ls->uid,
		.selector = &ls->selector,
	};
	const struct handover_name name = listener_group(listener);
	int rc;

	if (!ls->handover || !handover_take(ls->handover, &name, ls->uid, listener->fds)) {
		return sockets_open(&group, listener->fds, err);
	}
	listener->stored = true;
	rc = sockets_adopt(&group, listener->fds, err);
	if (rc < 0) {
		listener_close_sockets(listener);
	}
	return rc;
}

/* The next sixgated is to have them. */
static void listener_store(struct listener *listener)
{
	struct listeners *ls = listener->listeners;
	const struct handover_name group = listener_group(listener);

	if (!ls->handover || listener->stored) {
		return;
	}
	listener->stored = handover_store(ls->handover, &group, listener->fds);
	if (!listener->stored && !problem_has(ls->problems, STORE_WHAT)) {
		log_warn(MOD, STORE_WHAT ": " STORE_TEXT);
		problem_set(ls->problems, LOG_LEVEL_WARN, STORE_WHAT, STORE_TEXT);
	}
}

int listener_open(struct listener *listener, struct err *err)
{
	struct listeners *ls = listener->listeners;
	char key[SLOTS_KEY_MAX];
	int rc;

	if (ls->n_open >= LISTENERS_MAX) {
		return err_set(err, -EMFILE, "more than %d listeners", LISTENERS_MAX);
	}
	rc = listener_open_sockets(listener, err);
	if (rc < 0) {
		return rc;
	}
	slots_key_listener(&listener->local, key);
	rc = ls->dns64 ? slots_get(ls->slots, &listener->slot, err)
		       : slots_claim(ls->slots, key, &listener->slot, err);
	if (rc < 0) {
		goto out;
	}
	listener->state = LISTENER_OPEN;
	ls->n_waiting--;
	ls->n_open++;
	rc = items_add(ls->items, &listener->item);
	if (rc == 0) {
		listener_store(listener);
		return 0;
	}
	err_set(err, rc, "out of memory");
	listener->state = LISTENER_WAITING;
	ls->n_waiting++;
	ls->n_open--;
	slots_put(ls->slots, listener->slot);
out:
	listener_close_sockets(listener);
	return rc;
}

void listener_try_open(struct listener *listener)
{
	struct listeners *ls = listener->listeners;
	char what[LISTENER_WHAT_MAX];
	struct err err;

	listener_what(listener, what);
	if (listener_open(listener, &err) == 0) {
		problem_clear(ls->problems, what);
		return;
	}
	if (!problem_has(ls->problems, what)) {
		log_err(MOD, "%s, retrying every %d s", err.msg, LISTENER_RETRY_MS / 1000);
	}
	problem_set(ls->problems, LOG_LEVEL_ERR, what, err.msg);
	if (!timer_armed(&ls->retry)) {
		wheel_arm(&ls->loop->wheel, &ls->retry, ls->loop->now_ms + LISTENER_RETRY_MS);
	}
}

void listener_close(struct listener *listener)
{
	struct listeners *ls = listener->listeners;
	char what[LISTENER_WHAT_MAX];

	problem_clear(ls->problems, listener_what(listener, what));
	switch (listener->state) {
	case LISTENER_WAITING:
		ls->n_waiting--;
		listener_free(listener);
		break;
	case LISTENER_OPEN:
		listener->state = LISTENER_LEAVING;
		ls->n_open--;
		listener_close_sockets(listener);
		items_remove(ls->items, &listener->item);
		break;
	case LISTENER_LEAVING:
		break;
	}
}

void listener_set_protocol(struct listener *listener, enum protocol protocol)
{
	listener->protocol = protocol; /* tcp or tls */
	for (unsigned int i = 0; i < listener->listeners->selector.n; i++) {
		socket_defer_accept(listener->fds[i], protocol == PROTOCOL_TLS);
	}
}

static void listener_pack(struct item *item, unsigned int feed, struct buf *out,
			  struct channel_msg *msg)
{
	const struct listener *listener = container_of(item, struct listener, item);
	const unsigned int slot = feed - listener->listeners->first_feed;
	const struct listener_conf *conf = listener->conf;
	struct listener_msg body = {
		.local = listener->local,
		.protocol = listener->protocol,
		.slot = listener->slot,
	};

	if (conf) {
		body.zone = conf->zone;
		body.timeouts = conf->timeouts;
		body.default_tenant = str_from(conf->default_tenant);
		body.default_service = str_from(conf->default_service);
	}
	listener_msg_pack(&body, out);
	msg->type = MSG_LISTENER;
	if (listener->fds[slot] >= 0) { /* else all are closed, because we are stopping */
		msg->fds[msg->n_fds++] = listener->fds[slot];
	}
}

/* All workers have it, or have closed it. */
static void listener_settled(struct item *item)
{
	struct listener *listener = container_of(item, struct listener, item);
	struct listeners *ls = listener->listeners;

	if (listener->state != LISTENER_LEAVING) {
		return;
	}
	totals_rest(&ls->totals, listener->slot);
	listener->state = LISTENER_WAITING;
	ls->n_waiting++;
	if (listener_wanted(listener)) {
		listener_try_open(listener);
	} else {
		listener_close(listener);
	}
}

static void listener_refused(struct item *item, unsigned int feed, struct str why)
{
	struct listener *listener = container_of(item, struct listener, item);
	const char *worker = listener->listeners->items->feeds[feed].name;
	char what[LISTENER_WHAT_MAX], text[ERR_MSG_MAX], safe[ERR_MSG_MAX];

	(void)snprintf(text, sizeof(text), "%s: %.200s", worker, /* cut if longer */
		       str_escape(safe, sizeof(safe), why));
	log_err(MOD, "%s: %s", listener_what(listener, what), text);
	problem_set(listener->listeners->problems, LOG_LEVEL_ERR, what, text);
}
