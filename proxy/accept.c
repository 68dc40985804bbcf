/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Accepting clients, and not accepting them while descriptors or memory are short; listener.h. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "proxy/listener.h"
#include "proxy/session.h"
#include "proxy/worker.h"

#define MOD        "proxy"
#define BATCH_MAX  64   /* connections a wake-up of one socket */
#define BATCH_GROW 4    /* full batches in a row that make the next ones larger */
#define PAUSE_MS   1000 /* after descriptors or memory ran out */

/* A process that ends leaves the queue to its successor, which has the same sockets. */
static bool accept_is_paused(const struct worker *w)
{
	return w->loop.stop || w->full || timer_armed(&w->accept_timer);
}

/* The socket has clients waiting that must wait longer: it is not asked again before the end. */
static void socket_pause(struct listen_socket *sock)
{
	struct worker *w = sock->listener->worker;
	void (*ready)(struct io *, uint32_t) = sock->io.ready;

	loop_del(&w->loop, &sock->io);
	sock->io.ready = ready;
	sock->paused = true;
	sock->next_paused = w->paused;
	w->paused = sock;
}

static void accept_resume(struct worker *w)
{
	while (w->paused) {
		struct listen_socket *sock = w->paused;

		if (loop_add(&w->loop, &sock->io, EPOLLIN) < 0) {
			wheel_arm(&w->loop.wheel, &w->accept_timer, w->loop.now_ms + PAUSE_MS);
			return;
		}
		sock->paused = false;
		w->paused = sock->next_paused;
	}
}

void accept_resume_below_budget(struct worker *w)
{
	/* not at every single end of a session, so that pausing stays rare */
	if (w->full && w->n_sessions <= w->budget.sessions - w->budget.sessions / 64) {
		w->full = w->n_sessions >= w->budget.sessions;
		if (!accept_is_paused(w)) {
			accept_resume(w);
		}
	}
}

void accept_pause(struct worker *w, int rc)
{
	unsigned int suppressed;

	worker_counter_add(w->own, WORKER_ACCEPT_PAUSES, 1);
	wheel_arm(&w->loop.wheel, &w->accept_timer, w->loop.now_ms + PAUSE_MS);
	if (log_limit_pass(&w->accept_warning, w->loop.now_ms, &suppressed)) {
		log_warn_errno(rc, MOD, "accepting no sessions, trying again in 1 s");
	}
}

static void accept_timer_fired(struct timer *timer)
{
	struct worker *w = container_of(timer, struct worker, accept_timer);

	if (!w->full) {
		accept_resume(w);
	}
}

void accept_init(struct worker *w)
{
	table_init(&w->listeners);
	timer_init(&w->accept_timer, accept_timer_fired);
}

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void note_full(struct worker *w)
{
	unsigned int suppressed;

	w->full = true;
	worker_counter_add(w->own, WORKER_ACCEPT_PAUSES, 1);
	if (log_limit_pass(&w->accept_warning, w->loop.now_ms, &suppressed)) {
		log_warn(MOD,
			 "%zu sessions, all that the descriptor limit allows; accepting no "
			 "more until some end",
			 w->n_sessions);
	}
}

/*
 * Accepts one client. Returns 1 when it did or another may be there, 0 when there is none now, or
 * the negative errno of a shortage.
 */
static int accept_one(struct listen_socket *sock)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct endpoint client;
	int fd = accept4(sock->io.fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (is_shortage(errno)) {
			return -errno;
		}
		/* the others are of a client that has gone again, accept(2) */
		return errno != EAGAIN && errno != EBADF && errno != EINVAL && errno != ENOTSOCK;
	}
	if (endpoint_from_sockaddr((struct sockaddr *)&sa, &client) < 0) {
		close(fd);
		return 1;
	}
	return session_start(sock->listener, fd, &client) < 0 ? -ENOMEM : 1;
}

unsigned int accept_batch(struct listen_socket *sock, unsigned int max, bool *ret_empty)
{
	struct worker *w = sock->listener->worker;
	unsigned int n;
	int rc;

	*ret_empty = false;
	for (n = 0; n < max && !accept_is_paused(w); n++) {
		if (w->n_sessions >= w->budget.sessions) {
			note_full(w);
			break;
		}
		rc = accept_one(sock);
		if (rc < 0) {
			accept_pause(w, rc);
			break;
		}
		if (rc == 0) {
			*ret_empty = true;
			break;
		}
	}
	return n;
}

/*
 * Level-triggered: what is not accepted now is told again. The batch follows the load, so that
 * one client at a time costs one accept4(2), and a crowd few waits.
 */
static void socket_ready(struct io *io, uint32_t events)
{
	struct listen_socket *sock = container_of(io, struct listen_socket, io);
	unsigned int n;
	bool empty;

	(void)events;
	n = accept_batch(sock, sock->batch, &empty);
	if (accept_is_paused(sock->listener->worker)) {
		socket_pause(sock);
	} else if (empty) {
		sock->batch = n > 0 ? n : 1;
		sock->n_full = 0;
	} else if (++sock->n_full >= BATCH_GROW && sock->batch < BATCH_MAX) {
		sock->batch *= 2;
		sock->n_full = 0;
	}
}

static void socket_free(struct deferred *deferred)
{
	struct listen_socket *sock = container_of(deferred, struct listen_socket, deferred);

	listener_unref(sock->listener);
	free(sock);
}

static void socket_unpause(struct worker *w, const struct listen_socket *sock)
{
	struct listen_socket **link = &w->paused;

	while (*link && *link != sock) {
		link = &(*link)->next_paused;
	}
	if (*link) {
		*link = sock->next_paused;
	}
}

/* The descriptor is shared with control, so it has to be taken out of the loop by hand. */
void listen_socket_close(struct listen_socket *sock)
{
	struct worker *w = sock->listener->worker;

	socket_unpause(w, sock);
	loop_del(&w->loop, &sock->io);
	close(sock->io.fd);
	sock->io.fd = -1;
	TAILQ_REMOVE(&sock->listener->sockets, sock, entry);
	w->n_listeners--;
	w->n_lent -= sock->lent;
	loop_defer(&w->loop, &sock->deferred);
}

int listen_socket_add(struct listener *listener, int fd, bool lent)
{
	struct worker *w = listener->worker;
	struct listen_socket *sock = calloc(1, sizeof(*sock));
	int rc = -ENOMEM;

	if (sock) {
		*sock = (struct listen_socket){.io = {.fd = fd, .ready = socket_ready},
					       .deferred = {.run = socket_free},
					       .listener = listener,
					       .batch = 1,
					       .lent = lent};
		rc = loop_add(&w->loop, &sock->io, EPOLLIN);
	}
	if (rc < 0) {
		free(sock);
		close(fd);
		return rc;
	}
	listener->refs++;
	TAILQ_INSERT_TAIL(&listener->sockets, sock, entry);
	w->n_listeners++;
	w->n_lent += lent;
	worker_set_budget(w);
	return 0;
}
