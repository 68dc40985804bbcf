/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The log child's event loop: the channel to control on descriptor 3, and the read ends that come
 * over it. One wake-up of a pipe moves one buffer, so that no worker starves another.
 */
#include "gateway/agent/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/container.h"
#include "base/log.h"
#include "base/loop.h"
#include "conf/model/message.h"
#include "gateway/agent/lines.h"
#include "gateway/agent/sink.h"

#define MOD           "log"
#define PIPES_MAX     256 /* workers, and what is left of those before them */
#define ROUNDS_A_QUIT 32  /* buffers of a pipe that are still taken at QUIT; a pipe holds 16 */

struct pipe {
	struct pipe *next; /* logger.pipes */
	struct io io;
	struct lines lines;
	struct logger *logger; /* borrowed */
	struct deferred gone;
};

struct logger {
	struct loop loop;
	struct channel channel;
	struct io channel_io;
	struct sink sink;
	struct pipe *pipes; /* owned */
	unsigned int n_pipes;
	bool ending; /* stop when the last pipe has ended */
	int rc;      /* why the loop stopped */
};

static void report(struct logger *lg, bool last)
{
	uint64_t n;

	if (sink_report(&lg->sink, lg->loop.now_ms, last, &n)) {
		log_warn_errno(lg->sink.cause, MOD, "access log %s: %llu lines lost",
			       lg->sink.name ? lg->sink.name : "on standard output",
			       (unsigned long long)n);
	}
}

static void stop(struct logger *lg, int rc)
{
	lg->rc = rc;
	lg->loop.stop = true;
}

static void stop_when_drained(struct logger *lg)
{
	if (lg->ending && lg->n_pipes == 0) {
		stop(lg, lg->rc);
	}
}

static void pipe_free(struct deferred *d)
{
	struct pipe *p = container_of(d, struct pipe, gone);

	lines_fini(&p->lines);
	free(p);
}

static void pipe_close(struct pipe *p)
{
	struct logger *lg = p->logger;
	struct pipe **at = &lg->pipes;

	while (*at != p) {
		at = &(*at)->next;
	}
	*at = p->next;
	lg->n_pipes--;
	loop_del(&lg->loop, &p->io); /* control has the same pipe open: closing is not enough */
	close(p->io.fd);
	p->io.fd = -1;
	loop_defer(&lg->loop, &p->gone);
}

enum pipe_result {
	PIPE_MORE,
	PIPE_EMPTY,
	PIPE_ENDED,
};

/* Moves at most one buffer. */
static enum pipe_result pipe_move(struct pipe *p)
{
	struct sink *sink = &p->logger->sink;
	struct str whole;
	size_t room;
	uint8_t *space = lines_space(&p->lines, &room);
	ssize_t n = read(p->io.fd, space, room);

	if (n < 0) {
		return errno == EAGAIN || errno == EINTR ? PIPE_EMPTY : PIPE_ENDED;
	}
	if (n == 0) {
		sink_lost(sink, lines_end(&p->lines), -EPIPE);
		return PIPE_ENDED;
	}
	sink_lost(sink, lines_take(&p->lines, (size_t)n, &whole), -EMSGSIZE);
	if (whole.len > 0) {
		sink_write(sink, whole, p->logger->loop.now_ms);
		lines_next(&p->lines, whole);
	}
	return PIPE_MORE;
}

static void pipe_ready(struct io *io, uint32_t events)
{
	struct pipe *p = container_of(io, struct pipe, io);
	struct logger *lg = p->logger;

	(void)events; /* read() tells the same */
	if (pipe_move(p) == PIPE_ENDED) {
		pipe_close(p);
		stop_when_drained(lg);
	}
	report(lg, false);
}

