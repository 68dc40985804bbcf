/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DOC: queries by TCP (RFC 7766)
 *
 * A connection may have many queries at a time, which are answered as soon as each can be. A query
 * has to be whole in tcp_idle_ms from its first byte, however it is dribbled and whatever is
 * answered meanwhile, and a connection without one is closed after as long. What a client can make
 * us hold is bounded: the query it is sending, PIPELINE_MAX that wait, OUT_MAX bytes of answers
 * that it does not read (then nothing more is read from it), TENANT_CLIENTS connections of a
 * tenant, the oldest idle one of which gives way to a new one, and tcp_max of all. Who asks for the
 * zone has PREFIX_CLIENTS with all in the same prefix, and those together ZONE_CLIENTS; the one
 * that was silent for longest gives way, idle or not, and no tenant's ever does. Memory for what is
 * not read is counted for each tenant, for all who ask for the zone, and for all; a connection that
 * would need more than is left ends.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "base/cursor.h"
#include "dns64/tcp_share.h"
#include "dns64/worker.h"

#define LENGTH_BYTES   2
#define IN_BYTES       4096 /* of a query that is longer these are looked at, the rest thrown away */
#define PIPELINE_MAX   100
#define OUT_MAX        ((size_t)128 << 10)
#define OUT_ALL_MAX    ((size_t)32 << 20) /* bytes, of all clients */
#define OUT_SHARE_MAX  (OUT_ALL_MAX / 4)  /* of those of one tenant */
#define TENANT_CLIENTS 128
#define OTHERS_MAX     16  /* of those who are no tenants */
#define PREFIX_CLIENTS 8   /* of a source's prefix, who ask for the zone */
#define ZONE_CLIENTS   256 /* of all of these */
#define ACCEPT_MAX     16  /* a turn */

struct tcp_client {
	TAILQ_ENTRY(tcp_client) entry; /* dns_worker.tcp */
	struct table_node node;        /* dns_worker.tcp_by_number */
	struct dns_worker *worker;
	struct io io;
	struct deferred gone;
	struct timer idle;
	struct dns_client client; /* connection: its number */
	uint64_t owner;           /* whose limit it counts for, see owner_of() */
	struct tcp_share *share;  /* its tenant's, or that of others */
	unsigned int n_waiting;   /* queries */
	bool zone;                /* it asks for that */
	bool ended;               /* it sends nothing any more */
	bool ready;               /* in dns_worker.tcp_ready */
	uint32_t events;
	TAILQ_ENTRY(tcp_client) ready_entry; /* dns_worker.tcp_ready */
	uint64_t whole_ms;                   /* when the query that comes has to be; 0: none does */
	size_t n_in;                         /* bytes */
	size_t n_skip;                       /* to come of a query that is too long */
	uint8_t in[IN_BYTES];
	struct buf out; /* what the socket did not take */
};

static void client_ready(struct io *io, uint32_t events);

static bool number_eq(const struct table_node *node, const void *key)
{
	return container_of(node, struct tcp_client, node)->client.connection ==
	       *(const uint64_t *)key;
}

static void count_clients(struct dns_worker *w)
{
	atomic_store_explicit(&w->own->worker[WORKER_DNS_CLIENTS], w->n_tcp, memory_order_relaxed);
}

/* n: bytes more; -n: less. */
static void count_out(struct tcp_client *c, size_t n)
{
	c->worker->tcp_out_bytes += n;
	c->share->out_bytes += n;
}

static void client_free(struct deferred *d)
{
	struct tcp_client *c = container_of(d, struct tcp_client, gone);

	buf_fini(&c->out);
	free(c);
}

static void client_close(struct tcp_client *c)
{
	struct dns_worker *w = c->worker;

	count_out(c, -c->out.size);
	tcp_share_put(&w->tcp_shares, c->share);
	TAILQ_REMOVE(&w->tcp, c, entry);
	if (c->ready) {
		TAILQ_REMOVE(&w->tcp_ready, c, ready_entry);
	}
	table_remove(&w->tcp_by_number, &c->node);
	wheel_disarm(&w->loop.wheel, &c->idle);
	loop_close(&w->loop, &c->io);
	w->n_tcp--;
	count_clients(w);
	c->gone.run = client_free;
	loop_defer(&w->loop, &c->gone);
}

