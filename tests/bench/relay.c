/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The floor of the bench: what a relay costs that only relays. One process, raw epoll, backends
 * fixed by the arguments, no limits, no time-outs: relay [-l LOG] LISTEN=BACKEND ...
 *
 * Small messages go through one user buffer; a read that fills it turns the direction to
 * splice(2) until the pipe is empty again. Half-close is carried through, because a relay that
 * does not is no TCP relay. Edge-triggered: one epoll_ctl a socket.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/bench/net.h"

#define USER_BYTES 16384
#define PIPE_BYTES (1024 * 1024)
#define BATCH      256
#define LINE_BYTES 128

struct session;

/* One socket, and what came in on it and did not go out on the peer's yet. */
struct leg {
	struct session *session;
	struct leg *peer;
	int fd;
	bool eof, shut;   /* read side ended; peer's write side closed after it */
	int pipe[2];      /* -1 when the direction is not bulk */
	size_t n_in_pipe; /* bytes */
	uint8_t *rest;    /* owned: what a full socket did not take */
	size_t n_rest;
	uint64_t n_bytes;
};

struct session {
	struct leg client, backend;
	uint64_t start_ns;
	uint32_t client_ipv4;
	struct session *next_dead; /* relay.dead */
};

struct relay {
	int epoll_fd, log_fd;
	struct leg *listeners; /* session NULL */
	struct endpoint_arg *backends;
	struct session *dead; /* closed in this batch */
	int idle_pipe[2];
	char log[BATCH * LINE_BYTES];
	size_t n_log;
};

static void log_session(struct relay *r, const struct session *s)
{
	struct in_addr ipv4 = {s->client_ipv4};

	if (r->log_fd >= 0) {
		r->n_log += (size_t)snprintf(r->log + r->n_log, LINE_BYTES, "%s %llu %llu %llu\n",
					     inet_ntoa(ipv4), (unsigned long long)s->client.n_bytes,
					     (unsigned long long)s->backend.n_bytes,
					     (unsigned long long)(clock_ns() - s->start_ns));
	}
}

static void pipe_release(struct relay *r, struct leg *leg)
{
	if (leg->pipe[0] >= 0 && leg->n_in_pipe == 0 && r->idle_pipe[0] < 0) {
		memcpy(r->idle_pipe, leg->pipe, sizeof(leg->pipe));
	} else if (leg->pipe[0] >= 0) {
		(void)close(leg->pipe[0]); /* nothing to lose in a pipe nobody reads */
		(void)close(leg->pipe[1]);
	}
	leg->pipe[0] = -1;
}

static void session_close(struct relay *r, struct session *s)
{
	if (s->client.fd < 0) {
		return;
	}
	log_session(r, s);
	pipe_release(r, &s->client);
	pipe_release(r, &s->backend);
	(void)close(s->client.fd); /* all was sent, or there is an error already */
	(void)close(s->backend.fd);
	s->client.fd = -1;
	s->next_dead = r->dead;
	r->dead = s;
}

/* Sends what waits; 1 when nothing waits any more, 0 when the socket is full, -1 on an error. */
static int leg_flush(struct relay *r, struct leg *from)
{
	ssize_t n;

	while (from->n_rest > 0) {
		n = send(from->peer->fd, from->rest, from->n_rest, MSG_NOSIGNAL);
		if (n < 0) {
			return errno == EAGAIN ? 0 : -1;
		}
		from->n_rest -= (size_t)n;
		memmove(from->rest, from->rest + n, from->n_rest);
	}
	while (from->n_in_pipe > 0) {
		n = splice(from->pipe[0], NULL, from->peer->fd, NULL, from->n_in_pipe,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0) {
			return errno == EAGAIN ? 0 : -1;
		}
		from->n_in_pipe -= (size_t)n;
	}
	free(from->rest);
	from->rest = NULL;
	if (from->pipe[0] >= 0 && from->eof) {
		pipe_release(r, from);
	}
	return 1;
}

/* One read and its write through user space; bytes read, or negative as read(2). */
static ssize_t copy_once(struct relay *r, struct leg *from)
{
	uint8_t buf[USER_BYTES];
	ssize_t n = recv(from->fd, buf, sizeof(buf), 0), sent;

	if (n <= 0) {
		return n;
	}
	sent = send(from->peer->fd, buf, (size_t)n, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN) {
		return -1;
	}
	if (sent < n) {
		sent = sent < 0 ? 0 : sent;
		from->n_rest = (size_t)(n - sent);
		from->rest = malloc(from->n_rest);
		if (from->rest == NULL) {
			die("malloc");
		}
		memcpy(from->rest, buf + sent, from->n_rest);
	}
	if (n == sizeof(buf)) { /* bulk: the next bytes do not visit user space */
		memcpy(from->pipe, r->idle_pipe, sizeof(from->pipe));
		r->idle_pipe[0] = -1;
		if (from->pipe[0] < 0 && (pipe2(from->pipe, O_NONBLOCK | O_CLOEXEC) != 0 ||
					  fcntl(from->pipe[1], F_SETPIPE_SZ, PIPE_BYTES) < 0)) {
			die("pipe");
		}
	}
	return n;
}