/* Takes fd. */
static int pipe_add(struct logger *lg, int fd, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);
	struct pipe *p = NULL;
	int rc;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		rc = err_set_errno(err, -errno, "pipe");
		goto out;
	}
	if (lg->n_pipes == PIPES_MAX) {
		rc = err_set(err, -EMFILE, "more than %d pipes", PIPES_MAX);
		goto out;
	}
	p = calloc(1, sizeof(*p));
	rc = p ? lines_init(&p->lines) : -ENOMEM;
	if (rc < 0) {
		(void)err_set(err, rc, "out of memory"); /* its code is rc */
		goto out;
	}
	p->logger = lg;
	p->io = (struct io){.fd = fd, .ready = pipe_ready};
	p->gone.run = pipe_free;
	rc = loop_add(&lg->loop, &p->io, EPOLLIN);
	if (rc < 0) {
		(void)err_set_errno(err, rc, "epoll"); /* its code is rc */
		goto out;
	}
	p->next = lg->pipes;
	lg->pipes = p;
	lg->n_pipes++;
	return 0;
out:
	if (p) {
		pipe_free(&p->gone);
	}
	close(fd);
	return rc;
}

static void watch_channel(struct logger *lg)
{
	uint32_t events = EPOLLIN | (channel_busy(&lg->channel) ? EPOLLOUT : 0u);
	int rc = loop_mod(&lg->loop, &lg->channel_io, events);

	if (rc < 0) {
		log_err_errno(rc, MOD, "channel to control");
		stop(lg, rc);
	}
}

/* What control waits for; it is never much, so a full channel means control is broken. */
static void say(struct logger *lg, const struct channel_msg *msg)
{
	int rc = channel_send(&lg->channel, msg);

	if (rc == -EPIPE) {
		return; /* control is gone; what it sent before is still to be read, then comes the
			   end */
	}
	if (rc < 0) {
		log_err_errno(rc, MOD, "answer to control");
		stop(lg, rc);
	}
	if (channel_busy(&lg->channel)) {
		watch_channel(lg);
	}
}

/* ACK, or with failure NAK. */
static void answer(struct logger *lg, const struct channel_msg *to, const struct err *failure)
{
	struct channel_msg msg = {.type = failure ? MSG_NAK : MSG_ACK,
				  .id = to->id,
				  .serial = to->serial};
	struct buf data;

	buf_init(&data, 1024);
	buf_u16(&data, to->type);
	if (failure) {
		buf_str(&data, str_from(failure->msg));
	}
	msg.data = data.data;
	msg.len = data.len;
	say(lg, &msg);
	buf_fini(&data);
}

static void say_hello(struct logger *lg)
{
	struct channel_msg msg = {.type = MSG_HELLO};
	struct buf data;

	buf_init(&data, 256);
	buf_str(&data, str_from(PACKAGE_VERSION));
	buf_u32(&data, (uint32_t)getpid());
	msg.data = data.data;
	msg.len = data.len;
	say(lg, &msg);
	buf_fini(&data);
}

static void say_stats(struct logger *lg)
{
	struct channel_msg msg = {.type = MSG_LOG_STATS};
	struct buf data;

	buf_init(&data, 64);
	buf_u64(&data, lg->sink.n_written);
	buf_u64(&data, lg->sink.n_dropped);
	msg.data = data.data;
	msg.len = data.len;
	say(lg, &msg);
	buf_fini(&data);
}

/* Takes what is in the pipes now; what comes later is lost with the process anyway. */
static void quit(struct logger *lg)
{
	for (struct pipe *p = lg->pipes; p; p = p->next) {
		for (int i = 0; i < ROUNDS_A_QUIT && pipe_move(p) == PIPE_MORE; i++) {
		}
	}
	stop(lg, 0);
}

static void on_pipe(struct logger *lg, const struct channel_msg *msg)
{
	struct err err;
	int rc;

	if (msg->n_fds == 1) {
		rc = pipe_add(lg, msg->fds[0], &err);
	} else {
		for (size_t i = 0; i < msg->n_fds; i++) {
			close(msg->fds[i]);
		}
		rc = err_set(&err, -EPROTO, "LOG_PIPE with %zu descriptors", msg->n_fds);
	}
	answer(lg, msg, rc < 0 ? &err : NULL);
}