static bool client_is_idle(const struct tcp_client *c)
{
	return c->n_waiting == 0 && c->out.len == 0 && c->n_in == 0;
}

/* A whole query came, or an answer went: it has as long again, but not for a query in parts. */
static void client_lives(struct tcp_client *c)
{
	struct dns_worker *w = c->worker;
	uint64_t until_ms = w->loop.now_ms + w->tcp_idle_ms;

	TAILQ_REMOVE(&w->tcp, c, entry);
	TAILQ_INSERT_TAIL(&w->tcp, c, entry);
	wheel_arm(&w->loop.wheel, &c->idle,
		  c->whole_ms > 0 && c->whole_ms < until_ms ? c->whole_ms : until_ms);
}

static void client_idle(struct timer *timer)
{
	struct tcp_client *c = container_of(timer, struct tcp_client, idle);
	bool late = c->whole_ms > 0 && c->whole_ms <= c->worker->loop.now_ms;

	if (late || c->out.len > 0 || client_is_idle(c)) {
		client_close(c);
	} else { /* upstreams take their time, not the client, or a query has some left */
		client_lives(c);
	}
}

static bool client_may_ask(const struct tcp_client *c)
{
	return c->n_waiting < PIPELINE_MAX && c->out.len < OUT_MAX;
}

/* Reads on while it may have more queries, writes while something waits. */
static void client_watch(struct tcp_client *c)
{
	bool reads = !c->ended && client_may_ask(c) && c->n_in < IN_BYTES;
	uint32_t events =
		(reads ? (uint32_t)EPOLLIN : 0) | (c->out.len > 0 ? (uint32_t)EPOLLOUT : 0);

	if (events != c->events) {
		c->events = events;
		if (loop_mod(&c->worker->loop, &c->io, events) < 0) {
			client_close(c);
		}
	}
}

/* Keeps what the socket does not take now. False: that is too much. */
static bool client_keep(struct tcp_client *c, const void *data, size_t len)
{
	size_t had = c->out.size;

	buf_bytes(&c->out, data, len);
	count_out(c, c->out.size - had);
	return !c->out.bad && c->share->out_bytes <= OUT_SHARE_MAX &&
	       c->worker->tcp_out_bytes <= OUT_ALL_MAX;
}

/* False: the client is gone. */
static bool client_send(struct tcp_client *c, const uint8_t *wire, size_t len)
{
	const uint8_t head[LENGTH_BYTES] = {(uint8_t)(len >> 8), (uint8_t)len};
	struct iovec parts[2] = {{(void *)(uintptr_t)head, LENGTH_BYTES},
				 {(void *)(uintptr_t)wire, len}};
	struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t n = 0;
	size_t sent;

	if (c->out.len == 0) {
		n = sendmsg(c->io.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN) {
			return false;
		}
	}
	sent = n > 0 ? (size_t)n : 0;
	client_lives(c);
	if (sent < LENGTH_BYTES) {
		return client_keep(c, head + sent, LENGTH_BYTES - sent) &&
		       client_keep(c, wire, len);
	}
	sent -= LENGTH_BYTES;
	return sent == len || client_keep(c, wire + sent, len - sent);
}

/* What waits. False: the client is gone. */
static bool client_flush(struct tcp_client *c)
{
	ssize_t n = send(c->io.fd, c->out.data, c->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0) {
		return errno == EAGAIN;
	}
	buf_consume(&c->out, (size_t)n);
	if (c->out.len == 0) {
		count_out(c, -c->out.size);
		buf_fini(&c->out);
		buf_init(&c->out, 2 * OUT_MAX);
	}
	client_lives(c);
	return true;
}

/* False: the client is gone. */
static bool client_serve(struct tcp_client *c, const uint8_t *message, size_t len)
{
	struct dns_worker *w = c->worker;
	struct arrival a; /* most of which serve_read() sets */
	bool waits = false;
	size_t n = 0;

	a.client = c->client;
	if (c->zone) {
		n = serve_world(w, &c->client, true, message, len, w->buffer);
	} else if (serve_read(w, NULL, message, len, &a)) {
		n = serve_answer(w, &a, true, w->buffer, &waits);
	}

	client_lives(c);
	c->n_waiting += waits;
	if (n == 0 && !waits) {
		return false; /* nothing that is answered: it may be no DNS at all */
	}
	return n == 0 || client_send(c, w->buffer, n);
}

