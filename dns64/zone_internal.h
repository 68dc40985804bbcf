/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_ZONE_INTERNAL_H
#define SIXGATE_DNS64_ZONE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "base/hash.h"
#include "dns64/question.h"
#include "dns64/zone.h"

/* zone*.c among themselves. */
struct expose_conf;
struct service_conf;

/* What a tenant has at a name. */
struct zone_use {
	LIST_ENTRY(zone_use) link; /* zone_name.uses */
	struct zone_name *at;
	const struct zone_tenant *tenant;
	const struct service_conf *service; /* borrowed of the tenant */
	const struct expose_conf *expose;   /* of the service; NULL: all of them */
};

/* A name in the zone, be it only one that others lie below. */
struct zone_name {
	struct table_node node; /* zone.names */
	LIST_HEAD(zone_uses, zone_use) uses;
	unsigned int n_holds; /* uses, and names one label longer */
	uint8_t len;
	uint8_t name[]; /* lower case, as on the wire; a wildcard's first label is "*" */
};

struct zone_tenant {
	struct table_node node;   /* zone.tenants */
	struct tenant_conf *conf; /* counted */
	struct zone_use *uses;    /* owned */
	size_t n_uses;
};

struct zone {
	const struct node_conf *node; /* borrowed */
	uint32_t serial;
	struct hash_key key;
	struct table names, tenants;
	uint8_t name[QUESTION_NAME_MAX], server[QUESTION_NAME_MAX]; /* lower case, as on the wire */
	struct addr pool[ZONE_ADDRESSES_MAX]; /* of the node, the first ones */
	size_t n_pool;
};

struct zone_name *zone_name_find(const struct zone *z, const uint8_t *name);
/* The name itself, or the wildcard that stands for it (RFC 4592 3.3.1). NULL: it does not exist. */
const struct zone_name *zone_name_match(const struct zone *z, const uint8_t *name);
/* Whether it counts: a name below that of another tenant does not. */
bool zone_use_counts(const struct zone *z, const struct zone_use *use);

#endif
