/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_RELAY_H
#define SIXGATE_PROXY_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Bytes from one leg to the other. All descriptors are watched edge-triggered, once: readable and
 * writable are remembered here until a call says otherwise. Small amounts are copied through the
 * worker's one buffer; a flow that fills its reads goes by splice(2) through a pipe of the pool.
 * EPOLLOUT of a client is asked for only after a write to it was short: most never need it, and
 * asking costs an event a session.
 */
struct pipe;
struct session;
struct worker;

/* Bytes read that could not be written yet. */
struct stash {
	uint32_t start, end; /* of data, what is still to be written */
	uint32_t size;       /* of data */
	uint8_t data[];
};

/* One direction of a session. */
struct flow {
	uint64_t bytes;      /* written; below zero while a header of ours is not */
	uint64_t counted;    /* of bytes, those added to the counters */
	struct stash *stash; /* owned; NULL mostly */
	struct pipe *pipe;   /* lent by worker.pipes; NULL mostly */
	bool readable;       /* the source may have bytes */
	bool writable;       /* the sink may take bytes */
	bool fin_seen;       /* the source's FIN has arrived: a short read is the last one */
	bool eof;            /* everything up to the FIN was read */
	bool shut;           /* the FIN was passed on */
	bool bulk;           /* goes by splice */
	bool no_splice;      /* urgent data, or a kernel that will not: always copied */
	bool started;        /* something was written */
	bool nodelay;        /* TCP_NODELAY is set on the sink */
	uint8_t small;       /* fills of a pipe in a row that were small */
};

#define RELAY_BUFFER      65536  /* bytes of one read */
#define RELAY_BULK        16384  /* a read of so many bytes makes a flow bulk */
#define RELAY_BUDGET      262144 /* bytes a flow may move before others have their turn */
#define RELAY_STASHED_MAX ((size_t)64 << 20) /* bytes read ahead by all sessions of a worker */

/* The bits every leg is watched with; EPOLLOUT is added where it is needed. */
#define RELAY_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLET)

/*
 * The backend has answered: writes head_len bytes, which the caller has put at the start of the
 * worker's buffer, and what was read of the client so far in one write, then relays.
 */
void relay_start(struct session *s, size_t head_len);
/* Moves what can be moved, both ways. May close the session. */
void relay_run(struct session *s);
/* Events of a leg of a relaying session. May close the session. */
void relay_client_ready(struct session *s, uint32_t events);
void relay_backend_ready(struct session *s, uint32_t events);

/* Events of a client whose session does not relay yet: remembered. */
void relay_note_client(struct session *s, uint32_t events);

/* Appends to the flow's stash. Returns 0 or -ENOMEM. */
int flow_stash(struct worker *w, struct flow *f, const uint8_t *data, size_t len) CHECKED;
/* Bytes of the flow so far, without what of a header of ours has not left yet. */
static inline uint64_t flow_bytes(const struct flow *f)
{
	return f->bytes > UINT64_MAX / 2 ? 0 : f->bytes;
}
/* Frees the stash and gives the pipe back. */
void flow_fini(struct worker *w, struct flow *f);

#endif