/* Takes a query off the buffer. 1: there may be another, 0: it is not whole yet, -1: close. */
static int client_step(struct tcp_client *c)
{
	size_t len, take;
	int rc;

	if (c->n_skip > 0) {
		take = c->n_skip < c->n_in ? c->n_skip : c->n_in;
		c->n_skip -= take;
		rc = take > 0;
	} else {
		len = c->n_in < LENGTH_BYTES ? IN_BYTES : (size_t)c->in[0] << 8 | c->in[1];
		take = LENGTH_BYTES + len;
		if (take > c->n_in && c->n_in < IN_BYTES) {
			return 0;
		}
		c->n_skip = take > c->n_in ? take - c->n_in : 0;
		c->whole_ms = c->n_skip > 0 ? c->whole_ms : 0;
		take -= c->n_skip;
		rc = client_serve(c, c->in + LENGTH_BYTES, take - LENGTH_BYTES) ? 1 : -1;
	}
	c->n_in -= take;
	memmove(c->in, c->in + take, c->n_in);
	return rc;
}

/* The time of a query starts with its first byte, and stands still while it may not be asked. */
static void client_time(struct tcp_client *c)
{
	if (c->n_skip == 0 && (c->n_in == 0 || !client_may_ask(c))) {
		c->whole_ms = 0;
	} else if (c->whole_ms == 0) {
		c->whole_ms = c->worker->loop.now_ms + c->worker->tcp_idle_ms;
	}
}

/* What it has asked, as far as it may. The client may be gone on return. */
static void client_work(struct tcp_client *c)
{
	int rc = 1;

	while (rc > 0 && client_may_ask(c)) {
		rc = client_step(c);
	}
	client_time(c);
	if (rc < 0 || (c->ended && client_is_idle(c))) {
		client_close(c);
	} else {
		client_watch(c);
	}
}

/* False: the client is gone. */
static bool client_read(struct tcp_client *c)
{
	ssize_t n = recv(c->io.fd, c->in + c->n_in, IN_BYTES - c->n_in, MSG_DONTWAIT);

	if (n < 0) {
		return errno == EAGAIN;
	}
	if (n == 0) {
		c->ended = true; /* what it has asked is still answered */
		return c->n_waiting > 0 || c->out.len > 0;
	}
	c->n_in += (size_t)n;
	return true;
}

static void client_ready(struct io *io, uint32_t events)
{
	struct tcp_client *c = container_of(io, struct tcp_client, io);
	bool ok = !(events & EPOLLERR);

	if (ok && (events & EPOLLOUT)) {
		ok = client_flush(c);
	}
	if (ok && (events & (EPOLLIN | EPOLLHUP)) && c->n_in < IN_BYTES) {
		ok = client_read(c);
	}
	if (ok) {
		client_work(c);
	} else {
		client_close(c);
	}
}

/* Not from within the resolver: what it has asked besides is looked at after the events. */
void tcp_answer(struct dns_worker *w, const struct dns_client *client, const uint8_t *wire,
		size_t len)
{
	struct table_node *node =
		table_find(&w->tcp_by_number, client->connection, number_eq, &client->connection);
	struct tcp_client *c = node ? container_of(node, struct tcp_client, node) : NULL;

	if (!c) {
		return;
	}
	c->n_waiting--;
	if (!client_send(c, wire, len)) {
		client_close(c);
	} else if (!c->ready) {
		c->ready = true;
		TAILQ_INSERT_TAIL(&w->tcp_ready, c, ready_entry);
	}
}

void tcp_work(struct dns_worker *w)
{
	struct tcp_client *c;

	while ((c = TAILQ_FIRST(&w->tcp_ready))) {
		TAILQ_REMOVE(&w->tcp_ready, c, ready_entry);
		c->ready = false;
		client_work(c);
	}
}

void tcp_close_idle(struct dns_worker *w, bool all)
{
	struct tcp_client *c, *next;

	for (c = TAILQ_FIRST(&w->tcp); c; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (all || client_is_idle(c)) {
			client_close(c);
		}
	}
}

/*
 * Who has a limit: a tenant, by its id; all who are none, 0; or of those who ask for the zone the
 * prefix they are in, by its hash.
 */
