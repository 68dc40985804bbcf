/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Upstreams on loopback that answer as each test says, by real sockets in the same loop. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <libknot/libknot.h>

#include "base/container.h"
#include "base/loop.h"
#include "dns64/answer.h"
#include "dns64/resolver.h"
#include "dns64/upstream.h"

#define N_SERVERS 2
#define N_SEEN    5000
#define MESSAGE   1024
#define LONGEST   65535 /* bytes of a message by TCP */
#define TEST_MS   5000
#define COOKIE_AT 4 /* of an option's data */

struct server;

/* Fills out with what the server says to a question; 0: nothing. */
typedef size_t (*say_fn)(struct server *s, const uint8_t *in, size_t len, uint8_t *out);

struct server {
	struct io udp, tcp, accepted;
	struct endpoint at;
	say_fn say, say_tcp;
	unsigned int n_udp, n_tcp, n_upper;
	uint16_t ids[N_SEEN], ports[N_SEEN];
	uint8_t cookie[64]; /* of the last question: option data */
	size_t cookie_len;
	bool edns;
	bool dribbles; /* by TCP: the length of the longest message, and little of it */
};

struct world {
	struct loop loop;
	struct server servers[N_SERVERS];
	struct upstreams *u;
	struct fetch fetch;
	struct answer *answer;
	bool done, refused;
	struct timer limit;
};

static struct world *world; /* for callbacks of the limit */

static void note(struct server *s, const uint8_t *in, size_t len)
{
	knot_pkt_t *pkt = knot_pkt_new((void *)in, (uint16_t)len, NULL);
	uint8_t *option = NULL;

	assert_int_equal(knot_pkt_parse(pkt, KNOT_PF_NOCANON), KNOT_EOK);
	assert_true(knot_wire_get_rd(in));
	s->edns = pkt->opt_rr != NULL;
	if (pkt->opt_rr) {
		assert_int_equal(knot_edns_get_payload(pkt->opt_rr), 1232);
		option = knot_edns_get_option(pkt->opt_rr, KNOT_EDNS_OPTION_COOKIE, NULL);
		assert_non_null(option); /* and nothing else, which T12 would not want */
		assert_int_equal(pkt->opt_rr->rrs.rdata->len, knot_edns_opt_get_length(option) + 4);
	}
	s->cookie_len = option ? knot_edns_opt_get_length(option) : 0;
	if (option) {
		memcpy(s->cookie, knot_edns_opt_get_data(option), s->cookie_len);
	}
	for (const uint8_t *p = in + DNS_HEADER_BYTES; *p != 0; p++) {
		s->n_upper += *p >= 'A' && *p <= 'Z';
	}
	knot_pkt_free(pkt);
}

static void udp_ready(struct io *io, uint32_t events)
{
	struct server *s = container_of(io, struct server, udp);
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	uint8_t in[MESSAGE], out[MESSAGE];
	struct endpoint peer;
	ssize_t n;
	size_t len;

	(void)events;
	n = recvfrom(io->fd, in, sizeof(in), 0, (struct sockaddr *)&from, &from_len);
	if (n < 0) {
		return;
	}
	note(s, in, (size_t)n);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&from, &peer), 0);
	s->ids[s->n_udp % N_SEEN] = knot_wire_get_id(in);
	s->ports[s->n_udp % N_SEEN] = peer.port;
	s->n_udp++;
	len = s->say ? s->say(s, in, (size_t)n, out) : 0;
	if (len > 0) {
		assert_int_equal(sendto(io->fd, out, len, 0, (struct sockaddr *)&from, from_len),
				 len);
	}
}

static void accepted_ready(struct io *io, uint32_t events)
{
	struct server *s = container_of(io, struct server, accepted);
	uint8_t in[MESSAGE];
	static uint8_t out[LONGEST + 2];
	ssize_t n = recv(io->fd, in, sizeof(in), 0);
	size_t len;

	(void)events;
	if (n <= 2) {
		loop_close(&world->loop, io);
		return;
	}
	assert_int_equal(in[0] << 8 | in[1], n - 2);
	note(s, in + 2, (size_t)n - 2);
	s->n_tcp++;
	if (s->dribbles) {
		assert_int_equal(send(io->fd, "\xff\xff\0\0\x81\x80", 6, 0), 6);
		return;
	}
	len = s->say_tcp ? s->say_tcp(s, in + 2, (size_t)n - 2, out + 2) : 0;
	knot_wire_write_u16(out, (uint16_t)len);
	if (len > 0) { /* in two parts, the first one within the length */
		assert_int_equal(send(io->fd, out, 1, 0), 1);
		assert_int_equal(send(io->fd, out + 1, len + 1, 0), len + 1);
	}
	if (len == 0) {
		loop_close(&world->loop, io);
	}
}

