/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_SOLICITED_H
#define SIXGATE_GATEWAY_SOLICITED_H

#include <linux/filter.h>

#include "base/addr.h"
#include "base/err.h"

/*
 * The packet socket that neighbour solicitations come by. Root opens it and never reads it: the
 * filter, which is locked, lets in what looks like a solicitation for an address inside one prefix,
 * and an unprivileged process reads that.
 */
#define SOLICITED_PROGRAM_MAX 64

/* The filter's program, for packets that begin with their IPv6 header. Returns its length. */
unsigned int solicited_program(const struct prefix *p,
			       struct sock_filter ret_program[SOLICITED_PROGRAM_MAX]);
/*
 * Opens it on a link, by its index, with all multicast groups. Needs CAP_NET_RAW. Returns the
 * descriptor, or a negative errno.
 */
int solicited_open(unsigned int link, const struct prefix *p, struct err *err) CHECKED;

#endif
