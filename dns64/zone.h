/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_ZONE_H
#define SIXGATE_DNS64_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"

/*
 * The farm's zone (dns64.zone), answered with authority to everybody. SERVICE.TENANT.ZONE is there
 * for each service, and each name or wildcard of an exposure that lies in the zone, but nothing
 * that is the name of its server or below it, nor of another tenant's TENANT.ZONE or below that. A
 * suspended tenant has nothing there and keeps its name all the same.
 *
 *   AAAA    the backends that are addresses and not drained
 *   A       the public addresses of the exposures; of tls and http those of their listeners
 *   HTTPS   the port, when tls is not at 443
 *
 * A name is one tenant's: should two have it, the first one has, and nothing of theirs is mixed.
 */
struct buf;
struct node_conf;
struct request;
struct tenant_conf;
struct zone;
struct zone_name;

#define ZONE_TTL_S         60
#define ZONE_ADDRESSES_MAX 16 /* of each type in an answer */
/* What an answer is made from, so that no query takes long: more is left out. */
#define ZONE_USES_MAX    64  /* exposures that have the same name */
#define ZONE_EXPOSES_MAX 256 /* of a service, at its own name */

/*
 * An empty zone of node, which has dns64.zone; node is borrowed until zone_free() or
 * zone_set_node(). Returns 0, -EINVAL when that is no name for a zone, or -ENOMEM.
 */
int zone_new(const struct node_conf *node, struct zone **ret_zone) CHECKED;
void zone_free(struct zone *z);
/* Another config with the same zone; it is borrowed instead. */
void zone_set_node(struct zone *z, const struct node_conf *node);
/* What the SOA shows. It is the owner's to let grow with each change. */
void zone_set_serial(struct zone *z, uint32_t serial);
/*
 * Puts a tenant into the zone instead of what it had, and holds a reference to it. Returns 0, or
 * -ENOMEM: it has what it had.
 */
int zone_put(struct zone *z, struct tenant_conf *tenant) CHECKED;
/* Nothing happens when what is there is not that object. */
void zone_remove(struct zone *z, const struct tenant_conf *tenant);
/*
 * Answers a query; REFUSED for what is not in the zone. Returns the length in wire, which has room
 * for request_answer_max().
 */
size_t zone_query(const struct zone *z, struct request *request, uint8_t *wire);
/*
 * All of it as a zone file (RFC 1035 5), a name's records at a time: the zone's own first, then the
 * others in no order. What changes meanwhile is in it or not.
 */
struct zone_walk {
	LIST_ENTRY(zone_walk) link;   /* zone.walks */
	const struct zone *zone;      /* borrowed; NULL: it has gone */
	const struct zone_name *next; /* NULL: none is left */
	bool begun;
};

void zone_walk_begin(struct zone *z, struct zone_walk *walk);
/* Before the walk's memory goes. */
void zone_walk_end(struct zone_walk *walk);
/* Appends the next name's records, a line each, perhaps none. False: there is none any more. */
bool zone_print_next(struct zone_walk *walk, struct buf *out);

#endif
