/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_REVERSE_H
#define SIXGATE_DNS64_REVERSE_H

#include <stddef.h>

#include "base/addr.h"
#include "dns64/question.h"

/* Names of addresses (RFC 3596 2.5, RFC 1035 3.5), as far as Pref64s are concerned. */
struct policy;

enum reverse_result {
	REVERSE_OTHER,   /* no name inside a Pref64 of the tenant */
	REVERSE_ADDRESS, /* of an address that is an IPv4 one there */
	REVERSE_ABOVE,   /* of no address, but of some below it */
	REVERSE_NONE,    /* inside, and nothing below it can be an address */
};

/*
 * RFC 6147 5.3.1. On REVERSE_ADDRESS ret_v4 is the IPv4 address. On ABOVE and NONE ret_zone is the
 * name of the Pref64, of q's.
 */
enum reverse_result reverse_find(const struct policy *policy, const struct question *q,
				 struct addr *ret_v4, const uint8_t **ret_zone);
/* ret_target: the same question of the IPv4 address's name in in-addr.arpa. */
void reverse_target(const struct question *q, const struct addr *v4, struct question *ret_target);

#endif
