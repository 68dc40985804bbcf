/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which sockets are open by config and exposures, and that what stays keeps its own. Real sockets
 * on loopback; no worker runs, so every change is in force at once.
 */
#include "gateway/control/listeners.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/model/tenant.h"
#include "gateway/control/problems.h"
#include "gateway/control/slots.h"
#include "gateway/control/socket.h"
#include "tests/unit/control_rig.h"

#define WORKERS 2

struct fixture {
	struct rig rig;
	struct listeners *ls; /* of rig.c */
	struct pool_range pool[2];
	uint16_t port; /* this and the nine above are this process's */
};

static struct addr loopback(uint8_t last)
{
	return (struct addr){.b = {[10] = 0xff, 0xff, 127, 0, 78, last}};
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig, WORKERS, NULL);
	f->ls = &f->rig.c.listeners;
	f->pool[0].range = (struct prefix){.addr = loopback(0), .len = 126}; /* four addresses */
	f->pool[1].range = (struct prefix){.addr = loopback(9), .len = 128};
	f->port = (uint16_t)f->rig.port;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_fini(&f->rig);
	free(f);
	return 0;
}

static struct node_conf node_with(struct fixture *f, struct listener_conf *list, size_t n)
{
	return (struct node_conf){.listeners = list,
				  .n_listeners = n,
				  .pool = f->pool,
				  .n_pool = 2};
}

static struct listener_conf any(uint16_t port, enum protocol protocol)
{
	return (struct listener_conf){.any = true, .port = port, .protocol = protocol};
}

static struct listener_conf one(uint8_t last, uint16_t port)
{
	return (struct listener_conf){.address = loopback(last),
				      .port = port,
				      .protocol = PROTOCOL_TCP};
}

static void configure(struct fixture *f, const struct node_conf *node)
{
	struct err err = {0};

	if (listeners_configure(f->ls, node, &err) < 0) {
		fail_msg("%s", err.msg);
	}
}

static size_t n_open(const struct fixture *f)
{
	return rig_listeners(&f->rig);
}

static const struct listener *find(const struct fixture *f, uint8_t last, uint16_t port)
{
	const struct addr a = loopback(last);

	return rig_listener(&f->rig, &a, port);
}

static int option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void test_any_is_each_address_of_the_pool(void **state)
{
	struct fixture *f = *state;
	struct listener_conf list[] = {any(f->port, PROTOCOL_TLS)};
	struct node_conf node = node_with(f, list, 1);

	configure(f, &node);
	assert_int_equal(n_open(f), 5);
	for (uint8_t last = 0; last < 4; last++) {
		assert_non_null(find(f, last, f->port));
	}
	assert_non_null(find(f, 9, f->port));
	assert_null(find(f, 4, f->port));
}

