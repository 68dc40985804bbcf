/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The channel over real socketpairs: parts at their limits, descriptors, a slow and a gone other
 * side, and one that breaks the rules. Descriptors are counted after each test.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/channel.h"

#define HEADER    16
#define DATA_MAX  (CHANNEL_PART_MAX - HEADER)
#define TYPE      0x1234
#define FLAG_MORE 1

struct pair {
	struct channel a, b;
};

static size_t open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir)) {
		n++;
	}
	closedir(dir);
	return n;
}

static int setup(void **state)
{
	static size_t before;

	before = open_descriptors();
	*state = &before;
	return 0;
}

static int teardown(void **state)
{
	return open_descriptors() == *(size_t *)*state ? 0 : -1;
}

static void pair_init(struct pair *p)
{
	int fds[2];

	assert_int_equal(channel_pair(fds, NULL), 0);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	assert_int_equal(channel_init(&p->a, fds[0]), 0);
	assert_int_equal(channel_init(&p->b, fds[1]), 0);
}

static void pair_fini(struct pair *p)
{
	channel_fini(&p->a);
	channel_fini(&p->b);
}

static uint8_t *pattern(size_t len)
{
	uint8_t *data = malloc(len ? len : 1);

	assert_non_null(data);
	for (size_t i = 0; i < len; i++) {
		data[i] = (uint8_t)(i * 31 + (i >> 8));
	}
	return data;
}

/* One part as it is on the wire, with descriptors. */
static void send_raw(int fd, const void *data, size_t len, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * 2 * CHANNEL_FDS_MAX)];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)data, .iov_len = len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds > 0) {
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * n_fds);
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	}
	assert_int_equal(sendmsg(fd, &mh, 0), len);
}

static void lengths_around_a_part(void **state)
{
	static const size_t lengths[] = {
		0, 1, DATA_MAX - 1, DATA_MAX, DATA_MAX + 1, 2 * DATA_MAX, 2 * DATA_MAX + 1, 1 << 20,
	};
	struct pair p;

	(void)state;
	pair_init(&p);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint8_t *data = pattern(lengths[i]);
		struct channel_msg in = {.type = TYPE,
					 .id = 0xfedcba98,
					 .serial = 0xfedcba9876543210,
					 .data = data,
					 .len = lengths[i]};
		struct channel_msg out;
		int rc;

		assert_int_equal(channel_send(&p.a, &in), 0);
		while ((rc = channel_recv(&p.b, &out)) == 0) {
			assert_true(channel_busy(&p.a));
			rc = channel_flush(&p.a);
			assert_true(rc == 0 || rc == -EAGAIN);
		}
		assert_int_equal(rc, 1);
		assert_int_equal(out.type, TYPE);
		assert_true(out.id == in.id && out.serial == in.serial);
		assert_int_equal(out.len, lengths[i]);
		assert_true(lengths[i] == 0 || memcmp(out.data, data, lengths[i]) == 0);
		assert_int_equal(out.n_fds, 0);
		assert_int_equal(p.a.queued, 0);
		free(data);
	}
	assert_int_equal(channel_recv(&p.b, &(struct channel_msg){0}), 0);
	pair_fini(&p);
}

static void descriptors_travel_with_a_message_of_many_parts(void **state)
{
	uint8_t *data = pattern(3 * DATA_MAX);
	struct channel_msg in = {.type = TYPE, .data = data, .len = 3 * DATA_MAX};
	struct channel_msg out;
	struct stat want, got;
	struct pair p;

	(void)state;
	pair_init(&p);
	for (size_t i = 0; i < CHANNEL_FDS_MAX; i++) {
		in.fds[in.n_fds++] = p.a.fd;
	}
	assert_int_equal(fstat(p.a.fd, &want), 0);
	assert_int_equal(channel_send(&p.a, &in), 0);
	assert_int_equal(channel_recv(&p.b, &out), 1);
	assert_int_equal(out.n_fds, CHANNEL_FDS_MAX);
	for (size_t i = 0; i < out.n_fds; i++) {
		assert_int_equal(fstat(out.fds[i], &got), 0);
		assert_int_equal(got.st_ino, want.st_ino);
		assert_true(fcntl(out.fds[i], F_GETFD) & FD_CLOEXEC);
		close(out.fds[i]);
	}
	free(data);
	pair_fini(&p);
}

