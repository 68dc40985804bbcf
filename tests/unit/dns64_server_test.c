/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A worker of DNS64 over its channel and real sockets on loopback: this process is its control, its
 * clients and its upstream. It runs in a process of its own, without the sandbox, which needs root
 * to be whole; tests/net has that.
 */
#include "dns64/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/model/tenant.h"
#include "worker/stream.h"

#define WAIT_MS   10000
#define SILENT_MS 300
#define SLOT      7 /* counters of the tenant */
#define LISTENERS 2 /* ids 1 and 2: UDP and TCP */

enum {
	TYPE_A = 1,
	TYPE_AAAA = 28,
	RCODE_FORMERR = 1,
	RCODE_NOTIMP = 4,
	RCODE_REFUSED = 5,
};

struct fixture {
	pid_t pid;
	struct channel channel;
	struct counters *counters, *others;
	int listening[LISTENERS];
	int udp, upstream; /* ours: a client, and the one the worker asks */
	uint16_t port;     /* of the worker */
	uint64_t serial;
};

struct dgram {
	uint8_t bytes[65535 + 2];
	size_t len;
};

static bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

/* -1: somebody has that port. */
static int bound(int family, int type, uint16_t *port)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(*port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr *sa = family == AF_INET6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
	socklen_t len = family == AF_INET6 ? sizeof(v6) : sizeof(v4);
	int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	assert_true(fd >= 0);
	if (family == AF_INET6 && type == SOCK_DGRAM) {
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)),
				 0);
	}
	if (bind(fd, sa, len) < 0) {
		close(fd);
		return -1;
	}
	assert_int_equal(getsockname(fd, sa, &len), 0);
	*port = ntohs(family == AF_INET6 ? v6.sin6_port : v4.sin_port);
	return fd;
}

static int connected(const struct fixture *f, int type)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6,
				  .sin6_port = htons(f->port),
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* The worker's process. */
static void run_worker(int fd, uint16_t upstream_port, uint32_t idle_ms)
{
	struct dns_worker *w = calloc(1, sizeof(*w));
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	struct err err;
	int status = 99;

	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
		(void)signal(fatal[i], SIG_DFL); /* cmocka's would go on with the tests in here */
	}
	if (w && dns_worker_init(w, &err) == 0) {
		w->upstream_port = upstream_port;
		w->tcp_idle_ms = idle_ms;
		status = link_open(&w->link, fd, &err) == 0 ? dns_worker_run(w) : 98;
		dns_worker_fini(w);
	}
	free(w);
	exit(status);
}

static void answered(struct fixture *f, enum message type)
{
	struct channel_msg msg;
	int rc;

	while ((rc = channel_recv(&f->channel, &msg)) == 0) {
		assert_true(readable(f->channel.fd, WAIT_MS));
	}
	assert_int_equal(rc, 1);
	assert_int_equal(msg.type, type);
}

static void order_fds(struct fixture *f, enum message type, uint32_t id, const struct buf *data,
		      const int *fds, size_t n_fds)
{
	struct channel_msg msg = {.type = (uint16_t)type, .id = id, .serial = ++f->serial};

	if (data) {
		msg.data = data->data;
		msg.len = data->len;
	}
	for (; msg.n_fds < n_fds; msg.n_fds++) {
		msg.fds[msg.n_fds] = fds[msg.n_fds];
	}
	assert_int_equal(channel_send(&f->channel, &msg), 0);
	answered(f, MSG_ACK);
}

static void order(struct fixture *f, enum message type, uint32_t id, const struct buf *data)
{
	order_fds(f, type, id, data, NULL, 0);
}

/* Of itself, and of another worker, which is this process. */
static void give_counters(struct fixture *f)
{
	struct err err;
	int fds[3];

	fds[0] = counters_create(&err);
	assert_true(fds[0] >= 0);
	fds[1] = counters_reopen_readonly(fds[0], &err);
	assert_true(fds[1] >= 0);
	fds[2] = counters_create(&err);
	assert_true(fds[2] >= 0);
	assert_int_equal(counters_map(fds[0], 1, &f->counters, &err), 0);
	assert_int_equal(counters_map(fds[2], 1, &f->others, &err), 0);
	order_fds(f, MSG_COUNTERS, 0, NULL, fds, 3);
	for (size_t i = 0; i < 3; i++) {
		close(fds[i]);
	}
}

static void give_node_with(struct fixture *f, const char *upstream, uint64_t cache_bytes)
{
	struct addr server;
	struct node_conf node = {.name = "exit1",
				 .dns64.on = true,
				 .dns64.cache_bytes = cache_bytes,
				 .nat64.on = true};
	struct buf data;
	struct err err;

	assert_int_equal(addr_parse(str_from(upstream), &server), 0);
	assert_int_equal(prefix_parse(str_from("2001:db8:64::/96"), &node.nat64.prefix, &err), 0);
	node.dns64.upstream = &server;
	node.dns64.n_upstream = 1;
	buf_init(&data, 65536);
	node_conf_pack(&node, &data);
	order(f, MSG_NODE, 1, &data);
	buf_fini(&data);
}

static void give_node(struct fixture *f, const char *upstream)
{
	give_node_with(f, upstream, NODE_DNS64_CACHE_DEFAULT);
}

/* rate: queries a second; 0: as the node says, which is any. */
static void give_tenant_with(struct fixture *f, const char *prefix, uint32_t rate)
{
	struct tenant_conf conf = {.name = "acme",
				   .serial = 1,
				   .slot = SLOT,
				   .dns64.queries_per_second = rate};
	struct prefix p;
	struct buf data;
	struct err err;

	assert_int_equal(prefix_parse(str_from(prefix), &p, &err), 0);
	conf.prefixes = &p;
	conf.n_prefixes = 1;
	buf_init(&data, 65536);
	tenant_conf_pack(&conf, &data);
	order(f, MSG_TENANT, 2, &data);
	buf_fini(&data);
}

/* The client here is a tenant, or (prefix is another one) not. */
static void give_tenant(struct fixture *f, const char *prefix)
{
	give_tenant_with(f, prefix, 0);
}

static void give_listeners(struct fixture *f)
{
	static const enum protocol protocols[LISTENERS] = {PROTOCOL_UDP, PROTOCOL_TCP};

	for (unsigned int i = 0; i < LISTENERS; i++) {
		struct listener_msg listener = {.local.port = f->port, .protocol = protocols[i]};
		struct buf data;

		buf_init(&data, 4096);
		listener_msg_pack(&listener, &data);
		order_fds(f, MSG_LISTENER, i + 1, &data, &f->listening[i], 1);
		buf_fini(&data);
	}
}

static int start(void **state, uint32_t idle_ms)
{
	struct fixture *f = calloc(1, sizeof(*f));
	uint16_t upstream_port = 0;
	struct err err;
	int fds[2];

	f->upstream = bound(AF_INET, SOCK_DGRAM, &upstream_port);
	f->listening[1] = -1;
	while (f->listening[1] < 0) {
		f->port = 0;
		f->listening[0] = bound(AF_INET6, SOCK_DGRAM, &f->port);
		f->listening[1] = bound(AF_INET6, SOCK_STREAM, &f->port);
		if (f->listening[1] < 0) {
			close(f->listening[0]);
		}
	}
	assert_int_equal(listen(f->listening[1], 256), 0);
	assert_int_equal(channel_pair(fds, &err), 0);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (f->pid == 0) {
		close(fds[0]);
		run_worker(fds[1], upstream_port, idle_ms);
	}
	close(fds[1]);
	assert_int_equal(channel_init(&f->channel, fds[0]), 0);
	answered(f, MSG_HELLO);
	give_counters(f);
	order(f, MSG_BEGIN, 0, NULL);
	give_node(f, "127.0.0.1");
	give_tenant(f, "::/40");
	order(f, MSG_END, 0, NULL);
	give_listeners(f);
	f->udp = connected(f, SOCK_DGRAM);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return start(state, SILENT_MS);
}

