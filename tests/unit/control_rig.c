/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tests of control share; see control_rig.h. */
#include "tests/unit/control_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORTS 10

static bool is_free(unsigned int port)
{
	const struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is = bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0;

	close(fd);
	return is;
}

/*
 * The first port of those of this process, so that tests beside this one do not meet it. Of two
 * processes with numbers that are alike one finds others; they stay when there is another rig.
 */
static unsigned int own_ports(void)
{
	static unsigned int first;
	unsigned int n = (unsigned int)getpid();

	while (first == 0) {
		unsigned int candidate = 10000 + n++ % 2000 * PORTS, i = 0;

		while (i < PORTS && is_free(candidate + i)) {
			i++;
		}
		first = i == PORTS ? candidate : 0;
	}
	return first;
}

void rig_init(struct rig *rig, unsigned int n_workers, struct counters *const *segments)
{
	struct control *c = &rig->c;
	const struct listeners_setup listeners = {
		.loop = &c->loop,
		.items = &c->items,
		.slots = &c->slots,
		.problems = &c->problems,
		.n_workers = n_workers,
		.uid = geteuid(),
	};
	struct err err = {0};

	rig->n_workers = n_workers;
	rig->port = own_ports();
	if (c->loop.epoll_fd == 0) {
		assert_int_equal(loop_init(&c->loop, &err), 0);
	}
	for (unsigned int i = 0; !segments && i < n_workers; i++) {
		int fd = counters_create(&err);

		assert_int_equal(counters_map(fd, 1, &rig->segments[i], &err), 0);
		close(fd);
	}
	slots_init(&c->slots, segments ? segments : rig->segments, n_workers);
	problems_init(&c->problems);
	assert_int_equal(items_init(&c->items, n_workers), 0);
	assert_int_equal(listeners_init(&c->listeners, &listeners), 0);
}

void rig_fini(struct rig *rig)
{
	struct control *c = &rig->c;

	listeners_fini(&c->listeners);
	items_fini(&c->items);
	problems_fini(&c->problems);
	for (unsigned int i = 0; i < rig->n_workers; i++) {
		counters_unmap(rig->segments[i]);
	}
	loop_fini(&c->loop);
}

size_t rig_listeners(const struct rig *rig)
{
	struct table_iter it = {0};
	size_t n = 0;

	while (listeners_next(&rig->c.listeners, &it)) {
		n++;
	}
	assert_int_equal(n, rig->c.listeners.n_open);
	return n;
}

const struct listener *rig_listener(const struct rig *rig, const struct addr *addr, uint16_t port)
{
	struct table_iter it = {0};
	struct listener *listener;

	while ((listener = listeners_next(&rig->c.listeners, &it))) {
		if (listener->local.port == port && addr_eq(&listener->local.addr, addr)) {
			return listener;
		}
	}
	return NULL;
}

void rig_write(const char *path, const char *text)
{
	char fresh[256];
	FILE *out;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	out = fopen(fresh, "w");
	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(rename(fresh, path), 0);
}
