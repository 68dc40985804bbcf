/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sees when the machine itself stood still, as a virtual machine does whose host has other work: a
 * thread on each core, before everything else that runs there, sleeps WITNESS_SLEEP_NS at a time
 * and notes when it woke late. A program of the bench cannot make it late, but for system calls
 * that are not preempted; those are in the CPU time the bench counts.
 */
#ifndef SIXGATE_TESTS_BENCH_WITNESS_H
#define SIXGATE_TESTS_BENCH_WITNESS_H

#include <stddef.h>
#include <stdint.h>

#define WITNESS_SLEEP_NS 100000

struct witness;

/* Starts the threads; ends the process with a message when it cannot. */
struct witness *witness_start(void);

/* Ends the threads. From here on the stops are known. */
void witness_stop(struct witness *w);

/* Of the time from from_ns to to_ns (clock_ns()): how many ns some core stood still. */
uint64_t witness_still_ns(const struct witness *w, uint64_t from_ns, uint64_t to_ns);

void witness_free(struct witness *w);

#endif
