/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_SPECIAL_H
#define SIXGATE_GATEWAY_KERNEL_SPECIAL_H

#include "gateway/kernel/batch.h"
#include "gateway/kernel/rule.h"

/* Rules about the special-use addresses of IANA's lists (RFC 6890). Each 0 or negative. */

/*
 * Drops what goes to a special-use IPv4 address inside p, a translator's prefix, but for our own
 * pool and what fw permits. p NULL: of IPv4 packets.
 */
int special4_put(struct batch *b, const char *chain, const struct firewall *fw,
		 const struct prefix *p) CHECKED;
/* Drops 6to4, Teredo, IPv4-mapped and such addresses, and multicast beyond the link. */
int special6_put(struct batch *b, const char *chain, enum rule_address which) CHECKED;

#endif
