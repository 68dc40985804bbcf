/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_DIR_RIG_H
#define SIXGATE_TESTS_DIR_RIG_H

#include <stdbool.h>

#include "base/loop.h"
#include "gateway/registry/dir.h"

/* A registry folder with real inotify, in a folder of its own, and what is heard of it. */
#define HEARD_MAX 64
#define NOBODY    65534
#define FILES_MAX 1000 /* of the fixture: what only one test reaches */

struct fixture {
	struct loop loop;
	struct registry_dir *dir;
	char top[64], path[96];
	char heard[HEARD_MAX][64]; /* "+name", "-name", "scan N", "bad", "good" */
	unsigned int n;
	struct timer end;
	bool quiet;
	bool deaf;    /* to single files */
	bool recalls; /* before begin(): is asked for files, "?name"; knows those named known */
};

void run_until(struct fixture *f, unsigned int n);
void run_quiet(struct fixture *f);
void expect(struct fixture *f, const char *what);
void put(struct fixture *f, const char *name, const char *text);
void drop(struct fixture *f, const char *name);
void move(struct fixture *f, const char *from, const char *to);
void begin(struct fixture *f);
int dir_setup(void **state);
int dir_teardown(void **state);

#endif
