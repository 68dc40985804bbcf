/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_TENANTS_H
#define SIXGATE_DNS64_TENANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/hash.h"
#include "dns64/query_rate.h"

/*
 * The tenants a worker answers, found by the source of a query: the longest of their prefixes that
 * it lies in. A host with a whole IPv4 address (`protocol: address`) gets siit.prefix for its
 * Pref64, so that what it opens leaves by its own address; all others get nat64.prefix.
 */
struct dns_tenant;
struct node_conf;
struct tenant_conf;
struct zone;

/* Whom a source is, borrowed until the tenants change. */
struct source {
	struct dns_tenant *tenant;
	struct query_rate *rate;
	uint32_t id;   /* control's, never 0 */
	uint32_t slot; /* counters */
};

struct tenants {
	struct table by_id, by_prefix;
	struct hash_key key;
	size_t n_of_len[129]; /* prefixes of each length */
	uint8_t lens[129];    /* those there are, the longest first */
	unsigned int n_lens;
	const struct node_conf *node; /* borrowed; NULL: not known yet */
	struct zone *zone;            /* borrowed: they are in there, too; NULL: in none */
	uint32_t generation;
	bool filling; /* between BEGIN and END */
};

/* Before the sandbox closes (getrandom). */
void tenants_init(struct tenants *ts);
void tenants_fini(struct tenants *ts);
/* False: it is nobody's. */
bool tenants_source(const struct tenants *ts, const struct addr *from, struct source *ret_source);
/* The object of a tenant, which is borrowed; NULL: there is none of that id. */
const struct tenant_conf *tenants_conf(const struct tenants *ts, uint32_t id);
/*
 * Puts conf in force for the tenant id, new or known. Takes conf, also on failure. With swaps it
 * may have a prefix that another tenant still has and will give up. On failure (-EEXIST: it is
 * another tenant's; -ENOMEM) the former object stays in force.
 */
int tenants_put(struct tenants *ts, uint32_t id, struct tenant_conf *conf, bool swaps,
		struct err *err) CHECKED;
/* Unknown ids are passed over. Queries that wait are still answered. */
void tenants_remove(struct tenants *ts, uint32_t id);
/* A full set: what is not put between the two is removed by the second. */
void tenants_begin(struct tenants *ts);
void tenants_end(struct tenants *ts);
/*
 * Another node config, which is borrowed until the next call. On -ENOMEM some tenants keep what the
 * former one made of them.
 */
int tenants_set_node(struct tenants *ts, const struct node_conf *node) CHECKED;
/* Puts all of them into zone. Returns 0 or -ENOMEM. */
int tenants_fill_zone(const struct tenants *ts, struct zone *zone) CHECKED;

#endif
