/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The neighbour child's event loop: the channel to control on descriptor 3, and the packet socket
 * that comes over it. Its filter lets hardly anything in but neighbour solicitations;
 * solicitation.c believes nothing for that. So that a switch with MLD snooping lets those through,
 * it is told again and again that multicast goes here.
 */
#include "gateway/agent/neighbours.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "base/prefix_set.h"
#include "conf/model/message.h"
#include "gateway/agent/solicitation.h"
#include "gateway/agent/talk.h"

#define MOD          "neighbours"
#define READ_BATCH   64    /* packets a wake-up */
#define READS_A_S    20000 /* a tick's part in each tick: the rest is left to the kernel to drop */
#define ANSWERS_A_S  4000
#define ALLOWANCE(n) ((n)*WHEEL_TICK_MS / 1000)

/* When switches are told (RFC 4286 4.1): soon a few times, then between these. */
#define TELL_FIRST_MS 2000
#define TELL_MIN_MS   15000
#define TELL_MAX_MS   (SNOOPERS_INTERVAL_S * 1000)
#define N_TELL_FIRST  3

struct neighbours {
	struct talk talk;
	struct io socket;                /* owned descriptor; -1: none yet */
	struct timer tick;               /* the next allowance; while one was touched */
	unsigned int n_reads, n_answers; /* since the last */
	struct timer tell;               /* the next word to switches; while there is a socket */
	unsigned int n_told;             /* by this socket */
	uint32_t link;                   /* its number */
	struct mac own;
	struct addr source;
	struct prefix_set answered;
	uint64_t counts[N_NEIGHBOUR_COUNTS];
};

static void socket_watch(struct neighbours *n, uint32_t events)
{
	int rc = loop_mod(&n->talk.loop, &n->socket, events);

	if (rc < 0) {
		log_err_errno(rc, MOD, "packet socket");
		talk_stop(&n->talk, rc);
	}
}

/* The allowance of a tick is there again. */
static void tick_fired(struct timer *timer)
{
	struct neighbours *n = container_of(timer, struct neighbours, tick);

	if (n->n_reads >= ALLOWANCE(READS_A_S) && n->socket.fd >= 0) {
		socket_watch(n, EPOLLIN);
	}
	n->n_reads = n->n_answers = 0;
}

static bool send_packet(const struct neighbours *n, const uint8_t *packet, size_t len,
			struct sockaddr_ll *to)
{
	struct iovec iov = {.iov_base = (void *)packet, .iov_len = len};
	struct msghdr msg = {.msg_name = to,
			     .msg_namelen = sizeof(*to),
			     .msg_iov = &iov,
			     .msg_iovlen = 1};

	return sendmsg(n->socket.fd, &msg, MSG_DONTWAIT) == (ssize_t)len;
}

static void tell_fired(struct timer *timer)
{
	struct neighbours *n = container_of(timer, struct neighbours, tell);
	struct loop *loop = &n->talk.loop;
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_IPV6),
				 .sll_ifindex = (int)n->link,
				 .sll_halen = MAC_BYTES};
	uint8_t packet[SNOOPERS_BYTES];
	struct mac mac;
	uint64_t wait_ms = TELL_FIRST_MS;

	if (addr_is_link_local(&n->source)) {
		snoopers_write(&n->source, packet, &mac);
		memcpy(to.sll_addr, mac.b, MAC_BYTES);
		(void)send_packet(n, packet, sizeof(packet), &to); /* the next one may go */
	}
	if (++n->n_told >= N_TELL_FIRST) {
		/* so that several gateways do not fall into step */
		wait_ms = TELL_MIN_MS + loop->now_ms % (TELL_MAX_MS - TELL_MIN_MS);
	}
	wheel_arm(&loop->wheel, timer, loop->now_ms + wait_ms);
}

static void answer(struct neighbours *n, const struct solicitation *s, struct sockaddr_ll *to)
{
	uint8_t packet[ADVERTISEMENT_BYTES];
	struct mac from, mac;

	memcpy(from.b, to->sll_addr, MAC_BYTES);
	advertisement_write(s, &n->source, &n->own, &from, packet, &mac);
	to->sll_protocol = htons(ETH_P_IPV6);
	memcpy(to->sll_addr, mac.b, MAC_BYTES);
	/* what does not go now is asked for again, as what the kernel drops is */
	n->counts[send_packet(n, packet, sizeof(packet), to) ? NEIGHBOUR_ANSWERED
							     : NEIGHBOUR_LIMITED]++;
}

static void handle(struct neighbours *n, const uint8_t *packet, size_t len,
		   struct sockaddr_ll *from)
{
	struct solicitation s;

	if (from->sll_pkttype == PACKET_OUTGOING || from->sll_hatype != ARPHRD_ETHER ||
	    from->sll_halen != MAC_BYTES ||
	    solicitation_read(packet, len, &s) != SOLICITATION_FOUND) {
		n->counts[NEIGHBOUR_MALFORMED]++;
	} else if (!prefix_set_covers(&n->answered, &s.target)) {
		n->counts[NEIGHBOUR_FOREIGN]++;
	} else if (n->n_answers >= ALLOWANCE(ANSWERS_A_S)) {
		n->counts[NEIGHBOUR_LIMITED]++;
	} else {
		n->n_answers++;
		answer(n, &s, from);
	}
}