/* Clients may be silent for longer than any test takes. */
static int setup_patient(void **state)
{
	return start(state, 100 * WAIT_MS);
}

static int wait_exit(struct fixture *f)
{
	int status;

	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	f->pid = 0;
	return status;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct channel_msg quit = {.type = MSG_QUIT};

	if (f->pid > 0) {
		assert_int_equal(channel_send(&f->channel, &quit), 0);
		assert_int_equal(wait_exit(f), 0);
	}
	channel_fini(&f->channel);
	counters_unmap(f->counters);
	counters_unmap(f->others);
	close(f->listening[0]);
	close(f->listening[1]);
	close(f->udp);
	close(f->upstream);
	free(f);
	return 0;
}

static void put(struct dgram *m, const void *bytes, size_t len)
{
	assert_true(m->len + len <= sizeof(m->bytes));
	memcpy(m->bytes + m->len, bytes, len);
	m->len += len;
}

static void put_u16(struct dgram *m, unsigned int v)
{
	const uint8_t bytes[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	put(m, bytes, sizeof(bytes));
}

/* Appends a query; name is of one label, below example. */
static void put_query(struct dgram *m, unsigned int id, const char *label, unsigned int type)
{
	uint8_t len = (uint8_t)strlen(label);

	put_u16(m, id);
	put(m, "\1\0\0\1\0\0\0\0\0\0", 10); /* RD, one question */
	put(m, &len, 1);
	put(m, label, len);
	put(m, "\7example", 9);
	put_u16(m, type);
	put_u16(m, 1);
}

/* One that the worker answers by itself. */
static void put_local(struct dgram *m, unsigned int id)
{
	put_u16(m, id);
	put(m, "\1\0\0\1\0\0\0\0\0\0", 10);
	put(m, "\10ipv4only\4arpa", 15);
	put_u16(m, TYPE_AAAA);
	put_u16(m, 1);
}

static unsigned int u16_at(const struct dgram *m, size_t at)
{
	assert_true(m->len >= at + 2);
	return (unsigned int)m->bytes[at] << 8 | m->bytes[at + 1];
}

static unsigned int rcode(const struct dgram *m)
{
	return u16_at(m, 2) & 0xf;
}

static bool receive(int fd, struct dgram *m, int ms)
{
	ssize_t n = readable(fd, ms) ? recv(fd, m->bytes, sizeof(m->bytes), 0) : -1;

	m->len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static void ask_udp(const struct fixture *f, const struct dgram *query, struct dgram *answer)
{
	assert_int_equal(send(f->udp, query->bytes, query->len, 0), query->len);
	assert_true(receive(f->udp, answer, WAIT_MS));
}

/* As upstream: the next question is answered with n addresses 198.51.x.x, or of AAAA with none. */
static unsigned int play_upstream(const struct fixture *f, unsigned int n)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct dgram m;
	unsigned int type;
	size_t end;
	ssize_t got;

	assert_true(readable(f->upstream, WAIT_MS));
	got = recvfrom(f->upstream, m.bytes, sizeof(m.bytes), 0, (struct sockaddr *)&from, &len);
	assert_true(got > 12);
	m.len = (size_t)got;
	for (end = 12; m.bytes[end]; end += m.bytes[end] + 1u) {
	}
	type = u16_at(&m, end + 1);
	m.len = end + 5;
	m.bytes[2] |= 0x80;
	n = type == TYPE_A ? n : 0;
	m.bytes[7] = (uint8_t)n;
	m.bytes[6] = (uint8_t)(n >> 8);
	m.bytes[9] = n == 0;
	m.bytes[11] = 0; /* no OPT, no cookie */
	if (n == 0) {    /* for a minute */
		put(&m, "\xc0\x0c\0\6\0\1\0\0\0\74\0\26\0\0", 14);
		put(&m, "\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\74", 20);
	}
	for (unsigned int i = 0; i < n; i++) {
		const uint8_t address[4] = {198, 51, (uint8_t)(100 + i / 250),
					    (uint8_t)(i % 250 + 1)};

		put(&m, "\xc0\x0c\0\1\0\1\0\0\0\74\0\4", 12);
		put(&m, address, sizeof(address));
	}
	assert_int_equal(sendto(f->upstream, m.bytes, m.len, 0, (struct sockaddr *)&from, len),
			 m.len);
	return type;
}

/* An AAAA question goes to the upstream, then one for A. */
static void play_synthesis(const struct fixture *f, unsigned int n)
{
	assert_int_equal(play_upstream(f, n), TYPE_AAAA);
	assert_int_equal(play_upstream(f, n), TYPE_A);
}

static uint64_t counted(const struct fixture *f, enum worker_counter which)
{
	return atomic_load(&f->counters->worker[which]);
}

/* Of the tenant. */
static uint64_t counted_of(const struct fixture *f, enum counter which)
{
	return atomic_load(&f->counters->slots[SLOT].v[which]);
}

static void test_synthesised_then_from_cache(void **state)
{
	static const uint8_t address[16] = {0x20, 1, 0xd, 0xb8, 0, 0x64, [12] = 198, 51, 100, 1};
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, first, second;

	put_query(&query, 0x1234, "www", TYPE_AAAA);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	play_synthesis(f, 1);
	assert_true(receive(f->udp, &first, WAIT_MS));
	assert_int_equal(u16_at(&first, 0), 0x1234);
	assert_int_equal(rcode(&first), 0);
	assert_int_equal(u16_at(&first, 6), 1);
	assert_memory_equal(first.bytes + first.len - 16, address, 16);
	ask_udp(f, &query, &second);
	assert_int_equal(second.len, first.len);
	assert_int_equal(counted(f, WORKER_DNS_QUERIES), 2);
	assert_int_equal(counted(f, WORKER_DNS_ASKED), 2);
	assert_int_equal(counted_of(f, COUNTER_QUERIES), 2);
	assert_int_equal(counted_of(f, COUNTER_QUERIES_ASKED), 2);
	assert_int_equal(counted_of(f, COUNTER_QUERIES_CACHED), 1);
	assert_int_equal(counted_of(f, COUNTER_SYNTHESISED), 2);
	assert_int_equal(counted_of(f, COUNTER_NXDOMAIN), 0);
}

/* Its name is what NSID says, also of a query that has waited meanwhile (RFC 5001). */
static void test_nsid_outlives_a_new_node_config(void **state)
{
	static const uint8_t nsid[] = {0, 3, 0, 5, 'e', 'x', 'i', 't', '1'};
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer;

	put_query(&query, 7, "slow", TYPE_AAAA);
	query.bytes[11] = 1;
	put(&query, "\0\0\51\4\320\0\0\0\0\0\4\0\3\0\0", 15); /* OPT with an empty NSID */
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	assert_true(readable(f->upstream, WAIT_MS));
	for (unsigned int i = 0; i < 3; i++) {
		give_node(f, "127.0.0.1");
	}
	play_synthesis(f, 1);
	assert_true(receive(f->udp, &answer, WAIT_MS));
	assert_int_equal(u16_at(&answer, 6), 1);
	assert_non_null(memmem(answer.bytes, answer.len, nsid, sizeof(nsid)));
}

static void test_many_at_once_are_all_answered(void **state)
{
	struct fixture *f = *state;
	bool seen[200] = {false};
	struct dgram m;

	for (unsigned int i = 0; i < 200; i++) {
		m.len = 0;
		put_local(&m, i);
		assert_int_equal(send(f->udp, m.bytes, m.len, 0), m.len);
	}
	for (unsigned int i = 0; i < 200; i++) {
		assert_true(receive(f->udp, &m, WAIT_MS));
		assert_true(u16_at(&m, 0) < 200 && !seen[u16_at(&m, 0)]);
		seen[u16_at(&m, 0)] = true;
	}
}

static void test_too_big_for_udp_has_tc_and_comes_by_tcp(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer, stream = {.len = 0};
	int fd;

	put_query(&query, 1, "big", TYPE_AAAA);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	play_synthesis(f, 60);
	assert_true(receive(f->udp, &answer, WAIT_MS));
	assert_true(u16_at(&answer, 2) & 0x0200);
	assert_int_equal(u16_at(&answer, 6), 0);
	assert_true(answer.len <= 512);
	fd = connected(f, SOCK_STREAM);
	put_u16(&stream, (unsigned int)query.len);
	put(&stream, query.bytes, query.len);
	assert_int_equal(send(fd, stream.bytes, stream.len, 0), stream.len);
	answer.len = 0;
	assert_int_equal(recv(fd, answer.bytes, 2, MSG_WAITALL), 2);
	answer.len = 2;
	answer.len = u16_at(&answer, 0);
	assert_int_equal(recv(fd, answer.bytes, answer.len, MSG_WAITALL), answer.len);
	assert_false(u16_at(&answer, 2) & 0x0200);
	assert_int_equal(u16_at(&answer, 6), 60);
	close(fd);
}

/* Reads the next answer of a connection. Returns its id. */
static unsigned int next_id(int fd)
{
	struct dgram m;

	assert_true(readable(fd, WAIT_MS));
	assert_int_equal(recv(fd, m.bytes, 2, MSG_WAITALL), 2);
	m.len = 2;
	m.len = u16_at(&m, 0);
	assert_int_equal(recv(fd, m.bytes, m.len, MSG_WAITALL), m.len);
	return u16_at(&m, 0);
}

static void put_stream(struct dgram *stream, const struct dgram *query)
{
	put_u16(stream, (unsigned int)query->len);
	put(stream, query->bytes, query->len);
}

static void test_tcp_pipeline_is_answered_out_of_order(void **state)
{
	struct fixture *f = *state;
	struct dgram stream = {.len = 0}, query;
	bool seen[20] = {false};
	int fd = connected(f, SOCK_STREAM);

	query.len = 0;
	put_query(&query, 0, "slow", TYPE_AAAA);
	put_stream(&stream, &query);
	for (unsigned int i = 1; i < 20; i++) {
		query.len = 0;
		put_local(&query, i);
		put_stream(&stream, &query);
	}
	assert_int_equal(send(fd, stream.bytes, stream.len, 0), stream.len);
	for (unsigned int i = 1; i < 20; i++) {
		unsigned int id = next_id(fd);

		assert_true(id > 0 && id < 20 && !seen[id]);
		seen[id] = true;
	}
	play_synthesis(f, 1);
	assert_int_equal(next_id(fd), 0);
	close(fd);
}

static void test_tcp_more_than_may_wait_are_all_answered(void **state)
{
	struct fixture *f = *state;
	struct dgram *stream = calloc(1, sizeof(*stream)), query;
	bool seen[300] = {false};
	int fd = connected(f, SOCK_STREAM);

	for (unsigned int i = 0; i < 300; i++) {
		query.len = 0;
		put_query(&query, i, "same", TYPE_AAAA);
		put_stream(stream, &query);
	}
	assert_int_equal(send(fd, stream->bytes, stream->len, 0), stream->len);
	play_synthesis(f, 1);
	for (unsigned int i = 0; i < 300; i++) {
		unsigned int id = next_id(fd);

		assert_true(id < 300 && !seen[id]);
		seen[id] = true;
	}
	close(fd);
	free(stream);
}

static void test_tcp_dribbled_and_joined(void **state)
{
	struct fixture *f = *state;
	struct dgram stream = {.len = 0}, query = {.len = 0};
	int fd = connected(f, SOCK_STREAM);
	size_t cut;

	put_local(&query, 1);
	put_stream(&stream, &query);
	cut = stream.len + 1; /* the first length byte of the second goes with the first query */
	query.len = 0;
	put_local(&query, 2);
	put_stream(&stream, &query);
	for (size_t i = 0; i + 1 < cut; i++) {
		assert_int_equal(send(fd, stream.bytes + i, 1, 0), 1);
	}
	assert_int_equal(next_id(fd), 1);
	assert_int_equal(send(fd, stream.bytes + cut - 1, stream.len - cut + 1, 0),
			 stream.len - cut + 1);
	assert_int_equal(next_id(fd), 2);
	close(fd);
}

static void expect_end(int fd)
{
	uint8_t byte;

	assert_true(readable(fd, WAIT_MS));
	assert_true(recv(fd, &byte, 1, 0) <= 0);
}

static void test_tcp_silent_and_slow_are_closed(void **state)
{
	struct fixture *f = *state;
	int silent = connected(f, SOCK_STREAM), slow = connected(f, SOCK_STREAM);
	unsigned int n = 0;

	/* a byte now and then does not keep it */
	while (n < 100 && !readable(slow, SILENT_MS / 10)) {
		(void)send(slow, "\0", n++ == 0 ? 1 : 0, MSG_NOSIGNAL);
	}
	assert_true(n < 100);
	expect_end(slow);
	expect_end(silent);
	close(silent);
	close(slow);
}

/* Answers to what was asked before it give a query no time (RFC 7766 6.2.3). */
static void test_tcp_dribbled_behind_others_is_closed(void **state)
{
	static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
	struct fixture *f = *state;
	struct dgram stream = {.len = 0}, query;
	int fd = connected(f, SOCK_STREAM);
	unsigned int n = 0;
	uint8_t byte;

	for (unsigned int i = 0; i < 10; i++) {
		query.len = 0;
		put_query(&query, i, names[i], TYPE_A);
		put_stream(&stream, &query);
	}
	put(&stream, "\0", 1);
	assert_int_equal(send(fd, stream.bytes, stream.len, 0), stream.len);
	while (n < 10 && !readable(fd, SILENT_MS / 4)) {
		(void)play_upstream(f, 1);
		assert_true(readable(fd, WAIT_MS));
		if (recv(fd, &byte, 1, MSG_PEEK) <= 0) {
			break;
		}
		(void)next_id(fd);
		n++;
	}
	assert_in_range(n, 1, 9);
	expect_end(fd);
	close(fd);
}

#define HOLDERS 60

/* With buffers of the kernel that hold little, what is not read is soon the worker's. */
static int connected_to_hold(const struct fixture *f)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6,
				  .sin6_port = htons(f->port),
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), little = 4096;

	assert_int_equal(setsockopt(f->listening[1], SOL_SOCKET, SO_SNDBUF, &little,
				    sizeof(little)),
			 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void wait_clients(const struct fixture *f, unsigned int least, unsigned int most)
{
	uint64_t n = counted(f, WORKER_DNS_CLIENTS);

	for (int ms = 0; ms < WAIT_MS && (n < least || n > most); ms += 10) {
		(void)poll(NULL, 0, 10);
		n = counted(f, WORKER_DNS_CLIENTS);
	}
	assert_in_range(n, least, most);
}

static void test_tcp_unread_answers_of_a_tenant_have_a_bound(void **state)
{
	struct fixture *f = *state;
	struct dgram *stream = calloc(1, sizeof(*stream)), query = {.len = 0}, answer;
	int fds[HOLDERS];

	put_query(&query, 1, "big", TYPE_AAAA);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	play_synthesis(f, 60);
	assert_true(receive(f->udp, &answer, WAIT_MS));
	for (unsigned int i = 0; i < 100; i++) { /* 180 KB of answers */
		put_stream(stream, &query);
	}
	for (size_t i = 0; i < HOLDERS; i++) {
		fds[i] = connected_to_hold(f);
	}
	wait_clients(f, HOLDERS, HOLDERS);
	for (size_t i = 0; i < HOLDERS; i++) {
		assert_int_equal(send(fds[i], stream->bytes, stream->len, 0), stream->len);
	}
	wait_clients(f, 24, 32); /* a quarter of all there is: 8 MiB, in blocks of 256 KiB */
	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(next_id(fds[0]), 1);
	}
	for (size_t i = 0; i < HOLDERS; i++) {
		close(fds[i]);
	}
	free(stream);
}

