/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages between control and a worker over SOCK_SEQPACKET. Used by both ends; knows nothing of
 * what the messages mean. Parts are cut and joined here, descriptors travel with the first part.
 */
#include "base/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PART_VERSION  1
#define PART_HEADER   16 /* bytes */
#define PART_DATA_MAX (CHANNEL_PART_MAX - PART_HEADER)
#define FLAG_MORE     1 /* further parts of this message follow */
#define SOCKET_BUFFER (1 << 20)

struct channel_part {
	struct channel_part *next; /* channel.first */
	int fds[CHANNEL_FDS_MAX];  /* owned */
	size_t n_fds;
	size_t len; /* bytes */
	uint8_t data[];
};

union fd_space {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
};

static void close_fds(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		close(fds[i]);
	}
}

int channel_pair(int ret_fds[2], struct err *err)
{
	int size = SOCKET_BUFFER;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0) {
		return err_set_errno(err, -errno, "socketpair");
	}
	for (int i = 0; i < 2; i++) {
		/* what the system allows is enough */
		(void)setsockopt(ret_fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	}
	return 0;
}

int channel_init(struct channel *ch, int fd)
{
	*ch = (struct channel){.fd = fd};
	buf_init(&ch->in, CHANNEL_MSG_MAX);
	ch->scratch = malloc(CHANNEL_PART_MAX);
	if (!ch->scratch) {
		close(fd);
		ch->fd = -1;
		return -ENOMEM;
	}
	return 0;
}

static void part_free(struct channel_part *part)
{
	close_fds(part->fds, part->n_fds);
	free(part);
}

void channel_fini(struct channel *ch)
{
	while (ch->first) {
		struct channel_part *next = ch->first->next;

		part_free(ch->first);
		ch->first = next;
	}
	ch->last = NULL;
	ch->queued = 0;
	if (ch->assembling) {
		close_fds(ch->head.fds, ch->head.n_fds);
		ch->assembling = false;
	}
	buf_fini(&ch->in);
	free(ch->scratch);
	ch->scratch = NULL;
	if (ch->fd >= 0) {
		close(ch->fd);
		ch->fd = -1;
	}
}

static struct channel_part *part_new(const struct channel_msg *msg, size_t offset, size_t len)
{
	struct channel_part *part = malloc(sizeof(*part) + PART_HEADER + len);
	struct buf head;

	if (!part) {
		return NULL;
	}
	buf_init(&head, PART_HEADER);
	buf_u8(&head, PART_VERSION);
	buf_u8(&head, offset + len < msg->len ? FLAG_MORE : 0);
	buf_u16(&head, msg->type);
	buf_u32(&head, msg->id);
	buf_u64(&head, msg->serial);
	if (head.bad) {
		buf_fini(&head);
		free(part);
		return NULL;
	}
	memcpy(part->data, head.data, PART_HEADER);
	buf_fini(&head);
	if (len > 0) {
		memcpy(part->data + PART_HEADER, msg->data + offset, len);
	}
	part->len = PART_HEADER + len;
	part->next = NULL;
	part->n_fds = 0;
	return part;
}

static int part_add_fds(struct channel_part *part, const struct channel_msg *msg)
{
	for (size_t i = 0; i < msg->n_fds; i++) {
		int fd = fcntl(msg->fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			return -errno;
		}
		part->fds[part->n_fds++] = fd;
	}
	return 0;
}

/* The parts of msg as a chain of their own; on failure nothing is left of them. */
static int parts_make(const struct channel_msg *msg, struct channel_part **ret_first,
		      struct channel_part **ret_last, size_t *ret_bytes)
{
	struct channel_part *first = NULL, *last = NULL, *part;
	size_t offset = 0, bytes = 0, len;
	int rc = 0;

	do {
		len = msg->len - offset < PART_DATA_MAX ? msg->len - offset : PART_DATA_MAX;
		part = part_new(msg, offset, len);
		if (!part) {
			rc = -ENOMEM;
			goto out;
		}
		*(last ? &last->next : &first) = part;
		last = part;
		offset += len;
		bytes += part->len;
	} while (offset < msg->len);
	rc = part_add_fds(first, msg);
out:
	while (rc < 0 && first) {
		part = first->next;
		part_free(first);
		first = part;
	}
	*ret_first = first;
	*ret_last = last;
	*ret_bytes = bytes;
	return rc;
}

int channel_send(struct channel *ch, const struct channel_msg *msg)
{
	struct channel_part *first, *last;
	size_t bytes;
	int rc;

	if (msg->len > CHANNEL_MSG_MAX || msg->n_fds > CHANNEL_FDS_MAX) {
		return -EMSGSIZE;
	}
	if (ch->queued + msg->len > CHANNEL_QUEUE_MAX) {
		return -ENOBUFS;
	}
	rc = parts_make(msg, &first, &last, &bytes);
	if (rc < 0) {
		return rc;
	}
	if (ch->last) {
		ch->last->next = first;
	} else {
		ch->first = first;
	}
	ch->last = last;
	ch->queued += bytes;
	rc = channel_flush(ch);
	return rc == -EAGAIN ? 0 : rc;
}

