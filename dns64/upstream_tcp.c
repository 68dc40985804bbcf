/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One question by TCP (RFC 7766): connect, a length and the question, a length and the answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "dns64/upstream_internal.h"

#define LENGTH_BYTES 2

struct tcp {
	struct io io;
	struct deferred gone;
	struct ask *ask; /* borrowed; NULL: nobody waits any more */
	struct upstreams *u;
	uint8_t out[LENGTH_BYTES + MESSAGE_OUT_MAX];
	size_t out_len, n_sent;
	uint8_t *in; /* owned: the answer, once its length is known */
	uint8_t head[LENGTH_BYTES];
	size_t in_len, n_got; /* n_got counts the length, too */
};

static void tcp_run_free(struct deferred *d)
{
	struct tcp *t = container_of(d, struct tcp, gone);

	free(t->in);
	free(t);
}

void tcp_free(struct tcp *t)
{
	if (!t) {
		return;
	}
	t->ask = NULL;
	t->u->n_tcp--;
	loop_close(t->u->loop, &t->io);
	t->gone.run = tcp_run_free;
	loop_defer(t->u->loop, &t->gone);
}

/* Returns 0, or -errno. */
static int tcp_send(struct tcp *t)
{
	ssize_t n = send(t->io.fd, t->out + t->n_sent, t->out_len - t->n_sent, MSG_NOSIGNAL);

	if (n < 0) {
		return errno == EAGAIN || errno == EINPROGRESS ? 0 : -errno;
	}
	t->n_sent += (size_t)n;
	return t->n_sent == t->out_len ? loop_mod(t->u->loop, &t->io, EPOLLIN) : 0;
}

/* What is still to come of the length, or of the message. */
static uint8_t *tcp_room(struct tcp *t, size_t *ret_len)
{
	if (t->n_got < LENGTH_BYTES) {
		*ret_len = LENGTH_BYTES - t->n_got;
		return t->head + t->n_got;
	}
	*ret_len = LENGTH_BYTES + t->in_len - t->n_got;
	return t->in + (t->n_got - LENGTH_BYTES);
}

/* 1: all of it is there, 0: wait, -errno: it will not come. */
static int tcp_receive(struct tcp *t)
{
	for (;;) {
		size_t len;
		uint8_t *room = tcp_room(t, &len);
		ssize_t n = recv(t->io.fd, room, len, 0);

		if (n <= 0) {
			return n == 0 ? -ECONNRESET : errno == EAGAIN ? 0 : -errno;
		}
		t->n_got += (size_t)n;
		if (t->n_got == LENGTH_BYTES && !t->in) {
			t->in_len = (size_t)t->head[0] << 8 | t->head[1];
			t->in = malloc(t->in_len + 1);
			if (!t->in || t->in_len < DNS_HEADER_BYTES) {
				return -EPROTO;
			}
		} else if (t->in && t->n_got == LENGTH_BYTES + t->in_len) {
			return 1;
		}
	}
}

static void tcp_ready(struct io *io, uint32_t events)
{
	struct tcp *t = container_of(io, struct tcp, io);
	int rc = 0;

	if (t->n_sent < t->out_len) {
		rc = events & (EPOLLERR | EPOLLHUP) ? -ECONNRESET : tcp_send(t);
	}
	if (rc == 0 && events & EPOLLIN) {
		rc = tcp_receive(t);
	}
	if (rc < 0) {
		ask_failed(t->ask);
	} else if (rc > 0) {
		/* whatever it is, there is no other to come by this connection */
		ask_received_last(t->ask, t->in, t->in_len);
	}
}

int tcp_ask(struct ask *a)
{
	struct upstreams *u = a->u;
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&a->server->at, false, &sa);
	struct tcp *t = u->n_tcp < UPSTREAM_TCP_MAX ? calloc(1, sizeof(*t)) : NULL;
	size_t n;

	if (!t) {
		return -ENOBUFS;
	}
	upstream_random(u, &a->id, sizeof(a->id));
	n = ask_write(a, t->out + LENGTH_BYTES);
	t->out[0] = (uint8_t)(n >> 8);
	t->out[1] = (uint8_t)n;
	t->out_len = LENGTH_BYTES + n;
	t->ask = a;
	t->u = u;
	t->io = (struct io){.ready = tcp_ready};
	t->io.fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (t->io.fd < 0 ||
	    (connect(t->io.fd, (struct sockaddr *)&sa, len) != 0 && errno != EINPROGRESS) ||
	    loop_add(u->loop, &t->io, EPOLLIN | EPOLLOUT) < 0) {
		if (t->io.fd >= 0) {
			(void)close(t->io.fd);
		}
		free(t);
		return -ENOBUFS;
	}
	u->n_tcp++;
	a->tcp = t;
	a->server->stats.n_tcp++;
	return 0;
}