static void test_tcp_too_long_is_malformed_and_the_next_is_answered(void **state)
{
	struct fixture *f = *state;
	struct dgram *stream = calloc(1, sizeof(*stream)), query = {.len = 0};
	int fd = connected(f, SOCK_STREAM);

	put_u16(stream, 60000);
	put_query(stream, 7, "long", TYPE_AAAA);
	while (stream->len < 60002) {
		put(stream, "\0", 1);
	}
	put_local(&query, 8);
	put_stream(stream, &query);
	assert_int_equal(send(fd, stream->bytes, stream->len, 0), stream->len);
	assert_int_equal(next_id(fd), 7);
	assert_int_equal(next_id(fd), 8);
	assert_int_equal(counted(f, WORKER_DNS_MALFORMED), 1);
	close(fd);
	free(stream);
}

static void test_tcp_what_is_no_query_ends_the_connection(void **state)
{
	static const char *const texts[] = {"\0\0", "\0\5abcde", "GET / HTTP/1.0\r\n\r\n"};
	static const size_t lens[] = {2, 7, 18};
	struct fixture *f = *state;

	for (size_t i = 0; i < 3; i++) {
		int fd = connected(f, SOCK_STREAM);

		assert_int_equal(send(fd, texts[i], lens[i], 0), lens[i]);
		expect_end(fd);
		close(fd);
	}
}

