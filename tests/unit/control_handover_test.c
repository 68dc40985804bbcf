/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sockets from one sixgated to the next: names, what is adopted and what is not. */
#include "gateway/control/handover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "gateway/control/former.h"
#include "gateway/control/notify.h"
#include "gateway/control/socket.h"
#include "gateway/control/spawn.h"
#include "tests/unit/handover_rig.h"

#define ENV_BYTES 131072 /* MAX_ARG_STRLEN of the kernel: the longest variable */

static void test_names_there_and_back(void **state)
{
	static const char *const names[] = {
		"203.0.113.10,443,0,2",
		"0.0.0.0,1,0,1",
		"2001-db8-a000--10,65535,63,64",
		"--,80,1,3",
		"2001-db8-a000-ffff-ffff-ffff-ffff-ffff,65535,63,64",
		"--,53,1,2,udp",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct handover_name name;
		char text[FDSTORE_NAME_MAX];

		assert_int_equal(handover_name_parse(str_from(names[i]), &name), 0);
		handover_name_format(&name, text);
		assert_string_equal(text, names[i]);
		assert_null(strchr(text, ':'));
		/* so many of the longest fit the variable that names them */
		assert_true(FDSTORE_MAX * (strlen(text) + 1) < ENV_BYTES);
	}
}

static void test_names_that_are_not_ours(void **state)
{
	static const char *const names[] = {
		"",
		"stored",
		",,,",
		"203.0.113.10",
		"203.0.113.10,443",
		"203.0.113.10,443,0",
		"203.0.113.10,443,0,",
		"203.0.113.10,443,0,2,",
		"203.0.113.10,443,0,2,tcp",
		"203.0.113.10,443,0,2,udp,",
		"203.0.113.10,443,0,2 ",
		"203.0.113.10,443,2,2",
		"203.0.113.10,443,0,0",
		"203.0.113.10,443,0,65",
		"203.0.113.10,0,0,1",
		"203.0.113.10,65536,0,1",
		"203.0.113.10,0443,0,1",
		"203.0.113.10,443,-1,1",
		"203.0.113.300,443,0,1",
		"2001:db8::1,443,0,1",
		"2001-DB8--1,443,0,1",
		"2001-db8-0-0-0-0-0-1,443,0,1",
		"-,443,0,1",
		"--ffff-203.0.113.10,443,0,1",
		"worker,0,1",
		"2001-db8-a000-ffff-ffff-ffff-ffff-ffff-ffff-ffff-ffff-ffff-ffff-ffff,1,0,1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct handover_name name;

		if (handover_name_parse(str_from(names[i]), &name) != -EINVAL) {
			fail_msg("'%s' is taken for a name of ours", names[i]);
		}
	}
}

/* As the service manager starts us: descriptors from 3 on. They are closed elsewhere. */
static void give(const int *fds, size_t n, const char *names)
{
	char number[24];

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(dup2(fds[i], 3 + (int)i), 3 + (int)i);
		close(fds[i]);
	}
	(void)snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	(void)snprintf(number, sizeof(number), "%zu", n);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

static void give_pair(const struct fixture *f, const int fds[WORKERS], unsigned int slot0,
		      unsigned int slot1)
{
	char names[2 * FDSTORE_NAME_MAX];
	size_t len;

	name_of(f, slot0, names);
	len = strlen(names);
	names[len++] = ':';
	name_of(f, slot1, names + len);
	give(fds, WORKERS, names);
}

static void test_full_group_is_adopted_in_order_of_slots(void **state)
{
	struct fixture *f = *state;
	int fds[WORKERS], got[WORKERS];

	open_group(f, fds);
	give_pair(f, fds, 1, 0);
	take_in(f);
	match(f, WORKERS, geteuid());
	assert_int_equal(handover_slots(&f->handover), 0); /* those of a restart decide nothing */
	assert_true(take(f, &f->local, WORKERS, got));
	assert_int_equal(got[0], 4);
	assert_int_equal(got[1], 3);
	assert_false(take(f, &f->local, WORKERS, got));
	handover_close(&f->handover);
	assert_true(is_open(3) && is_open(4)); /* they are the taker's */
}

static void test_what_nobody_takes_is_closed(void **state)
{
	struct fixture *f = *state;
	struct endpoint other = f->local;
	int fds[WORKERS], got[WORKERS];

	open_group(f, fds);
	give_pair(f, fds, 0, 1);
	take_in(f);
	match(f, WORKERS, geteuid());
	other.port++;
	assert_false(take(f, &other, WORKERS, got));
	handover_close(&f->handover);
	assert_false(is_open(3) || is_open(4));
}