static void too_much_is_refused_and_nothing_queued(void **state)
{
	uint8_t *data = pattern(CHANNEL_MSG_MAX);
	struct channel_msg msg = {.type = TYPE, .data = data, .len = CHANNEL_MSG_MAX + 1};
	struct pair p;
	int n = 0, rc;

	(void)state;
	pair_init(&p);
	assert_int_equal(channel_send(&p.a, &msg), -EMSGSIZE);
	msg.len = 0;
	msg.n_fds = CHANNEL_FDS_MAX + 1;
	assert_int_equal(channel_send(&p.a, &msg), -EMSGSIZE);
	assert_false(channel_busy(&p.a));
	msg.n_fds = 0;
	msg.len = CHANNEL_MSG_MAX / 4;
	while ((rc = channel_send(&p.a, &msg)) == 0) {
		assert_true(++n < 100);
	}
	assert_int_equal(rc, -ENOBUFS);
	assert_true(p.a.queued <= CHANNEL_QUEUE_MAX + CHANNEL_PART_MAX);
	free(data);
	pair_fini(&p);
}

static void a_slow_reader_gets_everything_in_order(void **state)
{
	enum {
		N = 2000,
		LEN = 3000
	};
	uint8_t *data = pattern(LEN);
	struct channel_msg out;
	struct pair p;
	uint32_t next = 0;
	int rc;

	(void)state;
	pair_init(&p);
	for (uint32_t i = 0; i < N; i++) {
		struct channel_msg in = {.type = TYPE, .id = i, .data = data, .len = LEN};

		assert_int_equal(channel_send(&p.a, &in), 0);
	}
	assert_true(channel_busy(&p.a));
	assert_int_equal(channel_flush(&p.a), -EAGAIN);
	while (next < N) {
		rc = channel_recv(&p.b, &out);
		if (rc == 0) {
			rc = channel_flush(&p.a);
			assert_true(rc == 0 || rc == -EAGAIN);
			continue;
		}
		assert_int_equal(rc, 1);
		assert_int_equal(out.id, next++);
		assert_memory_equal(out.data, data, LEN);
	}
	assert_false(channel_busy(&p.a));
	free(data);
	pair_fini(&p);
}

static void the_end_of_the_other_side(void **state)
{
	struct channel_msg msg = {.type = TYPE}, out;
	struct pair p;

	(void)state;
	pair_init(&p);
	assert_int_equal(channel_send(&p.a, &msg), 0);
	channel_fini(&p.a);
	assert_int_equal(channel_send(&p.b, &msg), -EPIPE);
	assert_int_equal(channel_recv(&p.b, &out), 1);
	assert_int_equal(channel_recv(&p.b, &out), -EPIPE);
	pair_fini(&p);
}

/* A process that dies does so with messages unread; what it had sent before still counts. */
static void what_was_sent_before_an_end_with_unread_messages(void **state)
{
	struct channel_msg msg = {.type = TYPE, .id = 5}, got;
	struct pair p;

	(void)state;
	pair_init(&p);
	assert_int_equal(channel_send(&p.b, &msg), 0);
	assert_int_equal(channel_send(&p.a, &msg), 0);
	channel_fini(&p.a);
	assert_int_equal(channel_recv(&p.b, &got), 1);
	assert_int_equal(got.id, 5);
	assert_int_equal(channel_recv(&p.b, &got), -EPIPE);
	channel_fini(&p.b);
}

