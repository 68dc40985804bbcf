/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The control socket against slow, mute and hostile clients. The verbs are the test's own.
 */
#include "gateway/control/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/container.h"

#define OK  "{\"ok\":true}\n"
#define END "{\"end\":true}\n"

struct fixture {
	struct loop loop;
	struct server server;
	struct timer end;
	char dir[64], path[96];
	unsigned int n_requests, n_pieces;
	int n_jobs; /* that are not freed */
	unsigned int n_batches;
	unsigned int until_clients; /* run() ends with so many; ANY_CLIENTS: at its time */
	bool done;
	struct client *waiting;
};

#define ANY_CLIENTS UINT_MAX

/* Two megabytes, in pieces, as fast as the client reads them. */
static void much_more(struct client *c, void *ctx)
{
	struct fixture *f = ctx;

	f->n_pieces++;
	for (int i = 0; i < 1000; i++) {
		buf_bytes(&c->out, "0123456789abcde\n", 16);
	}
	if (++c->at == 128) {
		client_end(c);
	}
}

static void job_free(void *job)
{
	--*(int *)job;
}

static void on_request(struct client *c, const struct request *req, void *ctx)
{
	struct fixture *f = ctx;

	f->n_requests++;
	switch (req->verb) {
	case VERB_STATUS:
		client_ok(c);
		client_end(c);
		break;
	case VERB_SERVICES:
		client_ok(c);
		c->more = much_more;
		break;
	case VERB_DRIFT:
		if (server_busy(c->server)) {
			client_fail(c, "busy");
			break;
		}
		f->n_jobs++;
		c->job = &f->n_jobs;
		c->job_free = job_free;
		client_ok(c);
		c->more = much_more;
		break;
	case VERB_SESSIONS:
		client_ok(c);
		client_wait(c, 1000);
		f->waiting = c;
		break;
	default:
		client_fail(c, "uid %u asked '%.*s'", (unsigned int)c->uid, (int)req->args[0].len,
			    req->args[0].p);
	}
}

static const struct server_ops ops = {.request = on_request};

static void on_batch(struct loop *loop)
{
	struct fixture *f = container_of(loop, struct fixture, loop);

	f->n_batches++;
	loop->stop = f->done || f->server.n_clients == f->until_clients;
}

static void on_end(struct timer *timer)
{
	container_of(timer, struct fixture, end)->done = true;
}

/* Lets the server work for so long. */
static void run(struct fixture *f, uint64_t ms)
{
	f->done = false;
	f->loop.stop = false;
	f->loop.now_ms = clock_ms();
	wheel_arm(&f->loop.wheel, &f->end, f->loop.now_ms + ms);
	assert_int_equal(loop_run(&f->loop), 0);
}

/* Lets the server work until it has n clients. */
static void run_until(struct fixture *f, unsigned int n)
{
	f->until_clients = n;
	run(f, 30000);
	f->until_clients = ANY_CLIENTS;
	assert_int_equal(f->server.n_clients, n);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = {0};

	strcpy(f->dir, "/tmp/server-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/control.sock", f->dir);
	assert_int_equal(loop_init(&f->loop, &err), 0);
	f->loop.batch_end = on_batch;
	f->until_clients = ANY_CLIENTS;
	timer_init(&f->end, on_end);
	f->server.ops = &ops;
	f->server.ctx = f;
	assert_int_equal(server_init(&f->server, &f->loop, f->path, (gid_t)-1, &err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	server_fini(&f->server);
	assert_int_equal(f->server.n_clients, 0);
	loop_fini(&f->loop);
	assert_int_equal(rmdir(f->dir), 0); /* the socket is gone too */
	free(f);
	return 0;
}

static int dial(struct fixture *f)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = 5};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(sa.sun_path, f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	return fd;
}

static void ask(int fd, enum verb verb, const char *arg)
{
	struct request req = {.verb = verb, .args = {str_from(arg)}, .n_args = arg ? 1 : 0};
	struct buf out;

	buf_init(&out, REQUEST_MAX);
	request_pack(&req, &out);
	assert_int_equal(send(fd, out.data, out.len, 0), (ssize_t)out.len);
	buf_fini(&out);
}

/* The server has closed the connection after exactly this. */
static void expect(int fd, const char *answer)
{
	char got[1024];
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, got + len, sizeof(got) - 1 - len, MSG_DONTWAIT)) > 0) {
		len += (size_t)n;
	}
	got[len] = '\0';
	assert_string_equal(got, answer);
	assert_int_equal(n, 0);
	close(fd);
}

