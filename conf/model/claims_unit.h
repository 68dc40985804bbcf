/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Single claims of a tenant object, for claims_unit.c and claims_take.c alone. */
#ifndef SIXGATE_CONF_CLAIMS_UNIT_H
#define SIXGATE_CONF_CLAIMS_UNIT_H

#include "conf/model/claims_internal.h"

#define OWN_NAME_MAX (TENANT_NAME_MAX + 1 + NAME_BUF_SIZE)

enum unit_kind {
	UNIT_PREFIX,
	UNIT_PUBLIC_KEY,
	UNIT_REMOTE,
	UNIT_LISTEN_PORT,
	UNIT_BLOCK,
	UNIT_OWN_NAME, /* in the farm's zone, with all that lies below */
	UNIT_NAME,
	UNIT_ALPN, /* without a name */
	UNIT_ENDPOINT,
	UNIT_ADDRESS,
};

/* One claim of an object. */
struct unit {
	enum unit_kind kind;
	size_t service, expose, index;
	const struct expose_conf *e;
};

/* What is done with each of them. */
struct pass {
	struct claims *claims;
	const struct node_conf *node;
	const struct tenant_conf *tenant;
	struct claimant *by;
	struct issues *issues;
	bool *taken; /* owned by the caller; one for each unit, in order */
	size_t n;    /* units so far */
	int rc;
};

/* TENANT.ZONE, or *.TENANT.ZONE; its text is in buf. */
struct name_pattern unit_own_name(const struct claims *claims, const struct tenant_conf *tenant,
				  const struct unit *unit, char buf[OWN_NAME_MAX]);
/* ALPN as a name of one label that no host name can be. */
struct str unit_alpn_name(const char *alpn, char buf[ALPN_NAME_MAX]);
enum key_kind unit_endpoint_kind(const struct expose_conf *e);
/* In the farm's zone a name has addresses, and no ports: it is one tenant's at all of them. */
bool unit_in_zone(const struct claims *claims, const char *name);
/*
 * Takes one claim, or refuses it into pass->issues. Returns 0, -EEXIST (it is another tenant's, and
 * pass->rc says so) or -ENOMEM.
 */
int unit_take(struct pass *pass, const struct unit *unit);

#endif
