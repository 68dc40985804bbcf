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

#include "base/container.h"
#include "base/log.h"
#include "conf/model/message.h"
#include "gateway/agent/lines.h"
#include "gateway/agent/sink.h"
#include "gateway/agent/talk.h"

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
	struct talk talk;
	struct sink sink;
	struct pipe *pipes; /* owned */
	unsigned int n_pipes;
	bool ending; /* stop when the last pipe has ended */
};

static void report(struct logger *lg, bool last)
{
	uint64_t n;

	if (sink_report(&lg->sink, lg->talk.loop.now_ms, last, &n)) {
		log_warn_errno(lg->sink.cause, MOD, "log %s: %llu lines lost",
			       lg->sink.name ? lg->sink.name : "on standard output",
			       (unsigned long long)n);
	}
}

/* After each turn of work. */
static void rest(struct logger *lg)
{
	const struct channel_msg wish = {.type = MSG_LOG_SOCKET};

	if (sink_wants_socket(&lg->sink, lg->talk.loop.now_ms)) {
		talk_say(&lg->talk, &wish);
	}
	report(lg, false);
}

static void stop_when_drained(struct logger *lg)
{
	if (lg->ending && lg->n_pipes == 0) {
		talk_stop(&lg->talk, 0);
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
	loop_del(&lg->talk.loop,
		 &p->io); /* control has the same pipe open: closing is not enough */
	close(p->io.fd);
	p->io.fd = -1;
	loop_defer(&lg->talk.loop, &p->gone);
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
		sink_write(sink, whole, p->logger->talk.loop.now_ms);
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
	rest(lg);
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
	rc = loop_add(&lg->talk.loop, &p->io, EPOLLIN);
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

static void say_stats(struct logger *lg)
{
	const uint64_t counts[] = {lg->sink.n_written, lg->sink.n_dropped};

	talk_say_counts(&lg->talk, MSG_LOG_STATS, counts, 2);
}

/* Takes what is in the pipes now; what comes later is lost with the process anyway. */
static void quit(struct logger *lg)
{
	for (struct pipe *p = lg->pipes; p; p = p->next) {
		for (int i = 0; i < ROUNDS_A_QUIT && pipe_move(p) == PIPE_MORE; i++) {
		}
	}
	talk_stop(&lg->talk, 0);
}

/* LOG_PIPE, LOG_SOCKET */
static void on_descriptor(struct logger *lg, const struct channel_msg *msg)
{
	struct err err;
	int rc;

	if (msg->n_fds != 1) {
		talk_close_fds(msg);
		rc = err_set(&err, -EPROTO, "%zu descriptors", msg->n_fds);
	} else if (msg->type == MSG_LOG_PIPE) {
		rc = pipe_add(lg, msg->fds[0], &err);
	} else {
		rc = sink_take_socket(&lg->sink, msg->fds[0], &err);
	}
	talk_answer(&lg->talk, msg, rc < 0 ? &err : NULL);
}

static void on_reopen(struct logger *lg, const struct channel_msg *msg)
{
	struct err err;
	int rc = sink_reopen(&lg->sink, &err);

	talk_answer(&lg->talk, msg, rc < 0 ? &err : NULL);
}

static void on_message(struct talk *t, const struct channel_msg *msg)
{
	struct logger *lg = container_of(t, struct logger, talk);

	switch (msg->type) {
	case MSG_LOG_PIPE:
	case MSG_LOG_SOCKET:
		on_descriptor(lg, msg);
		return;
	case MSG_LOG_REOPEN:
		on_reopen(lg, msg);
		break;
	case MSG_STATS:
		talk_answer(t, msg, NULL);
		say_stats(lg);
		break;
	case MSG_DRAIN:
		lg->ending = true;
		stop_when_drained(lg);
		break;
	case MSG_QUIT:
		quit(lg);
		break;
	default: /* a number from outside, not an enum */
		talk_other(t, msg);
		return;
	}
	talk_close_fds(msg);
}

static void on_ended(struct talk *t)
{
	struct logger *lg = container_of(t, struct logger, talk);

	lg->ending = true;
	stop_when_drained(lg);
}

static void on_rested(struct talk *t)
{
	rest(container_of(t, struct logger, talk));
}

int logger_run(int dir_fd, const char *file, bool syslog, struct err *err)
{
	static const struct talk_ops ops = {
		.mod = MOD,
		.message = on_message,
		.ended = on_ended,
		.rested = on_rested,
	};
	struct logger lg = {0};
	int rc;

	if (syslog) {
		sink_init_syslog(&lg.sink);
	} else {
		sink_init(&lg.sink, dir_fd, dir_fd < 0 ? NULL : file);
	}
	rc = talk_run(&lg.talk, &ops, err);
	report(&lg, true);
	while (lg.pipes) {
		pipe_close(lg.pipes);
	}
	talk_fini(&lg.talk);
	sink_fini(&lg.sink);
	return rc;
}
