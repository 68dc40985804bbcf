/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_LISTENER_H
#define SIXGATE_PROXY_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/loop.h"
#include "conf/model/message.h"

/*
 * The listening sockets control has made and handed over. Each listener has one of its own and
 * those lent by control while a sibling is away. Sessions keep their listener until they end.
 */
struct worker;

/* One accepting socket. The descriptor is shared with control, which keeps the socket open. */
struct listen_socket {
	TAILQ_ENTRY(listen_socket) entry;  /* listener.sockets */
	struct listen_socket *next_paused; /* worker.paused */
	struct io io;
	struct deferred deferred;
	struct listener *listener;
	unsigned int batch;  /* connections to accept a wake-up; follows the load */
	unsigned int n_full; /* batches in a row that were used up */
	bool lent;
	bool paused;
};

struct listener {
	struct table_node node; /* worker.listeners */
	unsigned int refs;      /* the worker and its sessions */
	uint32_t id;
	uint32_t slot; /* counters */
	struct worker *worker;
	struct endpoint local;
	enum protocol protocol; /* tcp or tls */
	struct timeouts timeouts;
	char *default_tenant, *default_service; /* owned; NULL: none */
	TAILQ_HEAD(, listen_socket) sockets;
	bool removed;
	/* While it is being removed, see listener_remove(): */
	struct listener *next_ending; /* worker.ending */
	bool ending;
	bool asked;      /* by an order, which is answered at the end */
	uint64_t serial; /* of that */
	unsigned int n_queued;
};

#define LISTENER_LENT_MAX 64 /* sockets one listener may be lent */

/*
 * Adds a listener, or gives a known one new settings; fd -1: it keeps its socket. Takes fd.
 * Returns 0, -ENOENT (unknown, and no socket), -ENOMEM or what the loop says.
 */
int listener_put(struct worker *w, uint32_t id, const struct listener_msg *msg, int fd,
		 struct err *err) CHECKED;
/*
 * Accepts what is queued, then closes the sockets, and answers the order of that serial: all of
 * it in listeners_step(). False: there is no such listener, and nothing to be done.
 */
bool listener_remove(struct worker *w, uint32_t id, uint64_t serial);
void listener_remove_all(struct worker *w);
/* A bounded step of the removals under way. True when there is more. */
bool listeners_step(struct worker *w);
/* Closes what is left, queues and all, at the worker's end. */
void listeners_fini(struct worker *w);
/* Takes fd. Returns 0, also when the listener has gone, -ENOSPC or as listener_put(). */
int listener_lend(struct worker *w, uint32_t id, int fd) CHECKED;
void listener_lend_end(struct worker *w, uint32_t id);

void listener_unref(struct listener *listener);

/* Has the listener accept on fd, which is taken. Returns 0 or a negative errno. */
int listen_socket_add(struct listener *listener, int fd, bool lent) CHECKED;
void listen_socket_close(struct listen_socket *sock);
/* Accepts up to max clients. Returns how many, with ret_empty when no more are there. */
unsigned int accept_batch(struct listen_socket *sock, unsigned int max, bool *ret_empty);
/* Stops accepting for a second: descriptors or memory ran out (rc says which). */
void accept_pause(struct worker *w, int rc);
/* A session ended: goes on where the budget had stopped. */
void accept_resume_below_budget(struct worker *w);
/* For worker_init(). */
void accept_init(struct worker *w);

#endif