static void test_tcp_more_connections_close_the_oldest_idle(void **state)
{
	struct fixture *f = *state;
	struct dgram stream = {.len = 0}, query = {.len = 0};
	int fds[140];

	put_local(&query, 3);
	put_stream(&stream, &query);
	for (size_t i = 0; i < 140; i++) {
		fds[i] = connected(f, SOCK_STREAM);
		assert_int_equal(send(fds[i], stream.bytes, stream.len, 0), stream.len);
		assert_int_equal(next_id(fds[i]), 3);
	}
	assert_int_equal(counted(f, WORKER_DNS_CLIENTS), 128);
	expect_end(fds[0]);
	for (size_t i = 0; i < 140; i++) {
		close(fds[i]);
	}
}

static void test_foreign_source_is_refused_at_a_rate(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer;
	unsigned int n = 0;

	give_tenant(f, "2001:db8:a000:1001::/64");
	put_local(&query, 9);
	ask_udp(f, &query, &answer);
	assert_int_equal(rcode(&answer), RCODE_REFUSED);
	/* one after the other, so that no queue loses any */
	for (unsigned int i = 0; i < 300; i++) {
		assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
		n += receive(f->udp, &answer, 10);
	}
	assert_in_range(n, 90, 290);
	assert_int_equal(counted(f, WORKER_DNS_FOREIGN), 301);
	assert_int_equal(counted(f, WORKER_DNS_QUERIES), 0);
}

/* With a zone, which is asked at IPv4 addresses. */
static void give_zone(struct fixture *f)
{
	static struct addr at = {.b = {[10] = 0xff, 0xff, 127, 0, 0, 1}};
	struct addr server = at;
	struct node_conf node = {.name = "exit1",
				 .nat64.on = true,
				 .dns64 = {.on = true,
					   .cache_bytes = NODE_DNS64_CACHE_DEFAULT,
					   .upstream = &server,
					   .n_upstream = 1,
					   .zone = "farm.example",
					   .zone_listen = &at,
					   .n_zone_listen = 1}};
	struct buf data;
	struct err err;

	assert_int_equal(prefix_parse(str_from("2001:db8:64::/96"), &node.nat64.prefix, &err), 0);
	buf_init(&data, 65536);
	node_conf_pack(&node, &data);
	order(f, MSG_NODE, 1, &data);
	buf_fini(&data);
}

/* A socket where the zone is asked, which the worker gets as listener id. Its port. */
static uint16_t give_zone_listener(struct fixture *f, uint32_t id, int type)
{
	struct listener_msg listener = {.local.addr.b = {[10] = 0xff, 0xff, 127, 0, 0, 1},
					.protocol =
						type == SOCK_DGRAM ? PROTOCOL_UDP : PROTOCOL_TCP,
					.zone = true};
	struct buf data;
	int fd = bound(AF_INET, type, &listener.local.port);

	assert_true(fd >= 0 && (type == SOCK_DGRAM || listen(fd, 256) == 0));
	buf_init(&data, 4096);
	listener_msg_pack(&listener, &data);
	order_fds(f, MSG_LISTENER, id, &data, &fd, 1);
	buf_fini(&data);
	close(fd);
	return listener.local.port;
}

static int connected_v4(uint16_t port, int type)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* A query for the zone's SOA with a cookie of len bytes. */
static void put_with_cookie(struct dgram *m, const uint8_t *cookie, uint8_t len)
{
	m->len = 0;
	put_u16(m, 7);
	put(m, "\0\0\0\1\0\0\0\0\0\1\4farm\7example\0\0\6\0\1", 28);
	put(m, "\0\0\51\4\320\0\0\0\0\0", 10);
	m->len--; /* the last of these is the first of the options' length */
	put_u16(m, 4u + len);
	put_u16(m, 10);
	put_u16(m, len);
	put(m, cookie, len);
}

/* The source's prefix is beyond its rate: who has our cookie is answered all the same. */
static void expect_cookie_to_help(int fd)
{
	uint8_t cookie[24] = "8 bytes!";
	struct dgram query, m;
	unsigned int n = 0;

	do { /* until one passes */
		put_with_cookie(&query, cookie, 8);
		assert_int_equal(send(fd, query.bytes, query.len, 0), query.len);
	} while (n++ < 10000 && !(receive(fd, &m, 100) && u16_at(&m, 10) == 1));
	memcpy(cookie, m.bytes + m.len - sizeof(cookie), sizeof(cookie));
	while (receive(fd, &m, 100)) {
		/* what is left of the flood */
	}
	put_with_cookie(&query, cookie, sizeof(cookie));
	for (n = 0; n < 200; n++) {
		assert_int_equal(send(fd, query.bytes, query.len, 0), query.len);
		assert_true(receive(fd, &m, WAIT_MS));
		assert_int_equal(u16_at(&m, 2), 0x8400); /* not cut short */
		assert_int_equal(u16_at(&m, 6), 1);
	}
	cookie[23] ^= 1; /* not ours any more */
	put_with_cookie(&query, cookie, sizeof(cookie));
	for (n = 0; n < 200; n++) {
		assert_int_equal(send(fd, query.bytes, query.len, 0), query.len);
		if (!receive(fd, &m, SILENT_MS) || u16_at(&m, 2) == 0x8600) {
			return;
		}
	}
	fail();
}

