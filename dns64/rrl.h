/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_RRL_H
#define SIXGATE_DNS64_RRL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/hash.h"

/*
 * How many answers by UDP the prefix of a source gets, an IPv4 /24 or an IPv6 /56: whoever forges
 * sources is to find no use in us. Of those beyond the rate each second one is let go short, with
 * TC, so that who has really asked does so by TCP, and the others are not sent at all. A source
 * that is known not to be forged, by TCP or by its cookie, has a rate of its own, RRL_KNOWN times
 * as high, whoever is beside it.
 *
 * The table has one size whatever comes. Where a prefix is in it nobody can tell who has not the
 * key; one that comes too late for a place takes that of the one which was silent for longest,
 * and has all of its burst again only when it is pushed out itself.
 */
#define RRL_ENTRIES 16384
#define RRL_WAYS    8 /* places that a prefix may have */
#define RRL_KNOWN   10

enum rrl_verdict {
	RRL_PASS,
	RRL_SLIP,
	RRL_DROP,
};

struct rrl_entry {
	uint64_t prefix; /* its hash, or a known source's; 0: the place is free */
	uint64_t at_ms;  /* when tokens was right */
	uint32_t tokens; /* thousandths of an answer */
	uint32_t n_over; /* answers beyond the rate */
};

struct rrl {
	struct hash_key key;
	struct rrl_entry *entries; /* owned: RRL_ENTRIES */
	uint32_t rate;             /* answers a second, and as many at once */
};

/* Of getrandom(2). Returns 0 or -ENOMEM. */
int rrl_init(struct rrl *r, uint32_t rate) CHECKED;
/* Also of one that is zeroed. */
void rrl_fini(struct rrl *r);
/* One more answer to that source, known or not; now_ms never goes back. */
enum rrl_verdict rrl_check(struct rrl *r, const struct addr *from, bool known, uint64_t now_ms);
/* The prefix that is counted. */
struct prefix rrl_prefix(const struct addr *from);

#endif