static void tcp_ready(struct io *io, uint32_t events)
{
	struct server *s = container_of(io, struct server, tcp);
	const int room = 4 * LONGEST;

	(void)events;
	s->accepted = (struct io){.ready = accepted_ready};
	s->accepted.fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(s->accepted.fd >= 0);
	assert_int_equal(setsockopt(s->accepted.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	assert_int_equal(loop_add(&world->loop, &s->accepted, EPOLLIN), 0);
}

static void server_start(struct world *w, struct server *s)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);

	s->tcp = (struct io){.ready = tcp_ready};
	s->udp = (struct io){.ready = udp_ready};
	s->tcp.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	s->udp.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(s->tcp.fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(s->tcp.fd, 8), 0);
	assert_int_equal(getsockname(s->tcp.fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(bind(s->udp.fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&sa, &s->at), 0);
	assert_int_equal(loop_add(&w->loop, &s->tcp, EPOLLIN), 0);
	assert_int_equal(loop_add(&w->loop, &s->udp, EPOLLIN), 0);
}

static void on_done(void *ctx, struct fetch *fetch, struct answer *answer)
{
	struct world *w = ctx;

	assert_ptr_equal(fetch, &w->fetch);
	w->answer = answer;
	w->done = true;
	w->loop.stop = true;
}

static void on_limit(struct timer *timer)
{
	(void)timer;
	world->loop.stop = true;
}

static int setup(void **state)
{
	static const struct upstreams_ops ops = {.done = on_done};
	struct endpoint at[N_SERVERS];
	struct err err;

	world = calloc(1, sizeof(*world));
	assert_int_equal(loop_init(&world->loop, &err), 0);
	for (unsigned int i = 0; i < N_SERVERS; i++) {
		server_start(world, &world->servers[i]);
		at[i] = world->servers[i].at;
	}
	timer_init(&world->limit, on_limit);
	world->u = upstreams_new(&world->loop, at, N_SERVERS, &ops, world);
	world->fetch.q = (struct question){.type = KNOT_RRTYPE_A, .class = KNOT_CLASS_IN};
	assert_int_equal(question_set_name(&world->fetch.q, "www.some-name.example."), 0);
	*state = world;
	return world->u ? 0 : -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	upstreams_free(w->u);
	for (unsigned int i = 0; i < N_SERVERS; i++) {
		(void)close(w->servers[i].tcp.fd);
		(void)close(w->servers[i].udp.fd);
	}
	loop_fini(&w->loop);
	free(w->answer);
	free(w);
	return 0;
}

/* Asks, and returns the rcode; -1: there was no answer. */
static int ask(struct world *w)
{
	free(w->answer);
	w->answer = NULL;
	w->done = false;
	w->loop.stop = false;
	w->loop.now_ms = clock_ms();
	assert_int_equal(upstreams_ask(w->u, &w->fetch), 0);
	wheel_arm(&w->loop.wheel, &w->limit, w->loop.now_ms + TEST_MS);
	assert_int_equal(loop_run(&w->loop), 0);
	wheel_disarm(&w->loop.wheel, &w->limit);
	assert_true(w->done);
	return w->answer ? w->answer->rcode : -1;
}

static void all_say(struct world *w, say_fn say, say_fn say_tcp)
{
	for (unsigned int i = 0; i < N_SERVERS; i++) {
		w->servers[i].say = say;
		w->servers[i].say_tcp = say_tcp;
	}
}

/* The question as an answer with that rcode. */
static size_t echo(const uint8_t *in, size_t len, uint8_t *out, uint8_t rcode)
{
	size_t end = DNS_HEADER_BYTES + knot_dname_size(in + DNS_HEADER_BYTES) + 4;

	(void)len;
	memcpy(out, in, end);
	knot_wire_set_qr(out);
	knot_wire_set_rcode(out, rcode);
	knot_wire_set_arcount(out, 0);
	return end;
}

static size_t add_address(uint8_t *out, size_t len)
{
	static const uint8_t rr[] = "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1";

	memcpy(out + len, rr, sizeof(rr) - 1);
	knot_wire_set_ancount(out, 1);
	return len + sizeof(rr) - 1;
}

static size_t add_opt(uint8_t *out, size_t len, uint8_t ext_rcode, const void *data, uint16_t size)
{
	const uint8_t opt[] =
		{0, 0, 41, 4, 0xd0, ext_rcode, 0, 0, 0, (uint8_t)(size >> 8), (uint8_t)size};

	memcpy(out + len, opt, sizeof(opt));
	memcpy(out + len + sizeof(opt), data, size);
	knot_wire_set_arcount(out, 1);
	return len + sizeof(opt) + size;
}

static size_t say_address(struct server *s, const uint8_t *in, size_t len, uint8_t *out)
{
	(void)s;
	return add_address(out, echo(in, len, out, 0));
}

static size_t say_servfail(struct server *s, const uint8_t *in, size_t len, uint8_t *out)
{
	(void)s;
	return echo(in, len, out, KNOT_RCODE_SERVFAIL);
}

static size_t say_bogus(struct server *s, const uint8_t *in, size_t len, uint8_t *out)
{
	(void)s;
	return add_opt(out, echo(in, len, out, KNOT_RCODE_SERVFAIL), 0, "\0\x0f\0\2\0\6", 6);
}

static size_t say_garbage(struct server *s, const uint8_t *in, size_t len, uint8_t *out)
{
	(void)s;
	len = echo(in, len, out, 0);
	knot_wire_set_ancount(out, 7);
	return len;
}

static size_t say_truncated(struct server *s, const uint8_t *in, size_t len, uint8_t *out)
{
	(void)s;
	len = echo(in, len, out, 0);
	knot_wire_set_tc(out);
	return len;
}

static size_t say_lower_case(struct server *s, const uint8_t *in, size_t len, uint8_t *out)
{
	len = say_address(s, in, len, out);
	knot_dname_to_lower(out + DNS_HEADER_BYTES);
	return len;
}

static size_t say_formerr_to_edns(struct server *s, const uint8_t *in, size_t len, uint8_t *out)
{
	return s->edns ? echo(in, len, out, KNOT_RCODE_FORMERR) : say_address(s, in, len, out);
}

static void ids_ports_and_case_cannot_be_guessed(void **state)
{
	struct world *w = *state;
	struct server *s = &w->servers[0];
	unsigned int n_same = 0, n_ports = 0;

	all_say(w, say_address, NULL);
	w->servers[1].say = NULL;
	for (unsigned int i = 0; i < N_SEEN; i++) {
		assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
		assert_int_equal(w->answer->n_data, 1);
	}
	for (unsigned int i = 1; i < s->n_udp && i < N_SEEN; i++) {
		bool seen = false;

		n_same += s->ids[i] == s->ids[i - 1] || s->ids[i] == s->ids[i - 1] + 1;
		for (unsigned int j = 0; j < i && !seen; j++) {
			seen = s->ports[i] == s->ports[j];
		}
		n_ports += !seen;
	}
	assert_true(n_same < 10);
	/* a socket is not asked by more than UPSTREAM_REUSE times */
	assert_true(n_ports + 1 >= N_SEEN / UPSTREAM_REUSE);
	/* about half of 18 letters a question */
	assert_in_range(s->n_upper / s->n_udp, 7, 11);
}

/* An alias whose name is compressed against the question's, behind its first label. */
static size_t say_alias(struct server *s, const uint8_t *in, size_t len, uint8_t *out)
{
	static const uint8_t rr[] = "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1b\xc0\x10";

	(void)s;
	len = echo(in, len, out, 0);
	memcpy(out + len, rr, sizeof(rr) - 1);
	knot_wire_set_ancount(out, 1);
	return len + sizeof(rr) - 1;
}

static void the_case_asked_in_is_not_told(void **state)
{
	struct world *w = *state;
	const uint8_t *bytes;

	all_say(w, say_alias, NULL);
	for (unsigned int i = 0; i < 8; i++) {
		assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
		assert_int_equal(w->answer->n_chain, 1);
		bytes = answer_bytes(w->answer);
		for (size_t k = 0; k < w->answer->len; k++) {
			assert_false(bytes[k] >= 'A' && bytes[k] <= 'Z');
		}
		assert_int_equal(bytes[0], 0xc0); /* the question's name */
	}
}

static size_t say_foreign_then_address(struct server *s, const uint8_t *in, size_t len,
				       uint8_t *out)
{
	struct sockaddr_storage sa;
	struct endpoint to = {.port = s->ports[(s->n_udp - 1) % N_SEEN]};
	socklen_t sa_len;
	size_t n;

	assert_int_equal(addr_parse(str_from("127.0.0.1"), &to.addr), 0);
	sa_len = endpoint_to_sockaddr(&to, false, &sa);
	for (unsigned int i = 0; i < 6; i++) {
		n = say_address(s, in, len, out);
		switch (i) {
		case 0:
			knot_wire_set_id(out, (uint16_t)(knot_wire_get_id(in) + 1));
			break;
		case 1:
			out[DNS_HEADER_BYTES + 1] ^= 1; /* another name */
			break;
		case 2:
			out[n - 16 - 3] = 2; /* another type */
			break;
		case 3:
			out[n - 16 - 1] = 3; /* another class */
			break;
		case 4:
			knot_wire_clear_qr(out);
			break;
		case 5:
			n = DNS_HEADER_BYTES - 1;
			break;
		}
		assert_int_equal(sendto(s->udp.fd, out, n, 0, (struct sockaddr *)&sa, sa_len), n);
	}
	return say_address(s, in, len, out);
}

static void what_answers_nothing_asked_is_ignored(void **state)
{
	struct world *w = *state;

	w->servers[0].say = say_foreign_then_address;
	w->servers[1].say = say_servfail;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[0].n_udp, 1);
	assert_int_equal(upstreams_stats(w->u, 0)->n_foreign, 6);
}

static void truncated_is_asked_again_by_tcp(void **state)
{
	struct world *w = *state;

	all_say(w, say_truncated, say_address);
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->answer->n_data, 1);
	assert_int_equal(w->servers[0].n_tcp + w->servers[1].n_tcp, 1);
}