/* acme.farm.example is a name, and www.example none of the zone's. */
static void test_the_zone_is_answered_where_it_is_asked(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, foreign = {.len = 0}, m;
	int fd;

	give_zone(f);
	fd = connected_v4(give_zone_listener(f, 3, SOCK_DGRAM), SOCK_DGRAM);
	put_u16(&query, 7);
	put(&query, "\1\0\0\1\0\0\0\0\0\0\4acme\4farm\7example\0\0\1\0\1", 33);
	put_query(&foreign, 8, "www", TYPE_AAAA);
	assert_int_equal(send(fd, query.bytes, query.len, 0), query.len);
	assert_true(receive(fd, &m, WAIT_MS));
	assert_int_equal(u16_at(&m, 2), 0x8500); /* AA, RD as asked, no RA, NOERROR */
	assert_int_equal(u16_at(&m, 8), 1);      /* the SOA */
	assert_int_equal(send(fd, foreign.bytes, foreign.len, 0), foreign.len);
	assert_true(receive(fd, &m, WAIT_MS));
	assert_int_equal(u16_at(&m, 2), 0x8105);
	foreign.bytes[2] = 0x11; /* STATUS: an error, also without recursion */
	assert_int_equal(send(fd, foreign.bytes, foreign.len, 0), foreign.len);
	assert_true(receive(fd, &m, WAIT_MS));
	assert_int_equal(u16_at(&m, 2), 0x9104);
	assert_int_equal(counted(f, WORKER_DNS_ZONE), 3);
	assert_int_equal(counted(f, WORKER_DNS_QUERIES) + counted(f, WORKER_DNS_FOREIGN), 0);
	for (unsigned int i = 0; i < 1000; i++) { /* some are lost on the way, perhaps */
		assert_int_equal(send(fd, query.bytes, query.len, 0), query.len);
	}
	while (counted(f, WORKER_DNS_LIMITED) == 0) {
		assert_int_equal(send(fd, query.bytes, query.len, 0), query.len);
	}
	assert_true(counted(f, WORKER_DNS_SLIPPED) > 0);
	expect_cookie_to_help(fd);
	query.len = 0;
	put_local(&query, 9);
	ask_udp(f, &query, &m); /* at the tenants' socket that is another matter */
	assert_int_equal(rcode(&m), 0);
	close(fd);
}

/* web.TENANT.farm.example; its flags. */
static unsigned int ask_zone_for(int fd, const char *tenant)
{
	struct dgram query = {.len = 0}, m;
	uint8_t len = (uint8_t)strlen(tenant);

	put_u16(&query, 7);
	put(&query, "\0\0\0\1\0\0\0\0\0\0\3web", 14);
	put(&query, &len, 1);
	put(&query, tenant, len);
	put(&query, "\4farm\7example\0\0\34\0\1", 18);
	assert_int_equal(send(fd, query.bytes, query.len, 0), query.len);
	assert_true(receive(fd, &m, WAIT_MS));
	return u16_at(&m, 2);
}

/* Its prefix may be another's. */
static void give_tenant_with_a_service(struct fixture *f, uint32_t id, const char *name,
				       const char *prefix, enum message answer)
{
	struct backend_conf backend = {.slot = 0};
	struct service_conf service = {.name = "web", .backends = &backend, .n_backends = 1};
	struct tenant_conf conf = {.name = name,
				   .serial = 1,
				   .slot = SLOT,
				   .services = &service,
				   .n_services = 1};
	struct channel_msg msg = {.type = MSG_TENANT, .id = id, .serial = ++f->serial};
	struct prefix p;
	struct buf data;
	struct err err;

	assert_int_equal(prefix_parse(str_from(prefix), &p, &err), 0);
	backend.address = p.addr;
	backend.address.b[15] = 1;
	conf.prefixes = &p;
	conf.n_prefixes = 1;
	buf_init(&data, 65536);
	tenant_conf_pack(&conf, &data);
	msg.data = data.data;
	msg.len = data.len;
	assert_int_equal(channel_send(&f->channel, &msg), 0);
	answered(f, answer);
	buf_fini(&data);
}

static void test_a_refused_tenant_is_not_in_the_zone(void **state)
{
	struct fixture *f = *state;
	int fd;

	give_zone(f);
	fd = connected_v4(give_zone_listener(f, 3, SOCK_DGRAM), SOCK_DGRAM);
	give_tenant_with_a_service(f, 4, "other", "2001:db8:1::/64", MSG_ACK);
	assert_int_equal(ask_zone_for(fd, "other"), 0x8400);
	give_tenant_with_a_service(f, 5, "thief", "2001:db8:1::/64", MSG_NAK);
	assert_int_equal(ask_zone_for(fd, "thief"), 0x8403);
	give_tenant_with_a_service(f, 2, "acme", "2001:db8:1::/64", MSG_NAK);
	assert_int_equal(ask_zone_for(fd, "acme"), 0x8403); /* it has no service, as before */
	give_tenant_with_a_service(f, 2, "acme", "2001:db8:2::/64", MSG_ACK);
	assert_int_equal(ask_zone_for(fd, "acme"), 0x8400);
	order(f, MSG_TENANT_REMOVE, 2, NULL);
	assert_int_equal(ask_zone_for(fd, "acme"), 0x8403);
	close(fd);
}

/* Beyond it the connection ends. */
static void test_a_connection_to_the_zone_has_a_rate(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, one = {.len = 0}, m;
	unsigned int n = 0;
	int fd;

	give_zone(f);
	fd = connected_v4(give_zone_listener(f, 3, SOCK_STREAM), SOCK_STREAM);
	put_query(&query, 8, "www", TYPE_AAAA); /* it is refused */
	put_stream(&one, &query);
	while (n < 20000 && send(fd, one.bytes, one.len, MSG_NOSIGNAL) > 0 &&
	       receive(fd, &m, WAIT_MS)) {
		assert_int_equal(m.len, one.len);
		n++;
	}
	assert_in_range(n, 100, 19999);
	assert_int_equal(counted(f, WORKER_DNS_LIMITED), 1);
	close(fd);
}

static void test_connections_of_a_prefix_to_the_zone_are_few(void **state)
{
	struct fixture *f = *state;
	uint64_t most = 0;
	int fds[40];
	uint16_t port;

	give_zone(f);
	port = give_zone_listener(f, 3, SOCK_STREAM);
	for (size_t i = 0; i < 40; i++) {
		uint64_t n = counted(f, WORKER_DNS_CLIENTS);

		most = n > most ? n : most;
		fds[i] = connected_v4(port, SOCK_STREAM);
		order(f, MSG_STATS, 0, NULL); /* it has looked at its sockets since, too */
	}
	expect_end(fds[0]);
	assert_in_range(most, 4, 8);
	for (size_t i = 0; i < 40; i++) {
		close(fds[i]);
	}
}

/* n queries at once, by UDP. How many are answered NOERROR, and in ret_refused how many REFUSED. */
static unsigned int flood(const struct fixture *f, unsigned int n, unsigned int *ret_refused)
{
	unsigned int n_answered = 0;
	struct dgram m;

	*ret_refused = 0;
	for (unsigned int i = 0; i < n; i++) {
		m.len = 0;
		put_local(&m, i);
		assert_int_equal(send(f->udp, m.bytes, m.len, 0), m.len);
	}
	while (receive(f->udp, &m, SILENT_MS)) {
		n_answered += rcode(&m) == 0;
		*ret_refused += rcode(&m) == RCODE_REFUSED;
	}
	return n_answered;
}

