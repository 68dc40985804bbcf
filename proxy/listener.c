/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The listeners control has ordered; see listener.h. */
#include "proxy/listener.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/session.h"
#include "proxy/worker.h"

#define QUEUED_MAX  65536 /* accepted from sockets that are being closed */
#define QUEUED_STEP 16    /* of these in one go */

static struct listener *listener_from_node(struct table_node *node)
{
	return (struct listener *)node;
}

static bool id_eq(const struct table_node *node, const void *key)
{
	return ((const struct listener *)node)->id == *(const uint32_t *)key;
}

static uint64_t id_hash(const struct worker *w, uint32_t id)
{
	return hash_bytes(&w->tenants.hash_key, &id, sizeof(id));
}

static struct listener *listener_find(const struct worker *w, uint32_t id)
{
	return listener_from_node(table_find(&w->listeners, id_hash(w, id), id_eq, &id));
}

void listener_unref(struct listener *listener)
{
	if (--listener->refs == 0) {
		free(listener->default_tenant);
		free(listener->default_service);
		free(listener);
	}
}

/* Closes the listener's own or lent sockets. */
static void close_sockets(struct listener *listener, bool lent)
{
	struct listen_socket *sock, *next;

	for (sock = TAILQ_FIRST(&listener->sockets); sock; sock = next) {
		next = TAILQ_NEXT(sock, entry);
		if (sock->lent == lent) {
			listen_socket_close(sock);
		}
	}
	worker_set_budget(listener->worker);
}

static char *text_of(struct str s)
{
	return s.len > 0 ? strndup(s.p, s.len) : NULL;
}

static int listener_set(struct listener *l, const struct listener_msg *msg)
{
	char *tenant = text_of(msg->default_tenant), *service = text_of(msg->default_service);

	if ((msg->default_tenant.len > 0 && !tenant) ||
	    (msg->default_service.len > 0 && !service)) {
		free(tenant);
		free(service);
		return -ENOMEM;
	}
	free(l->default_tenant);
	free(l->default_service);
	l->default_tenant = tenant;
	l->default_service = service;
	l->local = msg->local;
	l->protocol = msg->protocol;
	l->timeouts = msg->timeouts;
	return 0;
}

static struct listener *listener_new(struct worker *w, uint32_t id, uint32_t slot)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l) {
		return NULL;
	}
	*l = (struct listener){.refs = 1, .id = id, .slot = slot, .worker = w};
	TAILQ_INIT(&l->sockets);
	if (table_insert(&w->listeners, &l->node, id_hash(w, id)) < 0) {
		free(l);
		return NULL;
	}
	return l;
}

/* Out of the table; sessions may still hold it. */
static void listener_drop(struct listener *l)
{
	table_remove(&l->worker->listeners, &l->node);
	l->removed = true;
	listener_unref(l);
}

int listener_put(struct worker *w, uint32_t id, const struct listener_msg *msg, int fd,
		 struct err *err)
{
	struct listener *l = listener_find(w, id);
	bool is_new = !l;
	int rc;

	if (is_new && fd < 0) {
		return err_set(err, -ENOENT, "no socket for a new listener");
	}
	if (is_new) {
		l = listener_new(w, id, msg->slot);
	}
	rc = l ? listener_set(l, msg) : -ENOMEM;
	if (rc == 0 && fd >= 0) {
		close_sockets(l, false); /* the same one: its queue stays */
		rc = listen_socket_add(l, fd, false);
		fd = -1;
	}
	if (rc < 0) {
		if (fd >= 0) {
			close(fd);
		}
		if (l && is_new) {
			listener_drop(l);
		}
		return err_set_errno(err, rc, "listener");
	}
	return 0;
}

/* Its sessions stay in its counter slot, which control gives to nobody before they have ended. */
static void listener_begin_end(struct listener *l)
{
	l->ending = true;
	l->next_ending = l->worker->ending;
	l->worker->ending = l;
}

bool listener_remove(struct worker *w, uint32_t id, uint64_t serial)
{
	struct listener *l = listener_find(w, id);

	if (!l || l->ending) {
		return false;
	}
	l->asked = true;
	l->serial = serial;
	listener_begin_end(l);
	return true;
}

void listener_remove_all(struct worker *w)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&w->listeners, &it))) {
		struct listener *l = listener_from_node(node);

		if (!l->ending) {
			listener_begin_end(l);
		}
	}
}

/* As far as the budget goes. */
static void accept_queued(struct listener *l, struct listen_socket *sock)
{
	bool empty;
	unsigned int n = accept_batch(sock, QUEUED_STEP, &empty);

	l->n_queued += n;
	if (n < QUEUED_STEP || l->n_queued >= QUEUED_MAX) {
		listen_socket_close(sock);
	}
}

bool listeners_step(struct worker *w)
{
	struct listener *l = w->ending;
	struct listen_socket *sock = l ? TAILQ_FIRST(&l->sockets) : NULL;
	uint64_t serial;
	uint32_t id;
	bool asked;

	if (!l) {
		return false;
	}
	if (sock) {
		accept_queued(l, sock);
		return true;
	}
	worker_set_budget(w);
	w->ending = l->next_ending;
	id = l->id;
	serial = l->serial;
	asked = l->asked;
	listener_drop(l);
	if (asked) {
		link_ack(&w->link, MSG_LISTENER_REMOVE, id, serial);
	}
	if (!w->ending) {
		worker_session_ended(w); /* perhaps it was all a drain waited for */
	}
	return w->ending != NULL;
}

void listeners_fini(struct worker *w)
{
	struct table_iter it = {0};
	struct table_node *node;

	w->ending = NULL;
	while ((node = table_next(&w->listeners, &it))) {
		struct listener *l = listener_from_node(node);

		close_sockets(l, false);
		close_sockets(l, true);
		listener_drop(l);
	}
}

int listener_lend(struct worker *w, uint32_t id, int fd)
{
	struct listener *l = listener_find(w, id);
	const struct listen_socket *sock;
	unsigned int n = 0;

	if (!l || l->ending) {
		close(fd);
		return 0; /* its end and the loan have crossed */
	}
	TAILQ_FOREACH(sock, &l->sockets, entry) {
		n += sock->lent;
	}
	if (n >= LISTENER_LENT_MAX) {
		close(fd);
		return -ENOSPC;
	}
	return listen_socket_add(l, fd, true);
}

void listener_lend_end(struct worker *w, uint32_t id)
{
	struct listener *l = listener_find(w, id);

	if (l) {
		close_sockets(l, true); /* their queues are the owner's, who is back */
	}
}
