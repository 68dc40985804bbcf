/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_ZONE_INTERNAL_H
#define SIXGATE_DNS64_ZONE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "base/hash.h"
#include "dns64/local_records.h"
#include "dns64/question.h"
#include "dns64/zone.h"

/* zone*.c among themselves. */
struct expose_conf;
struct service_conf;
struct tenant_conf;

/* What a tenant has at a name. */
struct zone_use {
	TAILQ_ENTRY(zone_use) link; /* zone_name.uses */
	struct zone_name *at;
	const struct zone_tenant *tenant;
	const struct service_conf *service; /* borrowed of the tenant */
	const struct expose_conf *expose;   /* of the service; NULL: all of them */
	bool own;                           /* the name is below the tenant's own */
};

/* A name in the zone, be it only one that others lie below. */
struct zone_name {
	struct table_node node;               /* zone.names */
	TAILQ_ENTRY(zone_name) entry;         /* zone.order */
	TAILQ_HEAD(zone_uses, zone_use) uses; /* own ones; the others, oldest first */
	unsigned int n_holds;                 /* uses, and names one label longer */
	unsigned int n_own; /* of these, by the tenant whose name it is below; or the server's */
	uint8_t len;
	uint8_t name[]; /* lower case, as on the wire; a wildcard's first label is "*" */
};

struct zone_tenant {
	struct table_node node;   /* zone.tenants */
	struct tenant_conf *conf; /* counted */
	struct zone_name *at;     /* TENANT.ZONE; NULL: that is no name of its */
	struct zone_use *uses;    /* owned */
	size_t n_uses;
};

struct zone {
	const struct node_conf *node; /* borrowed */
	uint32_t serial;
	struct hash_key key;
	struct table names, tenants;
	TAILQ_HEAD(zone_order, zone_name) order; /* of names, as they came */
	LIST_HEAD(zone_walks, zone_walk) walks;  /* told of a name that goes */
	struct table whole; /* owned: addresses that are a tenant's as a whole */
	/* lower case, as on the wire */
	uint8_t name[QUESTION_NAME_MAX], server[QUESTION_NAME_MAX], mailbox[QUESTION_NAME_MAX];
	struct addr pool[ZONE_ADDRESSES_MAX]; /* of uplink.ipv4 the first others */
	size_t n_pool;
};

#define ZONE_REFRESH_S     3600 /* of the SOA, as the next two */
#define ZONE_RETRY_S       600
#define ZONE_EXPIRE_S      86400
#define ZONE_SOA_BYTES_MAX (2 * QUESTION_NAME_MAX + 20)
#define ZONE_HTTPS_BYTES   9 /* priority 1, target ".", port */
#define ZONE_HTTPS_PORT_AT 7
#define ZONE_RECORDS_MAX   (2 * ZONE_ADDRESSES_MAX + 2) /* A, AAAA, HTTPS, NS */

/* The records of one name. */
struct zone_records {
	const struct zone *zone;
	const uint8_t *name;
	struct local_record list[ZONE_RECORDS_MAX];
	size_t n, n_a, n_aaaa;
	bool pool;       /* zone.pool is in it */
	uint16_t port;   /* of tls, other than the usual one; 0: none */
	bool usual_port; /* it is at that, too */
	uint8_t https[ZONE_HTTPS_BYTES];
	uint8_t soa[ZONE_SOA_BYTES_MAX];
};

struct zone_name *zone_name_find(const struct zone *z, const uint8_t *name);
/* The name itself, or the wildcard that stands for it (RFC 4592 3.3.1). NULL: it does not exist. */
const struct zone_name *zone_name_match(const struct zone *z, const uint8_t *name);
/* Whether it counts: a name below that of another tenant does not, nor one that another has. */
bool zone_use_counts(const struct zone *z, const struct zone_use *use);

/*
 * zone_answer.c: the records of a name that exists, but for the zone's SOA; at: what is there, or
 * NULL.
 */
void zone_collect(struct zone_records *r, const struct zone *z, const uint8_t *name,
		  const struct zone_name *at);

/* zone_pool.c: where exposures at any address are reached. */
/* An object's addresses come into zone.whole. Returns 0, or -ENOMEM: none has. */
int zone_pool_hold(struct zone *z, const struct tenant_conf *tenant) CHECKED;
void zone_pool_drop(struct zone *z, const struct tenant_conf *tenant);
/* After either, or with another node. */
void zone_pool_update(struct zone *z);

#endif
