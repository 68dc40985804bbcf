/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DOC: asking upstreams
 *
 * An ask lives from upstreams_ask() to ops.done(). It is tried with one server after another: each
 * try ends with an answer, a failure that another server may not have, or its time. The last
 * failure is the answer when no server has a better one.
 */
#include "dns64/upstream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <libknot/libknot.h>

#include "base/container.h"
#include "dns64/answer.h"
#include "dns64/resolver.h"
#include "dns64/trace.h"
#include "dns64/upstream_internal.h"

#define PLAIN_MS 300000 /* without EDNS, or without upper case */

void upstream_random(struct upstreams *u, void *p, size_t len)
{
	if (u->n_random < len) {
		if (getrandom(u->random, sizeof(u->random), 0) != sizeof(u->random)) {
			abort(); /* so many bytes are given whole or not at all */
		}
		u->n_random = sizeof(u->random);
	}
	u->n_random -= (unsigned int)len;
	memcpy(p, u->random + u->n_random, len);
	explicit_bzero(u->random + u->n_random, len);
}

/* For who watches: what became of this try, or how it begins. */
static void note(const struct ask *a, const char *text)
{
	char at[ADDR_TEXT_MAX];

	TRACE(a->fetch->trace, TRACE_UPSTREAM, "%s by %s, %llu ms: %s",
	      addr_format(&a->server->at.addr, at), a->tcp ? "TCP" : "UDP",
	      (unsigned long long)(a->u->loop->now_ms - a->sent_ms), text);
}

/* Nothing of this try is under way any more. */
static void ask_detach(struct ask *a)
{
	struct udp_socket *socket = a->socket;

	wheel_disarm(&a->u->loop->wheel, &a->timer);
	tcp_free(a->tcp);
	a->tcp = NULL;
	a->socket = NULL;
	if (socket) {
		table_remove(&socket->asks, &a->node);
		udp_socket_done(socket);
	}
}

static void ask_free(struct ask *a)
{
	ask_detach(a);
	LIST_REMOVE(a, link);
	free(a->held);
	free(a);
}

/* Takes answer; a is gone. */
static void ask_end(struct ask *a, struct answer *answer)
{
	struct upstreams *u = a->u;
	struct fetch *fetch = a->fetch;

	if (!answer) {
		answer = a->held;
		a->held = NULL;
	}
	ask_free(a);
	u->ops->done(u->ctx, fetch, answer);
}

/* An id that no other question of that socket has. */
static int choose_id(struct ask *a, struct udp_socket *socket)
{
	for (unsigned int i = 0; i < 16; i++) {
		upstream_random(a->u, &a->id, sizeof(a->id));
		if (!table_find(&socket->asks, a->id, ask_id_eq, &a->id)) {
			return table_insert(&socket->asks, &a->node, a->id);
		}
	}
	return -EAGAIN;
}

static int send_udp(struct ask *a)
{
	struct udp_socket *socket = server_socket(a->server);
	uint8_t wire[MESSAGE_OUT_MAX];
	int rc;

	if (!socket) {
		return -ENOBUFS;
	}
	rc = choose_id(a, socket);
	if (rc < 0) {
		return rc;
	}
	a->socket = socket;
	socket->n_asked++;
	/* what cannot be sent now is as one that is lost */
	(void)send(socket->io.fd, wire, ask_write(a, wire), 0);
	return 0;
}

static uint64_t left_ms(const struct ask *a)
{
	uint64_t gone_ms = a->u->loop->now_ms - a->started_ms;

	return gone_ms < UPSTREAM_TOTAL_MS ? UPSTREAM_TOTAL_MS - gone_ms : 0;
}

static void ask_arm(struct ask *a, uint64_t ms)
{
	if (ms > left_ms(a)) {
		ms = left_ms(a);
	}
	a->sent_ms = a->u->loop->now_ms;
	wheel_arm(&a->u->loop->wheel, &a->timer, a->sent_ms + ms);
}

/* The next try. Returns 0, or -errno: there is nobody to ask any more. */
static int ask_try(struct ask *a)
{
	struct server *s;

	if (!a->held && a->tried == (1u << a->u->n_servers) - 1) {
		a->tried = 0; /* those who were silent may have lost a packet */
	}
	while (a->n_tries < UPSTREAM_TRIES && left_ms(a) > 0 && (s = server_choose(a->u, a))) {
		a->tried |= 1u << (s - a->u->servers);
		a->server = s;
		a->uncookied = a->recased = a->bad_cookie = false;
		ask_prepare(a);
		if (send_udp(a) == 0) {
			a->n_tries++;
			s->stats.n_sent++;
			ask_arm(a, server_patience_ms(s));
			note(a, "asked");
			return 0;
		}
		server_silent(s); /* there is no way to it now */
	}
	return -EHOSTUNREACH;
}

void ask_failed(struct ask *a)
{
	note(a, "no answer");
	/* it answers by UDP alone, and so: to insist would be not to hear it again */
	if (a->tcp && a->uncookied) {
		server_forget_cookie(a->server);
	}
	if (a->tcp && a->recased && a->server->cased_until_ms <= a->u->loop->now_ms) {
		a->server->lower_until_ms = a->u->loop->now_ms + PLAIN_MS;
	}
	server_silent(a->server);
	ask_detach(a);
	if (ask_try(a) < 0) {
		ask_end(a, NULL);
	}
}

static void ask_timeout(struct timer *timer)
{
	ask_failed(container_of(timer, struct ask, timer));
}