static bool is_open(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

static void test_request_is_answered_and_closed(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	ask(fd, VERB_STATUS, NULL);
	run(f, 50);
	expect(fd, OK END);
	assert_int_equal(f->server.n_clients, 0);
}

static void test_peer_is_known_and_text_is_escaped(void **state)
{
	struct fixture *f = *state;
	char want[128];
	int fd = dial(f);

	ask(fd, VERB_KILL, "a\"b\n");
	run(f, 50);
	snprintf(want, sizeof(want),
		 "{\"ok\":false,\"error\":\"uid %u asked 'a\\u0022b\\u000a'\"}\n",
		 (unsigned int)getuid());
	expect(fd, want);
}

static void test_request_byte_by_byte_is_understood(void **state)
{
	struct fixture *f = *state;
	struct request req = {.verb = VERB_STATUS};
	int fd = dial(f);
	struct buf out;

	buf_init(&out, REQUEST_MAX);
	request_pack(&req, &out);
	for (size_t i = 0; i < out.len; i++) {
		assert_int_equal(f->n_requests, 0);
		assert_int_equal(send(fd, out.data + i, 1, 0), 1);
		run(f, 1);
	}
	buf_fini(&out);
	run(f, 50);
	expect(fd, OK END);
}

static void test_bad_requests_are_refused_without_reaching_a_verb(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{"\xff\xff\xff\xff", 4},                /* a length beyond all */
		{"\0\0\0\3\1\143\0", 7},                /* an unknown verb */
		{"\0\0\0\3\7\1\0", 7},                  /* another version */
		{"\0\0\0\3\1\1\377", 7},                /* many arguments */
		{"\0\0\0\7\1\1\1\377\377\377\377", 11}, /* an argument beyond the request */
		{"GET / HTTP/1.1\r\n\r\n", 18},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char got[256];
		int fd = dial(f);

		assert_int_equal(send(fd, bad[i].bytes, bad[i].len, 0), (ssize_t)bad[i].len);
		run(f, 20);
		memset(got, 0, sizeof(got));
		assert_true(recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT) > 0);
		assert_memory_equal(got, "{\"ok\":false,\"error\":", 20);
		assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), 0);
		close(fd);
	}
	assert_int_equal(f->n_requests, 0);
	assert_int_equal(f->server.n_clients, 0);
}

static void test_client_that_leaves_costs_nothing(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 100; i++) {
		int fd = dial(f);

		if (i % 3 == 1) {
			ask(fd, VERB_SERVICES, NULL);
		} else if (i % 3 == 2) {
			assert_int_equal(send(fd, "\0\0", 2, 0), 2);
		}
		close(fd);
		run(f, 1);
	}
	run(f, 50);
	assert_int_equal(f->server.n_clients, 0);
}

static void test_mute_client_is_closed_at_its_deadline(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	assert_int_equal(send(fd, "\0\0\0", 3, 0), 3);
	run(f, SERVER_REQUEST_MS - 1000);
	assert_true(is_open(fd));
	run(f, 1500);
	expect(fd, "");
}

