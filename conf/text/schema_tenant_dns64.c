/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The part of the tenant object's schema that is about DNS64.
 */
#include "conf/text/schema.h"

#include "conf/model/tenant.h"

#define DNS64(member)  offsetof(struct tenant_conf, dns64.member)
#define PREFIX(member) offsetof(struct dns64_prefix, member)
#define RECORD(member) offsetof(struct dns64_record, member)

static const char *const syntheses[] = {"on", "off", NULL};
static const char *const addresses[] = {"on", "off", NULL};
static const char *const hints[] = {"keep", "drop", NULL};

static const struct key prefix_keys[] = {
	{.name = "prefix",
	 .type = KEY_PREFIX6,
	 .mandatory = true,
	 .min = 32,
	 .max = 96,
	 .offset = PREFIX(prefix)},
	{.name = "ipv4",
	 .type = KEY_PREFIX4,
	 .n_max = DNS64_MAPPED_MAX,
	 .offset = PREFIX(ipv4),
	 .aux = PREFIX(n_ipv4)},
	{0},
};
static const struct schema schema_prefix = {
	.name = "prefix, ipv4",
	.keys = prefix_keys,
	.size = sizeof(struct dns64_prefix),
};

static const struct key record_keys[] = {
	{.name = "name", .type = KEY_HOST, .mandatory = true, .offset = RECORD(name)},
	{.name = "addresses",
	 .type = KEY_ADDR,
	 .mandatory = true,
	 .n_max = DNS64_ADDRESSES_MAX,
	 .offset = RECORD(addresses),
	 .aux = RECORD(n_addresses)},
	{0},
};
static const struct schema schema_record = {
	.name = "name, addresses",
	.keys = record_keys,
	.size = sizeof(struct dns64_record),
};

static const struct key dns64_keys[] = {
	{.name = "synthesis", .type = KEY_WORD, .words = syntheses, .offset = DNS64(synthesis)},
	{.name = "address", .type = KEY_WORD, .words = addresses, .offset = DNS64(address)},
	{.name = "ipv4hint", .type = KEY_WORD, .words = hints, .offset = DNS64(ipv4hint)},
	{.name = "queries_per_second",
	 .type = KEY_U32,
	 .min = 1,
	 .max = 10000000,
	 .offset = DNS64(queries_per_second)},
	{.name = "prefixes",
	 .type = KEY_MAP,
	 .n_max = DNS64_PREFIXES_MAX,
	 .sub = &schema_prefix,
	 .offset = DNS64(prefixes),
	 .aux = DNS64(n_prefixes)},
	{.name = "exclude",
	 .type = KEY_PREFIX6,
	 .n_max = DNS64_EXCLUDE_MAX,
	 .offset = DNS64(exclude),
	 .aux = DNS64(n_exclude)},
	{.name = "never",
	 .type = KEY_HOST,
	 .n_max = DNS64_NAMES_MAX,
	 .offset = DNS64(never),
	 .aux = DNS64(n_never)},
	{.name = "always",
	 .type = KEY_HOST,
	 .n_max = DNS64_NAMES_MAX,
	 .offset = DNS64(always),
	 .aux = DNS64(n_always)},
	{.name = "records",
	 .type = KEY_MAP,
	 .n_max = DNS64_RECORDS_MAX,
	 .sub = &schema_record,
	 .offset = DNS64(records),
	 .aux = DNS64(n_records)},
	{0},
};
const struct schema schema_tenant_dns64 = {
	.name = "synthesis, never, records, ...",
	.keys = dns64_keys,
};