static bool read_one(struct neighbours *n)
{
	uint8_t packet[SOLICITATION_BYTES_MAX + 1];
	struct sockaddr_ll from = {0};
	struct iovec iov = {.iov_base = packet, .iov_len = sizeof(packet)};
	struct msghdr msg = {.msg_name = &from,
			     .msg_namelen = sizeof(from),
			     .msg_iov = &iov,
			     .msg_iovlen = 1};
	ssize_t len = recvmsg(n->socket.fd, &msg, MSG_DONTWAIT);

	if (len < 0) {
		return errno == ENETDOWN || errno == EINTR; /* told once, when the link goes down */
	}
	n->n_reads++;
	handle(n, packet, (size_t)len, &from);
	return true;
}

static void socket_ready(struct io *io, uint32_t events)
{
	struct neighbours *n = container_of(io, struct neighbours, socket);
	struct loop *loop = &n->talk.loop;

	(void)events; /* recvmsg() tells the same */
	if (!timer_armed(&n->tick)) {
		wheel_arm(&loop->wheel, &n->tick, loop->now_ms + WHEEL_TICK_MS);
	}
	for (int i = 0; i < READ_BATCH && read_one(n); i++) {
		if (n->n_reads >= ALLOWANCE(READS_A_S)) {
			n->counts[NEIGHBOUR_LIMITED]++;
			socket_watch(n, 0);
			break;
		}
	}
}

static void socket_close(struct neighbours *n)
{
	if (n->socket.fd >= 0) {
		wheel_disarm(&n->talk.loop.wheel, &n->tell);
		loop_del(&n->talk.loop, &n->socket);
		close(n->socket.fd);
		n->socket.fd = -1;
	}
}

/* Takes the descriptor, if there is one. */
static int on_link(struct neighbours *n, const struct channel_msg *msg, struct err *err)
{
	struct cursor in = cursor_from(msg->data, msg->len);
	const uint8_t *mac = cursor_bytes(&in, MAC_BYTES);
	const uint8_t *source = cursor_bytes(&in, sizeof(n->source.b));
	uint32_t link = cursor_u32(&in);
	int rc;

	if (in.bad || !cursor_done(&in) || msg->n_fds > 1) {
		talk_close_fds(msg);
		return err_set(err, -EPROTO, "NEIGHBOUR_LINK of %zu bytes", msg->len);
	}
	memcpy(n->own.b, mac, MAC_BYTES);
	memcpy(n->source.b, source, sizeof(n->source.b));
	if (msg->n_fds == 0) {
		return 0;
	}
	socket_close(n);
	n->socket = (struct io){.fd = msg->fds[0], .ready = socket_ready};
	n->link = link;
	n->n_told = 0;
	rc = loop_add(&n->talk.loop, &n->socket, EPOLLIN);
	if (rc < 0) {
		return err_set_errno(err, rc, "packet socket");
	}
	tell_fired(&n->tell);
	return 0;
}

static int on_prefixes(struct neighbours *n, const struct channel_msg *msg, struct err *err)
{
	struct cursor in = cursor_from(msg->data, msg->len);

	while (in.left > 0) {
		bool add = cursor_u8(&in) != 0;
		const uint8_t *address = cursor_bytes(&in, sizeof(struct addr));
		struct prefix p = {.len = cursor_u8(&in)};

		if (in.bad || p.len > 128) {
			return err_set(err, -EPROTO, "NEIGHBOUR_PREFIXES of %zu bytes", msg->len);
		}
		memcpy(p.addr.b, address, sizeof(p.addr.b));
		if (prefix_set_put(&n->answered, &p, add) < 0) {
			return err_set(err, -ENOMEM, "out of memory");
		}
	}
	return 0;
}

/* What it cannot follow it must not go on without: control starts another one. */
static void settle(struct talk *t, const struct channel_msg *msg, int rc, const struct err *err)
{
	talk_answer(t, msg, rc < 0 ? err : NULL);
	if (rc < 0) {
		log_err(MOD, "%s", err->msg);
		talk_stop(t, rc);
	}
}

static void on_message(struct talk *t, const struct channel_msg *msg)
{
	struct neighbours *n = container_of(t, struct neighbours, talk);
	struct err err;

	switch (msg->type) {
	case MSG_NEIGHBOUR_LINK:
		settle(t, msg, on_link(n, msg, &err), &err);
		return;
	case MSG_NEIGHBOUR_PREFIXES:
		settle(t, msg, on_prefixes(n, msg, &err), &err);
		break;
	case MSG_STATS:
		talk_answer(t, msg, NULL);
		talk_say_counts(t, MSG_NEIGHBOUR_STATS, n->counts, N_NEIGHBOUR_COUNTS);
		break;
	case MSG_QUIT:
		talk_stop(t, 0);
		break;
	default: /* a number from outside, not an enum */
		talk_other(t, msg);
		return;
	}
	talk_close_fds(msg);
}

static void on_ended(struct talk *t)
{
	talk_stop(t, 0);
}

int neighbours_run(struct err *err)
{
	static const struct talk_ops ops = {.mod = MOD, .message = on_message, .ended = on_ended};
	struct neighbours n = {.socket = {.fd = -1}};
	int rc;

	timer_init(&n.tick, tick_fired);
	timer_init(&n.tell, tell_fired);
	prefix_set_init(&n.answered);
	rc = talk_run(&n.talk, &ops, err);
	socket_close(&n);
	prefix_set_fini(&n.answered);
	talk_fini(&n.talk);
	return rc;
}