static void other_case_is_asked_again_by_tcp(void **state)
{
	struct world *w = *state;

	all_say(w, say_lower_case, say_lower_case);
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[0].n_tcp + w->servers[1].n_tcp, 1);
}

static void who_changes_case_and_has_no_tcp_is_asked_in_lower_case(void **state)
{
	struct world *w = *state;
	struct server *s = &w->servers[0];

	s->say = say_lower_case;
	(void)ask(w);
	assert_int_equal(s->n_tcp, 1);
	assert_true(s->n_upper > 0);
	s->n_upper = 0;
	w->servers[1].say = say_servfail;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(s->n_tcp, 1);
	assert_int_equal(s->n_upper, 0);
}

static void one_answer_in_another_case_does_not_end_it_where_it_was_kept(void **state)
{
	struct world *w = *state;
	struct server *s = &w->servers[0];

	s->say = say_address;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	s->say = say_lower_case; /* perhaps somebody else, who does not know it */
	w->servers[1].say = say_servfail;
	assert_int_equal(ask(w), KNOT_RCODE_SERVFAIL);
	assert_int_equal(s->n_tcp, 1);
	s->n_upper = 0;
	s->say = say_address;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_true(s->n_upper > 0);
}

static void broken_tcp_is_a_failed_try(void **state)
{
	struct world *w = *state;

	w->servers[0].say = say_truncated;
	w->servers[1].say = say_address;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[0].n_tcp, 1);
	assert_int_equal(w->servers[1].n_udp, 1);
}

