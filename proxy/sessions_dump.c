/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The answer to "sessions"; see sessions_dump.h. */
#include "proxy/sessions_dump.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "base/json.h"
#include "proxy/listener.h"
#include "proxy/worker.h"

#define DUMP_STEP   512   /* sessions looked at in one go */
#define DUMP_BUFFER 65536 /* bytes waiting for the reader */
#define DUMP_LINE   4096  /* bytes kept free for one more line */

struct sessions_dump {
	struct sessions_dump *next; /* worker.dumps */
	struct worker *worker;
	struct io io; /* the stream; shared with control and the caller */
	struct timer timer;
	struct deferred deferred;
	struct buf out;
	size_t at; /* index of the next session */
	uint32_t id;
	uint64_t serial;
	char tenant[TENANT_NAME_MAX + 1]; /* empty: all */
};

static void dump_free(struct deferred *deferred)
{
	struct sessions_dump *dump = container_of(deferred, struct sessions_dump, deferred);

	buf_fini(&dump->out);
	free(dump);
}

static void dump_end(struct sessions_dump *dump)
{
	struct worker *w = dump->worker;
	struct sessions_dump **link = &w->dumps;

	while (*link != dump) {
		link = &(*link)->next;
	}
	*link = dump->next;
	wheel_disarm(&w->loop.wheel, &dump->timer);
	loop_del(&w->loop, &dump->io);
	close(dump->io.fd);
	dump->io.fd = -1;
	loop_defer(&w->loop, &dump->deferred);
}

static void dump_answer(struct sessions_dump *dump, const char *why)
{
	struct worker *w = dump->worker;
	uint32_t id = dump->id;
	uint64_t serial = dump->serial;

	dump_end(dump); /* first: control may act on the answer at once */
	if (why) {
		link_nak(&w->link, MSG_SESSIONS, id, serial, why);
	} else {
		link_ack(&w->link, MSG_SESSIONS, id, serial);
	}
}

static const char *state_name(const struct session *s)
{
	switch ((enum session_state)s->state) {
	case SESSION_HELLO:
		return "hello";
	case SESSION_CONNECTING:
		return "connecting";
	case SESSION_RELAYING:
		return session_is_half_closed(s) ? "half-closed" : "relaying";
	case SESSION_CLOSED:
		break;
	}
	return "closed";
}

static void dump_endpoint(struct json *j, const char *key, const struct endpoint *e)
{
	char text[ENDPOINT_TEXT_MAX];

	json_text(j, key, endpoint_format(e, text));
}

static void dump_session(struct buf *out, const struct session *s)
{
	const struct endpoint client = {.addr = s->client_addr, .port = s->client_port};
	const struct worker *w = s->worker;
	struct json j = json_to(out);
	char number[48];

	(void)snprintf(number, sizeof(number), "%u.%llu", w->index, /* fits */
		       (unsigned long long)s->number);
	json_open(&j, NULL, '{');
	json_text(&j, "id", number);
	json_text(&j, "tenant", s->tenant ? s->tenant->name : NULL);
	json_text(&j, "service", s->conf ? s->conf->name : NULL);
	json_str(&j, "name", (struct str){.p = s->name, .len = s->name_len});
	dump_endpoint(&j, "local", &s->listener->local);
	dump_endpoint(&j, "client", &client);
	if (s->tries > 0) {
		struct endpoint backend = {.addr = s->conf->backends[s->backend_index].address,
					   .port = s->to};

		dump_endpoint(&j, "backend", &backend);
	} else {
		json_text(&j, "backend", NULL);
	}
	json_text(&j, "state", state_name(s));
	json_u64(&j, "age_ms", w->loop.now_ms - s->started_ms);
	json_u64(&j, "idle_ms", w->loop.now_ms - s->active_ms);
	json_u64(&j, "bytes_in", flow_bytes(&s->up));
	json_u64(&j, "bytes_out", flow_bytes(&s->down));
	json_close(&j, '}');
	json_end_line(&j);
}

/* Puts the next lines into the buffer. Returns false when all sessions were looked at. */
static bool dump_fill(struct sessions_dump *dump)
{
	const struct session *s;

	for (unsigned int n = 0; n < DUMP_STEP && dump->out.len + DUMP_LINE < DUMP_BUFFER; n++) {
		s = session_at(&dump->worker->pool, dump->at);
		if (!s) {
			return false;
		}
		dump->at++;
		if (session_is_open(s) &&
		    (dump->tenant[0] == '\0' ||
		     (s->tenant && strcmp(s->tenant->name, dump->tenant) == 0))) {
			dump_session(&dump->out, s);
		}
	}
	return true;
}

/* Sends what waits. Returns false when the reader has to be waited for, or is gone. */
static bool dump_send(struct sessions_dump *dump)
{
	ssize_t n;

	if (dump->out.len == 0) {
		return true;
	}
	n = send(dump->io.fd, dump->out.data, dump->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		dump_answer(dump, "the reader is gone");
		return false;
	}
	buf_consume(&dump->out, n > 0 ? (size_t)n : 0);
	return dump->out.len == 0;
}

/* Level-triggered: one step each time the stream takes more. */
static void dump_ready(struct io *io, uint32_t events)
{
	struct sessions_dump *dump = container_of(io, struct sessions_dump, io);
	bool more;

	(void)events;
	more = dump_fill(dump);
	if (dump->out.bad) {
		dump_answer(dump, "out of memory");
	} else if (dump_send(dump) && !more) {
		dump_answer(dump, NULL);
	}
}

static void dump_late(struct timer *timer)
{
	dump_answer(container_of(timer, struct sessions_dump, timer), "the reader takes too long");
}

int dump_start(struct worker *w, uint32_t id, uint64_t serial, struct str tenant, int fd)
{
	struct sessions_dump *dump = calloc(1, sizeof(*dump));
	unsigned int n = 0;
	int rc = -EBUSY;

	for (const struct sessions_dump *d = w->dumps; d; d = d->next) {
		n++;
	}
	if (!dump || n >= DUMPS_MAX || tenant.len > TENANT_NAME_MAX) {
		rc = dump ? rc : -ENOMEM;
		goto out;
	}
	dump->worker = w;
	dump->io = (struct io){.fd = fd, .ready = dump_ready};
	dump->deferred.run = dump_free;
	dump->id = id;
	dump->serial = serial;
	memcpy(dump->tenant, tenant.p, tenant.len);
	buf_init(&dump->out, DUMP_BUFFER);
	timer_init(&dump->timer, dump_late);
	rc = loop_add(&w->loop, &dump->io, EPOLLOUT);
	if (rc < 0) {
		goto out;
	}
	wheel_arm(&w->loop.wheel, &dump->timer, w->loop.now_ms + DUMP_LIMIT_MS);
	dump->next = w->dumps;
	w->dumps = dump;
	return 0;
out:
	free(dump);
	close(fd);
	return rc;
}

void dump_end_all(struct worker *w)
{
	while (w->dumps) {
		dump_end(w->dumps);
	}
}