/* Opens a group of UDP and hands it over, under names that say so or not. Returns its address. */
static struct handover_name give_datagrams(const struct fixture *f, bool named)
{
	const struct selector selector = {.n = WORKERS, .live = 3};
	struct socket_group group = {.local.port = f->local.port,
				     .udp = true,
				     .uid = geteuid(),
				     .selector = &selector};
	struct handover_name name = {.udp = named, .n_slots = WORKERS};
	char names[2 * FDSTORE_NAME_MAX];
	struct err err;
	int fds[WORKERS];

	group.local.addr.b[15] = 1; /* ::1 */
	name.local = group.local;
	assert_int_equal(sockets_open(&group, fds, &err), 0);
	handover_name_format(&name, names);
	names[strlen(names) + 1] = '\0';
	names[strlen(names)] = ':';
	name.slot = 1;
	handover_name_format(&name, names + strlen(names));
	give(fds, WORKERS, names);
	name.slot = 0;
	return name;
}

static void test_group_of_udp_is_known_by_its_name(void **state)
{
	struct fixture *f = *state;
	struct handover_name name = give_datagrams(f, true);
	int got[WORKERS];

	take_in(f);
	match(f, WORKERS, geteuid());
	assert_false(take(f, &name.local, WORKERS, got)); /* of TCP */
	assert_false(handover_take(&f->handover, &name, geteuid() + 1, got));
	assert_true(handover_take(&f->handover, &name, geteuid(), got));
	assert_int_equal(got[0], 3);
	assert_int_equal(got[1], 4);
}

/* Of another address of the same port they would keep [::] from being bound. */
static void test_what_the_config_does_not_name_is_closed(void **state)
{
	struct fixture *f = *state;
	const uid_t uids[2] = {geteuid() + 1, geteuid()};
	struct handover_name name = give_datagrams(f, true);
	struct listener_conf listener = {.address = name.local.addr, .port = name.local.port};
	struct node_conf conf = {.dns64 = {.on = true, .listeners = &listener, .n_listeners = 1}};
	int got[WORKERS];

	take_in(f);
	match(f, WORKERS, geteuid());
	handover_match_conf(&f->handover, &conf, uids);
	assert_true(is_open(3) && is_open(4));
	listener.address = (struct addr){0};
	handover_match_conf(&f->handover, &conf, uids);
	assert_false(is_open(3) || is_open(4));
	assert_false(handover_take(&f->handover, &name, geteuid(), got));
}

/* Which DNS64 has none of. */
static void test_ipv4_of_the_proxy_may_be_of_tenants(void **state)
{
	struct fixture *f = *state;
	const uid_t proxy[2] = {geteuid(), geteuid() + 1}, dns64[2] = {geteuid() + 1, geteuid()};
	const struct node_conf conf = {.dns64 = {.on = true}};
	int fds[WORKERS];

	open_group(f, fds);
	give_pair(f, fds, 0, 1);
	take_in(f);
	match(f, WORKERS, geteuid());
	handover_match_conf(&f->handover, &conf, proxy);
	assert_true(is_open(3) && is_open(4));
	handover_match_conf(&f->handover, &conf, dns64);
	assert_false(is_open(3) || is_open(4));
}

static void test_datagrams_under_a_name_of_tcp_are_closed(void **state)
{
	struct fixture *f = *state;

	(void)give_datagrams(f, false);
	take_in(f);
	assert_false(is_open(3) || is_open(4));
}

static void assert_refused(struct fixture *f, unsigned int n_slots, uid_t uid)
{
	int got[WORKERS + 1], fds[WORKERS];

	take_in(f);
	match(f, n_slots, uid);
	assert_false(take(f, &f->local, n_slots, got));
	assert_false(is_open(3) || is_open(4));
	open_group(f, fds); /* the address is free again */
	sockets_close(fds, WORKERS);
}

static void test_group_for_another_number_of_workers_is_closed(void **state)
{
	struct fixture *f = *state;
	int fds[WORKERS];

	open_group(f, fds);
	give_pair(f, fds, 0, 1);
	assert_refused(f, WORKERS + 1, geteuid());
}

static void test_group_made_by_another_user_is_closed(void **state)
{
	struct fixture *f = *state;
	int fds[WORKERS];

	open_group(f, fds);
	give_pair(f, fds, 0, 1);
	assert_refused(f, WORKERS, geteuid() + 1);
}