/* What a rate of 20 lets through since then. */
static unsigned int most_of_20(uint64_t since_ms)
{
	return 21 + (unsigned int)((clock_ms() - since_ms) * 20 / 1000);
}

static void test_over_its_rate_a_tenant_is_refused_then_not_answered(void **state)
{
	struct fixture *f = *state;
	uint64_t start_ms = clock_ms();
	unsigned int n, n_refused;

	give_tenant_with(f, "::/40", 20);
	n = flood(f, 200, &n_refused);
	assert_in_range(n, 20, most_of_20(start_ms));
	assert_in_range(n_refused, 20, most_of_20(start_ms));
	assert_int_equal(counted_of(f, COUNTER_QUERIES), 200);
	assert_int_equal(counted_of(f, COUNTER_OVER_RATE), 200 - n);
	assert_int_equal(counted(f, WORKER_DNS_OVER_RATE), 200 - n);
}

/* A new object does not begin anew; and by TCP nothing else is allowed. */
/* Asks so often with that cookie. How many get an answer, BADCOOKIE, REFUSED; *m is of the last. */
static void flood_with_cookie(const struct fixture *f, const uint8_t *cookie, uint8_t len,
			      unsigned int n_of[16], struct dgram *m)
{
	struct dgram query = {.len = 0}, got;

	put_local(&query, 7);
	query.bytes[11] = 1;
	put(&query, "\0\0\51\4\320\0\0\0\0", 9);
	put_u16(&query, 4u + len);
	put_u16(&query, 10);
	put_u16(&query, len);
	put(&query, cookie, len);
	memset(n_of, 0, 16 * sizeof(n_of[0]));
	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	}
	while (receive(f->udp, &got, SILENT_MS)) {
		n_of[rcode(&got)]++;
		*m = got;
	}
}

/* RFC 7873 5.2.4: who has a cookie of ours is refused, who has not gets one first. */
static void test_over_its_rate_a_wrong_cookie_is_told(void **state)
{
	static const uint8_t extended[] = {0, 0, 41, 4, 208, 1}; /* 16 + 7 */
	uint8_t cookie[24] = "8 bytes!";
	struct fixture *f = *state;
	unsigned int n_of[16];
	struct dgram m;

	give_tenant_with(f, "::/40", 20);
	flood_with_cookie(f, cookie, 8, n_of, &m);
	assert_true(n_of[0] > 0 && n_of[7] > 0 && n_of[RCODE_REFUSED] == 0);
	assert_non_null(memmem(m.bytes, m.len, extended, sizeof(extended)));
	memcpy(cookie, m.bytes + m.len - sizeof(cookie), sizeof(cookie));
	assert_memory_equal(cookie, "8 bytes!", 8);
	flood_with_cookie(f, cookie, sizeof(cookie), n_of, &m);
	assert_true(n_of[0] > 0 && n_of[7] == 0 && n_of[RCODE_REFUSED] > 0);
	cookie[23] ^= 1;
	flood_with_cookie(f, cookie, sizeof(cookie), n_of, &m);
	assert_true(n_of[0] > 0 && n_of[7] > 0 && n_of[RCODE_REFUSED] == 0);
}

static void test_the_rate_holds_by_tcp_and_over_a_change(void **state)
{
	struct fixture *f = *state;
	struct dgram stream = {.len = 0}, query = {.len = 0};
	uint64_t start_ms = clock_ms();
	unsigned int n, n_refused;
	int fd;

	give_tenant_with(f, "::/40", 20);
	n = flood(f, 100, &n_refused);
	give_tenant_with(f, "::/40", 20);
	fd = connected(f, SOCK_STREAM);
	put_local(&query, 5);
	for (unsigned int i = 0; i < 200; i++) {
		put_stream(&stream, &query);
	}
	assert_int_equal(send(fd, stream.bytes, stream.len, 0), stream.len);
	while (readable(fd, WAIT_MS) && recv(fd, query.bytes, sizeof(query.bytes), 0) > 0) {
	}
	assert_in_range(n, 20, most_of_20(start_ms));
	assert_true(counted_of(f, COUNTER_QUERIES) < 300); /* it was closed before */
	assert_in_range(counted_of(f, COUNTER_QUERIES) - counted_of(f, COUNTER_OVER_RATE), n,
			most_of_20(start_ms));
	close(fd);
}

static void test_the_rate_is_that_of_all_workers(void **state)
{
	struct fixture *f = *state;
	uint64_t start_ms;
	unsigned int n, n_refused;

	give_tenant_with(f, "::/40", 20);
	(void)flood(f, 1, &n_refused);
	start_ms = clock_ms();
	counter_add(f->others, SLOT, COUNTER_QUERIES, 1000);
	counter_add(f->others, SLOT, COUNTER_OVER_RATE, 985);
	n = flood(f, 100, &n_refused);
	assert_in_range(n, 0, most_of_20(start_ms) - 15);
	assert_int_equal(counted_of(f, COUNTER_OVER_RATE), 100 - n);
}

static void test_malformed_messages(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer;

	put_local(&query, 10);
	query.bytes[2] |= 0x80; /* an answer */
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	query.bytes[2] = 0x29; /* opcode UPDATE */
	ask_udp(f, &query, &answer);
	assert_int_equal(u16_at(&answer, 0), 10);
	assert_int_equal(rcode(&answer), RCODE_NOTIMP);
	query.bytes[2] = 1;
	query.bytes[5] = 2; /* questions */
	ask_udp(f, &query, &answer);
	assert_int_equal(rcode(&answer), RCODE_FORMERR);
	assert_int_equal(send(f->udp, "x", 1, 0), 1);
	query.bytes[5] = 1;
	query.len = 2000;
	ask_udp(f, &query, &answer);
	assert_int_equal(rcode(&answer), RCODE_FORMERR);
}

static void test_other_upstream_while_one_is_asked(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer;

	put_query(&query, 11, "moving", TYPE_A);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	assert_true(readable(f->upstream, WAIT_MS));
	give_node(f, "127.0.0.2");
	assert_int_equal(play_upstream(f, 1), TYPE_A);
	assert_true(receive(f->udp, &answer, WAIT_MS));
	assert_int_equal(u16_at(&answer, 6), 1);
}

static void test_drain_answers_what_waits_and_ends(void **state)
{
	static const uint8_t ms[4] = {0, 0, 0x75, 0x30};
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer;
	struct buf data;

	put_query(&query, 12, "last", TYPE_A);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	assert_true(readable(f->upstream, WAIT_MS));
	buf_init(&data, 16);
	buf_bytes(&data, ms, sizeof(ms));
	order(f, MSG_DRAIN, 0, &data);
	buf_fini(&data);
	assert_int_equal(play_upstream(f, 1), TYPE_A);
	assert_true(receive(f->udp, &answer, WAIT_MS));
	assert_int_equal(u16_at(&answer, 0), 12);
	assert_int_equal(wait_exit(f), 0);
}

