/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A worker under test, with the test as its control; see proxy_rig.h. */
#include "proxy_rig.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/loop.h"

#define PROGRAM "./sixgate-proxy"

static void exec_worker(const struct rig *rig, const struct rig_options *options, int fd)
{
	struct rlimit limit = {.rlim_cur = options->nofile, .rlim_max = options->nofile};

	if (fd == CHANNEL_FD) {
		(void)fcntl(fd, F_SETFD, 0);
	} else {
		(void)dup2(fd, CHANNEL_FD);
	}
	if (options->nofile > 0 && setrlimit(RLIMIT_NOFILE, &limit) < 0) {
		_exit(99);
	}
	if (options->preload) {
		(void)setenv("LD_PRELOAD", options->preload, 1);
		(void)setenv("FAULT", options->fault, 1);
	}
	execl(PROGRAM, "sixgate-proxy", "--user", "nobody", "--root", rig->root, NULL);
	_exit(98);
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		close(fds[i]);
	}
}

static void wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, RIG_WAIT_MS), 1);
}

static void receive(struct rig *rig, struct channel_msg *msg)
{
	int rc;

	while ((rc = channel_recv(&rig->channel, msg)) == 0) {
		wait_readable(rig->channel.fd);
	}
	assert_int_equal(rc, 1);
}

static void send_msg(struct rig *rig, struct channel_msg *msg)
{
	assert_int_equal(channel_send(&rig->channel, msg), 0);
	while (channel_busy(&rig->channel)) {
		struct pollfd p = {.fd = rig->channel.fd, .events = POLLOUT};

		assert_int_equal(poll(&p, 1, RIG_WAIT_MS), 1);
		assert_true(channel_flush(&rig->channel) != -EPIPE);
	}
}

void rig_send(struct rig *rig, enum message type, uint32_t id, const struct buf *data, int fd)
{
	struct channel_msg msg = {.type = (uint16_t)type,
				  .id = id,
				  .serial = type == MSG_KILL ? id : ++rig->serial,
				  .data = data ? data->data : NULL,
				  .len = data ? data->len : 0,
				  .fds = {fd},
				  .n_fds = fd >= 0};

	send_msg(rig, &msg);
}

enum message rig_answer(struct rig *rig)
{
	struct channel_msg msg;

	receive(rig, &msg);
	assert_true(msg.type == MSG_ACK || msg.type == MSG_NAK);
	rig->answered_id = msg.id;
	return msg.type;
}

void rig_do(struct rig *rig, enum message type, uint32_t id, const struct buf *data, int fd)
{
	rig_send(rig, type, id, data, fd);
	assert_int_equal(rig_answer(rig), MSG_ACK);
}

static void send_counters(struct rig *rig, uint64_t last_number)
{
	struct channel_msg msg = {.type = MSG_COUNTERS,
				  .id = 0,
				  .serial = ++rig->serial,
				  .n_fds = 2};
	struct err err;

	msg.fds[0] = counters_create(&err);
	assert_true(msg.fds[0] >= 0);
	msg.fds[1] = counters_reopen_readonly(msg.fds[0], &err);
	assert_true(msg.fds[1] >= 0);
	assert_int_equal(counters_map(msg.fds[0], 1, &rig->counters, &err), 0);
	atomic_store(&rig->counters->worker[WORKER_NUMBER], last_number);
	send_msg(rig, &msg);
	assert_int_equal(rig_answer(rig), MSG_ACK);
	close_all(msg.fds, 2);
}

static void send_log(struct rig *rig, size_t bytes)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	if (bytes > 0) {
		assert_true(fcntl(fds[0], F_SETPIPE_SZ, (int)bytes) >= 0);
	}
	rig->log_fd = fds[0];
	rig_do(rig, MSG_LOG, 0, NULL, fds[1]);
	close(fds[1]);
}