/* As many addresses as go into the longest message. */
static size_t say_very_much(struct server *s, const uint8_t *in, size_t len, uint8_t *out)
{
	unsigned int n = 0;

	(void)s;
	for (len = echo(in, len, out, 0); len + 16 <= LONGEST; n++) {
		len = add_address(out, len);
		knot_wire_write_u16(out + len - 2, (uint16_t)n);
	}
	knot_wire_set_ancount(out, (uint16_t)n);
	return len;
}

static void the_longest_message_is_read(void **state)
{
	struct world *w = *state;

	all_say(w, say_truncated, say_very_much);
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_true(w->answer->n_data > 4000);
}

static void what_dribbles_does_not_hold_anybody_up(void **state)
{
	struct world *w = *state;
	uint64_t before_ms = clock_ms();

	w->servers[0].say = say_truncated;
	w->servers[0].dribbles = true;
	assert_int_equal(ask(w), -1);
	assert_true(clock_ms() - before_ms < UPSTREAM_TOTAL_MS + 1000);
	assert_int_equal(w->servers[1].n_udp, 1);
	loop_close(&w->loop, &w->servers[0].accepted);
}

static void what_dribbles_leaves_time_for_another(void **state)
{
	struct world *w = *state;

	w->servers[0].say = say_truncated;
	w->servers[0].dribbles = true;
	w->servers[1].say = say_address;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[0].n_tcp, 1);
	loop_close(&w->loop, &w->servers[0].accepted);
}

