/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_FLOW_H
#define SIXGATE_PROXY_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * One direction of a session: bytes from one leg to the other. All descriptors are watched
 * edge-triggered, once: readable and writable are remembered here until a call says otherwise.
 * Small amounts are copied through the worker's one buffer; a flow that fills its reads goes by
 * splice(2) through a pipe of the pool.
 */
struct pipe;
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

enum flow_result {
	FLOW_WAIT,  /* nothing more can be done now */
	FLOW_AGAIN, /* something may be left to do */
	FLOW_MORE,  /* the budget is used up */
	FLOW_SOURCE_RESET,
	FLOW_SINK_RESET,
	FLOW_NO_MEMORY,
};

/* One direction and where it goes; only for the time of a call. */
struct run {
	struct worker *worker;
	struct flow *flow;
	int from, to;
	size_t budget; /* bytes */
};

bool flow_holds_bytes(const struct flow *f);
/* Writes the len bytes of data, which are nowhere else: what does not go is stashed. */
enum flow_result flow_write(const struct run *r, const uint8_t *data, size_t len) CHECKED;
/*
 * One read and one write, with head bytes in front that are in the worker's buffer already. Once
 * sessions have read worker.stashed_max bytes ahead, only what the sink takes is read: the source
 * waits, as its own buffer and then its sender do.
 */
enum flow_result flow_copy(struct run *r, size_t head) CHECKED;
/* Moves until the source is empty, the sink full or the budget used up. */
enum flow_result flow_run(struct run *r) CHECKED;

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
