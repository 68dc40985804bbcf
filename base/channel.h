/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_CHANNEL_H
#define SIXGATE_BASE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"

/*
 * The link between control and a worker: a SOCK_SEQPACKET socketpair, the worker's end is
 * descriptor 3. A message is cut into parts of 64 KiB, the last one of what is left; its
 * descriptors travel with the first one. Part header, network order: version u8, flags u8, type
 * u16, id u32, serial u64.
 */
#define CHANNEL_FD        3
#define CHANNEL_PART_MAX  65536       /* bytes, header included */
#define CHANNEL_FDS_MAX   64          /* descriptors a message */
#define CHANNEL_MSG_MAX   (32u << 20) /* bytes of one assembled message */
#define CHANNEL_QUEUE_MAX (64u << 20) /* bytes waiting to be sent */

struct channel_msg {
	uint16_t type;
	uint32_t id;
	uint64_t serial;
	const uint8_t *data;      /* borrowed: by channel_recv() until the next call */
	size_t len;               /* bytes */
	int fds[CHANNEL_FDS_MAX]; /* received: owned by the caller of channel_recv() */
	size_t n_fds;
	bool fds_lost; /* received: there was no room for its descriptors, none is here */
};

struct channel_part; /* one queued part */

struct channel {
	int fd;                  /* owned */
	struct buf in;           /* message being assembled */
	uint8_t *scratch;        /* owned; one incoming part */
	struct channel_msg head; /* of the message being assembled */
	bool assembling;
	bool may_lose_fds;                 /* the owner looks at fds_lost; else that is -EPROTO */
	struct channel_part *first, *last; /* out queue, owned */
	size_t queued;                     /* bytes */
};

/* Both ends; CLOEXEC and non-blocking, with send buffers large enough for a part. */
int channel_pair(int ret_fds[2], struct err *err) CHECKED;
/* Takes fd. Returns 0 or -ENOMEM. */
int channel_init(struct channel *ch, int fd) CHECKED;
/* Closes the descriptor and what was received but not handed out. */
void channel_fini(struct channel *ch);

/*
 * Queues msg and sends what goes without blocking. The bytes are copied, descriptors duplicated.
 * Returns 0, -EMSGSIZE, -ENOBUFS (queue full: nothing queued), -ENOMEM, -EMFILE or -EPIPE.
 */
int channel_send(struct channel *ch, const struct channel_msg *msg) CHECKED;
/* Sends what waits. Returns 0 when nothing is left, -EAGAIN, or -EPIPE. */
int channel_flush(struct channel *ch) CHECKED;
/* Something waits for the descriptor to become writable. */
static inline bool channel_busy(const struct channel *ch)
{
	return ch->first != NULL;
}
/*
 * Reads one message. Returns 1 with ret_msg filled, 0 when there is none now, -EPIPE at the end
 * of the channel, -EPROTO on a part that breaks the rules above (end the other side), -ENOMEM.
 */
int channel_recv(struct channel *ch, struct channel_msg *ret_msg) CHECKED;

#endif
