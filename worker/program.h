/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_WORKER_PROGRAM_H
#define SIXGATE_WORKER_PROGRAM_H

#include "base/err.h"
#include "base/sandbox.h"
#include "worker/link.h"

/*
 * A worker process, from its arguments to its exit status. Started by sixgated with the channel on
 * descriptor 3; of no use by hand. Everything it works with comes over the channel, after the
 * sandbox has closed.
 */
struct program {
	const char *name, *mod; /* mod: of its log lines */
	enum sandbox_kind sandbox;
	/* What needs the outside world: before the sandbox closes. */
	int (*init)(void *worker, struct err *err);
	struct link *(*link)(void *worker);
	/* The exit status of the process. */
	int (*run)(void *worker);
	/* Also after init() has failed. */
	void (*fini)(void *worker);
};

/* main() of it. worker is what its functions get. */
int program_main(const struct program *program, void *worker, int argc, char **argv) CHECKED;
/* As many descriptors as we may have. Returns how many; before the sandbox closes. */
size_t program_raise_descriptors(void);

#endif