/* Moves bytes one way until a socket is empty or full; false ends the session. */
static bool leg_pump(struct relay *r, struct leg *from, bool until_eof)
{
	for (;;) {
		int flushed = leg_flush(r, from);
		bool bulk = from->pipe[0] >= 0;
		ssize_t n;

		if (flushed <= 0 || from->eof) {
			if (flushed > 0 && !from->shut) {
				from->shut = true;
				return !from->peer->shut && shutdown(from->peer->fd, SHUT_WR) == 0;
			}
			return flushed >= 0;
		}
		n = bulk ? splice(from->fd, NULL, from->pipe[1], NULL, PIPE_BYTES,
				  SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
			 : copy_once(r, from);
		if (n < 0) {
			return errno == EAGAIN;
		}
		from->eof = n == 0;
		from->n_bytes += (uint64_t)n;
		from->n_in_pipe = bulk ? (size_t)n : 0;
		if (n > 0 && !bulk && n < USER_BYTES && !until_eof && from->n_rest == 0) {
			return true;
		}
	}
}

static void session_start(struct relay *r, int fd, const struct sockaddr_in *client,
			  const struct endpoint_arg *backend)
{
	struct session *s = calloc(1, sizeof(*s));
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	int one = 1;

	if (s == NULL) {
		die("calloc");
	}
	s->client = (struct leg){.session = s, .peer = &s->backend, .fd = fd, .pipe = {-1, -1}};
	s->backend = (struct leg){.session = s, .peer = &s->client, .pipe = {-1, -1}};
	s->client_ipv4 = client->sin_addr.s_addr;
	s->start_ns = r->log_fd >= 0 ? clock_ns() : 0;
	s->backend.fd =
		socket(backend->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->backend.fd < 0 ||
	    setsockopt(s->backend.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
	    (connect(s->backend.fd, (const struct sockaddr *)&backend->addr, backend->len) != 0 &&
	     errno != EINPROGRESS)) {
		die("connect");
	}
	ev.data.ptr = &s->backend;
	if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, s->backend.fd, &ev) != 0) {
		die("epoll_ctl");
	}
	ev.data.ptr = &s->client;
	if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
		die("epoll_ctl");
	}
}

static void relay_event(struct relay *r, struct leg *leg, uint32_t events)
{
	bool until_eof = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	bool ok = true;

	if (leg->session == NULL) {
		struct sockaddr_in client = {0};
		socklen_t len = sizeof(client);
		int fd;

		while ((fd = accept4(leg->fd, (struct sockaddr *)&client, &len,
				     SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
			session_start(r, fd, &client, &r->backends[leg - r->listeners]);
		}
		return;
	}
	if (leg->session->client.fd < 0) {
		return; /* closed earlier in this batch */
	}
	if ((events & EPOLLOUT) != 0 && (leg->peer->n_rest > 0 || leg->peer->n_in_pipe > 0)) {
		ok = leg_pump(r, leg->peer, true);
	}
	if (ok && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
		ok = leg_pump(r, leg, until_eof);
	}
	if (!ok) {
		session_close(r, leg->session);
	}
}

static void relay_run(struct relay *r)
{
	struct epoll_event events[BATCH];
	int n;

	while ((n = epoll_wait(r->epoll_fd, events, BATCH, -1)) >= 0 || errno == EINTR) {
		for (int i = 0; i < n; i++) {
			relay_event(r, events[i].data.ptr, events[i].events);
		}
		if (r->n_log > 0 && write(r->log_fd, r->log, r->n_log) < 0) {
			die("log");
		}
		r->n_log = 0;
		while (r->dead != NULL) {
			struct session *s = r->dead;

			r->dead = s->next_dead;
			free(s->client.rest);
			free(s->backend.rest);
			free(s);
		}
	}
	die("epoll_wait");
}

int main(int argc, char **argv)
{
	struct relay r = {.log_fd = -1, .idle_pipe = {-1, -1}};
	int first = 1;

	r.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (argc > 2 && strcmp(argv[1], "-l") == 0) {
		r.log_fd = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (r.log_fd < 0) {
			die(argv[2]);
		}
		first = 3;
	}
	if (argc <= first) {
		fprintf(stderr, "usage: relay [-l LOG] LISTEN=BACKEND ...\n");
		return 2;
	}
	r.listeners = calloc((size_t)argc, sizeof(*r.listeners));
	r.backends = calloc((size_t)argc, sizeof(*r.backends));
	for (int i = first; i < argc && r.listeners != NULL && r.backends != NULL; i++) {
		struct leg *listener = &r.listeners[i];
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = listener};
		char *equals = strchr(argv[i], '=');

		if (equals == NULL) {
			errno = EINVAL;
			die(argv[i]);
		}
		*equals = '\0';
		r.backends[i] = endpoint_parse(equals + 1);
		listener->fd = listen_on(argv[i]);
		if (epoll_ctl(r.epoll_fd, EPOLL_CTL_ADD, listener->fd, &ev) != 0) {
			die("epoll_ctl");
		}
	}
	relay_run(&r);
}