static void silent_one_is_asked_last(void **state)
{
	struct world *w = *state;

	w->servers[1].say = say_address;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[0].n_udp, 1);
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	}
	assert_true(w->servers[1].n_udp >= 21);
	assert_true(w->servers[0].n_udp <= 3); /* but for a probe now and then */
}

static void all_silent_is_no_answer_in_time(void **state)
{
	struct world *w = *state;
	uint64_t before_ms = clock_ms();

	assert_int_equal(ask(w), -1);
	assert_true(clock_ms() - before_ms < UPSTREAM_TOTAL_MS + 1000);
	assert_true(w->servers[0].n_udp > 0 && w->servers[1].n_udp > 0);
}

static void failure_of_one_is_asked_of_another(void **state)
{
	struct world *w = *state;

	w->servers[0].say = say_servfail;
	w->servers[1].say = say_address;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	w->servers[1].say = say_servfail;
	assert_int_equal(ask(w), KNOT_RCODE_SERVFAIL);
}

static void bogus_is_asked_of_nobody_else(void **state)
{
	struct world *w = *state;
	unsigned int n;

	all_say(w, say_bogus, NULL);
	assert_int_equal(ask(w), KNOT_RCODE_SERVFAIL);
	assert_int_equal(w->answer->ede, KNOT_EDNS_EDE_BOGUS);
	n = w->servers[0].n_udp + w->servers[1].n_udp;
	assert_int_equal(n, 1);
}

static void garbage_is_a_failed_try(void **state)
{
	struct world *w = *state;

	w->servers[0].say = say_garbage;
	w->servers[1].say = say_address;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[0].n_udp, 1);
	assert_int_equal(w->servers[1].n_udp, 1);
}

static size_t say_loop(struct server *s, const uint8_t *in, size_t len, uint8_t *out)
{
	static const uint8_t rr[] = "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\2\xc0\x0c";

	(void)s;
	len = echo(in, len, out, 0);
	memcpy(out + len, rr, sizeof(rr) - 1);
	knot_wire_set_ancount(out, 1);
	return len + sizeof(rr) - 1;
}

/* A zone whose names lead in a ring does not make its server seem to be away. */
static void what_a_zone_holds_is_no_silence(void **state)
{
	struct world *w = *state;

	w->servers[0].say = say_loop;
	w->servers[1].say = say_garbage;
	assert_int_equal(ask(w), KNOT_RCODE_SERVFAIL);
	assert_int_equal(w->answer->ede, KNOT_EDNS_EDE_INV_DATA);
	for (unsigned int i = 0; i < N_SERVERS; i++) {
		assert_int_equal(w->servers[i].n_udp, 1);
		assert_int_equal(upstreams_stats(w->u, i)->n_answers, 1);
		assert_int_equal(upstreams_stats(w->u, i)->n_timeouts, 0);
	}
}

static void without_edns_for_who_does_not_know_it(void **state)
{
	struct world *w = *state;

	all_say(w, say_formerr_to_edns, NULL);
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[0].n_udp, 2);
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_true(w->servers[0].n_udp + w->servers[1].n_udp <= 4);
}

static size_t say_formerr_with_opt(struct server *s, const uint8_t *in, size_t len, uint8_t *out)
{
	(void)s;
	return add_opt(out, echo(in, len, out, KNOT_RCODE_FORMERR), 0, "", 0);
}

static void who_says_formerr_by_edns_knows_it(void **state)
{
	struct world *w = *state;

	all_say(w, say_formerr_with_opt, NULL);
	assert_int_equal(ask(w), KNOT_RCODE_FORMERR);
	assert_int_equal(w->servers[0].n_udp + w->servers[1].n_udp, 2);
	assert_int_equal(ask(w), KNOT_RCODE_FORMERR);
	assert_true(w->servers[0].edns && w->servers[1].edns);
}