/* Where there is but one address nothing says which was asked: at once, and after a while. */
static void test_socket_of_one_address_answers_from_it(void **state)
{
	struct listener_msg listener = {.local.addr = {.b = {[15] = 1}}, .protocol = PROTOCOL_UDP};
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer;
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t len = sizeof(sa);
	struct buf data;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	f->port = listener.local.port = ntohs(sa.sin6_port);
	buf_init(&data, 4096);
	listener_msg_pack(&listener, &data);
	order_fds(f, MSG_LISTENER, LISTENERS + 1, &data, &fd, 1);
	buf_fini(&data);
	close(f->udp);
	f->udp = connected(f, SOCK_DGRAM);
	put_local(&query, 14);
	ask_udp(f, &query, &answer);
	assert_int_equal(u16_at(&answer, 0), 14);
	query.len = 0;
	put_query(&query, 15, "later", TYPE_AAAA);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	play_synthesis(f, 1);
	assert_true(receive(f->udp, &answer, WAIT_MS));
	assert_int_equal(u16_at(&answer, 0), 15);
	close(fd);
}

static void test_lent_socket_is_served(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer;
	uint16_t port = 0;
	int lent = bound(AF_INET6, SOCK_DGRAM, &port);

	order_fds(f, MSG_LEND, 1, NULL, &lent, 1);
	f->port = port;
	close(f->udp);
	f->udp = connected(f, SOCK_DGRAM);
	put_local(&query, 13);
	ask_udp(f, &query, &answer);
	assert_int_equal(u16_at(&answer, 0), 13);
	order(f, MSG_LEND_END, 1, NULL);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	assert_false(receive(f->udp, &answer, 200)); /* it waits for its owner */
	assert_true(readable(lent, WAIT_MS));
	close(lent);
}

/* A caller of `sixgate dns ...`: what it reads, once the worker has answered so. */
static void call(struct fixture *f, enum message type, const struct call_msg *call,
		 enum message answer, char text[4096])
{
	struct channel_msg msg = {.type = (uint16_t)type, .serial = ++f->serial, .n_fds = 1};
	size_t len = 0;
	struct buf data;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	buf_init(&data, 4096);
	call_msg_pack(call, &data);
	msg.data = data.data;
	msg.len = data.len;
	msg.fds[0] = fds[1];
	assert_int_equal(channel_send(&f->channel, &msg), 0);
	buf_fini(&data);
	close(fds[1]);
	answered(f, answer);
	for (ssize_t n = 1; n > 0; len += (size_t)n) {
		assert_true(readable(fds[0], WAIT_MS));
		n = recv(fds[0], text + len, 4095 - len, 0);
		assert_true(n >= 0);
	}
	text[len] = '\0';
	close(fds[0]);
}

static void resolve(struct fixture *f, const char *label, bool asks)
{
	struct dgram query = {.len = 0}, answer;

	put_query(&query, 1, label, TYPE_AAAA);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	if (asks) {
		play_synthesis(f, 1);
	}
	assert_true(receive(f->udp, &answer, WAIT_MS));
	assert_int_equal(u16_at(&answer, 6), 1);
}

static void test_flush_forgets_both_answers_of_a_name_and_says_so(void **state)
{
	struct fixture *f = *state;
	struct call_msg flush = {.begins = true, .args = {str_from("WWW.example")}, .n_args = 1};
	char text[4096];

	resolve(f, "www", true);
	resolve(f, "mail", true);
	call(f, MSG_DNS_FLUSH, &flush, MSG_ACK, text);
	assert_string_equal(text, "{\"ok\":true}\n{\"worker\":0,\"entries\":2}\n");
	resolve(f, "mail", false);
	resolve(f, "www", true);
	flush = (struct call_msg){.args = {str_from("."), str_from("below")}, .n_args = 2};
	call(f, MSG_DNS_FLUSH, &flush, MSG_ACK, text);
	assert_string_equal(text, "{\"worker\":0,\"entries\":4}\n");
	call(f, MSG_DNS_FLUSH, &flush, MSG_ACK, text);
	assert_string_equal(text, "{\"worker\":0,\"entries\":0}\n");
}

static void test_what_is_no_name_is_refused_without_a_word(void **state)
{
	static const char *const names[] = {"", "a..b", "\\999.example", "a\\"};
	struct call_msg flush = {.begins = true, .n_args = 1};
	char text[4096], name[1200];
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		flush.args[0] = str_from(names[i]);
		call(f, MSG_DNS_FLUSH, &flush, MSG_NAK, text);
		assert_string_equal(text, "");
	}
	memset(name, 'a', sizeof(name));
	for (size_t len = 64; len <= sizeof(name); len += 284) {
		flush.args[0] = (struct str){.p = name, .len = len};
		call(f, MSG_DNS_FLUSH, &flush, MSG_NAK, text);
		assert_string_equal(text, "");
	}
	flush.args[0] = (struct str){.p = "a\0b", .len = 3};
	call(f, MSG_DNS_FLUSH, &flush, MSG_NAK, text);
	assert_string_equal(text, "");
}

static void test_cache_tells_numbers_and_the_entries_of_a_name(void **state)
{
	static const char numbers[] = "{\"worker\":0,\"entries\":4,\"bytes\":";
	struct fixture *f = *state;
	struct call_msg cache = {.begins = true};
	char text[4096];

	resolve(f, "www", true);
	resolve(f, "mail", true);
	call(f, MSG_DNS_CACHE, &cache, MSG_ACK, text);
	assert_memory_equal(text, "{\"ok\":true}\n", 12);
	assert_memory_equal(text + 12, numbers, sizeof(numbers) - 1);
	assert_non_null(strstr(text, ",\"bytes_max\":134217728,\"hits\":0,\"misses\":"));
	give_node_with(f, "127.0.0.1", NODE_DNS64_CACHE_MIN);
	cache = (struct call_msg){.args = {str_from("www.example.")}, .n_args = 1};
	call(f, MSG_DNS_CACHE, &cache, MSG_ACK, text);
	assert_non_null(strstr(text, "\"name\":\"www.example.\",\"type\":\"AAAA\",\"class\":\"IN\","
				     "\"dnssec\":false,\"unchecked\":false,\"rcode\":\"NOERROR\","
				     "\"records\":0,\"ttl_s\":"));
	assert_non_null(strstr(text, "\"type\":\"A\""));
	assert_null(strstr(text, "mail"));
	cache = (struct call_msg){.args = {str_from("example"), str_from("below")}, .n_args = 2};
	call(f, MSG_DNS_CACHE, &cache, MSG_ACK, text);
	assert_non_null(strstr(text, "www"));
	assert_non_null(strstr(text, "mail"));
	cache = (struct call_msg){.n_args = 0};
	call(f, MSG_DNS_CACHE, &cache, MSG_ACK, text);
	assert_non_null(strstr(text, ",\"bytes_max\":2097152,")); /* half of the new config's: there
								     are two workers */
}

/* A query's caller, who reads as the steps come. */
static int begin_query(struct fixture *f, const char *name, const char *type)
{
	struct call_msg call = {.begins = true,
				.args = {str_from(name), str_from(type)},
				.n_args = 2};
	struct channel_msg msg = {.type = MSG_DNS_QUERY,
				  .id = 2,
				  .serial = ++f->serial,
				  .n_fds = 1};
	struct buf data;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	buf_init(&data, 4096);
	call_msg_pack(&call, &data);
	msg.data = data.data;
	msg.len = data.len;
	msg.fds[0] = fds[1];
	assert_int_equal(channel_send(&f->channel, &msg), 0);
	buf_fini(&data);
	close(fds[1]);
	return fds[0];
}

/* What has come up to and with those words. */
static void read_until(int fd, const char *words, char text[8192])
{
	size_t len = strlen(text);

	while (!strstr(text, words)) {
		ssize_t n;

		assert_true(readable(fd, WAIT_MS));
		n = recv(fd, text + len, 8191 - len, 0);
		assert_true(n > 0);
		len += (size_t)n;
		text[len] = '\0';
	}
}

