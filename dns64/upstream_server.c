/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The servers: how fast they are, whether they answer, and the sockets they are asked by. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "dns64/upstream_internal.h"

#define SRTT_FIRST_MS   100
#define SRTT_MAX_MS     5000
#define PATIENCE_MIN_MS 200
#define PATIENCE_MAX_MS 800
#define DOWN_AFTER      3 /* failures in a row */
#define DOWN_MS         10000
#define PROBE_EVERY     32 /* of so many questions, one goes to another than the fastest */
#define BATCH           32 /* messages a turn */

static bool is_better(const struct server *a, const struct server *b, uint64_t now_ms)
{
	bool a_down = a->down_until_ms > now_ms, b_down = b->down_until_ms > now_ms;

	if (a_down != b_down) {
		return b_down;
	}
	return a->stats.srtt_ms < b->stats.srtt_ms;
}

struct server *server_choose(struct upstreams *u, const struct ask *a)
{
	struct server *best = NULL;
	uint8_t dice[2];

	upstream_random(u, dice, sizeof(dice));
	for (size_t i = 0; i < u->n_servers; i++) {
		struct server *s = &u->servers[i];

		if (a->tried & (1u << i)) {
			continue;
		}
		/* how fast the others are by now shows when they are asked */
		if (u->answered && a->tried == 0 && dice[0] % PROBE_EVERY == 0 &&
		    i == dice[1] % u->n_servers && s->down_until_ms <= u->loop->now_ms) {
			return s;
		}
		if (!best || is_better(s, best, u->loop->now_ms)) {
			best = s;
		}
	}
	return best;
}

void server_answered(struct server *s, uint32_t rtt_ms)
{
	struct upstream_stats *stats = &s->stats;

	s->u->answered = true;
	stats->n_answers++;
	stats->srtt_ms = stats->srtt_ms == 0 ? rtt_ms : (stats->srtt_ms * 7 + rtt_ms) / 8;
	s->n_failures = 0;
	s->down_until_ms = 0;
}

void server_silent(struct server *s)
{
	uint32_t srtt_ms = s->stats.srtt_ms * 2 + SRTT_FIRST_MS;

	s->stats.n_timeouts++;
	s->stats.srtt_ms = srtt_ms < SRTT_MAX_MS ? srtt_ms : SRTT_MAX_MS;
	if (++s->n_failures >= DOWN_AFTER) {
		s->down_until_ms = s->u->loop->now_ms + DOWN_MS;
	}
}

uint32_t server_patience_ms(const struct server *s)
{
	uint32_t ms = s->stats.srtt_ms * 4;

	if (s->stats.n_answers == 0 || ms > PATIENCE_MAX_MS) {
		return PATIENCE_MAX_MS;
	}
	return ms < PATIENCE_MIN_MS ? PATIENCE_MIN_MS : ms;
}

static void udp_received(struct udp_socket *socket, uint8_t *wire, size_t len)
{
	struct table_node *node = NULL;

	if (len >= DNS_HEADER_BYTES) {
		uint16_t id = (uint16_t)(wire[0] << 8 | wire[1]);

		node = table_find(&socket->asks, id, ask_id_eq, &id);
	}
	if (node) {
		ask_received(container_of(node, struct ask, node), wire, len);
	} else {
		socket->server->stats.n_foreign++;
	}
}

static void udp_ready(struct io *io, uint32_t events)
{
	struct udp_socket *socket = container_of(io, struct udp_socket, io);
	uint8_t wire[4096];

	(void)events;
	/* one that is freed meanwhile is so after the batch: its io is no longer in the loop then
	 */
	for (unsigned int i = 0; i < BATCH && socket->io.ready; i++) {
		ssize_t n = recv(socket->io.fd, wire, sizeof(wire), 0);

		if (n < 0 && errno == ECONNREFUSED) {
			continue; /* of one we asked before: its timer is running */
		}
		if (n < 0) {
			return;
		}
		udp_received(socket, wire, (size_t)n);
	}
}

static void udp_free(struct deferred *d)
{
	struct udp_socket *socket = container_of(d, struct udp_socket, gone);

	table_fini(&socket->asks);
	free(socket);
}

static void udp_close(struct udp_socket *socket)
{
	loop_close(socket->server->u->loop, &socket->io);
	socket->gone.run = udp_free;
	loop_defer(socket->server->u->loop, &socket->gone);
}

void udp_socket_done(struct udp_socket *socket)
{
	if (socket->retired && socket->asks.count == 0 && socket->io.ready) {
		udp_close(socket);
	}
}

static struct udp_socket *udp_open(struct server *s)
{
	struct udp_socket *opened = calloc(1, sizeof(*opened));
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&s->at, false, &sa);

	if (!opened) {
		return NULL;
	}
	table_init(&opened->asks);
	opened->server = s;
	opened->opened_ms = s->u->loop->now_ms;
	opened->io = (struct io){.ready = udp_ready};
	opened->io.fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (opened->io.fd < 0 || connect(opened->io.fd, (struct sockaddr *)&sa, len) != 0 ||
	    loop_add(s->u->loop, &opened->io, EPOLLIN) < 0) {
		if (opened->io.fd >= 0) {
			(void)close(opened->io.fd);
		}
		free(opened);
		return NULL;
	}
	return opened;
}

static void udp_retire(struct udp_socket **slot)
{
	struct udp_socket *socket = *slot;

	*slot = NULL;
	socket->retired = true;
	udp_socket_done(socket);
}

struct udp_socket *server_socket(struct server *s)
{
	struct udp_socket **slot;
	uint8_t dice;

	upstream_random(s->u, &dice, sizeof(dice));
	slot = &s->sockets[dice % UPSTREAM_SOCKETS];
	if (*slot && ((*slot)->n_asked >= UPSTREAM_REUSE ||
		      s->u->loop->now_ms - (*slot)->opened_ms >= UPSTREAM_AGE_MS)) {
		udp_retire(slot);
	}
	if (!*slot) {
		*slot = udp_open(s);
	}
	return *slot;
}

void server_close(struct server *s)
{
	for (unsigned int i = 0; i < UPSTREAM_SOCKETS; i++) {
		if (s->sockets[i]) {
			udp_retire(&s->sockets[i]);
		}
	}
}
