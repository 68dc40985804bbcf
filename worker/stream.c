/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers to callers of the control socket; see stream.h. */
#include "worker/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "base/json.h"
#include "worker/link.h"

#define BUFFER_MAX 65536 /* bytes waiting for the reader */

static void stream_gone(struct deferred *deferred)
{
	struct stream *s = container_of(deferred, struct stream, gone);

	s->ops->free(s);
}

static void stream_end(struct stream *s)
{
	struct link *link = s->link;
	struct stream **at = &link->streams;

	while (*at != s) {
		at = &(*at)->next;
	}
	*at = s->next;
	wheel_disarm(&link->loop->wheel, &s->timer);
	loop_del(link->loop, &s->io);
	close(s->io.fd);
	s->io.fd = -1;
	buf_fini(&s->out);
	if (s->ops->end) {
		s->ops->end(s);
	}
	loop_defer(link->loop, &s->gone);
}

/* why: NULL, all was told. */
static void stream_answer(struct stream *s, const char *why)
{
	stream_end(s); /* first: control may act on the answer at once */
	if (why) {
		link_nak(s->link, (enum message)s->type, s->id, s->serial, why);
	} else {
		link_ack(s->link, (enum message)s->type, s->id, s->serial);
	}
}

/* Sends what is in out. Returns 0, -EAGAIN when the reader has to be waited for, or -EPIPE. */
static int stream_send(struct stream *s)
{
	ssize_t n;

	if (s->out.len == 0) {
		return 0;
	}
	n = send(s->io.fd, s->out.data, s->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		return -EPIPE;
	}
	buf_consume(&s->out, n > 0 ? (size_t)n : 0);
	return s->out.len > 0 ? -EAGAIN : 0;
}

static void stream_watch(struct stream *s, bool waits)
{
	s->waits = waits; /* its end is heard of all the same */
	if (loop_mod(s->link->loop, &s->io, waits ? 0 : (uint32_t)EPOLLOUT) < 0) {
		stream_answer(s, "the stream cannot be watched");
	}
}

static void stream_arm(struct stream *s)
{
	wheel_arm(&s->link->loop->wheel, &s->timer, s->link->loop->now_ms + READER_MS);
}

static enum stream_step stream_step(struct stream *s)
{
	uint64_t now_ms = s->link->loop->now_ms;
	enum stream_step step = s->done ? STREAM_DONE : s->ops->step(s);

	if (step == STREAM_MORE && s->out.len == 0 && now_ms - s->told_ms >= STREAM_SIGN_MS) {
		buf_u8(&s->out, '\n');
	}
	if (s->out.len > 0) {
		s->told_ms = now_ms;
	}
	s->done = step == STREAM_DONE;
	return step;
}

/* Level-triggered: one step each time the stream takes more. */
static void stream_ready(struct io *io, uint32_t events)
{
	struct stream *s = container_of(io, struct stream, io);
	enum stream_step step;
	int rc;

	(void)events;
	if (s->waits) {
		stream_answer(s, "the reader is gone");
		return;
	}
	stream_arm(s);
	step = stream_step(s);
	rc = s->out.bad ? -ENOMEM : stream_send(s);
	if (rc == -ENOMEM) {
		stream_answer(s, "out of memory");
	} else if (rc == -EPIPE) {
		stream_answer(s, "the reader is gone");
	} else if (rc == 0 && step == STREAM_DONE) {
		stream_answer(s, NULL);
	} else if (rc == 0 && step == STREAM_WAITS) {
		stream_watch(s, true);
	}
}

static void stream_late(struct timer *timer)
{
	stream_answer(container_of(timer, struct stream, timer), "the reader takes too long");
}

int stream_start(struct stream *s, struct link *link, const struct stream_ops *ops,
		 struct channel_msg *msg)
{
	unsigned int n = 0;
	int rc;

	for (const struct stream *other = link->streams; other; other = other->next) {
		n++;
	}
	if (n >= STREAMS_MAX) {
		return -EBUSY;
	}
	*s = (struct stream){
		.ops = ops,
		.link = link,
		.io = {.fd = msg->fds[0], .ready = stream_ready},
		.gone.run = stream_gone,
		.type = msg->type,
		.id = msg->id,
		.serial = msg->serial,
		.told_ms = link->loop->now_ms,
	};
	timer_init(&s->timer, stream_late);
	rc = loop_add(link->loop, &s->io, EPOLLOUT);
	if (rc < 0) {
		return rc;
	}
	(void)link_take_fd(msg, 0); /* which s->io has */
	buf_init(&s->out, BUFFER_MAX);
	stream_arm(s);
	s->next = link->streams;
	link->streams = s;
	return 0;
}

void stream_wake(struct stream *s)
{
	if (s->waits) {
		stream_watch(s, false);
	}
}

void stream_tell_ok(struct stream *s)
{
	struct json j = json_to(&s->out);

	json_open(&j, NULL, '{');
	json_bool(&j, "ok", true);
	json_close(&j, '}');
	json_end_line(&j);
}

bool stream_has_room(const struct stream *s)
{
	return s->out.len + STREAM_LINE_MAX < BUFFER_MAX;
}

void streams_end(struct link *link)
{
	while (link->streams) {
		stream_end(link->streams);
	}
}
