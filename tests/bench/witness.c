/* SPDX-License-Identifier: GPL-3.0-or-later */
/* When the machine itself stood still; see witness.h. */
#include "tests/bench/witness.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/net.h"

#define LATE_NS   100000 /* what a timer may be late by itself */
#define STOPS_MAX 65536  /* of one core */
#define PRIORITY  20     /* above lab.py's FIRST */

struct stop {
	uint64_t from_ns, to_ns;
};

struct watch {
	struct witness *witness;
	pthread_t thread;
	int core;
	size_t n_stops;
	struct stop stops[STOPS_MAX];
};

struct witness {
	atomic_bool over;
	int n_watches;
	struct watch *watches;
	struct stop *stops; /* of all cores, without overlaps, in order */
	size_t n_stops;
};

static void fail(int error, const char *what)
{
	errno = error;
	die(what);
}

static void *watch_run(void *arg)
{
	const struct timespec nap = {0, WITNESS_SLEEP_NS};
	struct watch *watch = arg;

	while (!atomic_load(&watch->witness->over) && watch->n_stops < STOPS_MAX) {
		uint64_t due_ns = clock_ns() + WITNESS_SLEEP_NS, now_ns;

		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
		now_ns = clock_ns();
		if (now_ns > due_ns + LATE_NS) {
			watch->stops[watch->n_stops++] = (struct stop){due_ns, now_ns};
		}
	}
	return NULL;
}

static void watch_start(struct watch *watch)
{
	const struct sched_param param = {.sched_priority = PRIORITY};
	pthread_attr_t attr;
	cpu_set_t cores;
	int rc;

	CPU_ZERO(&cores);
	CPU_SET((size_t)watch->core, &cores);
	(void)pthread_attr_init(&attr); /* cannot fail in glibc */
	(void)pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	(void)pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	(void)pthread_attr_setschedparam(&attr, &param);
	(void)pthread_attr_setaffinity_np(&attr, sizeof(cores), &cores);
	rc = pthread_create(&watch->thread, &attr, watch_run, watch);
	if (rc != 0) {
		fail(rc, "witness");
	}
	(void)pthread_attr_destroy(&attr);
}

struct witness *witness_start(void)
{
	struct witness *w = calloc(1, sizeof(*w));

	if (w) {
		w->n_watches = (int)sysconf(_SC_NPROCESSORS_ONLN);
		w->watches = calloc((size_t)w->n_watches, sizeof(*w->watches));
	}
	if (!w || !w->watches) {
		fail(ENOMEM, "witness");
	}
	for (int i = 0; i < w->n_watches; i++) {
		w->watches[i].witness = w;
		w->watches[i].core = i;
		watch_start(&w->watches[i]);
	}
	return w;
}

static int stop_compare(const void *a, const void *b)
{
	const struct stop *x = a, *y = b;

	return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

/* Sorts the stops and makes one of those that overlap. */
static void stops_merge(struct witness *w)
{
	size_t n = 0;

	qsort(w->stops, w->n_stops, sizeof(*w->stops), stop_compare);
	for (size_t i = 0; i < w->n_stops; i++) {
		struct stop *last = n > 0 ? &w->stops[n - 1] : NULL;

		if (!last || w->stops[i].from_ns > last->to_ns) {
			w->stops[n++] = w->stops[i];
		} else if (w->stops[i].to_ns > last->to_ns) {
			last->to_ns = w->stops[i].to_ns;
		}
	}
	w->n_stops = n;
}

void witness_stop(struct witness *w)
{
	size_t n = 0;

	atomic_store(&w->over, true);
	for (int i = 0; i < w->n_watches; i++) {
		(void)pthread_join(w->watches[i].thread, NULL);
		n += w->watches[i].n_stops;
	}
	w->stops = calloc(n + 1, sizeof(*w->stops));
	if (!w->stops) {
		fail(ENOMEM, "witness");
	}
	for (int i = 0; i < w->n_watches; i++) {
		memcpy(w->stops + w->n_stops, w->watches[i].stops,
		       w->watches[i].n_stops * sizeof(*w->stops));
		w->n_stops += w->watches[i].n_stops;
	}
	stops_merge(w);
}

uint64_t witness_still_ns(const struct witness *w, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t still_ns = 0;

	for (size_t i = 0; i < w->n_stops && w->stops[i].from_ns < to_ns; i++) {
		uint64_t from = w->stops[i].from_ns > from_ns ? w->stops[i].from_ns : from_ns;
		uint64_t to = w->stops[i].to_ns < to_ns ? w->stops[i].to_ns : to_ns;

		still_ns += to > from ? to - from : 0;
	}
	return still_ns;
}

void witness_free(struct witness *w)
{
	if (w) {
		free(w->stops);
		free(w->watches);
		free(w);
	}
}
