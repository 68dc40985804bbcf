/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel's side of struct kernel_ops: a netlink socket a bus. The kernel works on a request
 * inside sendmsg(2) and queues all answers, so a request is sent, then read until nothing is
 * left, and never waits: one that gets no answer (Jool answers by messages of its own, not by
 * acknowledgements) ends with -EPROTO at once.
 */
#include "gateway/kernel/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECEIVE_MAX    65536     /* bytes; the kernel's dump parts have at most half of it */
#define RECEIVE_BUFFER (1 << 20) /* bytes; refusals of a batch's messages that may queue up */

struct netlink {
	int fd[N_BUSES];        /* opened at first use, -1 before */
	int watch_fd;           /* notifications of nftables; -1 before netlink_watch() */
	uint32_t port[N_BUSES]; /* of fd: what they did is told to us, too */
	uint8_t *answer;        /* owned, RECEIVE_MAX bytes */
	ino_t netns;            /* that netlink_enter() was last in; 0: in none */
};

int netlink_new(struct netlink **ret_netlink, struct err *err)
{
	struct netlink *nl = calloc(1, sizeof(*nl));

	if (nl) {
		for (int i = 0; i < N_BUSES; i++) {
			nl->fd[i] = -1;
		}
		nl->watch_fd = -1;
		nl->answer = malloc(RECEIVE_MAX);
	}
	if (!nl || !nl->answer) {
		free(nl);
		return err_set(err, -ENOMEM, "netlink: out of memory");
	}
	*ret_netlink = nl;
	return 0;
}

static void netlink_close(struct netlink *nl)
{
	for (int i = 0; i < N_BUSES; i++) {
		if (nl->fd[i] >= 0) {
			close(nl->fd[i]);
		}
		nl->fd[i] = -1;
	}
}

void netlink_free(struct netlink *nl)
{
	if (!nl) {
		return;
	}
	netlink_close(nl);
	if (nl->watch_fd >= 0) {
		close(nl->watch_fd);
	}
	free(nl->answer);
	free(nl);
}

static int netlink_open(enum kernel_bus bus)
{
	static const int protocols[N_BUSES] = {[BUS_NETFILTER] = NETLINK_NETFILTER,
					       [BUS_ROUTE] = NETLINK_ROUTE,
					       [BUS_GENERIC] = NETLINK_GENERIC};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocols[bus]);
	const struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	int on = 1, size = RECEIVE_BUFFER;

	if (fd < 0) {
		return -errno;
	}
	/* One without a port of its own would be left out of notifications. */
	if (bind(fd, (const struct sockaddr *)&self, sizeof(self)) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	/* Better messages and shorter answers; an old kernel without them still works. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fd;
}

/* The kernel takes a batch only in one piece, so the send buffer has to hold all of it. */
static int netlink_send(int fd, const struct kernel_request *req)
{
	struct sockaddr_nl to = {.nl_family = AF_NETLINK};
	struct iovec iov = {.iov_base = (void *)req->data, .iov_len = req->len};
	struct msghdr msg = {.msg_name = &to,
			     .msg_namelen = sizeof(to),
			     .msg_iov = &iov,
			     .msg_iovlen = 1};
	int size = (int)req->len + 4096;

	if (req->len > RECEIVE_MAX) {
		/* Without the privilege the kernel says EPERM to the batch, which is the better
		 * text. */
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	}
	return sendmsg(fd, &msg, 0) < 0 ? -errno : 0;
}

static void fault_text(const struct nlmsghdr *nlh, const struct nlmsgerr *e,
		       struct kernel_fault *fault)
{
	size_t skip = sizeof(*e);
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS)) {
		return;
	}
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED)) {
		skip += mnl_nlmsg_get_payload_len(&e->msg);
	}
	if (mnl_nlmsg_get_payload_len(nlh) <= skip) {
		return;
	}
	mnl_attr_for_each(attr, nlh, skip)
	{
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0) {
			snprintf(fault->text, sizeof(fault->text), "%s", mnl_attr_get_str(attr));
		}
	}
}

struct answers {
	const struct kernel_request *req;
	struct kernel_fault *fault;
	uint32_t first_seq, last_seq;
	size_t longest; /* bytes of the answer buffer that were written */
	bool acked;
	int rc;
};

