/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A tenant's policy, from the node config and its object. */
#include "dns64/tenant_policy.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <libknot/libknot.h>

#include "conf/model/node.h"
#include "conf/model/tenant.h"
#include "dns64/local_records.h"
#include "dns64/resolver.h"

#define ALIGN 8 /* of what is in the block */

_Static_assert(DNS64_RECORDS_MAX *DNS64_ADDRESSES_MAX <= LOCAL_RECORDS_MAX,
	       "a tenant's records are looked through");

/* The block, filled by the same calls twice: without memory, for its size, then with it. */
struct block {
	uint8_t *base; /* NULL: only counted */
	size_t used;
};

/* NULL while counted. */
static void *take(struct block *b, size_t n, size_t size)
{
	void *p = b->base ? b->base + b->used : NULL;

	b->used += (n * size + ALIGN - 1) / ALIGN * ALIGN;
	return p;
}

static const struct prefix *put_prefixes(struct block *b, const struct prefix *prefixes, size_t n)
{
	struct prefix *copy = take(b, n, sizeof(*copy));

	if (copy && n > 0) {
		memcpy(copy, prefixes, n * sizeof(*copy));
	}
	return copy;
}

static const char *put_text(struct block *b, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = take(b, size, 1);

	if (copy) {
		memcpy(copy, text, size);
	}
	return copy;
}

/* As on the wire; what is no name, which the object was checked for, is the root's. */
static const uint8_t *put_name(struct block *b, const char *text)
{
	knot_dname_storage_t name;
	uint8_t *copy;
	size_t len;

	if (!text || !knot_dname_from_str(name, text, sizeof(name))) {
		name[0] = 0;
	}
	knot_dname_to_lower(name);
	len = knot_dname_size(name);
	copy = take(b, len, 1);
	if (copy) {
		memcpy(copy, name, len);
	}
	return copy;
}

static const uint8_t *const *put_names(struct block *b, const char *const *names, size_t n)
{
	const uint8_t **list = take(b, n, sizeof(*list));

	for (size_t i = 0; i < n; i++) {
		const uint8_t *name = put_name(b, names[i]);

		if (list) {
			list[i] = name;
		}
	}
	return list;
}

static void put_pref64s(struct block *b, const struct node_conf *node,
			const struct tenant_dns64 *dns64, bool mapped, struct policy *policy)
{
	const struct prefix *siit =
		node->has_siit_prefix ? &node->siit_prefix : &node->nat64.prefix;
	const struct dns64_prefix one = {.prefix = mapped ? *siit : node->nat64.prefix};
	bool own = !mapped && dns64->n_prefixes > 0;
	const struct dns64_prefix *from = own ? dns64->prefixes : &one;
	size_t n = own ? dns64->n_prefixes : 1;
	struct pref64 *pref64s = take(b, n, sizeof(*pref64s));

	for (size_t i = 0; i < n; i++) {
		const struct prefix *ipv4 = put_prefixes(b, from[i].ipv4, from[i].n_ipv4);

		if (pref64s) {
			pref64s[i] = (struct pref64){
				.prefix = from[i].prefix,
				.mapped = ipv4,
				.n_mapped = from[i].n_ipv4,
			};
		}
	}
	policy->pref64s = pref64s;
	policy->n_pref64s = n;
}

/* ::ffff:0:0/96 and the tenant's own. */
static void put_excluded(struct block *b, const struct tenant_dns64 *dns64, struct policy *policy)
{
	size_t n = dns64->n_exclude + 1;
	struct prefix *list = take(b, n, sizeof(*list));

	if (list) {
		list[0] = policy_excluded[0];
	}
	for (size_t i = 1; list && i < n; i++) {
		list[i] = dns64->exclude[i - 1];
	}
	policy->excluded = list;
	policy->n_excluded = n;
}

static struct local_record record_of(const uint8_t *name, const struct addr *a)
{
	bool v4 = addr_is_v4(a);

	return (struct local_record){
		.name = name,
		.type = v4 ? KNOT_RRTYPE_A : KNOT_RRTYPE_AAAA,
		.len = v4 ? 4 : sizeof(a->b),
		.data = v4 ? a->b + 12 : a->b,
		.ttl_s = LOCAL_RECORDS_TTL_S,
	};
}

static void put_records(struct block *b, const struct tenant_dns64 *dns64, struct policy *policy)
{
	struct local_record *list;
	size_t n = 0, at = 0;

	for (size_t i = 0; i < dns64->n_records; i++) {
		n += dns64->records[i].n_addresses;
	}
	list = take(b, n, sizeof(*list));
	for (size_t i = 0; i < dns64->n_records; i++) {
		const struct dns64_record *record = &dns64->records[i];
		const uint8_t *name = put_name(b, record->name);
		struct addr *addresses = take(b, record->n_addresses, sizeof(*addresses));

		for (size_t k = 0; list && k < record->n_addresses; k++) {
			addresses[k] = record->addresses[k];
			list[at++] = record_of(name, &addresses[k]);
		}
	}
	policy->local = list;
	policy->n_local = n;
}

static struct dns_tenant *fill(struct block *b, const struct node_conf *node,
			       const struct tenant_conf *conf, bool mapped)
{
	const struct tenant_dns64 *dns64 = &conf->dns64;
	struct dns_tenant *t = take(b, 1, sizeof(*t));
	const char *name = put_text(b, conf->name);
	struct policy policy = {
		.on = node->nat64.on && dns64->synthesis == DNS64_SYNTHESIS_ON,
		.no_ipv4hint = dns64->ipv4hint == DNS64_HINT_DROP,
		.permitted = put_prefixes(b, node->nat64.permit, node->nat64.n_permit),
		.n_permitted = node->nat64.n_permit,
		.never = put_names(b, dns64->never, dns64->n_never),
		.n_never = dns64->n_never,
		.always = put_names(b, dns64->always, dns64->n_always),
		.n_always = dns64->n_always,
	};

	put_pref64s(b, node, dns64, mapped, &policy);
	put_excluded(b, dns64, &policy);
	put_records(b, dns64, &policy);
	if (t) {
		*t = (struct dns_tenant){
			.refs = 1,
			.slot = conf->slot,
			.name = name,
			.policy = policy,
		};
	}
	return t;
}

struct dns_tenant *tenant_policy_new(const struct node_conf *node, const struct tenant_conf *conf,
				     bool mapped)
{
	struct block b = {.base = NULL};

	(void)fill(&b, node, conf, mapped); /* how much it is */
	b = (struct block){.base = calloc(1, b.used)};
	return b.base ? fill(&b, node, conf, mapped) : NULL;
}
