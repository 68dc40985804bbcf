/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Queries by UDP, many a system call. The answer goes out from the address that was asked: the
 * socket is bound to all of ours, so each message says which (RFC 3542 6.2). What an answer needs
 * is made in place, in buffers that are there from the start.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dns64/worker.h"

#define BATCH    64   /* messages a system call */
#define BATCHES  4    /* of these a turn, then others have theirs */
#define IN_BYTES 1024 /* of a query; the longest that makes sense has 400 */

union info {
	struct cmsghdr align;
	uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct udp_batch {
	struct mmsghdr in[BATCH], out[BATCH];
	struct iovec in_part[BATCH], out_part[BATCH];
	struct sockaddr_in6 from[BATCH]; /* of an IPv4 socket a sockaddr_in */
	union info info[BATCH];
	uint8_t in_bytes[BATCH][IN_BYTES];
	uint8_t out_bytes[BATCH][REQUEST_UDP_MAX];
};

struct udp_batch *udp_batch_new(void)
{
	struct udp_batch *b = calloc(1, sizeof(*b));

	for (unsigned int i = 0; b && i < BATCH; i++) {
		b->in_part[i] = (struct iovec){b->in_bytes[i], IN_BYTES};
		b->in[i].msg_hdr = (struct msghdr){.msg_name = &b->from[i],
						   .msg_iov = &b->in_part[i],
						   .msg_iovlen = 1,
						   .msg_control = &b->info[i]};
	}
	return b;
}

static void batch_prepare(struct udp_batch *b, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		b->in[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
		b->in[i].msg_hdr.msg_controllen = sizeof(b->info[i]);
	}
}

/* Which of our addresses was asked. NULL: the message does not say. */
static struct in6_pktinfo *find_info(struct msghdr *message)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(message);

	if (!c || c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO ||
	    c->cmsg_len != CMSG_LEN(sizeof(struct in6_pktinfo))) {
		return NULL;
	}
	return (struct in6_pktinfo *)(void *)CMSG_DATA(c);
}

static struct dns_client client_of(const struct dns_socket *socket, const struct sockaddr_in6 *from,
				   const struct in6_pktinfo *info)
{
	struct dns_client client = {.listener = socket->listener->id,
				    .from.port = ntohs(from->sin6_port)};

	memcpy(client.from.addr.b, &from->sin6_addr, sizeof(client.from.addr.b));
	memcpy(client.to.b, &info->ipi6_addr, sizeof(client.to.b));
	return client;
}

/* Whom the i-th message is from. False: it does not say. info: NULL, the socket is of IPv4. */
static bool read_client(const struct dns_socket *socket, unsigned int i,
			const struct in6_pktinfo *info, struct dns_client *ret_client)
{
	const struct udp_batch *b = socket->listener->worker->batch;
	const struct sockaddr *from = (const struct sockaddr *)&b->from[i];
	socklen_t len = b->in[i].msg_hdr.msg_namelen;

	if (addr_is_v4(&socket->listener->local.addr)) {
		*ret_client = (struct dns_client){.listener = socket->listener->id,
						  .to = socket->listener->local.addr};
		return len == sizeof(struct sockaddr_in) &&
		       endpoint_from_sockaddr(from, &ret_client->from) == 0;
	}
	if (!info || len != sizeof(b->from[i])) {
		return false;
	}
	*ret_client = client_of(socket, &b->from[i], info);
	return true;
}

/* The i-th message that came. True: its answer is in the n-th place to be sent. */
static bool serve_one(struct dns_socket *socket, unsigned int i, unsigned int n)
{
	struct dns_worker *w = socket->listener->worker;
	struct udp_batch *b = w->batch;
	struct msghdr *in = &b->in[i].msg_hdr;
	struct in6_pktinfo *info = find_info(in);
	struct dns_client client;
	bool waits;
	size_t len;

	if (!read_client(socket, i, info, &client)) {
		return false;
	}
	if (socket->listener->zone) {
		len = serve_world(w, &client, false, b->in_bytes[i], b->in[i].msg_len,
				  b->out_bytes[n]);
	} else {
		len = serve(w, &client, false, b->in_bytes[i], b->in[i].msg_len, b->out_bytes[n],
			    &waits);
	}
	if (len == 0) {
		return false;
	}
	if (info && !addr_is_link_local(&client.from.addr)) {
		info->ipi6_ifindex = 0; /* the way back is the routes' matter */
	}
	b->out_part[n] = (struct iovec){b->out_bytes[n], len};
	b->out[n].msg_hdr = (struct msghdr){.msg_name = &b->from[i],
					    .msg_namelen = in->msg_namelen,
					    .msg_iov = &b->out_part[n],
					    .msg_iovlen = 1,
					    .msg_control = info ? &b->info[i] : NULL,
					    .msg_controllen = info ? in->msg_controllen : 0};
	return true;
}

/* One that the kernel does not take is no reason to keep the others back. */
static void send_all(struct dns_worker *w, int fd, unsigned int n)
{
	unsigned int done = 0;

	while (done < n) {
		int rc = sendmmsg(fd, w->batch->out + done, n - done, MSG_DONTWAIT);

		if (rc <= 0) {
			worker_counter_add(w->own, WORKER_DNS_UNSENT, 1);
			rc = 1;
		}
		done += (unsigned int)rc;
	}
}

bool udp_serve(struct dns_socket *socket)
{
	struct dns_worker *w = socket->listener->worker;
	struct udp_batch *b = w->batch;

	for (unsigned int turn = 0; turn < BATCHES; turn++) {
		unsigned int n_out = 0;
		int n;

		batch_prepare(b, BATCH);
		n = recvmmsg(socket->io.fd, b->in, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++) {
			n_out += serve_one(socket, (unsigned int)i, n_out);
		}
		send_all(w, socket->io.fd, n_out);
		if (n < BATCH) {
			return false;
		}
	}
	return true;
}

void udp_answer(struct dns_worker *w, const struct dns_client *client, const uint8_t *wire,
		size_t len)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(client->from.port)};
	struct iovec part = {(void *)(uintptr_t)wire, len};
	struct in6_pktinfo info = {0};
	union info control = {0};
	struct msghdr m = {.msg_name = &to,
			   .msg_namelen = sizeof(to),
			   .msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int fd = dns_listener_fd(w, client->listener);

	memcpy(&to.sin6_addr, client->from.addr.b, sizeof(client->from.addr.b));
	memcpy(&info.ipi6_addr, client->to.b, sizeof(client->to.b));
	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	if (fd < 0 || sendmsg(fd, &m, MSG_DONTWAIT) < 0) {
		worker_counter_add(w->own, WORKER_DNS_UNSENT, 1);
	}
}