static void send_node(struct rig *rig, struct node_conf node)
{
	struct timeouts *t = &node.timeouts;
	struct buf data;

	t->hello_ms = t->hello_ms ? t->hello_ms : TIMEOUT_HELLO_MS;
	t->connect_ms = t->connect_ms ? t->connect_ms : TIMEOUT_CONNECT_MS;
	t->idle_ms = t->idle_ms ? t->idle_ms : TIMEOUT_IDLE_MS;
	t->half_close_ms = t->half_close_ms ? t->half_close_ms : TIMEOUT_HALF_CLOSE_MS;
	t->connect_tries = t->connect_tries ? t->connect_tries : CONNECT_TRIES;
	node.name = "test";
	node.farm = "farm";
	node.access_log.on = true;
	buf_init(&data, 65536);
	node_conf_pack(&node, &data);
	assert_false(data.bad);
	rig_do(rig, MSG_NODE, 0, &data, -1);
	buf_fini(&data);
}

void rig_start(struct rig *rig, const struct rig_options *options)
{
	static const struct rig_options none;
	struct channel_msg hello;
	struct err err;
	ssize_t len;
	int fds[2];

	options = options ? options : &none;
	*rig = (struct rig){.log_fd = -1, .sndbuf = options->sndbuf};
	(void)strcpy(rig->root, "/tmp/sixgate-test-XXXXXX");
	assert_non_null(mkdtemp(rig->root));
	assert_int_equal(chmod(rig->root, 0755), 0);
	assert_int_equal(channel_pair(fds, &err), 0);
	rig->pid = fork();
	assert_true(rig->pid >= 0);
	if (rig->pid == 0) {
		exec_worker(rig, options, fds[1]);
	}
	close(fds[1]);
	assert_int_equal(channel_init(&rig->channel, fds[0]), 0);
	rig->log = calloc(1, RIG_LOG_MAX);
	assert_non_null(rig->log);
	wait_readable(fds[0]);
	len = recv(fds[0], rig->hello, sizeof(rig->hello), MSG_PEEK);
	assert_true(len > 0);
	rig->hello_len = (size_t)len;
	receive(rig, &hello);
	assert_int_equal(hello.type, MSG_HELLO);
	send_counters(rig, options->last_number);
	send_log(rig, options->log_pipe_bytes);
	rig_do(rig, MSG_BEGIN, 0, NULL, -1);
	send_node(rig, options->node);
	rig_do(rig, MSG_END, 0, NULL, -1);
	rig->fds = rig_fds(rig);
}

