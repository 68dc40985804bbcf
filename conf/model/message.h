/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_MODEL_MESSAGE_H
#define SIXGATE_CONF_MODEL_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/channel.h"
#include "base/cursor.h"
#include "conf/model/node.h"

#define LOG_SOCKET_MS 500    /* control opens no two sockets of the system's log in less */
#define READER_MS     300000 /* for who reads an answer, and may look at a part of it in a pager */

/*
 * What control and the workers, of the proxy and of DNS64, say on the channel. HELLO, STATS, DRAIN
 * and QUIT never change between versions (tests/unit/forever.h has their bytes). id names the
 * object, serial its version as control counts it (not the tenant's own serial).
 *
 * Start: the worker sends HELLO; control answers COUNTERS and LOG, then BEGIN, NODE, TENANT...,
 * END, the objects many at a time in SET; each object is answered ACK or NAK; then LISTENER with
 * its socket for each listener.
 */
enum message {
	/* both ways or from control, for ever */
	MSG_HELLO = 1, /* worker: version string, pid u32 */
	MSG_STATS = 2, /* control: asks for ACK, proof of life */
	MSG_DRAIN = 3, /* control: close the listeners, exit when the last session ended or at 'ms
			  u32' */
	MSG_QUIT = 4,  /* control: exit now */

	/* control to worker */
	MSG_COUNTERS = 16, /* id = own index, fds: own segment writable, then read-only one for each
			      worker, in order of slot, and those of before an upgrade; u8: how
			      many workers, else as many as there are of them all */
	MSG_LOG =
		17, /* fd: write end of the pipe to the log child: lines of sessions, or queries */
	MSG_BEGIN = 18,  /* a full set follows */
	MSG_END = 19,    /* objects not sent since BEGIN are gone; serial: of the last change of
			    any, which may be one that has gone */
	MSG_NODE = 20,   /* node_conf_pack() */
	MSG_TENANT = 21, /* id, tenant_conf_pack() */
	MSG_TENANT_REMOVE = 22, /* id */
	MSG_LISTENER = 23, /* id, listener_pack(), fd: listening socket. Known id: new settings, fd
			      optional: the same socket again */
	MSG_LISTENER_REMOVE = 24, /* id: accept what is queued, close */
	MSG_LEND = 25,            /* id, fd: accept on a dead sibling's socket as well */
	MSG_LEND_END = 26,        /* id: all that was lent for it goes back */
	MSG_SESSIONS =
		27,    /* tenant name or empty; fd: stream to write JSON lines to. ACK when done */
	MSG_KILL = 28, /* serial = session number. ACK, or NAK when there is none */
	MSG_DRAIN_SERVICE =
		29,         /* buf_str tenant, buf_str service or backend address: end its sessions
			       within its drain time, take no new ones until the object changes */
	MSG_LOG_LEVEL = 30, /* id = enum log_level */
	MSG_TENANT_SWAP = 31, /* as TENANT; it may take what others still have, who will give it
				 up: theirs is in force until then */
	MSG_SET = 32, /* between BEGIN and END: set_entry_pack() of NODE and TENANT, any number. NAK
			 for each that is refused, then one ACK, whose id is how many are not */
	/*
	 * For callers of `sixgate dns`, to a worker of DNS64, fd: stream to write JSON lines to.
	 * id = tenant, 0: none; call_msg_pack(). ACK when done; NAK: nothing was written.
	 */
	MSG_DNS_ZONE = 33,  /* the farm's zone */
	MSG_DNS_FLUSH = 36, /* name ["below"]: forget what is cached of it */
	MSG_DNS_CACHE = 37, /* [name ["below"]]: what is cached of it, or the cache's numbers */
	MSG_DNS_QUERY = 38, /* name, type: asks as the tenant's client, telling each step */

	/* worker to control */
	MSG_ACK = 48, /* id, serial of what it answers; data: type u16 */
	MSG_NAK = 49, /* the same, then buf_str: why */

	/*
	 * Control and the log child (sixgate-agent --log). Start: HELLO from the child, then a
	 * LOG_PIPE for each worker, with syslog a LOG_SOCKET before. A worker's pipe is never given
	 * to a second one: half a line of a dead worker would meet its successor's. Control keeps
	 * the read end, so that no line is lost when the log child is restarted, but not the write
	 * end. STATS is answered ACK and LOG_STATS. After DRAIN, or at the end of the channel, the
	 * child reads on until every pipe has ended; QUIT makes it take what is in the pipes and
	 * exit.
	 */
	MSG_LOG_PIPE = 64,   /* id = any, for messages; fd: read end of a new pipe. ACK */
	MSG_LOG_REOPEN = 65, /* the file was renamed: close it, make it anew. ACK or NAK */
	MSG_LOG_STATS = 66,  /* child: lines written u64, lines dropped u64 */
	/*
	 * Child: it has no socket of the system's log, or nobody reads from it. Control, at the
	 * start too, fd: a connected one; ACK or NAK. What cannot be opened is not answered: it is
	 * asked for again.
	 */
	MSG_LOG_SOCKET = 67, /* see LOG_SOCKET_MS */