static void answer_message(struct answers *a, const struct nlmsghdr *nlh)
{
	int rc = 0;

	if (nlh->nlmsg_seq < a->first_seq || nlh->nlmsg_seq > a->last_seq) {
		return; /* of a request that was given up */
	}
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR) {
		rc = -EINTR;
	}
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

		if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*e)) {
			return;
		}
		a->acked = true;
		rc = e->error;
		if (rc != 0 && a->req->refused) {
			struct kernel_fault one = {.seq = nlh->nlmsg_seq};

			fault_text(nlh, e, &one);
			a->req->refused(one.seq, rc, one.text, a->req->arg);
			rc = 0;
		} else if (a->rc == 0 && rc != 0) {
			a->fault->seq = nlh->nlmsg_seq;
			fault_text(nlh, e, a->fault);
		}
	} else if (nlh->nlmsg_type == NLMSG_DONE) {
		/* A dump that failed half way says so here. */
		if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(int) && rc == 0) {
			memcpy(&rc, mnl_nlmsg_get_payload(nlh), sizeof(rc));
			rc = rc < 0 ? rc : 0;
		}
		a->acked = true;
	} else if (rc == 0 && a->req->reply) {
		a->acked = true;
		rc = a->req->reply(nlh, a->req->arg);
	}
	if (a->rc == 0) {
		a->rc = rc;
	}
}

static int netlink_receive(int fd, uint8_t *answer, struct answers *a)
{
	for (;;) {
		ssize_t got = recv(fd, answer, RECEIVE_MAX, MSG_TRUNC);
		int left = (int)got;
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)answer;

		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0 && errno == EAGAIN) {
			break;
		}
		if (got < 0 && errno != ENOBUFS) {
			return -errno;
		}
		if (got < 0 || got > RECEIVE_MAX) {
			/* Answers are lost; the rest is read, so that the next request meets none.
			 */
			a->rc = a->rc < 0 ? a->rc : -ENOBUFS;
			continue;
		}
		a->longest = a->longest > (size_t)got ? a->longest : (size_t)got;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			answer_message(a, nlh);
		}
	}
	if (a->rc == 0 && !a->acked) {
		return -EPROTO;
	}
	return a->rc;
}

/* Opens the socket of bus unless it is. Returns 0 or a negative errno. */
static int netlink_ensure(struct netlink *nl, enum kernel_bus bus)
{
	struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	socklen_t len = sizeof(self);
	int fd;

	if (nl->fd[bus] >= 0) {
		return 0;
	}
	fd = netlink_open(bus);
	if (fd < 0) {
		return fd;
	}
	if (getsockname(fd, (struct sockaddr *)&self, &len) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	nl->fd[bus] = fd;
	nl->port[bus] = self.nl_pid;
	return 0;
}

static int netlink_transact(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	struct netlink *nl = ctx;
	struct answers a = {.req = req, .fault = fault};
	const struct nlmsghdr *nlh = req->data;
	int left = (int)req->len, rc;

	memset(fault, 0, sizeof(*fault));
	rc = netlink_ensure(nl, req->bus);
	if (rc < 0) {
		return rc;
	}
	a.first_seq = nlh->nlmsg_seq;
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		a.last_seq = nlh->nlmsg_seq;
	}
	rc = netlink_send(nl->fd[req->bus], req);
	if (rc < 0) {
		return rc;
	}
	rc = netlink_receive(nl->fd[req->bus], nl->answer, &a);
	if (req->bus == BUS_GENERIC) {
		explicit_bzero(nl->answer, a.longest); /* a WireGuard dump holds keys */
	}
	return rc;
}

/* A socket stays in the namespace that it was made in, and keeps that from going away. */
static int netlink_enter(void *ctx, int fd)
{
	struct netlink *nl = ctx;
	struct stat st;

	if (fstat(fd, &st) < 0 || setns(fd, CLONE_NEWNET) < 0) {
		return -errno;
	}
	if (nl->netns != st.st_ino) {
		netlink_close(nl);
	}
	nl->netns = st.st_ino;
	return 0;
}

static int netlink_watch(void *ctx)
{
	struct netlink *nl = ctx;
	int group = NFNLGRP_NFTABLES, fd, rc;

	if (nl->watch_fd >= 0) {
		return nl->watch_fd;
	}
	fd = netlink_open(BUS_NETFILTER);
	if (fd < 0) {
		return fd;
	}
	if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	nl->watch_fd = fd;
	return fd;
}

static bool netlink_watch_read(void *ctx)
{
	struct netlink *nl = ctx;
	bool foreign = false;

	for (;;) {
		ssize_t got = recv(nl->watch_fd, nl->answer, RECEIVE_MAX, MSG_TRUNC);
		int left = (int)got;
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)nl->answer;

		if (got < 0 && errno != EINTR && errno != ENOBUFS) {
			return foreign;
		}
		if (got < 0 || got > RECEIVE_MAX) {
			foreign |= got > 0 || errno == ENOBUFS; /* some were lost */
			continue;
		}
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			foreign |= nlh->nlmsg_pid != nl->port[BUS_NETFILTER];
		}
	}
}

uint32_t netlink_port(const struct netlink *nl, enum kernel_bus bus)
{
	return nl->port[bus];
}

struct kernel_ops netlink_ops(struct netlink *nl)
{
	return (struct kernel_ops){.ctx = nl,
				   .transact = netlink_transact,
				   .enter = netlink_enter,
				   .watch = netlink_watch,
				   .watch_read = netlink_watch_read};
}