static size_t add_cookie(struct server *s, uint8_t *out, size_t len, uint8_t ext_rcode)
{
	uint8_t option[4 + 16] = {0, 10, 0, 16};

	memcpy(option + 4, s->cookie, 8);
	memcpy(option + 12, "SERVERCK", 8);
	return add_opt(out, len, ext_rcode, option, sizeof(option));
}

static size_t say_with_cookie(struct server *s, const uint8_t *in, size_t len, uint8_t *out)
{
	return add_cookie(s, out, say_address(s, in, len, out), 0);
}

static size_t say_badcookie_once(struct server *s, const uint8_t *in, size_t len, uint8_t *out)
{
	if (s->cookie_len == 16) {
		return say_with_cookie(s, in, len, out);
	}
	return add_cookie(s, out, echo(in, len, out, KNOT_RCODE_BADCOOKIE & 0xf),
			  KNOT_RCODE_BADCOOKIE >> 4);
}

/* The first server has sent its cookie, the second one only fails. */
static void learn_cookie(struct world *w)
{
	w->servers[0].say = say_with_cookie;
	w->servers[1].say = say_servfail;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[0].cookie_len, 8);
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[0].cookie_len, 16);
	assert_memory_equal(w->servers[0].cookie + 8, "SERVERCK", 8);
}

static size_t say_foreign_cookie(struct server *s, const uint8_t *in, size_t len, uint8_t *out)
{
	s->cookie[0] ^= 1;
	return say_with_cookie(s, in, len, out);
}

static void cookie_is_sent_back_and_wanted_from_then_on(void **state)
{
	struct world *w = *state;

	learn_cookie(w);
	w->servers[0].say = say_address; /* as one who does not know it would */
	assert_int_equal(ask(w), KNOT_RCODE_SERVFAIL);
	assert_int_equal(w->servers[0].n_tcp, 1); /* where nobody is */
	w->servers[0].say = say_foreign_cookie;
	assert_int_equal(ask(w), KNOT_RCODE_SERVFAIL);
	assert_true(upstreams_stats(w->u, 0)->n_foreign >= 1);
}

static void who_gives_up_cookies_is_heard_by_tcp_and_then_without(void **state)
{
	struct world *w = *state;

	learn_cookie(w);
	w->servers[0].say = say_address;
	w->servers[0].say_tcp = say_address;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[0].n_tcp, 1);
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[0].n_tcp, 1);
	assert_int_equal(w->servers[0].cookie_len, 8);
}

static void who_gives_up_cookies_and_has_no_tcp_is_heard_without(void **state)
{
	struct world *w = *state;

	learn_cookie(w);
	w->servers[0].say = say_address; /* and by TCP nothing */
	(void)ask(w);
	assert_int_equal(w->servers[0].n_tcp, 1);
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[0].n_tcp, 1);
	w->servers[0].say = say_with_cookie; /* once it has them again, they are wanted again */
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	w->servers[0].say = say_address;
	(void)ask(w);
	assert_int_equal(w->servers[0].n_tcp, 2);
}

static void who_does_not_know_edns_any_more_needs_no_cookie(void **state)
{
	struct world *w = *state;

	learn_cookie(w);
	w->servers[0].say = say_formerr_to_edns;
	w->servers[0].say_tcp = say_formerr_to_edns;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[0].n_tcp, 1);
	assert_false(w->servers[0].edns);
}

static void badcookie_is_asked_again_with_the_new_one(void **state)
{
	struct world *w = *state;

	w->servers[0].say = say_badcookie_once;
	w->servers[1].say = say_servfail;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[0].n_udp, 2);
}

static size_t say_badcookie(struct server *s, const uint8_t *in, size_t len, uint8_t *out)
{
	return add_cookie(s, out, echo(in, len, out, KNOT_RCODE_BADCOOKIE & 0xf),
			  KNOT_RCODE_BADCOOKIE >> 4);
}

static void badcookie_twice_is_asked_again_by_tcp(void **state)
{
	struct world *w = *state;

	w->servers[0].say = say_badcookie;
	w->servers[0].say_tcp = say_with_cookie;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[0].n_udp, 2);
	assert_int_equal(w->servers[0].n_tcp, 1);
	w->servers[0].say_tcp = say_badcookie; /* nobody has to listen to that for ever */
	w->servers[1].say = say_address;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[1].n_udp, 1);
}

