/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The selector on real sockets: which worker slot a client's connection arrives at.
 */
#include "gateway/control/selector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "gateway/control/socket.h"

#define SLOTS   5
#define SOURCES 120
#define WAIT_MS 10000

struct group {
	struct selector selector;
	struct endpoint local;
	int fds[SLOTS];
};

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(str_from(text), &a), 0);
	return a;
}

/* A port nobody has at this moment. */
static uint16_t free_port(const struct addr *on)
{
	struct endpoint local = {.addr = *on};
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&local, false, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&sa, &local), 0);
	close(fd);
	return local.port;
}

static void group_open(struct group *g, const char *on)
{
	struct socket_group setup = {.uid = geteuid(), .selector = &g->selector};
	struct err err = {0};

	g->selector = (struct selector){.keys = {0x12345678, 0x9abcdef0},
					.n = SLOTS,
					.live = (1u << SLOTS) - 1};
	setup.local.addr = address(on);
	setup.local.port = free_port(&setup.local.addr);
	g->local = setup.local;
	if (sockets_open(&setup, g->fds, &err) < 0) {
		fail_msg("%s", err.msg);
	}
}

/* Connects from source and returns the slot whose socket has the connection. */
static unsigned int group_meet(const struct group *g, const struct addr *source)
{
	struct endpoint from = {.addr = *source};
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&from, false, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM, 0), one = 1;
	unsigned int slot = SLOTS;
	struct pollfd waiting[SLOTS];

	if (sa.ss_family == AF_INET6) {
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof(one)), 0);
	}
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	len = endpoint_to_sockaddr(&g->local, false, &sa);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	for (unsigned int i = 0; i < SLOTS; i++) {
		waiting[i] = (struct pollfd){.fd = g->fds[i], .events = POLLIN};
	}
	/* the client may be connected before the listener knows */
	assert_int_equal(poll(waiting, SLOTS, WAIT_MS), 1);
	for (unsigned int i = 0; i < SLOTS; i++) {
		int conn = accept(g->fds[i], NULL, NULL);

		if (conn >= 0) {
			assert_int_equal(slot, SLOTS); /* one connection, one socket */
			slot = i;
			close(conn);
		}
	}
	close(fd);
	assert_true(slot < SLOTS);
	return slot;
}

static struct addr source4(unsigned int i)
{
	char text[32];

	snprintf(text, sizeof(text), "127.%u.%u.%u", 1 + i % 3, i, 7 + i % 11);
	return address(text);
}

static void test_a_source_always_meets_one_slot(void **state)
{
	struct group g;
	unsigned int met[SLOTS] = {0};

	(void)state;
	group_open(&g, "127.0.0.1");
	for (unsigned int i = 0; i < SOURCES; i++) {
		struct addr from = source4(i);
		unsigned int slot = group_meet(&g, &from);

		met[slot]++;
		assert_int_equal(group_meet(&g, &from), slot);
		assert_int_equal(group_meet(&g, &from), slot);
	}
	for (unsigned int i = 0; i < SLOTS; i++) {
		/* 24 on average; 6 is far outside chance */
		assert_true(met[i] > 6);
	}
	sockets_close(g.fds, SLOTS);
}

static void test_dead_slots_are_not_met_and_the_others_keep_their_sources(void **state)
{
	const uint64_t dead = 1u << 1 | 1u << 4;
	unsigned int before[SOURCES], moved_to[SLOTS] = {0};
	struct err err;
	struct group g;

	(void)state;
	group_open(&g, "127.0.0.1");
	for (unsigned int i = 0; i < SOURCES; i++) {
		struct addr from = source4(i);

		before[i] = group_meet(&g, &from);
	}
	g.selector.live &= ~dead;
	assert_int_equal(selector_attach(&g.selector, true, g.fds[1], &err), 0);
	for (unsigned int i = 0; i < SOURCES; i++) {
		struct addr from = source4(i);
		unsigned int slot = group_meet(&g, &from);

		assert_false(dead >> slot & 1);
		if (dead >> before[i] & 1) {
			moved_to[slot]++;
		} else {
			assert_int_equal(slot, before[i]);
		}
	}
	/* the dead slots' sources are spread over all that live */
	assert_true(moved_to[0] > 0 && moved_to[2] > 0 && moved_to[3] > 0);
	g.selector.live |= dead;
	assert_int_equal(selector_attach(&g.selector, true, g.fds[0], &err), 0);
	for (unsigned int i = 0; i < SOURCES; i++) {
		struct addr from = source4(i);

		assert_int_equal(group_meet(&g, &from), before[i]);
	}
	sockets_close(g.fds, SLOTS);
}