static void bad_parts_are_refused_with_their_descriptors(void **state)
{
	/* version, flags, type, id, serial */
	static const uint8_t good[HEADER] = {1, 0, 0x12, 0x34};
	static const uint8_t more[HEADER] = {1, FLAG_MORE, 0x12, 0x34};
	static const uint8_t version[HEADER] = {2, 0, 0x12, 0x34};
	static const uint8_t flags[HEADER] = {1, 2, 0x12, 0x34};
	static const uint8_t other_type[HEADER] = {1, 0, 0x12, 0x35};
	static const uint8_t other_id[HEADER] = {1, 0, 0x12, 0x34, 0, 0, 0, 1};
	static const uint8_t other_serial[HEADER] = {1, 0, 0x12, 0x34, [HEADER - 1] = 1};
	static const struct {
		const uint8_t *first, *second;
		size_t first_len, second_len;
		size_t second_fds;
	} vectors[] = {
		{good, NULL, HEADER - 1, 0, 0},          {good, NULL, 1, 0, 0},
		{version, NULL, HEADER, 0, 0},           {flags, NULL, HEADER, 0, 0},
		{more, other_type, HEADER, HEADER, 1},   {more, other_id, HEADER, HEADER, 1},
		{more, other_serial, HEADER, HEADER, 1}, {more, good, HEADER, HEADER, 1},
		{more, good, HEADER, HEADER - 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct channel_msg out;
		struct pair p;

		pair_init(&p);
		send_raw(p.a.fd, vectors[i].first, vectors[i].first_len, &p.a.fd, 1);
		if (vectors[i].second) {
			send_raw(p.a.fd, vectors[i].second, vectors[i].second_len, &p.a.fd,
				 vectors[i].second_fds);
		}
		assert_int_equal(channel_recv(&p.b, &out), -EPROTO);
		pair_fini(&p);
	}
}

static void a_part_larger_than_allowed_is_refused(void **state)
{
	uint8_t *data = calloc(1, CHANNEL_PART_MAX + 1);
	struct channel_msg out;
	struct pair p;

	(void)state;
	pair_init(&p);
	data[0] = 1;
	send_raw(p.a.fd, data, CHANNEL_PART_MAX + 1, &p.a.fd, 1);
	assert_int_equal(channel_recv(&p.b, &out), -EPROTO);
	free(data);
	pair_fini(&p);
}

static void more_descriptors_than_allowed_are_refused_and_closed(void **state)
{
	static const uint8_t good[HEADER] = {1, 0, 0x12, 0x34};
	int fds[CHANNEL_FDS_MAX + 1];
	struct channel_msg out;
	struct pair p;

	(void)state;
	pair_init(&p);
	for (size_t i = 0; i < CHANNEL_FDS_MAX + 1; i++) {
		fds[i] = p.a.fd;
	}
	send_raw(p.a.fd, good, sizeof(good), fds, CHANNEL_FDS_MAX + 1);
	assert_int_equal(channel_recv(&p.b, &out), -EPROTO);
	pair_fini(&p);
}

static void a_message_without_end_is_refused_at_the_limit(void **state)
{
	uint8_t *part = calloc(1, CHANNEL_PART_MAX);
	struct channel_msg out;
	size_t sent = 0;
	struct pair p;
	int rc;

	(void)state;
	pair_init(&p);
	part[0] = 1;
	part[1] = FLAG_MORE;
	do {
		send_raw(p.a.fd, part, CHANNEL_PART_MAX, NULL, 0);
		sent += DATA_MAX;
		rc = channel_recv(&p.b, &out);
	} while (rc == 0);
	assert_int_equal(rc, -EPROTO);
	assert_true(sent > CHANNEL_MSG_MAX && sent <= CHANNEL_MSG_MAX + 2 * DATA_MAX);
	free(part);
	pair_fini(&p);
}

/* Else one could be made to read for ever: nothing of it counts towards the limit. */
static void only_the_last_part_may_be_short(void **state)
{
	static const uint8_t more[HEADER] = {1, FLAG_MORE, 0x12, 0x34};
	struct channel_msg out;
	struct pair p;

	(void)state;
	pair_init(&p);
	send_raw(p.a.fd, more, sizeof(more), &p.a.fd, 1);
	assert_int_equal(channel_recv(&p.b, &out), -EPROTO);
	pair_fini(&p);
}

static void without_descriptors_left_nothing_is_sent(void **state)
{
	struct channel_msg msg = {.type = TYPE, .n_fds = 4}, out;
	struct rlimit old, tight;
	struct pair p;

	(void)state;
	pair_init(&p);
	for (size_t i = 0; i < msg.n_fds; i++) {
		msg.fds[i] = p.a.fd;
	}
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	/* two more fit: the third of four fails */
	tight = (struct rlimit){.rlim_cur = (rlim_t)p.b.fd + 3, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	assert_int_equal(channel_send(&p.a, &msg), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_false(channel_busy(&p.a));
	assert_int_equal(channel_recv(&p.b, &out), 0);
	pair_fini(&p);
}

static void fini_closes_what_was_not_handed_out(void **state)
{
	static const uint8_t more[HEADER] = {1, FLAG_MORE, 0x12, 0x34};
	uint8_t *data = pattern(1 << 20), part[CHANNEL_PART_MAX] = {0};
	struct channel_msg msg = {.type = TYPE, .n_fds = 1, .data = data, .len = 1 << 20}, out;
	struct pair p;

	(void)state;
	pair_init(&p);
	memcpy(part, more, sizeof(more));
	send_raw(p.a.fd, part, sizeof(part), (int[]){p.a.fd, p.b.fd}, 2);
	assert_int_equal(channel_recv(&p.b, &out), 0);
	msg.fds[0] = p.a.fd;
	while (channel_send(&p.a, &msg) == 0) {
	}
	pair_fini(&p); /* teardown counts */
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lengths_around_a_part, setup, teardown),
		cmocka_unit_test_setup_teardown(descriptors_travel_with_a_message_of_many_parts,
						setup, teardown),
		cmocka_unit_test_setup_teardown(too_much_is_refused_and_nothing_queued, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_slow_reader_gets_everything_in_order, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_end_of_the_other_side, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_sent_before_an_end_with_unread_messages,
						setup, teardown),
		cmocka_unit_test_setup_teardown(bad_parts_are_refused_with_their_descriptors, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_part_larger_than_allowed_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			more_descriptors_than_allowed_are_refused_and_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_message_without_end_is_refused_at_the_limit,
						setup, teardown),
		cmocka_unit_test_setup_teardown(only_the_last_part_may_be_short, setup, teardown),
		cmocka_unit_test_setup_teardown(without_descriptors_left_nothing_is_sent, setup,
						teardown),
		cmocka_unit_test_setup_teardown(fini_closes_what_was_not_handed_out, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
