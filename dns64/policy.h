/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_POLICY_H
#define SIXGATE_DNS64_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

struct local_record;

/* A Pref64, and which part of IPv4 goes by it. */
struct pref64 {
	struct prefix prefix;        /* RFC 6052 2.2 */
	const struct prefix *mapped; /* borrowed; n_mapped 0: all of IPv4 */
	size_t n_mapped;
};

/* What a tenant gets from DNS64. All lists are borrowed from the tenant's object. */
struct policy {
	bool on; /* addresses are synthesised */
	const struct pref64 *pref64s;
	size_t n_pref64s;
	/* IPv6 addresses that count as none (RFC 6147 5.1.4) */
	const struct prefix *excluded;
	size_t n_excluded;
	/* Special-use IPv4 that is synthesised under a network-specific prefix all the same */
	const struct prefix *permitted;
	size_t n_permitted;
	/* Names, lower case on the wire, with all below them. */
	const uint8_t *const *never; /* not synthesised */
	size_t n_never;
	const uint8_t *const *always; /* synthesised although they have IPv6 addresses */
	size_t n_always;
	/* Of the tenant's own, at most LOCAL_RECORDS_MAX: they hold over what the Internet says. */
	const struct local_record *local;
	size_t n_local;
	bool no_ipv4hint; /* SVCB and HTTPS records go without theirs */
};

/* ::ffff:0:0/96, which is excluded unless the tenant says otherwise (RFC 6147 5.1.4). */
extern const struct prefix policy_excluded[1];

bool policy_never(const struct policy *p, const uint8_t *name);
bool policy_always(const struct policy *p, const uint8_t *name);
/* Whether that IPv6 address of a name counts as none. */
bool policy_excludes(const struct policy *p, const struct addr *a);
/* Whether an IPv4 address is synthesised under that Pref64. */
bool policy_maps(const struct policy *p, const struct pref64 *pref64, const struct addr *v4);

#endif
