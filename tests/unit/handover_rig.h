/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_HANDOVER_RIG_H
#define SIXGATE_TESTS_HANDOVER_RIG_H

#include <stdbool.h>

#include "gateway/control/former.h"
#include "gateway/control/handover.h"
#include "gateway/control/notify.h"

/*
 * A start that gets sockets from the sixgated before it. Real sockets on loopback; the service
 * manager, if there is one, is a datagram socket of this process. Fails by cmocka.
 */
#define WORKERS       2
#define RESERVED      8 /* descriptors from 3 on, where LISTEN_FDS puts its own */
#define WITH(name)    cmocka_unit_test_setup_teardown(name, setup, teardown)
#define MANAGED(name) cmocka_unit_test_setup_teardown(name, setup_managed, teardown)

struct fixture {
	struct loop loop;
	struct notify notify;
	struct handover handover;
	struct former former;
	unsigned int n_changed;
	int manager; /* -1: none */
	struct endpoint local;
};

int setup(void **state);
int setup_managed(void **state);
int teardown(void **state);
void open_group(const struct fixture *f, int fds[WORKERS]);
void name_of(const struct fixture *f, unsigned int slot, char text[FDSTORE_NAME_MAX]);
bool is_open(int fd);
void take_in(struct fixture *f);
struct handover_name group_of(const struct endpoint *local, unsigned int n_slots);
/* handover_match() and handover_take() of a group of TCP; match() with uid for both kinds. */
void match(struct fixture *f, unsigned int n_slots, uid_t uid);
bool take(struct fixture *f, const struct endpoint *local, unsigned int n_slots, int *ret_fds);

#endif
