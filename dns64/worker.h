/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_WORKER_H
#define SIXGATE_DNS64_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "base/counters.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/loop.h"
#include "conf/model/message.h"
#include "conf/model/node.h"
#include "dns64/request.h"
#include "dns64/resolver.h"
#include "dns64/rrl.h"
#include "dns64/tenants.h"
#include "worker/link.h"
#include "worker/log_lines.h"

/* Everything a worker process of sixgate-dns64 has; there are no globals. */
struct former_upstreams;
struct udp_batch;
struct upstreams;
struct zone;

/* A socket that control has made: datagrams, or connections that are accepted. */
struct dns_socket {
	TAILQ_ENTRY(dns_socket) entry; /* dns_listener.sockets */
	struct io io;
	struct deferred gone;
	struct dns_listener *listener;
	bool lent; /* a dead sibling's */
};

struct dns_listener {
	struct table_node node; /* dns_worker.listeners */
	uint32_t id;            /* control's */
	struct dns_worker *worker;
	struct endpoint local;
	bool udp;
	bool zone;                                   /* what comes is for serve_world() */
	TAILQ_HEAD(dns_sockets, dns_socket) sockets; /* owned */
};

/* Tokens for answers to those who are no tenants. */
struct refusals {
	uint64_t at_ms;
	unsigned int n;
};

TAILQ_HEAD(tcp_clients, tcp_client);

struct dns_worker {
	struct loop loop;
	struct link link;                     /* to control */
	struct counters *own;                 /* owned mapping; NULL before COUNTERS */
	struct counters *others[WORKERS_MAX]; /* owned mappings: of the other workers */
	size_t n_others;
	size_t n_workers;       /* of this kind */
	struct node_conf *node; /* owned; NULL before NODE */
	char nsid[256];         /* its name: answers that wait borrow it, whatever node is then */
	struct tenants tenants;
	struct table listeners; /* owned */
	struct resolver resolver;
	bool resolving;              /* resolver was initialized */
	struct timer resolver_timer; /* armed while queries wait */
	uint16_t upstream_port;
	struct upstreams *upstreams;     /* owned; NULL before NODE */
	struct former_upstreams *former; /* owned list: asked before the config changed */
	struct zone *zone;               /* owned; NULL: the node has none */
	uint64_t serial;                 /* control's, of the last change: the zone's */
	struct rrl rrl;                  /* with the first zone */
	struct hash_key cookie_key;
	struct refusals refusals;
	struct udp_batch *batch; /* owned */

	struct tcp_clients tcp;       /* owned: all, the one that was silent for longest first */
	struct tcp_clients tcp_ready; /* of these, which tcp_work() looks at */
	struct table tcp_by_number;
	struct table tcp_shares; /* of all who have connections */
	unsigned int n_tcp, tcp_max;
	uint32_t tcp_idle_ms; /* a query's time to be whole, and a silent client's */
	size_t tcp_out_bytes; /* memory for answers that are not read, of all */
	uint64_t last_number;
	uint8_t *buffer;           /* owned: DNS_MESSAGE_MAX bytes, of an answer by TCP */
	struct timer accept_timer; /* armed: descriptors had run out */
	struct log_limit warning;

	struct log_lines log;   /* of queries */
	struct timer log_timer; /* armed: lines wait */

	struct timer drain_end; /* armed: what waits then is not answered */
	bool draining;          /* ends when nothing waits any more */
};

#define DNS_MESSAGE_MAX 65535
#define DNS_TCP_IDLE_MS 10000

/* Before the sandbox closes. Returns 0 or a negative errno with err set. */
int dns_worker_init(struct dns_worker *w, struct err *err) CHECKED;
/* The exit status of the process. */
int dns_worker_run(struct dns_worker *w) CHECKED;
void dns_worker_fini(struct dns_worker *w);
/* Takes node. Returns 0 or -ENOMEM, with the former one in force. */
int dns_worker_set_node(struct dns_worker *w, struct node_conf *node, struct err *err) CHECKED;
/* No new queries; the process ends when those that wait are answered, in ms at the latest. */
void dns_worker_drain(struct dns_worker *w, uint32_t ms);

/* orders.c */
extern const struct link_ops dns_link_ops;

/* A message on its way through serve.c, while no tenant changes. */
struct arrival {
	struct dns_client client; /* set by who received it */
	struct source source;
	bool known;                 /* a tenant's: source is set */
	enum query_rate_result may; /* it is looked at: not DROP */
	enum request_result read;
	struct request request;
};

/* serve.c */
/*
 * A client's message, first step; before: the one before in the same batch, NULL: none. False:
 * it is not answered. Of many, each goes through one step before the first one goes through the
 * next, so that none waits for memory.
 */
