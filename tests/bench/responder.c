/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * responder ADDRESS PORT: the floor of the DNS64 bench. Takes datagrams and sends each back as an
 * answer with one AAAA record, many a system call, and looks at nothing in them. What a server
 * costs beyond this is its own.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 64
#define BYTES 1232

struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	struct sockaddr_in6 from[BATCH];
	uint8_t bytes[BATCH][BYTES];
};

static int open_socket(const char *address, const char *port)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6,
				  .sin6_port = htons((uint16_t)strtoul(port, NULL, 10))};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), bytes = 4 << 20;

	if (fd < 0 || inet_pton(AF_INET6, address, &sa.sin6_addr) != 1 ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		perror(address);
		return -1;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	return fd;
}

/* Makes the query an answer, in place. Its new length. */
static size_t make_answer(uint8_t *wire, size_t len)
{
	static const uint8_t record[28] = {0xc0, 0x0c, 0,    28,   0,    1,    0, 0,    0x0e, 0x10,
					   0,    16,   0x20, 0x01, 0x0d, 0xb8, 0, 0x64, 0,    0};
	size_t end = 12;

	while (end < len && wire[end] != 0) {
		end += wire[end] + 1u;
	}
	end += 5; /* the name's end, type and class */
	if (end > len || end + sizeof(record) > BYTES) {
		return len;
	}
	wire[2] |= 0x80;
	wire[7] = 1;
	wire[11] = 0;
	memcpy(wire + end, record, sizeof(record));
	return end + sizeof(record);
}

static void serve(int fd, struct batch *b)
{
	for (;;) {
		int n;

		for (int i = 0; i < BATCH; i++) {
			b->parts[i].iov_len = BYTES;
			b->messages[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
		}
		n = recvmmsg(fd, b->messages, BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++) {
			b->parts[i].iov_len = make_answer(b->bytes[i], b->messages[i].msg_len);
		}
		for (int sent = 0; sent < n;) {
			int rc = sendmmsg(fd, b->messages + sent, (unsigned int)(n - sent), 0);

			sent += rc > 0 ? rc : 1;
		}
	}
}

int main(int argc, char **argv)
{
	static struct batch batch;
	int fd = argc == 3 ? open_socket(argv[1], argv[2]) : -1;

	if (fd < 0) {
		return 1;
	}
	for (int i = 0; i < BATCH; i++) {
		batch.parts[i].iov_base = batch.bytes[i];
		batch.messages[i].msg_hdr = (struct msghdr){.msg_name = &batch.from[i],
							    .msg_iov = &batch.parts[i],
							    .msg_iovlen = 1};
	}
	serve(fd, &batch);
	return 0;
}
