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

#define QUEUED_MAX 65536 /* accepted from a socket that is being closed */

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

/* For sockets that no one accepts on any more: as far as the budget goes. */
static void accept_queued(struct listener *listener)
{
	struct listen_socket *sock;
	bool empty;

	TAILQ_FOREACH(sock, &listener->sockets, entry) {
		(void)accept_batch(sock, QUEUED_MAX, &empty); /* then the socket goes */
	}
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
		accept_queued(l);
		close_sockets(l, false);
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

/* A slot that is given up may be given out again: sessions that outlive the listener leave it. */
static void sessions_leave(struct worker *w, const struct listener *l)
{
	struct session *s;

	for (size_t i = 0; (s = session_at(&w->pool, i)); i++) {
		if (session_is_open(s) && s->listener == l) {
			session_account(s);
			session_uncount(s, COUNT_LISTENER, s->connected);
		}
	}
}

static void listener_end(struct listener *l)
{
	accept_queued(l);
	close_sockets(l, false);
	close_sockets(l, true);
	sessions_leave(l->worker, l);
	listener_drop(l);
}

void listener_remove(struct worker *w, uint32_t id)
{
	struct listener *l = listener_find(w, id);

	if (l) {
		listener_end(l);
	}
}

void listener_remove_all(struct worker *w)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&w->listeners, &it))) {
		listener_end(listener_from_node(node));
	}
}

int listener_lend(struct worker *w, uint32_t id, int fd)
{
	struct listener *l = listener_find(w, id);
	const struct listen_socket *sock;
	unsigned int n = 0;

	if (!l) {
		close(fd);
		return -ENOENT;
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
