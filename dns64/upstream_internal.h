/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_UPSTREAM_INTERNAL_H
#define SIXGATE_DNS64_UPSTREAM_INTERNAL_H

#include <stdbool.h>
#include <sys/queue.h>

#include "base/container.h"
#include "base/hash.h"
#include "base/loop.h"
#include "dns64/question.h"
#include "dns64/request.h"
#include "dns64/upstream.h"

/* upstream*.c among themselves. */
#define COOKIE_CLIENT_BYTES 8
#define COOKIE_MAX          REQUEST_COOKIE_MAX
#define MESSAGE_OUT_MAX     512 /* of a question */

struct udp_socket {
	struct io io;
	struct server *server; /* borrowed */
	struct deferred gone;
	struct table asks; /* by id */
	uint64_t opened_ms;
	unsigned int n_asked;
	bool retired; /* closed when the last answer is in */
};

struct server {
	struct upstreams *u; /* borrowed */
	struct endpoint at;
	struct udp_socket *sockets[UPSTREAM_SOCKETS]; /* owned; NULL: not open */
	unsigned int n_failures;                      /* in a row */
	uint64_t down_until_ms;
	uint64_t cased_until_ms; /* it keeps upper case: it is not who changes it */
	uint64_t lower_until_ms; /* it changes the case of letters, and has no TCP */
	uint64_t plain_until_ms; /* it said FORMERR to EDNS (RFC 6891 7) */
	bool has_cookies; /* it has sent one: its answers to EDNS have one, or are asked for by TCP
			   */
	uint8_t cookie[COOKIE_MAX]; /* ours, then its own */
	uint8_t cookie_len;         /* of both */
	struct upstream_stats stats;
};

/* A question on its way. */
struct ask {
	struct table_node node; /* udp_socket.asks */
	LIST_ENTRY(ask) link;   /* upstreams.asks */
	struct upstreams *u;
	struct fetch *fetch;       /* the resolver's */
	struct server *server;     /* of this try */
	struct udp_socket *socket; /* NULL: none, or TCP */
	struct tcp *tcp;           /* owned; NULL: UDP */
	struct timer timer;
	struct answer *held; /* owned: a failure, while others are asked */
	uint64_t started_ms, sent_ms;
	unsigned int n_tries; /* of servers */
	unsigned int n_again; /* the same server once more, with what was learnt */
	uint32_t tried;       /* servers, by bit */
	uint16_t id;
	bool edns;                       /* as asked, with our cookie */
	bool bad_cookie;                 /* the server has said so once (BADCOOKIE) */
	bool recased;                    /* its answer had other upper and lower case */
	bool uncookied;                  /* its answer had no cookie, as those before it had */
	uint8_t name[QUESTION_NAME_MAX]; /* as asked */
};

/* table_eq_fn of udp_socket.asks */
static inline bool ask_id_eq(const struct table_node *node, const void *key)
{
	return container_of(node, struct ask, node)->id == *(const uint16_t *)key;
}

struct upstreams {
	struct loop *loop; /* borrowed */
	const struct upstreams_ops *ops;
	void *ctx;
	struct server servers[UPSTREAMS_MAX];
	size_t n_servers;
	LIST_HEAD(ask_list, ask) asks;
	unsigned int n_tcp;
	bool answered;       /* one of them has */
	uint8_t random[256]; /* not used yet: the first n_random */
	unsigned int n_random;
};

/* upstream.c */
/* Fills p from getrandom(2). */
void upstream_random(struct upstreams *u, void *p, size_t len);
/*
 * What came for a: an answer, or what makes it be asked again. a may be gone on return. The
 * question's letters are changed.
 */
void ask_received(struct ask *a, uint8_t *wire, size_t len);
/* As ask_received(), of what no other follows. */
void ask_received_last(struct ask *a, uint8_t *wire, size_t len);
/* This try is over, without an answer. a may be gone on return. */
void ask_failed(struct ask *a);

/* upstream_message.c */
/* How it is asked now: the name in upper and lower case at random. */
void ask_prepare(struct ask *a);
/* The question as a message into wire (MESSAGE_OUT_MAX). The length. */
size_t ask_write(const struct ask *a, uint8_t *wire);

enum question_match {
	QUESTION_OTHER,
	QUESTION_OTHER_CASE,
	QUESTION_SAME
};
/* What the message says it answers. */
enum question_match ask_match(const struct ask *a, const uint8_t *wire, size_t len);

enum cookie {
	COOKIE_NONE,
	COOKIE_OURS, /* and the server's perhaps */
	COOKIE_FOREIGN
};
/* Whose cookie an answer has (RFC 7873 5.3); takes the server's. */
enum cookie server_take_cookie(struct server *s, const uint8_t *wire, size_t len);
void server_forget_cookie(struct server *s);

/* upstream_tcp.c */
/* Asks a's server by TCP. Returns 0 or -errno. */
int tcp_ask(struct ask *a) CHECKED;
void tcp_free(struct tcp *t);

/* upstream_server.c */
/* The best one that a has not asked; NULL: all were. */
struct server *server_choose(struct upstreams *u, const struct ask *a);
void server_answered(struct server *s, uint32_t rtt_ms);
void server_silent(struct server *s);
/* How long a try may take. */
uint32_t server_patience_ms(const struct server *s);
/* A socket to send by. NULL: none can be opened. */
struct udp_socket *server_socket(struct server *s);
/* Its last answer is in, perhaps. */
void udp_socket_done(struct udp_socket *socket);
void server_close(struct server *s);

#endif
