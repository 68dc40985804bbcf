/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_SERIAL_H
#define SIXGATE_GATEWAY_SERIAL_H

#include <limits.h>
#include <stdint.h>

/*
 * Serials that grow over restarts, too, for the SOA of dns64.zone: they begin at the time in
 * seconds, or behind those that runs before may have used, should they have used more than one a
 * second. Up to where they may is in a file of the run folder, which is written some way ahead.
 */
struct serial {
	char path[PATH_MAX]; /* empty: there are none */
	uint64_t reserved;   /* none beyond it has been used */
};

/* The serial before the first one. */
uint64_t serial_begin(struct serial *s, const char *run_dir);
/* used is the last one. What cannot be written is a warning. */
void serial_keep(struct serial *s, uint64_t used);

#endif
