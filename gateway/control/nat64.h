/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CONTROL_NAT64_H
#define SIXGATE_GATEWAY_CONTROL_NAT64_H

#include "base/cursor.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"
#include "nat64/table.h"

/*
 * What the verb nat64 shows (conf/model/request.h): the module's tables with the tenants' names,
 * read page by page as the caller takes the answer, so that a million sessions cost no memory.
 */
struct jool_context;

enum nat64_what {
	NAT64_SESSIONS,
	NAT64_MAPPINGS,
	NAT64_POOL,
	NAT64_STATS,
};

/* Of a tenant's ports of one protocol: an alarm, and when it is over. */
#define NAT64_ALARM_PERCENT 90
#define NAT64_CALM_PERCENT  80

/* Where an answer is; zeroed but for what at its beginning. */
struct nat64_query {
	enum nat64_what what;
	uint8_t n_protocols; /* that are done */
	uint32_t tenant_at;
	struct jool_walk walk;
};

struct nat64_view {
	const struct jool_context
		*jool; /* borrowed, as all here; NULL: the kernel, by a new socket */
	const struct node_conf *conf;
	const char *only; /* of this tenant; NULL: of all */
	/* The tenants in force, by a number that begins with 0; NULL at the end. */
	const struct tenant_conf *(*next)(void *ctx, uint32_t *at);
	void *ctx;
};

/* False: no such table. */
bool nat64_what_parse(struct str text, enum nat64_what *ret_what);
/* Appends some objects, one a line. Returns 1: there may be more, 0: that was all, or an errno. */
int nat64_write(const struct nat64_view *view, struct nat64_query *query, struct buf *out,
		struct err *err) CHECKED;
/* How much of its block a tenant uses, of the protocol that it uses most. */
struct nat64_use {
	const char *tenant; /* borrowed from its object */
	unsigned int size, most;
	bool alarm;
};
/* Of the next tenant that has a block. Returns 1, 0: there is none, or a negative errno. */
int nat64_use(const struct nat64_view *view, uint32_t *at, struct nat64_use *ret_use,
	      struct err *err) CHECKED;
/* Appends what of the public address and port is the tenant's now, for the verb who. */
void nat64_write_holder(const struct node_conf *conf, const struct tenant_conf *tenant,
			const struct endpoint *at, struct buf *out);

#endif
