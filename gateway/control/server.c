/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The control socket's clients, from connect to close. What a request means is in verbs.c.
 */
#include "gateway/control/server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "gateway/control/internal.h"

#define MOD     "server"
#define BACKLOG 128

static void server_accept(struct io *io, uint32_t events);
static void server_resume(struct timer *timer);
static void client_ready(struct io *io, uint32_t events);
static void client_late(struct timer *timer);

static int server_address(const char *path, struct sockaddr_un *ret_sa, struct err *err)
{
	*ret_sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret_sa->sun_path)) {
		return err_set(err, -ENAMETOOLONG, "%s: path is too long for a socket", path);
	}
	memcpy(ret_sa->sun_path, path, strlen(path));
	return 0;
}

int server_absent(const char *path, struct err *err)
{
	struct sockaddr_un sa;
	bool alive;
	int fd, rc = server_address(path, &sa, err);

	if (rc < 0) {
		return rc;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return err_set_errno(err, -errno, "socket");
	}
	alive = connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0 || errno == EAGAIN;
	close(fd);
	return alive ? err_set(err, -EADDRINUSE, "%s: another sixgated is running", path) : 0;
}

static int server_bind(int fd, const struct sockaddr_un *sa, gid_t gid)
{
	gid_t former = getegid();
	mode_t mask = umask(0117); /* 0660 from its first moment */
	int rc = 0;

	if (gid != (gid_t)-1 && setegid(gid) < 0) {
		rc = -errno;
	}
	if (rc == 0 && bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0) {
		rc = -errno;
	}
	if (rc == 0 && listen(fd, BACKLOG) < 0) {
		rc = -errno;
	}
	(void)umask(mask);
	if (getegid() != former && setegid(former) < 0 && rc == 0) {
		rc = -errno;
	}
	return rc;
}

int server_init(struct server *s, struct loop *loop, const char *path, gid_t gid, struct err *err)
{
	struct sockaddr_un sa;
	int rc;

	s->loop = loop;
	s->io = (struct io){.fd = -1, .ready = server_accept};
	timer_init(&s->pause, server_resume);
	rc = server_address(path, &sa, err);
	if (rc == 0) {
		rc = server_absent(path, err);
	}
	if (rc < 0) {
		return rc;
	}
	(void)unlink(path); /* of one that is gone; bind(2) says if it cannot be removed */
	s->io.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->io.fd < 0) {
		return err_set_errno(err, -errno, "socket");
	}
	rc = server_bind(s->io.fd, &sa, gid);
	if (rc == 0) {
		memcpy(s->path, path, strlen(path) + 1);
		rc = loop_add(loop, &s->io, EPOLLIN);
	}
	if (rc < 0) {
		err_set_errno(err, rc, "%s", path);
		close(s->io.fd);
		s->io.fd = -1;
	}
	return rc;
}

static void client_free(struct deferred *d)
{
	struct client *c = container_of(d, struct client, gone);

	if (c->job) {
		c->job_free(c->job);
	}
	buf_fini(&c->out);
	free(c);
}

bool server_busy(const struct server *s)
{
	unsigned int n = 0;

	for (const struct client *c = s->clients; c; c = c->next) {
		n += c->job ? 1 : 0;
	}
	return n >= SERVER_JOBS_MAX;
}

/* Whether the socket says that clients wait: not while nothing could be done about it. */
static void server_watch(struct server *s)
{
	bool on = s->n_clients < SERVER_CLIENTS_MAX && !timer_armed(&s->pause);

	if (s->io.fd >= 0) {
		io_watch(s->loop, &s->io, on ? EPOLLIN : 0);
	}
}

static void server_resume(struct timer *timer)
{
	server_watch(container_of(timer, struct server, pause));
}

static void client_close(struct client *c)
{
	struct server *s = c->server;
	struct client **at = &s->clients;

	while (*at != c) {
		at = &(*at)->next;
	}
	*at = c->next;
	s->n_clients--;
	wheel_disarm(&s->loop->wheel, &c->timer);
	/* a worker may hold a copy: it has to leave epoll by name, and end for the client */
	loop_del(s->loop, &c->io);
	(void)shutdown(c->io.fd, SHUT_RDWR); /* fails when the client has left */
	close(c->io.fd);
	c->io.fd = -1;
	loop_defer(s->loop, &c->gone);
	server_watch(s);
}

void server_fini(struct server *s)
{
	if (s->io.fd < 0) {
		return;
	}
	wheel_disarm(&s->loop->wheel, &s->pause);
	loop_close(s->loop, &s->io);
	while (s->clients) {
		client_close(s->clients);
	}
	(void)unlink(s->path); /* the next start would replace it */
}