static uint64_t owner_of(const struct dns_worker *w, const struct dns_listener *l,
			 const struct addr *from)
{
	const struct prefix p = rrl_prefix(from);
	struct source source = {.id = 0};

	if (l->zone) {
		return hash_bytes(&w->cookie_key, p.addr.b, sizeof(p.addr.b)) | UINT64_C(1) << 63;
	}
	(void)tenants_source(&w->tenants, from, &source); /* else of nobody */
	return source.id;
}

static unsigned int clients_max(uint64_t owner, bool zone)
{
	return zone ? PREFIX_CLIENTS : owner ? TENANT_CLIENTS : OTHERS_MAX;
}

/* Makes room for one of that owner. False: there is none. */
static bool make_room(struct dns_worker *w, uint64_t owner, bool zone)
{
	struct tcp_client *c, *own = NULL, *any = NULL; /* who may give way, the oldest of them */
	unsigned int n_own = 0, n_zone = 0;

	for (c = TAILQ_FIRST(&w->tcp); c; c = TAILQ_NEXT(c, entry)) {
		bool is_own = c->owner == owner;

		n_own += is_own;
		n_zone += c->zone;
		/* strangers are many: a byte of a query keeps none of them in */
		if (c->zone || (!zone && client_is_idle(c))) {
			any = any ? any : c;
			own = own || !is_own ? own : c;
		}
	}
	if (n_own >= clients_max(owner, zone)) {
		any = owner ? own : NULL;
	} else if (w->n_tcp < w->tcp_max && !(zone && n_zone >= ZONE_CLIENTS)) {
		return true;
	}
	if (any) {
		client_close(any);
	}
	return any != NULL;
}

/* Puts it where it is found. Returns 0, or a negative errno with nothing done. */
static int client_enter(struct tcp_client *c)
{
	struct dns_worker *w = c->worker;
	int rc = -ENOMEM;

	c->share = tcp_share_get(&w->tcp_shares, c->zone ? TCP_SHARE_ZONE : c->owner);
	if (c->share) {
		rc = table_insert(&w->tcp_by_number, &c->node, c->client.connection);
	}
	if (rc == 0) {
		rc = loop_add(&w->loop, &c->io, EPOLLIN);
		if (rc < 0) {
			table_remove(&w->tcp_by_number, &c->node);
		}
	}
	if (rc < 0) {
		tcp_share_put(&w->tcp_shares, c->share);
		return rc;
	}
	TAILQ_INSERT_TAIL(&w->tcp, c, entry);
	w->n_tcp++;
	count_clients(w);
	return 0;
}

/* Takes fd. */
static void client_new(struct dns_socket *socket, int fd, const struct endpoint *from)
{
	struct dns_worker *w = socket->listener->worker;
	const struct dns_listener *l = socket->listener;
	uint64_t owner = owner_of(w, l, &from->addr);
	struct tcp_client *c = NULL;

	if (make_room(w, owner, l->zone)) {
		c = calloc(1, sizeof(*c));
	}
	if (!c) {
		close(fd);
		return;
	}
	c->worker = w;
	c->owner = owner;
	c->zone = l->zone;
	c->client = (struct dns_client){.from = *from,
					.listener = l->id,
					.connection = ++w->last_number};
	c->io = (struct io){.fd = fd, .ready = client_ready};
	c->events = EPOLLIN;
	timer_init(&c->idle, client_idle);
	buf_init(&c->out, 2 * OUT_MAX);
	if (client_enter(c) < 0) {
		close(fd);
		free(c);
		return;
	}
	client_lives(c);
}

static bool is_shortage(int code)
{
	return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

void tcp_accept(struct dns_socket *socket)
{
	struct dns_worker *w = socket->listener->worker;
	struct sockaddr_storage sa;
	struct endpoint from;

	for (unsigned int i = 0; i < ACCEPT_MAX && !timer_armed(&w->accept_timer); i++) {
		socklen_t len = sizeof(sa);
		int fd = accept4(socket->io.fd, (struct sockaddr *)&sa, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && is_shortage(errno)) {
			tcp_accept_pause(w, -errno);
		}
		if (fd < 0) {
			return; /* one that has gone again is no reason to look for more now */
		}
		if (endpoint_from_sockaddr((struct sockaddr *)&sa, &from) < 0) {
			close(fd);
		} else {
			client_new(socket, fd, &from);
		}
	}
}