	/*
	 * Control and the neighbour child (sixgate-agent --neighbours). Start: HELLO from the
	 * child, the other two from control. STATS is answered ACK and NEIGHBOUR_STATS. QUIT and
	 * the end of the channel end it.
	 */
	MSG_NEIGHBOUR_LINK = 80,     /* the uplink's link-layer address, 6 bytes, one of its
					addresses, 16 bytes, its number u32; fd: its packet socket,
					if it is another */
	MSG_NEIGHBOUR_PREFIXES = 81, /* any number of: u8 1 to answer for it from now on, 0 no
					longer; address, 16 bytes; length u8 */
	MSG_NEIGHBOUR_STATS = 82,    /* child: u64 of each enum neighbour_count */
};

/* What became of neighbour solicitations. */
enum neighbour_count {
	NEIGHBOUR_ANSWERED,
	NEIGHBOUR_FOREIGN,   /* for an address that no tenant has */
	NEIGHBOUR_MALFORMED, /* nothing that RFC 4861 7.1.1 lets one answer */
	NEIGHBOUR_LIMITED,   /* over the rate */
	N_NEIGHBOUR_COUNTS,
};

/*
 * How long the kernel keeps a client of a tls listener that says nothing from being accepted
 * (TCP_DEFER_ACCEPT, in seconds): part of its hello time-out.
 */
#define LISTENER_DEFER_S 1

/* A listener as workers see it: one bound socket for each address. */
struct listener_msg {
	struct endpoint local;
	enum protocol protocol; /* tcp or tls; of DNS64 udp or tcp */
	bool zone;              /* of DNS64: listener_conf.zone */
	struct timeouts timeouts;
	uint32_t slot;                              /* counters */
	struct str default_tenant, default_service; /* empty: none */
};

void listener_msg_pack(const struct listener_msg *listener, struct buf *out);
/* Strings borrow from in. Returns 0 or -EPROTO. */
int listener_msg_unpack(struct cursor in, struct listener_msg *ret_listener) CHECKED;

#define CALL_ARGS_MAX 4 /* as of a request */

/* What a worker is asked for a caller of the control socket. */
struct call_msg {
	bool begins;                    /* its lines are the first: {"ok":true} leads */
	struct str args[CALL_ARGS_MAX]; /* borrowed; of the request */
	size_t n_args;
};

void call_msg_pack(const struct call_msg *call, struct buf *out);
/* Strings borrow from in. Returns 0 or -EPROTO. */
int call_msg_unpack(struct cursor in, struct call_msg *ret_call) CHECKED;

/* One of the messages in SET; it has no descriptors. */
void set_entry_pack(const struct channel_msg *msg, struct buf *out);
/* Takes the next one off in; its data borrows from there. Returns 0 or -EPROTO. */
int set_entry_unpack(struct cursor *in, struct channel_msg *ret_msg) CHECKED;

/* Why a session ended; the word in the access log. */
enum close_reason {
	CLOSE_DONE, /* both sides closed */
	CLOSE_CLIENT_RESET,
	CLOSE_BACKEND_RESET,
	CLOSE_IDLE,
	CLOSE_HALF_CLOSE_TIMEOUT,
	CLOSE_HELLO_TIMEOUT,
	CLOSE_HELLO_MALFORMED,
	CLOSE_HELLO_TOO_LARGE,
	CLOSE_CLIENT_GONE, /* closed before it was routed */
	CLOSE_NAME_UNKNOWN,
	CLOSE_ALPN_UNKNOWN,
	CLOSE_NO_RULE, /* no service on this address and port */
	CLOSE_DENIED,
	CLOSE_SOURCE_LIMIT,
	CLOSE_SERVICE_LIMIT,
	CLOSE_TENANT_LIMIT,
	CLOSE_SOURCE_ADDRESS, /* the client's address could not be bound */
	CLOSE_CONNECT_REFUSED,
	CLOSE_CONNECT_TIMEOUT,
	CLOSE_CONNECT_FAILED, /* unreachable and other errors */
	CLOSE_NO_BACKEND,
	CLOSE_KILLED,
	CLOSE_DRAINED,
	CLOSE_WORKER_EXIT,
	CLOSE_NO_MEMORY, /* memory or descriptors */
	N_CLOSE_REASONS,
};

/* The word for the log: "done", "client-reset", ... */
const char *close_reason_name(enum close_reason reason);

#endif
