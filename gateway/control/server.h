/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_SERVER_H
#define SIXGATE_GATEWAY_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cursor.h"
#include "base/json.h"
#include "base/loop.h"
#include "conf/model/request.h"

/*
 * The control socket: takes requests (conf/model/request.h) and writes answers. Whoever connects
 * may be slow, mute or hostile: clients are counted, have a deadline for their request and for
 * each step of the answer, and an answer is made in pieces as they are read. Nothing blocks.
 */
#define SERVER_CLIENTS_MAX 32
#define SERVER_REQUEST_MS  5000              /* from connect to the whole request */
#define SERVER_PROGRESS_MS 10000             /* without a byte of the answer being taken */
#define SERVER_ANSWER_MAX  ((size_t)8 << 20) /* bytes of one piece */
#define CLIENT_STATE_MAX   512               /* bytes */
#define SERVER_JOBS_MAX    2                 /* clients with a job, which may be large */
#define SERVER_JOB_MS      60000             /* from the request to the end of such an answer */
#define SERVER_PAUSE_MS    1000              /* after descriptors or memory ran out */

struct workers;

struct client {
	struct server *server;
	struct client *next; /* server.clients */
	struct io io;
	struct timer timer;
	struct deferred gone;
	uid_t uid; /* of the peer (SO_PEERCRED) */
	uint8_t in[REQUEST_MAX];
	size_t n_in;
	bool answering;   /* the request is in */
	bool last;        /* close when out is written */
	uint64_t step_ms; /* limit for the next step of the answer */
	uint64_t job_end_ms;
	struct buf out;
	/* What follows when out has been written; NULL: nothing, or not yet. */
	void (*more)(struct client *c, void *ctx);
	/* Free for the verb being answered. */
	uint16_t call_type; /* message workers were asked with; 0: none */
	uint32_t call_id;
	uint64_t call_serial;
	uint64_t call_pending;        /* workers, by bit, that have not answered */
	struct workers *call_workers; /* borrowed: who they are */
	/* All who were asked have answered, or are gone; found: one has, and did not refuse. */
	void (*call_end)(struct client *c, void *ctx);
	uint32_t at;         /* how far a list is */
	unsigned int former; /* the last worker of before an upgrade that was asked */
	bool former_pending; /* and has not answered */
	bool found, begun;
	uint8_t state[CLIENT_STATE_MAX]; /* where an answer in pieces is */
	char text[ERR_MSG_MAX];          /* argument, or the first refusal */
	void *job;                       /* owned: what the answer is made from; NULL: nothing */
	void (*job_free)(void *job);
};

struct server_ops {
	/* A request is in: answer by the functions below, now or later. req borrows from c. */
	void (*request)(struct client *c, const struct request *req, void *ctx);
};

struct server {
	struct loop *loop; /* borrowed */
	const struct server_ops *ops;
	void *ctx;
	struct io io;
	struct timer pause;     /* armed: not accepting */
	struct client *clients; /* owned */
	unsigned int n_clients;
	char path[108];
};

/* No more clients may have a job for now. */
bool server_busy(const struct server *s);
/* Returns 0 when no sixgated listens on path, or -EADDRINUSE. */
int server_absent(const char *path, struct err *err) CHECKED;
/*
 * Listens on path, 0660; gid is the socket's group, (gid_t)-1: ours. A socket that nobody listens
 * on any more is replaced. Returns 0, -EADDRINUSE when somebody does, or another negative errno.
 */
int server_init(struct server *s, struct loop *loop, const char *path, gid_t gid,
		struct err *err) CHECKED;
/* Closes everything and removes the socket. */
void server_fini(struct server *s);

/* Begins an answer: {"ok":true}. */
void client_ok(struct client *c);
/* The whole answer: {"ok":false,"error":...}. */
void client_fail(struct client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* {"end":true}: the client is closed when it has read all. */
void client_end(struct client *c);
/* Nothing to write until workers have answered, which may take ms. */
void client_wait(struct client *c, uint64_t ms);
/* Writes what is in out; call it after adding to out outside of request() and more(). */
void client_flush(struct client *c);

#endif