static void test_more_clients_than_allowed_wait_and_are_served(void **state)
{
	struct fixture *f = *state;
	int mute[SERVER_CLIENTS_MAX], fd;

	for (int i = 0; i < SERVER_CLIENTS_MAX; i++) {
		mute[i] = dial(f);
	}
	run_until(f, SERVER_CLIENTS_MAX);
	fd = dial(f);
	ask(fd, VERB_STATUS, NULL);
	run(f, 50);
	assert_true(is_open(fd));
	assert_int_equal(f->server.n_clients, SERVER_CLIENTS_MAX);
	close(mute[0]);
	run(f, 100);
	expect(fd, OK END);
	for (int i = 1; i < SERVER_CLIENTS_MAX; i++) {
		close(mute[i]);
	}
	run(f, 50);
}

static void test_slow_reader_holds_one_piece_and_no_one_up(void **state)
{
	struct fixture *f = *state;
	int slow = dial(f), fd;
	unsigned int before;
	char got[65536];
	size_t total = 0;
	ssize_t n;

	ask(slow, VERB_SERVICES, NULL);
	run(f, 100);
	before = f->n_pieces;
	assert_true(before < 64); /* the rest is not even made */
	run(f, 100);
	assert_int_equal(f->n_pieces, before);
	assert_int_equal(f->server.n_clients, 1);
	assert_true(f->server.clients->out.size < 200000);

	fd = dial(f);
	ask(fd, VERB_STATUS, NULL);
	run(f, 50);
	expect(fd, OK END);

	do {
		while ((n = recv(slow, got, sizeof(got), MSG_DONTWAIT)) > 0) {
			total += (size_t)n;
		}
		run(f, 1);
	} while (n < 0);
	assert_int_equal(total, strlen(OK) + 128 * 16000 + strlen(END));
	close(slow);
}

static void test_answers_that_hold_much_are_few_and_end(void **state)
{
	struct fixture *f = *state;
	int fd[SERVER_JOBS_MAX], next;

	for (int i = 0; i < SERVER_JOBS_MAX; i++) {
		fd[i] = dial(f);
		ask(fd[i], VERB_DRIFT, NULL);
		run(f, 50);
	}
	assert_int_equal(f->n_jobs, SERVER_JOBS_MAX);
	next = dial(f);
	ask(next, VERB_DRIFT, NULL);
	run(f, 50);
	expect(next, "{\"ok\":false,\"error\":\"busy\"}\n");
	assert_true(f->server.clients->job_end_ms <= f->loop.now_ms + SERVER_JOB_MS);
	for (struct client *c = f->server.clients; c; c = c->next) {
		c->job_end_ms = f->loop.now_ms + 300; /* not to wait a minute here */
	}
	for (int i = 0; i < 10 && f->n_jobs > 0; i++) { /* slow, but never without a byte */
		char got[32768];

		for (int k = 0; k < SERVER_JOBS_MAX; k++) {
			(void)!recv(fd[k], got, sizeof(got), MSG_DONTWAIT);
		}
		run(f, 100);
	}
	for (int i = 0; i < SERVER_JOBS_MAX; i++) {
		close(fd[i]);
	}
	assert_int_equal(f->n_jobs, 0);
}

static void test_reader_that_stops_is_closed(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	ask(fd, VERB_SERVICES, NULL);
	run(f, 100);
	assert_int_equal(f->server.n_clients, 1);
	run(f, SERVER_PROGRESS_MS + 500);
	assert_int_equal(f->server.n_clients, 0);
	close(fd);
}

static void test_waiting_ends_at_its_deadline_and_later_answers_are_dropped(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	ask(fd, VERB_SESSIONS, NULL);
	run_until(f, 1);
	run_until(f, 0);
	assert_non_null(f->waiting); /* its owner has to find out that it is gone */
	expect(fd, OK);              /* cut short: no end */
}

/* Asks for sessions and takes the socket as the worker does that is to write them. */
static int lend_waiting(struct fixture *f, int *ret_client)
{
	char got[sizeof(OK)];
	int lent;

	*ret_client = dial(f);
	ask(*ret_client, VERB_SESSIONS, NULL);
	run(f, 100);
	assert_non_null(f->waiting);
	assert_int_equal(recv(*ret_client, got, sizeof(got), 0), strlen(OK));
	lent = dup(f->waiting->io.fd);
	assert_true(lent >= 0);
	return lent;
}

