/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is said to workers of before an upgrade: of the messages they may be of another version
 * than, only those that never change, and questions that they may refuse. Answers to what the
 * image before us has asked are passed over.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/model/message.h"
#include "gateway/control/former.h"
#include "gateway/control/internal.h"

#define MOD        "upgrade"
#define READ_BATCH 128 /* messages a wake-up */

void former_close_channel(struct former_process *p)
{
	const struct former *former = p->former;

	if (p->channel.fd < 0) {
		return;
	}
	loop_del(former->loop, &p->readable);
	channel_fini(&p->channel);
	p->readable.fd = p->channel.fd = -1;
	if (former->ops->gone) {
		former->ops->gone(former->ctx, p->number);
	}
}

static void process_handle(const struct former_process *p, const struct channel_msg *msg)
{
	const struct former *former = p->former;
	struct cursor in = cursor_from(msg->data, msg->len);
	uint16_t type = cursor_u16(&in);
	struct str why = msg->type == MSG_NAK ? cursor_str(&in) : (struct str){0};

	if ((msg->type != MSG_ACK && msg->type != MSG_NAK) || !cursor_done(&in)) {
		return; /* of a version that we need not know */
	}
	if ((type == MSG_SESSIONS || type == MSG_KILL) && former->ops->answered) {
		former->ops->answered(former->ctx, p->number, type, msg->serial,
				      msg->type == MSG_NAK ? &why : NULL);
	}
}

static int process_read(struct former_process *p)
{
	struct channel_msg msg;
	int rc = 1;

	for (int i = 0; rc == 1 && i < READ_BATCH; i++) {
		rc = channel_recv(&p->channel, &msg);
		if (rc == 1) {
			process_handle(p, &msg);
			for (size_t fd = 0; fd < msg.n_fds; fd++) {
				close(msg.fds[fd]);
			}
		}
	}
	return rc;
}

static void process_watch(struct former_process *p)
{
	io_watch(p->former->loop, &p->readable,
		 EPOLLIN | (channel_busy(&p->channel) ? (uint32_t)EPOLLOUT : 0));
}

static void process_talk(struct io *io, uint32_t events)
{
	struct former_process *p = container_of(io, struct former_process, readable);
	int rc = 0;

	if (events & EPOLLOUT) {
		rc = channel_flush(&p->channel);
		rc = rc == -EAGAIN ? 0 : rc;
		process_watch(p);
	}
	if (rc == 0 && events & ~(uint32_t)EPOLLOUT) {
		rc = process_read(p);
	}
	if (rc < 0) {
		if (rc != -EPIPE) { /* it may have been taken over by what it parses */
			log_err_errno(rc, MOD, "former worker, pid %d: bad message, killing it",
				      (int)p->child.pid);
			child_signal(&p->child, SIGKILL);
		}
		former_close_channel(p);
	}
}

void former_open_channel(struct former_process *p, int fd)
{
	int rc = channel_init(&p->channel, fd);

	if (rc == 0) {
		p->readable = (struct io){.fd = fd, .ready = process_talk};
		rc = loop_add(p->former->loop, &p->readable, EPOLLIN);
		if (rc < 0) {
			channel_fini(&p->channel);
		}
	}
	if (rc < 0) { /* its end makes it drain */
		log_err_errno(rc, MOD, "former worker, pid %d", (int)p->child.pid);
		p->readable.fd = p->channel.fd = -1;
	}
}

/* False when it cannot be told. */
static bool process_send(struct former_process *p, const struct channel_msg *msg)
{
	if (p->channel.fd < 0 || channel_send(&p->channel, msg) < 0) {
		return false;
	}
	process_watch(p);
	return true;
}

/* The one with the smallest number behind at. */
static struct former_process *process_next(const struct former *former, unsigned int at, int slot)
{
	struct former_process *found = NULL;

	for (struct former_process *p = former->processes; p; p = p->next) {
		if (p->number > at && (slot < 0 || p->slot == slot) &&
		    (!found || p->number < found->number)) {
			found = p;
		}
	}
	return found;
}

bool former_ask(struct former *former, unsigned int *at, int slot, const struct channel_msg *msg)
{
	struct former_process *p;

	while ((p = process_next(former, *at, slot))) {
		*at = p->number;
		if (process_send(p, msg)) {
			return true;
		}
	}
	return false;
}

void former_tell(struct former *former, const struct channel_msg *msg)
{
	for (struct former_process *p = former->processes; p; p = p->next) {
		(void)process_send(p, msg); /* one that cannot be told ends */
	}
}

bool former_busy(const struct former *former)
{
	for (const struct former_process *p = former->processes; p; p = p->next) {
		if (p->channel.fd >= 0 && channel_busy(&p->channel)) {
			return true;
		}
	}
	return false;
}
