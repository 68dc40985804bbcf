/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any parts at all on a channel, as from a worker gone bad. The input is a row of parts, each a
 * length (u16), a number of descriptors (u8) and bytes. Whatever comes, channel_recv() hands out
 * whole messages or refuses, and no descriptor is left open.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/channel.h"

#define PARTS_MAX 64
#define FDS_MAX   (CHANNEL_FDS_MAX + 2)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void send_part(int fd, const uint8_t *data, size_t len, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)data, .iov_len = len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[FDS_MAX];

	if (n_fds > 0) {
		for (size_t i = 0; i < n_fds; i++) {
			fds[i] = fd;
		}
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * n_fds);
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	}
	(void)sendmsg(fd, &mh, MSG_NOSIGNAL); /* a part that does not go is not received */
}

/* Reads all that is there. Returns the first refusal, or 0. */
static int receive(struct channel *ch)
{
	struct channel_msg msg;
	int rc;

	while ((rc = channel_recv(ch, &msg)) == 1) {
		assert(msg.n_fds <= CHANNEL_FDS_MAX);
		assert(msg.len <= CHANNEL_MSG_MAX);
		for (size_t i = 0; i < msg.n_fds; i++) {
			assert(close(msg.fds[i]) == 0);
		}
		for (size_t i = 0; i < msg.len; i++) {
			(void)*(volatile const uint8_t *)(msg.data + i); /* readable */
		}
	}
	return rc;
}

/* The lowest free number: it grows when a descriptor is left open. */
static int next_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_from(data, size);
	int before = next_fd(), fds[2], rc = 0;
	struct channel ch;

	if (channel_pair(fds, NULL) < 0) {
		return 0;
	}
	if (channel_init(&ch, fds[1]) == 0) {
		for (int n = 0; n < PARTS_MAX && c.left > 0 && rc == 0; n++) {
			size_t len = cursor_u16(&c), n_fds = cursor_u8(&c) % (FDS_MAX + 1);
			const uint8_t *part;

			len = len < c.left ? len : c.left;
			part = cursor_bytes(&c, len);
			send_part(fds[0], part, len, n_fds);
			rc = receive(&ch);
			assert(rc == 0 || rc == -EPROTO || rc == -EPIPE || rc == -ENOMEM);
		}
		channel_fini(&ch);
	}
	close(fds[0]);
	assert(next_fd() == before);
	return 0;
}