static void test_query_tells_each_step_as_it_comes(void **state)
{
	struct fixture *f = *state;
	char text[8192] = "";
	int fd = begin_query(f, "WWW.example", "AAAA");

	read_until(fd, "by UDP, 0 ms: asked", text);
	assert_non_null(strstr(text, "\"text\":\"tenant acme: synthesis is on\""));
	assert_non_null(strstr(text, "Pref64 2001:db8:64::/96, for all of IPv4"));
	assert_non_null(strstr(text, "AAAA of www.example.: is not there"));
	assert_int_equal(play_upstream(f, 1), TYPE_AAAA);
	read_until(fd, "A of www.example.: is not there", text);
	assert_int_equal(play_upstream(f, 1), TYPE_A);
	read_until(fd, "\"record\"", text);
	assert_non_null(strstr(text, "NOERROR, 0 records"));
	assert_non_null(strstr(text, "0 of 0 addresses count (dns64.exclude): A records"));
	assert_non_null(strstr(text, "addresses are made of the A records"));
	assert_non_null(strstr(text, "\"answer\",\"text\":\"NOERROR, 1 record, EDE 29\""));
	assert_non_null(strstr(text, "\"www.example. 60 AAAA 2001:db8:64::c633:6401\""));
	answered(f, MSG_ACK);
	close(fd);
	text[0] = '\0';
	fd = begin_query(f, "www.example", "A"); /* what a client would find in the cache, too */
	read_until(fd, "\"record\"", text);
	assert_non_null(strstr(text, "A of www.example.: NOERROR, 1 record, authentic, for "));
	assert_null(strstr(text, "upstream"));
	assert_non_null(strstr(text, "what is asked for is no AAAA records"));
	answered(f, MSG_ACK);
	close(fd);
	assert_int_equal(counted(f, WORKER_DNS_QUERIES), 0);
	assert_int_equal(atomic_load(&f->counters->slots[SLOT].v[COUNTER_SYNTHESISED]), 0);
}

/* Its answer is cached as any, and it does not end the worker. */
static void test_a_querys_caller_may_leave_and_others_join_it(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer;
	char text[8192] = "";
	int fd = begin_query(f, "www.example", "AAAA"), second;

	read_until(fd, "asked", text);
	text[0] = '\0';
	second = begin_query(f, "www.example", "AAAA");
	read_until(second, "is being asked already", text);
	put_query(&query, 7, "www", TYPE_AAAA);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	close(fd);
	answered(f, MSG_NAK);
	play_synthesis(f, 1);
	assert_true(receive(f->udp, &answer, WAIT_MS));
	assert_int_equal(u16_at(&answer, 6), 1);
	read_until(second, "\"record\"", text);
	answered(f, MSG_ACK);
	close(second);
	fd = begin_query(f, "never.example", "AAAA"); /* and is under way at the worker's end */
	text[0] = '\0';
	read_until(fd, "asked", text);
	close(fd);
	answered(f, MSG_NAK);
}

static void test_a_query_for_nothing_is_refused(void **state)
{
	static const char *const types[] = {"", "AAAAA", "TYPE65536", "A\n",
					    "a very long word indeed, no type"};
	struct fixture *f = *state;
	struct call_msg call_msg = {.begins = true, .args = {str_from("www.example")}, .n_args = 2};
	char text[4096];

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		call_msg.args[1] = str_from(types[i]);
		call(f, MSG_DNS_QUERY, &call_msg, MSG_NAK, text);
		assert_string_equal(text, "");
	}
	call_msg.args[0] = str_from("a..b");
	call_msg.args[1] = str_from("A");
	call(f, MSG_DNS_QUERY, &call_msg, MSG_NAK, text);
	assert_string_equal(text, "");
}

/* More callers than may be at a time, none of whom reads: the worker serves on. */
static void test_callers_that_do_not_read_are_few(void **state)
{
	struct call_msg flush = {.args = {str_from(".")}, .n_args = 1};
	struct fixture *f = *state;
	char text[4096];
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	memset(text, ' ', sizeof(text));
	while (send(fds[1], text, sizeof(text), MSG_DONTWAIT) > 0) {
	}
	for (int i = 0; i < STREAMS_MAX; i++) {
		struct channel_msg msg = {.type = MSG_DNS_FLUSH, .serial = ++f->serial};
		struct buf data;

		buf_init(&data, 4096);
		call_msg_pack(&flush, &data);
		msg.data = data.data;
		msg.len = data.len;
		msg.fds[msg.n_fds++] = fds[1];
		assert_int_equal(channel_send(&f->channel, &msg), 0);
		buf_fini(&data);
	}
	call(f, MSG_DNS_FLUSH, &flush, MSG_NAK, text);
	assert_string_equal(text, "");
	resolve(f, "www", true);
	close(fds[0]); /* they leave */
	for (int i = 0; i < STREAMS_MAX; i++) {
		answered(f, MSG_NAK);
	}
	close(fds[1]);
	call(f, MSG_DNS_FLUSH, &flush, MSG_ACK, text);
	assert_string_equal(text, "{\"worker\":0,\"entries\":0}\n");
}

#define WITH(name)    cmocka_unit_test_setup_teardown(name, setup, teardown)
#define PATIENT(name) cmocka_unit_test_setup_teardown(name, setup_patient, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(test_synthesised_then_from_cache),
		WITH(test_nsid_outlives_a_new_node_config),
		WITH(test_many_at_once_are_all_answered),
		WITH(test_too_big_for_udp_has_tc_and_comes_by_tcp),
		WITH(test_tcp_pipeline_is_answered_out_of_order),
		WITH(test_tcp_more_than_may_wait_are_all_answered),
		WITH(test_tcp_dribbled_and_joined),
		WITH(test_tcp_silent_and_slow_are_closed),
		WITH(test_tcp_dribbled_behind_others_is_closed),
		PATIENT(test_tcp_unread_answers_of_a_tenant_have_a_bound),
		WITH(test_tcp_too_long_is_malformed_and_the_next_is_answered),
		WITH(test_tcp_what_is_no_query_ends_the_connection),
		WITH(test_tcp_more_connections_close_the_oldest_idle),
		WITH(test_foreign_source_is_refused_at_a_rate),
		WITH(test_the_zone_is_answered_where_it_is_asked),
		WITH(test_a_refused_tenant_is_not_in_the_zone),
		WITH(test_a_connection_to_the_zone_has_a_rate),
		WITH(test_connections_of_a_prefix_to_the_zone_are_few),
		WITH(test_over_its_rate_a_tenant_is_refused_then_not_answered),
		WITH(test_over_its_rate_a_wrong_cookie_is_told),
		WITH(test_the_rate_holds_by_tcp_and_over_a_change),
		WITH(test_the_rate_is_that_of_all_workers),
		WITH(test_malformed_messages),
		WITH(test_other_upstream_while_one_is_asked),
		WITH(test_drain_answers_what_waits_and_ends),
		WITH(test_socket_of_one_address_answers_from_it),
		WITH(test_lent_socket_is_served),
		WITH(test_flush_forgets_both_answers_of_a_name_and_says_so),
		WITH(test_cache_tells_numbers_and_the_entries_of_a_name),
		WITH(test_what_is_no_name_is_refused_without_a_word),
		WITH(test_query_tells_each_step_as_it_comes),
		WITH(test_a_querys_caller_may_leave_and_others_join_it),
		WITH(test_a_query_for_nothing_is_refused),
		WITH(test_callers_that_do_not_read_are_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