static void client_arm(struct client *c, uint64_t ms)
{
	uint64_t at = c->server->loop->now_ms + ms;

	wheel_arm(&c->server->loop->wheel, &c->timer,
		  c->job && c->job_end_ms < at ? c->job_end_ms : at);
}

static void client_new(struct server *s, int fd)
{
	struct client *c = calloc(1, sizeof(*c));
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof(peer);

	if (!c || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
		close(fd);
		free(c);
		return;
	}
	c->server = s;
	c->uid = peer.uid;
	c->io = (struct io){.fd = fd, .ready = client_ready};
	c->gone.run = client_free;
	buf_init(&c->out, SERVER_ANSWER_MAX);
	timer_init(&c->timer, client_late);
	if (loop_add(s->loop, &c->io, EPOLLIN) < 0) {
		close(fd);
		free(c);
		return;
	}
	c->next = s->clients;
	s->clients = c;
	s->n_clients++;
	client_arm(c, SERVER_REQUEST_MS);
}

static void server_accept(struct io *io, uint32_t events)
{
	struct server *s = container_of(io, struct server, io);
	int fd;

	(void)events;
	while (s->n_clients < SERVER_CLIENTS_MAX) {
		fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			client_new(s, fd);
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			/* no descriptor or memory: who waits would wake us again and again */
			log_warn_errno(-errno, MOD, "control socket, trying again in 1 s");
			wheel_arm(&s->loop->wheel, &s->pause, s->loop->now_ms + SERVER_PAUSE_MS);
			break;
		}
	}
	server_watch(s);
}

static void client_late(struct timer *timer)
{
	client_close(container_of(timer, struct client, timer));
}

/* What of out the client takes now. Returns 0, or a negative errno: it is gone. */
static int client_write(struct client *c)
{
	while (c->out.len > 0) {
		/* a worker that was lent the socket may have made it a blocking one */
		ssize_t n = send(c->io.fd, c->out.data, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0) {
			return errno == EAGAIN ? 0 : -errno;
		}
		buf_consume(&c->out, (size_t)n);
		client_arm(c, c->step_ms);
	}
	return 0;
}

void client_flush(struct client *c)
{
	uint32_t events = 0; /* an error or hang-up is always told */

	if (c->out.bad || client_write(c) < 0) {
		client_close(c); /* cut short: the end is missing */
		return;
	}
	if (c->out.len > 0) {
		events = EPOLLOUT;
	} else if (c->last) {
		client_close(c);
		return;
	} else if (c->more) {
		events = EPOLLOUT; /* one piece a turn of the loop */
	}
	io_watch(c->server->loop, &c->io, events);
}

static void client_read(struct client *c)
{
	struct server *s = c->server;
	ssize_t n = read(c->io.fd, c->in + c->n_in, sizeof(c->in) - c->n_in);
	struct request req;
	struct err err;
	int rc;

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN) {
			client_close(c);
		}
		return;
	}
	c->n_in += (size_t)n;
	rc = request_unpack(c->in, c->n_in, &req, &err);
	if (rc == 0 && c->n_in < sizeof(c->in)) {
		return;
	}
	c->answering = true;
	c->step_ms = SERVER_PROGRESS_MS;
	c->job_end_ms = s->loop->now_ms + SERVER_JOB_MS;
	client_arm(c, c->step_ms);
	if (rc > 0) {
		s->ops->request(c, &req, s->ctx);
	} else {
		client_fail(c, "%s", rc == 0 ? "request is too long" : err.msg);
	}
	client_flush(c);
}

static void client_ready(struct io *io, uint32_t events)
{
	struct client *c = container_of(io, struct client, io);

	if (!c->answering) {
		client_read(c);
	} else if (events & (EPOLLERR | EPOLLHUP)) {
		client_close(c);
	} else {
		if (c->out.len == 0 && c->more) {
			c->more(c, c->server->ctx);
		}
		client_flush(c);
	}
}

void client_ok(struct client *c)
{
	struct json j = json_to(&c->out);

	json_open(&j, NULL, '{');
	json_bool(&j, "ok", true);
	json_close(&j, '}');
	json_end_line(&j);
}

void client_fail(struct client *c, const char *fmt, ...)
{
	struct json j = json_to(&c->out);
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut if longer */
	va_end(ap);
	json_open(&j, NULL, '{');
	json_bool(&j, "ok", false);
	json_text(&j, "error", text);
	json_close(&j, '}');
	json_end_line(&j);
	c->more = NULL;
	c->last = true;
}

void client_end(struct client *c)
{
	struct json j = json_to(&c->out);

	json_open(&j, NULL, '{');
	json_bool(&j, "end", true);
	json_close(&j, '}');
	json_end_line(&j);
	c->more = NULL;
	c->last = true;
}

void client_wait(struct client *c, uint64_t ms)
{
	c->more = NULL;
	c->step_ms = ms;
	client_arm(c, ms);
}