static void on_reopen(struct logger *lg, const struct channel_msg *msg)
{
	struct err err;
	int rc = sink_reopen(&lg->sink, &err);

	answer(lg, msg, rc < 0 ? &err : NULL);
}

static void on_log_level(struct logger *lg, const struct channel_msg *msg)
{
	log_set_level((enum log_level)msg->id);
	answer(lg, msg, NULL);
}

static void on_message(struct logger *lg, const struct channel_msg *msg)
{
	if (msg->type == MSG_LOG_PIPE) {
		on_pipe(lg, msg);
		return;
	}
	for (size_t i = 0; i < msg->n_fds; i++) {
		close(msg->fds[i]);
	}
	switch (msg->type) {
	case MSG_LOG_REOPEN:
		on_reopen(lg, msg);
		break;
	case MSG_STATS:
		answer(lg, msg, NULL);
		say_stats(lg);
		break;
	case MSG_LOG_LEVEL:
		on_log_level(lg, msg);
		break;
	case MSG_DRAIN:
		lg->ending = true;
		stop_when_drained(lg);
		break;
	case MSG_QUIT:
		quit(lg);
		break;
	default: /* a number from outside, not an enum */
		log_err(MOD, "message %u from control is unknown", msg->type);
		stop(lg, -EPROTO);
		break;
	}
}

static void channel_ended(struct logger *lg)
{
	loop_del(&lg->loop, &lg->channel_io);
	lg->ending = true;
	stop_when_drained(lg);
}

static void channel_ready(struct io *io, uint32_t events)
{
	struct logger *lg = container_of(io, struct logger, channel_io);
	struct channel_msg msg;
	int rc = 1;

	if ((events & EPOLLOUT) && channel_flush(&lg->channel) == 0) {
		watch_channel(lg);
	}
	while (!lg->loop.stop && rc == 1) {
		rc = channel_recv(&lg->channel, &msg);
		if (rc == 1) {
			on_message(lg, &msg);
		}
	}
	if (rc == -EPIPE) {
		channel_ended(lg);
	} else if (rc < 0) {
		log_err_errno(rc, MOD, "channel to control");
		stop(lg, rc);
	}
	report(lg, false);
}

int logger_new(int dir_fd, const char *file, struct logger **ret_logger, struct err *err)
{
	struct logger *lg = calloc(1, sizeof(*lg));
	int rc;

	if (!lg) {
		if (dir_fd >= 0) {
			close(dir_fd);
		}
		return err_set(err, -ENOMEM, "out of memory");
	}
	sink_init(&lg->sink, dir_fd, dir_fd < 0 ? NULL : file);
	lg->channel.fd = -1;
	rc = loop_init(&lg->loop, err);
	if (rc == 0) {
		rc = channel_init(&lg->channel, CHANNEL_FD);
		if (rc < 0) {
			(void)err_set_errno(err, rc, "channel"); /* its code is rc */
		}
	}
	if (rc == 0) {
		lg->channel_io = (struct io){.fd = lg->channel.fd, .ready = channel_ready};
		rc = loop_add(&lg->loop, &lg->channel_io, EPOLLIN);
		if (rc < 0) {
			(void)err_set_errno(err, rc, "channel on descriptor %d", CHANNEL_FD);
		}
	}
	if (rc < 0) {
		logger_free(lg);
		return rc;
	}
	*ret_logger = lg;
	return 0;
}

void logger_free(struct logger *lg)
{
	if (!lg) {
		return;
	}
	while (lg->pipes) {
		pipe_close(lg->pipes);
	}
	channel_fini(&lg->channel);
	loop_fini(&lg->loop);
	sink_fini(&lg->sink);
	free(lg);
}

int logger_run(struct logger *lg, struct err *err)
{
	int rc;

	say_hello(lg);
	rc = loop_run(&lg->loop);
	if (rc < 0) {
		return err_set_errno(err, rc, "event loop");
	}
	report(lg, true);
	return lg->rc < 0 ? err_set_errno(err, lg->rc, "ended by control") : 0;
}