/* The same server once more, with what was learnt. a may be gone on return. */
static void ask_again(struct ask *a, bool tcp)
{
	ask_detach(a);
	if (a->n_again < UPSTREAM_TRIES && left_ms(a) > 0) {
		a->n_again++;
		ask_prepare(a);
		if ((tcp ? tcp_ask(a) : send_udp(a)) == 0) {
			/* what is left of a connection that leads nowhere is for the others */
			ask_arm(a, tcp ? left_ms(a) / 2 : server_patience_ms(a->server));
			note(a, "asked again");
			return;
		}
	}
	if (ask_try(a) < 0) {
		ask_end(a, NULL);
	}
}

static void ask_answered(struct ask *a, struct answer *answer)
{
	server_answered(a->server, (uint32_t)(a->u->loop->now_ms - a->sent_ms));
	if (a->fetch->trace) {
		char text[TRACE_ANSWER_MAX];

		note(a, trace_answer(answer, text));
	}
	if (answer->rcode == KNOT_RCODE_BADCOOKIE && !a->tcp) { /* RFC 7873 5.3 */
		bool tcp = a->bad_cookie;

		free(answer);
		a->bad_cookie = true;
		ask_again(a, tcp);
		return;
	}
	if (answer->rcode == KNOT_RCODE_FORMERR && a->edns && !answer->edns) {
		free(answer);
		a->server->plain_until_ms = a->u->loop->now_ms + PLAIN_MS;
		server_forget_cookie(a->server);
		ask_again(a, false);
		return;
	}
	if (!answer_is_failure(answer) || answer_is_bogus(answer)) {
		ask_end(a, answer);
		return;
	}
	ask_detach(a);
	free(a->held);
	a->held = answer;
	if (ask_try(a) < 0) {
		ask_end(a, NULL);
	}
}

/* A message that is the answer. a may be gone on return. */
static void ask_read(struct ask *a, uint8_t *wire, size_t len)
{
	const struct question *q = &a->fetch->q;
	struct answer *answer = NULL;
	enum answer_result result;

	/* other names are compressed against it, and have the case it was asked in */
	memcpy(wire + QUESTION_NAME_AT, q->name, q->len);
	result = answer_read(q, wire, len, &answer);

	if (result == ANSWER_TRUNCATED && !a->tcp) {
		note(a, "the answer does not fit");
		ask_again(a, true);
		return;
	}
	if (result != ANSWER_READ) { /* what a zone holds can do that: the server is there */
		note(a, "the answer is malformed, or a loop");
		answer = answer_failed(q, KNOT_EDNS_EDE_INV_DATA);
	}
	if (answer) {
		ask_answered(a, answer);
	} else {
		ask_end(a, NULL);
	}
}

void ask_received(struct ask *a, uint8_t *wire, size_t len)
{
	enum question_match same = ask_match(a, wire, len);
	enum cookie cookie =
		same == QUESTION_OTHER ? COOKIE_FOREIGN : server_take_cookie(a->server, wire, len);

	if (cookie == COOKIE_FOREIGN) {
		a->server->stats.n_foreign++; /* the real one may come yet */
	} else if (same == QUESTION_OTHER_CASE) {
		note(a, "the question's upper and lower case is not kept");
		a->server->stats.n_foreign++;
		a->recased = true;
		ask_again(a, true);
	} else if (cookie == COOKIE_NONE && a->edns && a->server->has_cookies) {
		note(a, "there is no cookie any more");
		a->uncookied = true; /* somebody else's, or it has given up cookies */
		ask_again(a, true);
	} else {
		if (memcmp(a->name, a->fetch->q.name, a->fetch->q.len) != 0) {
			a->server->cased_until_ms = a->u->loop->now_ms + PLAIN_MS;
		}
		ask_read(a, wire, len);
	}
}

void ask_received_last(struct ask *a, uint8_t *wire, size_t len)
{
	if (ask_match(a, wire, len) == QUESTION_OTHER) {
		a->server->stats.n_foreign++;
		ask_failed(a);
		return;
	}
	if (server_take_cookie(a->server, wire, len) == COOKIE_NONE && a->edns) {
		server_forget_cookie(a->server);
	}
	ask_read(a, wire, len);
}

int upstreams_ask(struct upstreams *u, struct fetch *fetch)
{
	struct ask *a = calloc(1, sizeof(*a));
	int rc;

	if (!a) {
		return -ENOMEM;
	}
	a->u = u;
	a->fetch = fetch;
	a->started_ms = u->loop->now_ms;
	timer_init(&a->timer, ask_timeout);
	LIST_INSERT_HEAD(&u->asks, a, link);
	rc = ask_try(a);
	if (rc < 0) {
		ask_free(a);
	}
	return rc;
}

struct upstreams *upstreams_new(struct loop *loop, const struct endpoint *servers, size_t n,
				const struct upstreams_ops *ops, void *ctx)
{
	struct upstreams *u = calloc(1, sizeof(*u));

	if (!u) {
		return NULL;
	}
	u->loop = loop;
	u->ops = ops;
	u->ctx = ctx;
	LIST_INIT(&u->asks);
	u->n_servers = n < UPSTREAMS_MAX ? n : UPSTREAMS_MAX;
	for (size_t i = 0; i < u->n_servers; i++) {
		struct server *s = &u->servers[i];

		s->u = u;
		s->at = servers[i];
		upstream_random(u, s->cookie, COOKIE_CLIENT_BYTES);
		s->cookie_len = COOKIE_CLIENT_BYTES;
	}
	return u;
}

void upstreams_free(struct upstreams *u)
{
	struct ask *next;

	if (!u) {
		return;
	}
	for (struct ask *a = LIST_FIRST(&u->asks); a; a = next) {
		next = LIST_NEXT(a, link);
		ask_free(a);
	}
	for (size_t i = 0; i < u->n_servers; i++) {
		server_close(&u->servers[i]);
	}
	free(u);
}

const struct upstream_stats *upstreams_stats(const struct upstreams *u, size_t i)
{
	return &u->servers[i].stats;
}