/* O_NONBLOCK belongs to the socket, not to who holds it: a worker could take it away. */
static void test_who_was_lent_a_client_cannot_make_writing_block(void **state)
{
	struct fixture *f = *state;
	char fill[4096] = {0};
	int fd, lent = lend_waiting(f, &fd);

	while (send(lent, fill, sizeof(fill), MSG_DONTWAIT) > 0) {
	}
	assert_int_equal(fcntl(lent, F_SETFL, 0), 0);
	alarm(10); /* ends a server that hangs */
	client_end(f->waiting);
	client_flush(f->waiting);
	alarm(0);
	assert_int_equal(f->server.n_clients, 1);
	close(lent);
	close(fd);
	run_until(f, 0);
}

static void test_who_was_lent_a_client_cannot_keep_it_open(void **state)
{
	struct fixture *f = *state;
	char c;
	int fd, lent = lend_waiting(f, &fd);

	run_until(f, 0); /* its deadline */
	assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), 0);
	close(lent);
	close(fd);
}

static void test_without_descriptors_it_waits_and_does_not_spin(void **state)
{
	struct fixture *f = *state;
	struct rlimit former, none;
	int fd = dial(f);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &former), 0);
	none = former;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	f->n_batches = 0;
	run(f, 300);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &former), 0);
	assert_int_equal(f->server.n_clients, 0);
	assert_true(f->n_batches < 100); /* a tick of the wheel is some ms */
	ask(fd, VERB_STATUS, NULL);
	run_until(f, 1);
	run_until(f, 0);
	expect(fd, OK END);
}

static void test_second_server_is_refused_and_a_dead_socket_replaced(void **state)
{
	struct fixture *f = *state;
	struct server second = {.ops = &ops};
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct err err = {0};
	struct stat st;
	char path[128];
	int fd;

	assert_int_equal(server_init(&second, &f->loop, f->path, (gid_t)-1, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "another sixgated is running"));
	fd = dial(f); /* the first one's socket is still there */
	close(fd);

	snprintf(path, sizeof(path), "%s/dead.sock", f->dir);
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(fd);
	assert_int_equal(server_init(&second, &f->loop, path, (gid_t)-1, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	server_fini(&second);
	run(f, 20);
}

static void test_group_of_the_socket(void **state)
{
	struct fixture *f = *state;
	struct server second = {.ops = &ops};
	struct err err = {0};
	struct stat st;
	char path[128];

	if (geteuid() != 0) {
		skip();
	}
	snprintf(path, sizeof(path), "%s/group.sock", f->dir);
	assert_int_equal(server_init(&second, &f->loop, path, 4711, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_gid, 4711);
	assert_int_equal(getegid(), 0);
	server_fini(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_request_is_answered_and_closed),
		TEST(test_peer_is_known_and_text_is_escaped),
		TEST(test_request_byte_by_byte_is_understood),
		TEST(test_bad_requests_are_refused_without_reaching_a_verb),
		TEST(test_client_that_leaves_costs_nothing),
		TEST(test_mute_client_is_closed_at_its_deadline),
		TEST(test_more_clients_than_allowed_wait_and_are_served),
		TEST(test_slow_reader_holds_one_piece_and_no_one_up),
		TEST(test_answers_that_hold_much_are_few_and_end),
		TEST(test_reader_that_stops_is_closed),
		TEST(test_waiting_ends_at_its_deadline_and_later_answers_are_dropped),
		TEST(test_who_was_lent_a_client_cannot_make_writing_block),
		TEST(test_who_was_lent_a_client_cannot_keep_it_open),
		TEST(test_without_descriptors_it_waits_and_does_not_spin),
		TEST(test_second_server_is_refused_and_a_dead_socket_replaced),
		TEST(test_group_of_the_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