static void test_options_a_session_inherits(void **state)
{
	struct fixture *f = *state;
	struct listener_conf list[] = {any(f->port, PROTOCOL_TLS), one(1, f->port + 1)};
	struct node_conf node = node_with(f, list, 2);
	const struct listener *tls, *tcp;

	configure(f, &node);
	tls = find(f, 1, f->port);
	tcp = find(f, 1, f->port + 1);
	for (int i = 0; i < WORKERS; i++) {
		assert_int_equal(option(tls->fds[i], SOL_SOCKET, SO_REUSEPORT), 1);
		assert_int_equal(option(tls->fds[i], SOL_SOCKET, SO_KEEPALIVE), 1);
		assert_int_equal(option(tls->fds[i], IPPROTO_TCP, TCP_NODELAY), 1);
		assert_true(option(tls->fds[i], IPPROTO_TCP, TCP_USER_TIMEOUT) > 0);
		assert_int_equal(option(tls->fds[i], SOL_SOCKET, SO_ACCEPTCONN), 1);
		assert_true(option(tls->fds[i], IPPROTO_TCP, TCP_DEFER_ACCEPT) > 0);
		assert_int_equal(option(tcp->fds[i], IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
	}
}

static void test_what_both_configs_name_keeps_its_sockets(void **state)
{
	struct fixture *f = *state;
	struct listener_conf before[] = {any(f->port, PROTOCOL_TLS), one(1, f->port + 1)};
	struct listener_conf after[] = {one(2, f->port + 2), any(f->port, PROTOCOL_TLS)};
	struct node_conf first = node_with(f, before, 2), second = node_with(f, after, 2);
	int kept[WORKERS];

	configure(f, &first);
	memcpy(kept, find(f, 3, f->port)->fds, sizeof(kept));
	configure(f, &second);
	assert_int_equal(n_open(f), 6);
	assert_memory_equal(find(f, 3, f->port)->fds, kept, sizeof(kept));
	assert_non_null(find(f, 2, f->port + 2));
	assert_null(find(f, 1, f->port + 1));
	assert_ptr_equal(find(f, 3, f->port)->conf, &after[1]);
}

static void test_config_with_a_taken_port_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct listener_conf before[] = {any(f->port, PROTOCOL_TLS)};
	struct listener_conf after[] = {one(1, f->port + 1), one(1, f->port + 2)};
	struct node_conf first = node_with(f, before, 1), second = node_with(f, after, 2);
	struct selector alone = {.n = 1, .live = 1};
	struct socket_group other = {.local = {.addr = loopback(1), .port = f->port + 2},
				     .uid = geteuid(),
				     .selector = &alone};
	struct err err = {0};
	int fd;

	configure(f, &first);
	assert_int_equal(sockets_open(&other, &fd, &err), 0);
	assert_int_equal(listeners_configure(f->ls, &second, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "address is in use"));
	assert_int_equal(n_open(f), 5);
	assert_ptr_equal(find(f, 0, f->port)->conf, &before[0]);
	assert_int_equal(f->ls->n_waiting, 0);
	/* and the next try is not confused by the failed one */
	sockets_close(&fd, 1);
	configure(f, &second);
	assert_int_equal(n_open(f), 2);
}

static void test_protocol_changes_in_place(void **state)
{
	struct fixture *f = *state;
	struct listener_conf before[] = {any(f->port, PROTOCOL_TLS)};
	struct listener_conf after[] = {any(f->port, PROTOCOL_TCP)};
	struct node_conf first = node_with(f, before, 1), second = node_with(f, after, 1);
	int kept;

	configure(f, &first);
	kept = find(f, 0, f->port)->fds[1];
	configure(f, &second);
	assert_int_equal(find(f, 0, f->port)->fds[1], kept);
	assert_int_equal(find(f, 0, f->port)->protocol, PROTOCOL_TCP);
	assert_int_equal(option(kept, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
}

struct exposing {
	struct tenant_conf tenant;
	struct service_conf service;
	struct expose_conf expose;
};

static void exposing_init(struct exposing *e, enum protocol protocol, uint16_t port)
{
	*e = (struct exposing){
		.expose = {.protocol = protocol, .ipv4 = loopback(2), .port = port},
		.service = {.n_exposes = 1},
		.tenant = {.n_services = 1, .state = TENANT_ACTIVE},
	};
	e->service.exposes = &e->expose;
	e->tenant.services = &e->service;
}

static void test_listener_of_both_config_and_exposure_goes_with_the_last(void **state)
{
	struct fixture *f = *state;
	struct listener_conf list[] = {any(f->port, PROTOCOL_TLS)};
	struct node_conf with = node_with(f, list, 1), without = node_with(f, list, 0);
	struct exposing e;
	int kept;

	exposing_init(&e, PROTOCOL_TLS, f->port);
	configure(f, &with);
	kept = find(f, 1, f->port)->fds[0];
	listeners_expose(f->ls, &e.tenant);
	configure(f, &without);
	assert_int_equal(n_open(f), 5);
	assert_int_equal(find(f, 1, f->port)->fds[0], kept);
	assert_null(find(f, 1, f->port)->conf);
	configure(f, &with);
	listeners_unexpose(f->ls, &e.tenant);
	assert_int_equal(n_open(f), 5);
	assert_int_equal(find(f, 1, f->port)->fds[0], kept);
	configure(f, &without);
	assert_int_equal(n_open(f), 0);
}

static void test_config_decides_the_protocol_while_it_names_the_listener(void **state)
{
	struct fixture *f = *state;
	struct listener_conf list[] = {any(f->port, PROTOCOL_TLS)};
	struct node_conf with = node_with(f, list, 1), without = node_with(f, list, 0);
	struct exposing e;

	exposing_init(&e, PROTOCOL_TCP, f->port);
	configure(f, &without);
	listeners_expose(f->ls, &e.tenant);
	assert_int_equal(find(f, 2, f->port)->protocol, PROTOCOL_TCP);
	configure(f, &with);
	assert_int_equal(find(f, 2, f->port)->protocol, PROTOCOL_TLS);
	assert_int_equal(problems_count(&f->rig.c.problems), 1);
	configure(f, &without);
	assert_int_equal(find(f, 2, f->port)->protocol, PROTOCOL_TCP);
	assert_int_equal(problems_count(&f->rig.c.problems), 0);
	configure(f, &with);
	listeners_unexpose(f->ls, &e.tenant);
	assert_int_equal(find(f, 2, f->port)->protocol, PROTOCOL_TLS);
	assert_int_equal(problems_count(&f->rig.c.problems), 0);
}

static void test_exposure_that_changes_its_protocol_keeps_the_sockets(void **state)
{
	struct fixture *f = *state;
	struct node_conf node = node_with(f, NULL, 0);
	struct exposing tcp, tls;
	int kept;

	exposing_init(&tcp, PROTOCOL_TCP, f->port);
	exposing_init(&tls, PROTOCOL_TLS, f->port);
	configure(f, &node);
	listeners_expose(f->ls, &tcp.tenant);
	kept = find(f, 2, f->port)->fds[0];
	listeners_expose(f->ls, &tls.tenant); /* the successor comes first */
	listeners_unexpose(f->ls, &tcp.tenant);
	assert_int_equal(n_open(f), 5);
	assert_int_equal(find(f, 2, f->port)->fds[0], kept);
	assert_int_equal(find(f, 2, f->port)->protocol, PROTOCOL_TLS);
	assert_int_equal(problems_count(&f->rig.c.problems), 0);
	listeners_unexpose(f->ls, &tls.tenant);
	assert_int_equal(n_open(f), 0);
}

static void test_tls_exposure_moves_with_the_pool(void **state)
{
	struct fixture *f = *state;
	struct pool_range other = {.range = {.addr = loopback(8), .len = 127}};
	struct node_conf before = node_with(f, NULL, 0), after = node_with(f, NULL, 0);
	struct exposing e;
	int kept;

	after.pool = &other;
	after.n_pool = 1;
	exposing_init(&e, PROTOCOL_TLS, f->port + 3);
	configure(f, &before);
	listeners_expose(f->ls, &e.tenant);
	assert_int_equal(n_open(f), 5);
	kept = find(f, 9, f->port + 3)->fds[0];
	configure(f, &after);
	assert_int_equal(n_open(f), 2);
	assert_non_null(find(f, 8, f->port + 3));
	assert_int_equal(find(f, 9, f->port + 3)->fds[0], kept);
	listeners_unexpose(f->ls, &e.tenant);
	assert_int_equal(n_open(f), 0);
}

static void test_exposure_on_a_taken_port_is_a_problem_and_tried_again(void **state)
{
	struct fixture *f = *state;
	struct node_conf node = node_with(f, NULL, 0);
	struct selector alone = {.n = 1, .live = 1};
	struct socket_group other = {.local = {.addr = loopback(2), .port = f->port + 4},
				     .uid = geteuid(),
				     .selector = &alone};
	struct exposing e;
	struct err err = {0};
	int fd;

	configure(f, &node);
	assert_int_equal(sockets_open(&other, &fd, &err), 0);
	exposing_init(&e, PROTOCOL_TCP, f->port + 4);
	listeners_expose(f->ls, &e.tenant);
	assert_int_equal(n_open(f), 0);
	assert_int_equal(problems_count(&f->rig.c.problems), 1);
	sockets_close(&fd, 1);
	assert_true(timer_armed(&f->ls->retry));
	wheel_run(&f->rig.c.loop.wheel, f->ls->retry.deadline_ms + WHEEL_TICK_MS);
	assert_int_equal(n_open(f), 1);
	assert_int_equal(problems_count(&f->rig.c.problems), 0);
	listeners_unexpose(f->ls, &e.tenant);
	assert_int_equal(n_open(f), 0);
}

static void test_exposures_through_nat64_and_of_suspended_tenants_open_nothing(void **state)
{
	struct fixture *f = *state;
	struct node_conf node = node_with(f, NULL, 0);
	struct exposing e;

	configure(f, &node);
	exposing_init(&e, PROTOCOL_TCP, f->port + 5);
	e.expose.via = VIA_NAT64;
	listeners_expose(f->ls, &e.tenant);
	assert_int_equal(n_open(f), 0);
	exposing_init(&e, PROTOCOL_TLS, f->port + 5);
	e.tenant.state = TENANT_SUSPENDED;
	listeners_expose(f->ls, &e.tenant);
	listeners_unexpose(f->ls, &e.tenant);
	assert_int_equal(n_open(f), 0);
}

static void test_totals_outlive_their_listener(void **state)
{
	struct fixture *f = *state;
	struct listener_conf list[] = {one(1, f->port)};
	struct node_conf with = node_with(f, list, 1), without = node_with(f, list, 0);
	uint32_t slot;

	configure(f, &with);
	slot = find(f, 1, f->port)->slot;
	counter_add(f->rig.segments[0], slot, COUNTER_ACCEPTED, 5);
	counter_add(f->rig.segments[1], slot, COUNTER_ACCEPTED, 2);
	counter_add(f->rig.segments[1], slot, COUNTER_ACTIVE, 1);
	configure(f, &without);
	assert_int_equal(listeners_total(f->ls, COUNTER_ACCEPTED), 7);
	assert_int_equal(listeners_total(f->ls, COUNTER_ACTIVE), 1);
	/* its last session ends */
	counter_sub(f->rig.segments[1], slot, COUNTER_ACTIVE, 1);
	counter_add(f->rig.segments[1], slot, COUNTER_CLOSED, 1);
	assert_int_equal(listeners_total(f->ls, COUNTER_ACTIVE), 0);
	configure(f, &with); /* somebody may have the slot again, from zero */
	assert_int_equal(listeners_total(f->ls, COUNTER_CLOSED), 1);
	assert_int_equal(listeners_total(f->ls, COUNTER_ACCEPTED), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_any_is_each_address_of_the_pool),
		TEST(test_options_a_session_inherits),
		TEST(test_what_both_configs_name_keeps_its_sockets),
		TEST(test_config_with_a_taken_port_changes_nothing),
		TEST(test_protocol_changes_in_place),
		TEST(test_listener_of_both_config_and_exposure_goes_with_the_last),
		TEST(test_config_decides_the_protocol_while_it_names_the_listener),
		TEST(test_exposure_that_changes_its_protocol_keeps_the_sockets),
		TEST(test_tls_exposure_moves_with_the_pool),
		TEST(test_exposure_on_a_taken_port_is_a_problem_and_tried_again),
		TEST(test_exposures_through_nat64_and_of_suspended_tenants_open_nothing),
		TEST(test_totals_outlive_their_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