/* Upstreams anew: n that there is no way to (a socket may not be connected to all), then
 * servers[0]. */
static void with_no_way_to(struct world *w, unsigned int n)
{
	static const struct upstreams_ops ops = {.done = on_done};
	struct endpoint at[UPSTREAMS_MAX];

	for (unsigned int i = 0; i < n; i++) {
		at[i].port = 53;
		assert_int_equal(addr_parse(str_from("255.255.255.255"), &at[i].addr), 0);
	}
	at[n] = w->servers[0].at;
	upstreams_free(w->u);
	w->u = upstreams_new(&w->loop, at, n + 1, &ops, w);
	assert_non_null(w->u);
}

static void who_there_is_no_way_to_costs_no_try(void **state)
{
	struct world *w = *state;

	with_no_way_to(w, UPSTREAM_TRIES);
	w->servers[0].say = say_address;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	for (unsigned int i = 0; i < UPSTREAM_TRIES; i++) {
		assert_int_equal(upstreams_stats(w->u, i)->n_timeouts, 1);
		assert_int_equal(upstreams_stats(w->u, i)->n_sent, 0);
	}
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	}
	assert_true(upstreams_stats(w->u, 0)->n_timeouts < 10); /* it is not the best one */
}

static size_t say_address_the_third_time(struct server *s, const uint8_t *in, size_t len,
					 uint8_t *out)
{
	return s->n_udp == 3 ? say_address(s, in, len, out) : 0;
}

static void who_is_alone_is_asked_again(void **state)
{
	struct world *w = *state;

	with_no_way_to(w, 1);
	w->servers[0].say = say_address_the_third_time;
	assert_int_equal(ask(w), KNOT_RCODE_NOERROR);
	assert_int_equal(w->servers[0].n_udp, 3);
}

static void what_is_under_way_may_be_abandoned(void **state)
{
	struct world *w = *state;

	w->loop.now_ms = clock_ms();
	assert_int_equal(upstreams_ask(w->u, &w->fetch), 0); /* teardown frees it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ids_ports_and_case_cannot_be_guessed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_case_asked_in_is_not_told, setup, teardown),
		cmocka_unit_test_setup_teardown(what_answers_nothing_asked_is_ignored, setup,
						teardown),
		cmocka_unit_test_setup_teardown(truncated_is_asked_again_by_tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(other_case_is_asked_again_by_tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(
			who_changes_case_and_has_no_tcp_is_asked_in_lower_case, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_answer_in_another_case_does_not_end_it_where_it_was_kept, setup,
			teardown),
		cmocka_unit_test_setup_teardown(broken_tcp_is_a_failed_try, setup, teardown),
		cmocka_unit_test_setup_teardown(the_longest_message_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(what_dribbles_does_not_hold_anybody_up, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_dribbles_leaves_time_for_another, setup,
						teardown),
		cmocka_unit_test_setup_teardown(silent_one_is_asked_last, setup, teardown),
		cmocka_unit_test_setup_teardown(all_silent_is_no_answer_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(failure_of_one_is_asked_of_another, setup,
						teardown),
		cmocka_unit_test_setup_teardown(bogus_is_asked_of_nobody_else, setup, teardown),
		cmocka_unit_test_setup_teardown(garbage_is_a_failed_try, setup, teardown),
		cmocka_unit_test_setup_teardown(without_edns_for_who_does_not_know_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(cookie_is_sent_back_and_wanted_from_then_on, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			who_gives_up_cookies_is_heard_by_tcp_and_then_without, setup, teardown),
		cmocka_unit_test_setup_teardown(
			who_gives_up_cookies_and_has_no_tcp_is_heard_without, setup, teardown),
		cmocka_unit_test_setup_teardown(badcookie_twice_is_asked_again_by_tcp, setup,
						teardown),
		cmocka_unit_test_setup_teardown(who_does_not_know_edns_any_more_needs_no_cookie,
						setup, teardown),
		cmocka_unit_test_setup_teardown(who_says_formerr_by_edns_knows_it, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_zone_holds_is_no_silence, setup, teardown),
		cmocka_unit_test_setup_teardown(who_there_is_no_way_to_costs_no_try, setup,
						teardown),
		cmocka_unit_test_setup_teardown(who_is_alone_is_asked_again, setup, teardown),
		cmocka_unit_test_setup_teardown(badcookie_is_asked_again_with_the_new_one, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_under_way_may_be_abandoned, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