int rig_wait_exit(struct rig *rig)
{
	uint64_t end = clock_ms() + RIG_WAIT_MS;
	int status = 0;
	pid_t pid;

	while ((pid = waitpid(rig->pid, &status, WNOHANG)) == 0 && clock_ms() < end) {
		(void)poll(NULL, 0, 5);
	}
	assert_int_equal(pid, rig->pid);
	rig->pid = -1;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Every slot in use: accepted = refused + closed + active, and nothing is active. */
static void check_counters(const struct rig *rig)
{
	for (uint32_t slot = 0; slot < 64; slot++) {
		assert_int_equal(rig_count(rig, slot, COUNTER_ACTIVE), 0);
		assert_int_equal(rig_count(rig, slot, COUNTER_ACCEPTED),
				 rig_count(rig, slot, COUNTER_REFUSED) +
					 rig_count(rig, slot, COUNTER_CLOSED));
	}
}

void rig_stop(struct rig *rig)
{
	if (rig->pid > 0) {
		rig_send(rig, MSG_QUIT, 0, NULL, -1);
		assert_int_equal(rig_wait_exit(rig), 0);
	}
	check_counters(rig);
	channel_fini(&rig->channel);
	counters_unmap(rig->counters);
	close(rig->log_fd);
	free(rig->log);
	(void)rmdir(rig->root); /* empty */
}

void rig_tenant_init(struct rig_tenant *t, enum protocol protocol, uint16_t port, uint16_t to)
{
	*t = (struct rig_tenant){0};
	assert_int_equal(prefix_parse(str_from("::/64"), &t->prefix, NULL), 0);
	t->backends[0] = (struct backend_conf){.slot = RIG_SLOT_BACKEND};
	assert_int_equal(addr_parse(str_from("::1"), &t->backends[0].address), 0);
	t->name = (struct name_pattern){.text = "shop.example"};
	t->expose = (struct expose_conf){.protocol = protocol, .port = port, .to = to};
	if (protocol == PROTOCOL_TCP) {
		t->expose.has_ipv4 = true;
		assert_int_equal(addr_parse(str_from("127.0.0.1"), &t->expose.ipv4), 0);
	} else {
		t->expose.names = &t->name;
		t->expose.n_names = 1;
	}
	t->service = (struct service_conf){.name = "web",
					   .backends = t->backends,
					   .n_backends = 1,
					   .exposes = &t->expose,
					   .n_exposes = 1,
					   .drain_ms = 100,
					   .slot = RIG_SLOT_SERVICE};
	t->conf = (struct tenant_conf){.name = "acme",
				       .serial = 1,
				       .prefixes = &t->prefix,
				       .n_prefixes = 1,
				       .services = &t->service,
				       .n_services = 1,
				       .slot = RIG_SLOT_TENANT};
}

enum message rig_put_tenant(struct rig *rig, uint32_t id, const struct tenant_conf *conf)
{
	struct buf data;

	buf_init(&data, CHANNEL_MSG_MAX);
	tenant_conf_pack(conf, &data);
	assert_false(data.bad);
	rig_send(rig, MSG_TENANT, id, &data, -1);
	buf_fini(&data);
	return rig_answer(rig);
}

static socklen_t socket_address(const char *address, uint16_t port, struct sockaddr_storage *ret_sa)
{
	struct endpoint e = {.port = port};

	assert_int_equal(addr_parse(str_from(address), &e.addr), 0);
	return endpoint_to_sockaddr(&e, false, ret_sa);
}

static int new_socket(const struct sockaddr_storage *sa)
{
	const struct timeval wait = {.tv_sec = RIG_WAIT_MS / 1000};
	int fd = socket(sa->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)), 0);
	return fd;
}

int rig_listen(const char *address, uint16_t *ret_port)
{
	struct sockaddr_storage sa;
	socklen_t len = socket_address(address, 0, &sa);
	struct endpoint local;
	int fd = new_socket(&sa);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, 1024), 0);
	len = sizeof(sa);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&sa, &local), 0);
	*ret_port = local.port;
	return fd;
}

uint16_t rig_add_listener(struct rig *rig, uint32_t id, enum protocol protocol)
{
	struct listener_msg msg = {.protocol = protocol, .slot = RIG_SLOT_LISTENER};
	struct buf data;
	uint16_t port;
	int fd = rig_listen("127.0.0.1", &port);

	if (rig->sndbuf > 0) {
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &rig->sndbuf,
					    sizeof(rig->sndbuf)),
				 0);
	}
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(addr_parse(str_from("127.0.0.1"), &msg.local.addr), 0);
	msg.local.port = port;
	buf_init(&data, 4096);
	listener_msg_pack(&msg, &data);
	rig_do(rig, MSG_LISTENER, id, &data, fd);
	buf_fini(&data);
	close(fd);
	rig->fds = rig_fds(rig);
	return port;
}

int rig_connect(const char *address, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len = socket_address(address, port, &sa);
	int fd = new_socket(&sa);

	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

int rig_accept(int listen_fd)
{
	const struct timeval wait = {.tv_sec = RIG_WAIT_MS / 1000};
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)), 0);
	return fd;
}

void rig_write(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		assert_true(n > 0);
		p += n;
		len -= (size_t)n;
	}
}

void rig_read(int fd, void *data, size_t len)
{
	char *p = data;

	while (len > 0) {
		ssize_t n = recv(fd, p, len, 0);

		assert_true(n > 0);
		p += n;
		len -= (size_t)n;
	}
}

