/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sockets control has made and handed over, and those of dead siblings that it lends. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/container.h"
#include "dns64/worker.h"

#define LENT_MAX 64 /* sockets one listener may be lent */

static bool id_eq(const struct table_node *node, const void *key)
{
	return container_of(node, struct dns_listener, node)->id == *(const uint32_t *)key;
}

static struct dns_listener *listener_find(const struct dns_worker *w, uint32_t id)
{
	struct table_node *node = table_find(&w->listeners, id, id_eq, &id);

	return node ? container_of(node, struct dns_listener, node) : NULL;
}

int dns_listener_fd(const struct dns_worker *w, uint32_t id)
{
	const struct dns_listener *l = listener_find(w, id);
	const struct dns_socket *socket = l ? TAILQ_FIRST(&l->sockets) : NULL;

	return socket ? socket->io.fd : -1;
}

static void socket_ready(struct io *io, uint32_t events)
{
	struct dns_socket *socket = container_of(io, struct dns_socket, io);

	(void)events;
	if (socket->listener->udp) {
		(void)udp_serve(socket); /* level-triggered: what is left comes next */
	} else {
		tcp_accept(socket);
	}
}

static void socket_free(struct deferred *d)
{
	free(container_of(d, struct dns_socket, gone));
}

/* The descriptor is control's, too: its events have to be taken away before it is closed. */
static void socket_close(struct dns_socket *socket)
{
	struct dns_listener *l = socket->listener;
	int fd = socket->io.fd;

	TAILQ_REMOVE(&l->sockets, socket, entry);
	loop_del(&l->worker->loop, &socket->io);
	close(fd);
	socket->gone.run = socket_free;
	loop_defer(&l->worker->loop, &socket->gone);
}

/* Takes fd. */
static int socket_add(struct dns_listener *l, int fd, bool lent)
{
	struct dns_socket *socket = calloc(1, sizeof(*socket));
	int rc = -ENOMEM;

	if (socket) {
		*socket = (struct dns_socket){.io = {.fd = fd, .ready = socket_ready},
					      .listener = l,
					      .lent = lent};
		rc = loop_add(&l->worker->loop, &socket->io,
			      l->udp || !timer_armed(&l->worker->accept_timer) ? EPOLLIN : 0);
	}
	if (rc < 0) {
		free(socket);
		close(fd);
		return rc;
	}
	if (lent) {
		TAILQ_INSERT_TAIL(&l->sockets, socket, entry);
	} else {
		TAILQ_INSERT_HEAD(&l->sockets, socket, entry);
	}
	return 0;
}

static void close_sockets(struct dns_listener *l, bool lent)
{
	struct dns_socket *socket, *next;

	for (socket = TAILQ_FIRST(&l->sockets); socket; socket = next) {
		next = TAILQ_NEXT(socket, entry);
		if (socket->lent == lent) {
			socket_close(socket);
		}
	}
}

static void listener_drop(struct dns_listener *l)
{
	close_sockets(l, false);
	close_sockets(l, true);
	table_remove(&l->worker->listeners, &l->node);
	free(l);
}

static struct dns_listener *listener_new(struct dns_worker *w, uint32_t id,
					 const struct listener_msg *msg)
{
	struct dns_listener *l = calloc(1, sizeof(*l));

	if (!l) {
		return NULL;
	}
	*l = (struct dns_listener){.id = id,
				   .worker = w,
				   .local = msg->local,
				   .udp = msg->protocol == PROTOCOL_UDP,
				   .zone = msg->zone};
	TAILQ_INIT(&l->sockets);
	if (table_insert(&w->listeners, &l->node, id) < 0) {
		free(l);
		return NULL;
	}
	return l;
}

int dns_listener_put(struct dns_worker *w, uint32_t id, const struct listener_msg *msg, int fd,
		     struct err *err)
{
	struct dns_listener *l = listener_find(w, id);
	bool is_new = !l;
	int rc;

	if (!is_new) {
		l->zone = msg->zone;
	}
	if (fd < 0) {
		return is_new ? err_set(err, -ENOENT, "no socket for a new listener") : 0;
	}
	if (is_new) {
		l = listener_new(w, id, msg);
	}
	if (!l) {
		close(fd);
		return err_set(err, -ENOMEM, "listener: out of memory");
	}
	close_sockets(l, false); /* the same one: its queue stays */
	rc = socket_add(l, fd, false);
	if (rc < 0 && is_new) {
		listener_drop(l);
	}
	return rc < 0 ? err_set_errno(err, rc, "listener") : 0;
}

int dns_listener_lend(struct dns_worker *w, uint32_t id, int fd)
{
	struct dns_listener *l = listener_find(w, id);
	const struct dns_socket *socket;
	unsigned int n = 0;

	if (!l) {
		close(fd);
		return 0; /* its end and the loan have crossed */
	}
	for (socket = TAILQ_FIRST(&l->sockets); socket; socket = TAILQ_NEXT(socket, entry)) {
		n += socket->lent;
	}
	if (n >= LENT_MAX) {
		close(fd);
		return -ENOSPC;
	}
	return socket_add(l, fd, true);
}

void dns_listener_lend_end(struct dns_worker *w, uint32_t id)
{
	struct dns_listener *l = listener_find(w, id);

	if (l) {
		close_sockets(l, true); /* their queues are the owner's, who is back */
	}
}

/* Bounded; a client asks again. What waits to be accepted is reset when nobody else has the socket.
 */
static void serve_queued(struct dns_listener *l)
{
	struct dns_socket *socket;

	for (socket = TAILQ_FIRST(&l->sockets); socket; socket = TAILQ_NEXT(socket, entry)) {
		if (l->udp) {
			(void)udp_serve(socket);
		}
	}
}

void dns_listener_remove(struct dns_worker *w, uint32_t id)
{
	struct dns_listener *l = listener_find(w, id);

	if (l) {
		serve_queued(l);
		listener_drop(l);
	}
}

void dns_listeners_remove_all(struct dns_worker *w)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&w->listeners, &it))) {
		listener_drop(container_of(node, struct dns_listener, node));
	}
}

static int listener_drain(struct dns_listener *l)
{
	struct dns_socket *socket;
	int rc = 0;

	serve_queued(l);
	if (!l->udp) {
		close_sockets(l, false);
		close_sockets(l, true);
	}
	for (socket = TAILQ_FIRST(&l->sockets); socket; socket = TAILQ_NEXT(socket, entry)) {
		rc |= loop_mod(&l->worker->loop, &socket->io, 0);
	}
	return rc;
}

int dns_listeners_drain(struct dns_worker *w)
{
	struct table_iter it = {0};
	struct table_node *node;
	int rc = 0;

	while ((node = table_next(&w->listeners, &it))) {
		rc |= listener_drain(container_of(node, struct dns_listener, node));
	}
	return rc;
}

int dns_listeners_accept(struct dns_worker *w, bool on)
{
	struct table_iter it = {0};
	struct table_node *node;
	struct dns_socket *socket;
	int rc = 0;

	while ((node = table_next(&w->listeners, &it))) {
		struct dns_listener *l = container_of(node, struct dns_listener, node);

		for (socket = TAILQ_FIRST(&l->sockets); socket;
		     socket = TAILQ_NEXT(socket, entry)) {
			if (!l->udp) {
				rc |= loop_mod(&w->loop, &socket->io, on ? (uint32_t)EPOLLIN : 0);
			}
		}
	}
	return rc;
}