bool serve_read(struct dns_worker *w, const struct arrival *before, const uint8_t *message,
		size_t len, struct arrival *a);
/* What may be left out, in steps as cache_expect(). */
void serve_expect(const struct dns_worker *w, struct arrival *a, unsigned int step);
/*
 * The last one. Returns the length of the answer in wire, which has room for
 * request_answer_max(): REQUEST_UDP_MAX, or over_tcp DNS_MESSAGE_MAX; or 0: none now, perhaps
 * later. ret_waits: one will come.
 */
size_t serve_answer(struct dns_worker *w, struct arrival *a, bool over_tcp, uint8_t *wire,
		    bool *ret_waits);

/* For those who answer: what r is to carry besides its records. */
void serve_prepare(const struct dns_worker *w, const struct dns_client *client, bool over_tcp,
		   struct request *r);
/* Whether r has a cookie of ours for that client: its source is not forged. */
bool serve_knows(const struct dns_worker *w, const struct dns_client *client,
		 const struct request *r);
/* What is no query gets an error, or nothing: 0. */
size_t serve_malformed(struct dns_worker *w, enum request_result result, bool over_tcp,
		       struct request *r, uint8_t *wire);

/* authority.c */
/* Answers what comes to where the zone is asked; nothing waits. The length in wire; 0: nothing. */
size_t serve_world(struct dns_worker *w, const struct dns_client *client, bool over_tcp,
		   const uint8_t *message, size_t len, uint8_t *wire);
/*
 * The zone that node has, with all tenants, or NULL; then either authority_commit() with the same
 * node, or authority_abandon(). Returns 0, -EINVAL (it is no name) or -ENOMEM.
 */
int authority_prepare(struct dns_worker *w, const struct node_conf *node,
		      struct zone **ret_zone) CHECKED;
void authority_commit(struct dns_worker *w, const struct node_conf *node, struct zone *zone);
void authority_abandon(struct dns_worker *w, struct zone *zone);
/* Control has changed something that the zone may be made from. */
void authority_changed(struct dns_worker *w, uint64_t serial);
void authority_fini(struct dns_worker *w);

/* listener.c */
/*
 * Adds a listener, or gives a known one its socket again; fd -1: it keeps what it has. Takes fd.
 * Returns 0, -ENOENT (unknown, and no socket), -ENOMEM or what the loop says.
 */
int dns_listener_put(struct dns_worker *w, uint32_t id, const struct listener_msg *msg, int fd,
		     struct err *err) CHECKED;
/* Takes fd. Returns 0, also when the listener has gone, -ENOSPC or as dns_listener_put(). */
int dns_listener_lend(struct dns_worker *w, uint32_t id, int fd) CHECKED;
void dns_listener_lend_end(struct dns_worker *w, uint32_t id);
/* Serves what is queued, then closes its sockets. */
void dns_listener_remove(struct dns_worker *w, uint32_t id);
void dns_listeners_remove_all(struct dns_worker *w);
/* Serves what is queued and takes no more; what is waited for goes out. Returns 0 or negative. */
int dns_listeners_drain(struct dns_worker *w) CHECKED;
/* Whether connections are accepted. Returns 0 or a negative errno. */
int dns_listeners_accept(struct dns_worker *w, bool on) CHECKED;
/* A socket of that listener to answer by; -1: it has gone. */
int dns_listener_fd(const struct dns_worker *w, uint32_t id);

/* udp.c */
struct udp_batch *udp_batch_new(void);
/* Answers what has come, at most a few batches. False: nothing is left. */
bool udp_serve(struct dns_socket *socket);
/* An answer that was waited for. */
void udp_answer(struct dns_worker *w, const struct dns_client *client, const uint8_t *wire,
		size_t len);

/* tcp.c */
void tcp_accept(struct dns_socket *socket);
/* An answer that was waited for. */
void tcp_answer(struct dns_worker *w, const struct dns_client *client, const uint8_t *wire,
		size_t len);
/* After each batch of events: what clients have asked while they had to wait. */
void tcp_work(struct dns_worker *w);
/* Closes those that wait for nothing; all: every one. */
void tcp_close_idle(struct dns_worker *w, bool all);

/* worker_log.c: the query log */
int dns_log_init(struct dns_worker *w) CHECKED;
/* With another node config. */
void dns_log_configure(struct dns_worker *w);
/* Takes fd, the log child's pipe. */
void dns_log_set(struct dns_worker *w, int fd);
/* A query has its answer. */
void dns_log_report(struct dns_worker *w, const struct query_report *report);

/* worker.c: no connections for a second, as descriptors or memory (rc says which) ran out. */
void tcp_accept_pause(struct dns_worker *w, int rc);

#endif