static void test_half_a_group_is_closed(void **state)
{
	struct fixture *f = *state;
	char name[FDSTORE_NAME_MAX];
	int fds[WORKERS];

	open_group(f, fds);
	close(fds[1]);
	name_of(f, 0, name);
	give(fds, 1, name);
	close(4);
	assert_refused(f, WORKERS, geteuid());
}

static void test_two_sockets_of_one_slot_are_closed(void **state)
{
	struct fixture *f = *state;
	int fds[WORKERS];

	open_group(f, fds);
	give_pair(f, fds, 0, 0);
	assert_refused(f, WORKERS, geteuid());
}

static void test_one_socket_under_two_names_is_closed(void **state)
{
	struct fixture *f = *state;
	int fds[WORKERS];

	open_group(f, fds);
	close(fds[1]);
	fds[1] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	give_pair(f, fds, 0, 1);
	assert_refused(f, WORKERS, geteuid());
}

/* Descriptors that are not what their name says. */

static int make_udp(const struct fixture *f)
{
	(void)f;
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static int make_file(const struct fixture *f)
{
	(void)f;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int make_bound(const struct fixture *f, uint16_t port, bool shared, bool listening)
{
	struct endpoint local = {.addr = f->local.addr, .port = port};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = shared;
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&local, false, &sa);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listening ? listen(fd, 1) : 0, 0);
	return fd;
}

static int make_mute(const struct fixture *f)
{
	return make_bound(f, f->local.port, true, false);
}

static int make_alone(const struct fixture *f)
{
	return make_bound(f, f->local.port, false, true);
}

static int make_elsewhere(const struct fixture *f)
{
	return make_bound(f, (uint16_t)(f->local.port + 1), true, true);
}

static void test_descriptor_that_is_not_what_its_name_says_is_closed(void **state)
{
	static int (*const make[])(const struct fixture *f) = {make_udp, make_file, make_mute,
							       make_alone, make_elsewhere};
	struct fixture *f = *state;
	char name[FDSTORE_NAME_MAX];

	for (size_t i = 0; i < sizeof(make) / sizeof(make[0]); i++) {
		int fd = make[i](f);

		name_of(f, 0, name);
		give(&fd, 1, name);
		take_in(f);
		if (is_open(3) || f->handover.n_handed > 0) {
			fail_msg("kind %zu is taken for a socket of ours", i);
		}
		assert_int_equal(dup2(STDERR_FILENO, 3), 3);
	}
}

static void test_fewer_names_than_descriptors(void **state)
{
	struct fixture *f = *state;
	char name[FDSTORE_NAME_MAX];
	int fds[WORKERS];

	open_group(f, fds);
	name_of(f, 0, name);
	give(fds, WORKERS, name);
	take_in(f);
	assert_int_equal(f->handover.n_handed, 1);
	assert_true(is_open(3));
	assert_false(is_open(4));
}

static void test_what_is_for_another_process_is_left_alone(void **state)
{
	struct fixture *f = *state;
	int fds[WORKERS];

	open_group(f, fds);
	give_pair(f, fds, 0, 1);
	setenv("LISTEN_PID", "1", 1);
	take_in(f);
	assert_int_equal(f->handover.n_handed, 0);
	assert_true(is_open(3) && is_open(4));
}

static void test_process_of_an_upgrade_is_none_of_a_service_manager(void **state)
{
	struct fixture *f = *state;
	int fd = make_file(f);

	give(&fd, 1, "worker,0,1");
	take_in(f);
	assert_int_equal(f->former.n, 0);
	assert_false(is_open(3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_there_and_back),
		cmocka_unit_test(test_names_that_are_not_ours),
		WITH(test_full_group_is_adopted_in_order_of_slots),
		WITH(test_what_nobody_takes_is_closed),
		WITH(test_group_of_udp_is_known_by_its_name),
		WITH(test_what_the_config_does_not_name_is_closed),
		WITH(test_ipv4_of_the_proxy_may_be_of_tenants),
		WITH(test_datagrams_under_a_name_of_tcp_are_closed),
		WITH(test_group_for_another_number_of_workers_is_closed),
		WITH(test_group_made_by_another_user_is_closed),
		WITH(test_half_a_group_is_closed),
		WITH(test_two_sockets_of_one_slot_are_closed),
		WITH(test_one_socket_under_two_names_is_closed),
		WITH(test_descriptor_that_is_not_what_its_name_says_is_closed),
		WITH(test_fewer_names_than_descriptors),
		WITH(test_what_is_for_another_process_is_left_alone),
		WITH(test_process_of_an_upgrade_is_none_of_a_service_manager),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