static int part_send(int fd, const struct channel_part *part)
{
	struct iovec iov = {.iov_base = (void *)part->data, .iov_len = part->len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	union fd_space control;

	if (part->n_fds > 0) {
		struct cmsghdr *cmsg = &control.align;

		memset(&control, 0, sizeof(control));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * part->n_fds);
		memcpy(CMSG_DATA(cmsg), part->fds, sizeof(int) * part->n_fds);
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * part->n_fds);
	}
	return sendmsg(fd, &mh, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int channel_flush(struct channel *ch)
{
	while (ch->first) {
		struct channel_part *part = ch->first;
		int rc = part_send(ch->fd, part);

		if (rc == -EINTR) {
			continue;
		}
		if (rc == -EAGAIN || rc == -ENOBUFS || rc == -ETOOMANYREFS) {
			return -EAGAIN;
		}
		if (rc < 0) {
			return -EPIPE;
		}
		ch->first = part->next;
		if (!ch->first) {
			ch->last = NULL;
		}
		ch->queued -= part->len;
		part_free(part);
	}
	return 0;
}

/* Copies the descriptors that came with mh; returns their number. */
static size_t take_fds(struct msghdr *mh, int fds[CHANNEL_FDS_MAX])
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(fds, CMSG_DATA(c), n * sizeof(int));
		}
	}
	return n;
}

/* What came with a part. */
struct part_fds {
	int fds[CHANNEL_FDS_MAX];
	size_t n;
	bool lost;
};

/* Reads one part: bytes into scratch, descriptors into ret. Returns its length, 0 at the end. */
static ssize_t part_recv(struct channel *ch, struct part_fds *ret)
{
	union fd_space control;
	struct iovec iov = {.iov_base = ch->scratch, .iov_len = CHANNEL_PART_MAX};
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t len;

	/* ECONNRESET comes once, when the other end closed with parts of ours unread; what it sent
	 * before is still to be had. */
	do {
		len = recvmsg(ch->fd, &mh, MSG_CMSG_CLOEXEC);
	} while (len < 0 && (errno == EINTR || errno == ECONNRESET));
	if (len < 0) {
		return -errno;
	}
	ret->n = take_fds(&mh, ret->fds);
	ret->lost = mh.msg_flags & MSG_CTRUNC;
	if (ret->lost) {
		close_fds(ret->fds, ret->n);
		ret->n = 0;
	}
	if (mh.msg_flags & MSG_TRUNC || (ret->lost && !ch->may_lose_fds)) {
		close_fds(ret->fds, ret->n);
		return -EPROTO;
	}
	return len;
}

/* Adds one part to the message being assembled. Returns 1 when it is whole, 0, or an error. */
static int part_join(struct channel *ch, size_t len, const struct part_fds *with)
{
	struct cursor c = cursor_from(ch->scratch, len);
	uint8_t version = cursor_u8(&c), flags = cursor_u8(&c);
	struct channel_msg head = {0};

	/* one by one: the order within an initializer is not defined */
	head.type = cursor_u16(&c);
	head.id = cursor_u32(&c);
	head.serial = cursor_u64(&c);
	if (c.bad || version != PART_VERSION || (flags & ~FLAG_MORE) != 0) {
		return -EPROTO;
	}
	if (flags & FLAG_MORE && len != CHANNEL_PART_MAX) {
		return -EPROTO; /* parts that add little would never come to the limit */
	}
	if (!ch->assembling) {
		memcpy(head.fds, with->fds, with->n * sizeof(int));
		head.n_fds = with->n;
		head.fds_lost = with->lost;
		ch->head = head;
		ch->in.len = 0;
		ch->assembling = true;
	} else if (with->n > 0 || with->lost || head.type != ch->head.type ||
		   head.id != ch->head.id || head.serial != ch->head.serial) {
		return -EPROTO;
	}
	if (ch->in.len + c.left > CHANNEL_MSG_MAX) {
		return -EPROTO;
	}
	buf_bytes(&ch->in, c.p, c.left);
	if (ch->in.bad) {
		return -ENOMEM;
	}
	return flags & FLAG_MORE ? 0 : 1;
}

int channel_recv(struct channel *ch, struct channel_msg *ret_msg)
{
	struct part_fds with;
	ssize_t len;
	int rc;

	do {
		bool had_head = ch->assembling;

		len = part_recv(ch, &with);
		if (len == -EAGAIN) {
			return 0;
		}
		if (len == -EPROTO) {
			return -EPROTO;
		}
		if (len <= 0) {
			return -EPIPE;
		}
		rc = part_join(ch, (size_t)len, &with);
		if (rc < 0 && (had_head || !ch->assembling)) {
			close_fds(with.fds, with.n);
		}
	} while (rc == 0);
	if (rc < 0) {
		return rc;
	}
	*ret_msg = ch->head;
	ret_msg->data = ch->in.data;
	ret_msg->len = ch->in.len;
	ch->assembling = false;
	return 1;
}
