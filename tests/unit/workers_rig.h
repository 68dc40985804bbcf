/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_WORKERS_RIG_H
#define SIXGATE_TESTS_WORKERS_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "conf/model/node.h"
#include "gateway/control/items.h"
#include "gateway/control/listeners.h"
#include "gateway/control/problems.h"
#include "gateway/control/slots.h"
#include "gateway/control/workers.h"
#include "tests/unit/control_rig.h"

/* Supervision of three processes that are fake_worker.c, with times that are short. */
#define WORKERS    3
#define TEST(name) cmocka_unit_test_setup_teardown(name, workers_setup, workers_teardown)

struct fixture {
	struct rig rig;
	struct loop *loop; /* of rig.c, as the next five */
	struct items *items;
	struct slots *slots;
	struct problems *problems;
	struct listeners *listeners;
	struct workers *workers;
	struct listener_conf listener;
	struct node_conf node;
	char mode_path[64], worker_path[512];
	struct timer end;
	bool done;
	unsigned int n_gone;
	char log[WORKERS][32768];
	size_t n_log[WORKERS];
};

int workers_setup(void **state);
int workers_teardown(void **state);
/* Runs the loop so long. */
void run(struct fixture *f, uint64_t ms);

/* Or with a generous limit fails. */
#define RUN_UNTIL(f, condition)                              \
	do {                                                 \
		uint64_t until = clock_ms() + 10000;         \
		while (!(condition) && clock_ms() < until) { \
			run(f, 10);                          \
		}                                            \
		assert_true(condition);                      \
	} while (0)

/* What workers started from now on do. */
void set_mode(struct fixture *f, const char *mode);
void start(struct fixture *f, const char *mode);
/* Until all are ready. */
void start_good(struct fixture *f);
unsigned int n_ready(const struct fixture *f);
void kill_worker(struct fixture *f, unsigned int slot);
/* What a worker was sent since its start, or since it was forgotten: "type id" a line. */
const char *sent(struct fixture *f, unsigned int slot);
void forget(struct fixture *f, unsigned int slot);
unsigned int count_sent(struct fixture *f, unsigned int slot, uint16_t type);

#endif