void rig_expect_eof(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

void rig_expect_reset(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
}

void rig_expect_refused(const char *address, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len = socket_address(address, port, &sa);
	int fd = new_socket(&sa);

	if (connect(fd, (struct sockaddr *)&sa, len) == 0) {
		rig_expect_reset(fd);
	} else {
		assert_int_equal(errno, ECONNRESET); /* accepted, and reset before we ran again */
	}
	close(fd);
}

void rig_reset(int fd)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = 0};

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	close(fd);
}

void rig_expect_log(struct rig *rig, const char *text)
{
	uint64_t end = clock_ms() + RIG_WAIT_MS;

	while (!strstr(rig->log, text)) {
		ssize_t n =
			read(rig->log_fd, rig->log + rig->log_len, RIG_LOG_MAX - 1 - rig->log_len);

		if (n > 0) {
			rig->log_len += (size_t)n;
			continue;
		}
		if (clock_ms() > end) {
			fail_msg("log without %s:\n%s", text, rig->log);
		}
		(void)poll(NULL, 0, 5);
	}
}

uint64_t rig_count(const struct rig *rig, uint32_t slot, enum counter which)
{
	return atomic_load_explicit(&rig->counters->slots[slot].v[which], memory_order_relaxed);
}

void rig_expect_count(const struct rig *rig, uint32_t slot, enum counter which, uint64_t value)
{
	uint64_t end = clock_ms() + RIG_WAIT_MS;

	while (rig_count(rig, slot, which) != value && clock_ms() < end) {
		(void)poll(NULL, 0, 2);
	}
	assert_int_equal(rig_count(rig, slot, which), value);
}

unsigned int rig_fds(const struct rig *rig)
{
	char path[64];
	unsigned int n = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)rig->pid);
	dir = opendir(path);
	if (!dir) { /* not root, and the worker may not be looked into */
		return 0;
	}
	while (readdir(dir)) {
		n++;
	}
	closedir(dir);
	return n;
}

void bench_start(struct bench *b, enum protocol protocol, const struct rig_options *options)
{
	rig_start(&b->rig, options);
	b->backend_fd = rig_listen("::1", &b->to);
	b->port = rig_add_listener(&b->rig, 1, protocol);
	rig_tenant_init(&b->tenant, protocol, b->port, b->to);
	bench_update(b);
}

void bench_update(struct bench *b)
{
	b->tenant.conf.serial++;
	assert_int_equal(rig_put_tenant(&b->rig, 1, &b->tenant.conf), MSG_ACK);
}

void bench_stop(struct bench *b)
{
	rig_expect_count(&b->rig, RIG_SLOT_LISTENER, COUNTER_ACTIVE, 0);
	if (b->rig.pid > 0) {
		rig_do(&b->rig, MSG_STATS, 0, NULL, -1); /* what was closed is closed now */
		assert_in_range(rig_fds(&b->rig), 0,
				b->rig.fds + 2 * b->rig.counters->worker[WORKER_PIPES]);
	}
	rig_stop(&b->rig);
	close(b->backend_fd);
}

void bench_open(const struct bench *b, int *ret_client, int *ret_backend)
{
	*ret_client = rig_connect("127.0.0.1", b->port);
	*ret_backend = rig_accept(b->backend_fd);
}

void bench_exchange(int from, int to, const char *text)
{
	char buf[256];

	rig_write(from, text, strlen(text));
	rig_read(to, buf, strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

void bench_expect_closed(struct bench *b, const char *reason)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "\"reason\":\"%s\"", reason);
	rig_expect_log(&b->rig, text);
}

void bench_end(int client, int backend)
{
	close(client);
	rig_expect_eof(backend);
	close(backend);
}

void bench_expect_refused(struct bench *b, const char *reason)
{
	rig_expect_refused("127.0.0.1", b->port);
	bench_expect_closed(b, reason);
}
