/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_SPECIAL_H
#define SIXGATE_CONF_SPECIAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

/*
 * IPv4 special-purpose addresses (IANA's registry, RFC 6890) that are nobody's on the Internet:
 * what NAT64 must not reach and no tunnel may come from. The only such list.
 */
struct special_range {
	struct prefix range;
	const char *what; /* "private (RFC 1918)" */
	bool example;     /* documentation, benchmarks: nobody's, but of test networks */
};

extern const struct special_range special_ranges[];
extern const size_t n_special_ranges;

/* The range an IPv4 address is in; NULL: an ordinary address. */
const struct special_range *special_find(const struct addr *a);

#endif
