/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Queries by UDP, many a system call. The answer goes out from the address that was asked: if the
 * socket is bound to all of ours, each message says which (RFC 3542 6.2). What an answer needs
 * is made in place, in buffers that are there from the start.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dns64/cache.h"
#include "dns64/worker.h"

#define BATCH   64 /* messages a system call */
#define GROUP   16 /* of these, which go step by step together */
#define BATCHES 4  /* a turn, then others have theirs */
#define IN_BYTES                                                                           \
	1088 /* of a query, the longest that makes sense has 400; no power of two, as else \
	      * all of them would have the same place in the CPU's cache */

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
	struct arrival arrivals[GROUP];
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

/* Which of our addresses was asked. NULL: the message does not say, as there may be but one. */
static struct in6_pktinfo *find_info(struct msghdr *message)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(message);

	if (!c || c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO ||
	    c->cmsg_len != CMSG_LEN(sizeof(struct in6_pktinfo))) {
		return NULL;
	}
	return (struct in6_pktinfo *)(void *)CMSG_DATA(c);
}

/* Whom the i-th message is from, and to which address. False: it does not say. */
static bool read_client(const struct dns_listener *l, unsigned int i, struct dns_client *client)
{
	struct udp_batch *b = l->worker->batch;
	const struct sockaddr_in6 *from = &b->from[i];
	struct msghdr *in = &b->in[i].msg_hdr;
	struct in6_pktinfo *info = find_info(in);

	*client = (struct dns_client){.listener = l->id, .to = l->local.addr};
	if (addr_is_v4(&l->local.addr)) {
		return in->msg_namelen == sizeof(struct sockaddr_in) &&
		       endpoint_from_sockaddr((const struct sockaddr *)from, &client->from) == 0;
	}
	if (in->msg_namelen != sizeof(*from) || (!info && addr_is_any(&l->local.addr))) {
		return false;
	}
	memcpy(client->from.addr.b, &from->sin6_addr, sizeof(client->from.addr.b));
	client->from.port = ntohs(from->sin6_port);
	if (info) {
		memcpy(client->to.b, &info->ipi6_addr, sizeof(client->to.b));
	}
	if (info && !addr_is_link_local(&client->from.addr)) {
		info->ipi6_ifindex = 0; /* the way back is the routes' matter */
	}
	return true;
}

/* The n-th place is what is sent to whom the i-th message came from. */
static void put_out(struct udp_batch *b, unsigned int i, unsigned int n, size_t len)
{
	const struct msghdr *in = &b->in[i].msg_hdr;

	b->out_part[n] = (struct iovec){b->out_bytes[n], len};
	b->out[n].msg_hdr = (struct msghdr){.msg_name = &b->from[i],
					    .msg_namelen = in->msg_namelen,
					    .msg_iov = &b->out_part[n],
					    .msg_iovlen = 1,
					    .msg_control = &b->info[i],
					    .msg_controllen = in->msg_controllen};
}

/* What strangers ask; each of these returns how many answers are to be sent now, n before. */
static unsigned int serve_worlds(const struct dns_listener *l, unsigned int first, unsigned int end,
				 unsigned int n)
{
	struct udp_batch *b = l->worker->batch;
	struct dns_client client;

	for (unsigned int i = first; i < end; i++) {
		size_t len = 0;

		if (read_client(l, i, &client)) {
			len = serve_world(l->worker, &client, false, b->in_bytes[i],
					  b->in[i].msg_len, b->out_bytes[n]);
		}
		put_out(b, i, n, len);
		n += len > 0;
	}
	return n;
}

/* What tenants ask: messages first to end - 1, at most GROUP, together. */
static unsigned int serve_group(const struct dns_listener *l, unsigned int first, unsigned int end,
				unsigned int n)
{
	struct udp_batch *b = l->worker->batch;
	struct arrival *arrivals = b->arrivals;
	unsigned int at[GROUP], n_read = 0;

	for (unsigned int i = first; i < end; i++) {
		struct arrival *a = &arrivals[n_read];

		at[n_read] = i;
		n_read += read_client(l, i, &a->client) &&
			  serve_read(l->worker, n_read > 0 ? a - 1 : NULL, b->in_bytes[i],
				     b->in[i].msg_len, a);
	}
	for (unsigned int step = 0; step < CACHE_EXPECT_STEPS; step++) {
		for (unsigned int i = 0; i < n_read; i++) {
			serve_expect(l->worker, &arrivals[i], step);
		}
	}
	for (unsigned int i = 0; i < n_read; i++) {
		bool waits;
		size_t len = serve_answer(l->worker, &arrivals[i], false, b->out_bytes[n], &waits);

		put_out(b, at[i], n, len);
		n += len > 0;
	}
	return n;
}

static unsigned int serve_all(const struct dns_listener *l, unsigned int n_in)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < n_in; i += GROUP) {
		unsigned int end = i + GROUP < n_in ? i + GROUP : n_in;

		n = l->zone ? serve_worlds(l, i, end, n) : serve_group(l, i, end, n);
	}
	return n;
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
		int n;

		batch_prepare(b, BATCH);
		n = recvmmsg(socket->io.fd, b->in, BATCH, MSG_DONTWAIT, NULL);
		if (n <= 0) {
			return false;
		}
		send_all(w, socket->io.fd, serve_all(socket->listener, (unsigned int)n));
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