static void test_ipv6_source_is_its_64(void **state)
{
	unsigned int met[SLOTS] = {0};
	struct group g;
	char text[64];

	(void)state;
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0 ||
	    system("ip link set lo up && ip -6 route add local 2001:db8::/32 dev lo") != 0) {
		skip();
	}
	group_open(&g, "::1");
	for (unsigned int i = 0; i < SOURCES; i++) {
		struct addr a, b, c;
		unsigned int slot;

		snprintf(text, sizeof(text), "2001:db8:%x:%x::1", i * 7, i);
		a = address(text);
		snprintf(text, sizeof(text), "2001:db8:%x:%x:ffff::2", i * 7, i);
		b = address(text);
		snprintf(text, sizeof(text), "2001:db8:%x:%x:1:2:3:4", i * 7, i);
		c = address(text);
		slot = group_meet(&g, &a);
		met[slot]++;
		assert_int_equal(group_meet(&g, &b), slot);
		assert_int_equal(group_meet(&g, &c), slot);
	}
	for (unsigned int i = 0; i < SLOTS; i++) {
		assert_true(met[i] > 6);
	}
	sockets_close(g.fds, SLOTS);
}

static void test_keys_decide(void **state)
{
	unsigned int same = 0, before;
	struct err err;
	struct group g;

	(void)state;
	group_open(&g, "127.0.0.1");
	for (unsigned int i = 0; i < SOURCES; i++) {
		struct addr from = source4(i);

		g.selector.keys[0] = 1;
		assert_int_equal(selector_attach(&g.selector, true, g.fds[0], &err), 0);
		before = group_meet(&g, &from);
		g.selector.keys[0] = 2;
		assert_int_equal(selector_attach(&g.selector, true, g.fds[0], &err), 0);
		same += group_meet(&g, &from) == before;
	}
	assert_true(same < SOURCES / 2); /* a fifth by chance */
	sockets_close(g.fds, SLOTS);
}

static void test_longest_program_fits_the_kernel(void **state)
{
	struct sock_filter program[SELECTOR_PROGRAM_MAX];
	struct selector sel = {.keys = {1, 2}, .n = 63};
	int fd = socket(AF_INET6, SOCK_STREAM, 0), one = 1;
	struct err err;

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
	for (unsigned int n_live = 0; n_live <= 63; n_live++) {
		sel.live = (UINT64_C(1) << n_live) - 1;
		assert_true(selector_program(&sel, false, program) <= SELECTOR_PROGRAM_MAX);
		assert_int_equal(selector_attach(&sel, false, fd, &err), 0);
	}
	close(fd);
}

static void test_taken_address_is_named_with_its_holder(void **state)
{
	struct socket_group setup = {.uid = geteuid()};
	struct err err = {0};
	struct group g;
	int fds[SLOTS];
	char pid[32];

	(void)state;
	group_open(&g, "127.0.0.1");
	setup.selector = &g.selector;
	setup.local = g.local;
	/* also a holder that shares its port as we do */
	assert_int_equal(sockets_open(&setup, fds, &err), -EADDRINUSE);
	snprintf(pid, sizeof(pid), "(pid %d, ", (int)getpid());
	assert_non_null(strstr(err.msg, "address is in use"));
	assert_non_null(strstr(err.msg, pid));
	sockets_close(g.fds, SLOTS);
	assert_int_equal(sockets_open(&setup, fds, &err), 0);
	sockets_close(fds, SLOTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_source_always_meets_one_slot),
		cmocka_unit_test(test_dead_slots_are_not_met_and_the_others_keep_their_sources),
		cmocka_unit_test(test_keys_decide),
		cmocka_unit_test(test_longest_program_fits_the_kernel),
		cmocka_unit_test(test_taken_address_is_named_with_its_holder),
		cmocka_unit_test(test_ipv6_source_is_its_64), /* leaves its namespace */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
