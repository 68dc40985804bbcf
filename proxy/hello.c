/* SPDX-License-Identifier: GPL-3.0-or-later */
/* First bytes of TLS sessions; see hello.h. Decides nothing: that is sni.c's and route.c's. */
#include "proxy/hello.h"

#include <errno.h>
#include <sys/socket.h>

#include "proxy/listener.h"
#include "proxy/route.h"
#include "proxy/sni.h"
#include "proxy/worker.h"

enum hello_step {
	HELLO_WAIT,
	HELLO_READ, /* more may be there */
	HELLO_END,  /* routed or closed */
};

static void hello_complete(struct session *s, const struct sni_hello *hello)
{
	s->hello_ms = (uint32_t)(s->worker->loop.now_ms - s->started_ms);
	route_by_hello(s, hello);
}

/* Scans what is there with data, the n bytes just read, behind it. */
static enum hello_step hello_scan(struct session *s, const uint8_t *data, size_t n, bool drained)
{
	struct worker *w = s->worker;
	struct sni_hello hello;

	/* half as much again as sessions that run may read ahead, who can wait */
	if (w->stashed + n > w->stashed_max + w->stashed_max / 2 ||
	    flow_stash(w, &s->up, data, n) < 0) {
		session_close(s, CLOSE_NO_MEMORY);
		return HELLO_END;
	}
	switch (sni_scan_hello(&s->scan, s->up.stash->data, s->up.stash->end, &hello)) {
	case SNI_FOUND:
	case SNI_NONE:
		s->up.readable = !drained;
		hello_complete(s, &hello);
		return HELLO_END;
	case SNI_NEED_MORE:
		return drained ? HELLO_WAIT : HELLO_READ;
	case SNI_MALFORMED:
		session_refuse(s, SNI_ALERT_DECODE_ERROR, CLOSE_HELLO_MALFORMED);
		return HELLO_END;
	case SNI_TOO_LARGE:
		session_refuse(s, SNI_ALERT_DECODE_ERROR, CLOSE_HELLO_TOO_LARGE);
		return HELLO_END;
	}
	return HELLO_END;
}

static enum hello_step hello_read(struct session *s)
{
	size_t have = s->up.stash ? s->up.stash->end : 0;
	size_t ask = SNI_HELLO_MAX - have; /* never 0: then the scan has ended */
	uint8_t *buffer = s->worker->buffer;
	ssize_t n = recv(s->client.fd, buffer, ask, 0);

	if (n > 0) {
		/* a FIN that came with the bytes has no event of its own */
		return hello_scan(s, buffer, (size_t)n,
				  (size_t)n < ask && !s->up.no_splice && !s->up.fin_seen);
	}
	if (n == 0) {
		session_close(s, CLOSE_CLIENT_GONE);
		return HELLO_END;
	}
	if (errno == EAGAIN) {
		return HELLO_WAIT;
	}
	if (errno == EINTR) {
		return HELLO_READ;
	}
	session_close(s, CLOSE_CLIENT_RESET);
	return HELLO_END;
}

static enum hello_step hello_read_all(struct session *s)
{
	enum hello_step step;

	do {
		step = hello_read(s);
	} while (step == HELLO_READ);
	return step;
}

/* From the end of the handshake: a client without a byte has waited in the kernel already. */
static uint64_t hello_deadline(const struct session *s)
{
	uint32_t ms = session_timeouts(s).hello_ms;

	if (!s->up.stash) {
		ms -= ms > LISTENER_DEFER_S * 1000 ? LISTENER_DEFER_S * 1000 : ms;
	}
	return s->started_ms + ms;
}

void hello_start(struct session *s)
{
	struct worker *w = s->worker;
	int rc;

	/* TCP_DEFER_ACCEPT: the first bytes are here already, so the loop need not be asked */
	if (hello_read_all(s) != HELLO_WAIT) {
		return;
	}
	rc = loop_add(&w->loop, &s->client, RELAY_EVENTS);
	if (rc < 0) {
		accept_pause(w, rc);
		session_close(s, CLOSE_NO_MEMORY);
		return;
	}
	s->client_added = true;
	wheel_arm(&w->loop.wheel, &s->timer, hello_deadline(s));
}

void hello_ready(struct session *s, uint32_t events)
{
	relay_note_client(s, events);
	(void)hello_read_all(s); /* waits, or has moved the session on */
}
