/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_CONTROL_RIG_H
#define SIXGATE_TESTS_CONTROL_RIG_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/control/control.h"

/*
 * The parts of control that most tests of it need: loop, counters, objects, problems, listeners
 * with real sockets on loopback. The workers' side of the feeds is the test. Fails by cmocka.
 */
#define RIG_WORKERS_MAX 3

struct rig {
	struct control c;
	struct counters *segments[RIG_WORKERS_MAX]; /* without workers of its own */
	unsigned int n_workers;
	unsigned int port; /* this and the nine above are this process's */
};

/* segments: NULL, or those of the workers that the test runs. */
void rig_init(struct rig *rig, unsigned int n_workers, struct counters *const *segments);
void rig_fini(struct rig *rig);
/* How many listeners are open. */
size_t rig_listeners(const struct rig *rig);
/* The open listener on that loopback address 127.0.x.y, or NULL. */
const struct listener *rig_listener(const struct rig *rig, const struct addr *addr, uint16_t port);
/* Makes path a file with this text, as the registry's contract says: by rename. */
void rig_write(const char *path, const char *text);

#endif
