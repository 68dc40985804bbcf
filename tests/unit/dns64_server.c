/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/dns64_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/model/tenant.h"

bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

int bound(int family, int type, uint16_t *port)
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

int connected(const struct fixture *f, int type)
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
static void run_worker(int fd, uint16_t upstream_port, uint32_t idle_ms, unsigned int tcp_max)
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
		w->tcp_max = tcp_max > 0 ? tcp_max : w->tcp_max;
		status = link_open(&w->link, fd, &err) == 0 ? dns_worker_run(w) : 98;
		dns_worker_fini(w);
	}
	free(w);
	exit(status);
}

void answered(struct fixture *f, enum message type)
{
	struct channel_msg msg;
	int rc;

	while ((rc = channel_recv(&f->channel, &msg)) == 0) {
		assert_true(readable(f->channel.fd, WAIT_MS));
	}
	assert_int_equal(rc, 1);
	assert_int_equal(msg.type, type);
}

void order_fds(struct fixture *f, enum message type, uint32_t id, const struct buf *data,
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

void order(struct fixture *f, enum message type, uint32_t id, const struct buf *data)
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

void give_node_with(struct fixture *f, const char *upstream, uint64_t cache_bytes)
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

void give_node(struct fixture *f, const char *upstream)
{
	give_node_with(f, upstream, NODE_DNS64_CACHE_DEFAULT);
}

void give_tenant_with(struct fixture *f, const char *prefix, uint32_t rate)
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

void give_tenant(struct fixture *f, const char *prefix)
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

/* tcp_max: connections; 0: as many as is usual. */
static int start(void **state, uint32_t idle_ms, unsigned int tcp_max)
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
		run_worker(fds[1], upstream_port, idle_ms, tcp_max);
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

int setup(void **state)
{
	return start(state, SILENT_MS, 0);
}

int setup_patient(void **state)
{
	return start(state, 100 * WAIT_MS, 0);
}

int setup_narrow(void **state)
{
	return start(state, 100 * WAIT_MS, NARROW_CLIENTS);
}

int wait_exit(struct fixture *f)
{
	int status;

	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	f->pid = 0;
	return status;
}

int teardown(void **state)
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

void put(struct dgram *m, const void *bytes, size_t len)
{
	assert_true(m->len + len <= sizeof(m->bytes));
	memcpy(m->bytes + m->len, bytes, len);
	m->len += len;
}

void put_u16(struct dgram *m, unsigned int v)
{
	const uint8_t bytes[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	put(m, bytes, sizeof(bytes));
}

void put_query(struct dgram *m, unsigned int id, const char *label, unsigned int type)
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

void put_local(struct dgram *m, unsigned int id)
{
	put_u16(m, id);
	put(m, "\1\0\0\1\0\0\0\0\0\0", 10);
	put(m, "\10ipv4only\4arpa", 15);
	put_u16(m, TYPE_AAAA);
	put_u16(m, 1);
}

unsigned int u16_at(const struct dgram *m, size_t at)
{
	assert_true(m->len >= at + 2);
	return (unsigned int)m->bytes[at] << 8 | m->bytes[at + 1];
}

unsigned int rcode(const struct dgram *m)
{
	return u16_at(m, 2) & 0xf;
}

bool receive(int fd, struct dgram *m, int ms)
{
	ssize_t n = readable(fd, ms) ? recv(fd, m->bytes, sizeof(m->bytes), 0) : -1;

	m->len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

void ask_udp(const struct fixture *f, const struct dgram *query, struct dgram *answer)
{
	assert_int_equal(send(f->udp, query->bytes, query->len, 0), query->len);
	assert_true(receive(f->udp, answer, WAIT_MS));
}

unsigned int play_upstream(const struct fixture *f, unsigned int n)
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

void play_synthesis(const struct fixture *f, unsigned int n)
{
	assert_int_equal(play_upstream(f, n), TYPE_AAAA);
	assert_int_equal(play_upstream(f, n), TYPE_A);
}

uint64_t counted(const struct fixture *f, enum worker_counter which)
{
	return atomic_load(&f->counters->worker[which]);
}

uint64_t counted_of(const struct fixture *f, enum counter which)
{
	return atomic_load(&f->counters->slots[SLOT].v[which]);
}

void put_stream(struct dgram *stream, const struct dgram *query)
{
	put_u16(stream, (unsigned int)query->len);
	put(stream, query->bytes, query->len);
}

void expect_end(int fd)
{
	uint8_t byte;

	assert_true(readable(fd, WAIT_MS));
	assert_true(recv(fd, &byte, 1, 0) <= 0);
}
