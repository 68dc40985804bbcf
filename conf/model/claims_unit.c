/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Takes a tenant object apart into single claims and holds each against the index of its kind.
 * What was taken before a conflict is dropped again.
 */
#include "conf/model/claims_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/model/internal.h"
#include "conf/model/name.h"
#include "conf/model/ports.h"

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

typedef void (*unit_fn)(struct pass *pass, const struct unit *unit);

static void each_of_expose(struct pass *pass, struct unit unit, unit_fn fn)
{
	const struct expose_conf *e = unit.e;

	if (e->protocol == PROTOCOL_ADDRESS) {
		unit.kind = UNIT_ADDRESS;
		fn(pass, &unit);
	} else if (e->has_ipv4) {
		unit.kind = UNIT_ENDPOINT;
		fn(pass, &unit);
	} else {
		unit.kind = UNIT_NAME;
		for (unit.index = 0; unit.index < e->n_names; unit.index++) {
			fn(pass, &unit);
		}
		unit.kind = UNIT_ALPN;
		for (unit.index = 0; e->n_names == 0 && unit.index < e->n_alpn; unit.index++) {
			fn(pass, &unit);
		}
	}
}

static void each_unit(struct pass *pass, unit_fn fn)
{
	const struct tenant_conf *tenant = pass->tenant;
	struct unit unit = {.kind = UNIT_PREFIX};

	for (; unit.index < tenant->n_prefixes; unit.index++) {
		fn(pass, &unit);
	}
	unit.kind = UNIT_PUBLIC_KEY;
	for (unit.index = 0; unit.index < tenant->n_tunnels; unit.index++) {
		if (tenant->tunnels[unit.index].public_key) {
			fn(pass, &unit);
		}
	}
	unit.kind = UNIT_REMOTE;
	for (unit.index = 0; unit.index < tenant->n_tunnels; unit.index++) {
		if (tenant->tunnels[unit.index].has_remote) {
			fn(pass, &unit);
		}
	}
	unit.kind = UNIT_LISTEN_PORT;
	for (unit.index = 0; unit.index < tenant->n_tunnels; unit.index++) {
		if (tenant->tunnels[unit.index].listen_port > 0) {
			fn(pass, &unit);
		}
	}
	unit.kind = UNIT_BLOCK;
	if (tenant->nat64_block > 0) {
		fn(pass, &unit);
	}
	unit.kind = UNIT_OWN_NAME;
	for (unit.index = 0; pass->claims->zone[0] != '\0' && unit.index < 2; unit.index++) {
		fn(pass, &unit);
	}
	for (unit.service = 0; unit.service < tenant->n_services; unit.service++) {
		const struct service_conf *service = &tenant->services[unit.service];

		for (unit.expose = 0; unit.expose < service->n_exposes; unit.expose++) {
			unit.e = &service->exposes[unit.expose];
			each_of_expose(pass, unit, fn);
		}
	}
}

static void count_unit(struct pass *pass, const struct unit *unit)
{
	(void)unit;
	pass->n++;
}

/* TENANT.ZONE, or *.TENANT.ZONE; its text is in buf. */
static struct name_pattern own_name(const struct claims *claims, const struct tenant_conf *tenant,
				    const struct unit *unit, char buf[OWN_NAME_MAX])
{
	(void)snprintf(buf, OWN_NAME_MAX, "%s.%s", tenant->name, claims->zone); /* fits */
	return (struct name_pattern){.text = buf, .wildcard = unit->index > 0};
}

/* ALPN as a name of one label that no host name can be. */
static struct str alpn_name(const char *alpn, char buf[ALPN_NAME_MAX])
{
	size_t len = strlen(alpn);

	buf[0] = '\0';
	for (size_t i = 0; i < len; i++) {
		buf[i + 1] = alpn[i];
		if (alpn[i] == '.') {
			buf[i + 1] = '\1';
		}
	}
	return (struct str){buf, len + 1};
}

static enum key_kind endpoint_kind(const struct expose_conf *e)
{
	return e->protocol == PROTOCOL_UDP ? KEY_KIND_UDP : KEY_KIND_TCP;
}

/* more: what follows the owner's name. */
static void refuse_with(struct pass *pass, struct issue_path path, const char *what,
			const char *owner, const char *more)
{
	issues_add(pass->issues, path.text, "%s belongs to tenant %s%s", what, owner, more);
	if (pass->rc == 0) {
		(void)snprintf(pass->claims->refused_by, sizeof(pass->claims->refused_by), "%s",
			       owner); /* fits: a tenant's name */
	}
	pass->rc = -EEXIST;
}

static void refuse(struct pass *pass, struct issue_path path, const char *what, const char *owner)
{
	refuse_with(pass, path, what, owner, "");
}

static int take_prefix(struct pass *pass, const struct unit *unit)
{
	const struct prefix *prefix = &pass->tenant->prefixes[unit->index];
	const struct prefix_claim *other;
	int rc = prefix_index_take(&pass->claims->prefixes, prefix, pass->by, &other);
	char mine[ADDR_TEXT_MAX], theirs[ADDR_TEXT_MAX], what[ADDR_TEXT_MAX * 2 + 16];

	if (rc == -EEXIST) {
		prefix_format(prefix, mine);
		prefix_format(&other->prefix, theirs);
		(void)snprintf(what, sizeof(what),
			       strcmp(mine, theirs) ? "%s overlaps %s, which" : "%s", mine, theirs);
		refuse(pass, issue_path("/prefixes/%zu", unit->index), what,
		       other->claim.owner->name);
	}
	return rc;
}

static int take_public_key(struct pass *pass, const struct unit *unit)
{
	const char *key = pass->tenant->tunnels[unit->index].public_key;
	const struct key_claim *other;
	int rc = key_index_take(&pass->claims->keys, KEY_KIND_PUBLIC, key, strlen(key), 0, pass->by,
				&other);

	if (rc == -EEXIST) {
		refuse(pass, issue_path("/tunnels/%zu/public_key", unit->index), "the key",
		       other->claim.owner->name);
	}
	return rc;
}

static int take_remote(struct pass *pass, const struct unit *unit)
{
	const struct addr *remote = &pass->tenant->tunnels[unit->index].remote;
	const struct key_claim *other;
	int rc = key_index_take(&pass->claims->keys, KEY_KIND_REMOTE, remote->b, sizeof(remote->b),
				0, pass->by, &other);

	if (rc == -EEXIST) {
		refuse(pass, issue_path("/tunnels/%zu/remote", unit->index),
		       "the other end of a 6in4 tunnel at this address", other->claim.owner->name);
	}
	return rc;
}

static int take_listen_port(struct pass *pass, const struct unit *unit)
{
	const uint16_t *port = &pass->tenant->tunnels[unit->index].listen_port;
	const struct key_claim *other;
	char what[32];
	int rc = -EEXIST;

	other = pass->node ? key_index_foreign_udp(&pass->claims->keys, pass->node, *port, pass->by)
			   : NULL;
	if (!other) {
		rc = key_index_take(&pass->claims->keys, KEY_KIND_LISTEN, port, sizeof(*port), 0,
				    pass->by, &other);
	}
	if (rc == -EEXIST) {
		(void)snprintf(what, sizeof(what), "UDP port %u", *port);
		refuse(pass, issue_path("/tunnels/%zu/listen_port", unit->index), what,
		       other->claim.owner->name);
	}
	return rc;
}

/* Its number follows from the first prefix: another prefix is the way out, as long as one is. */
static void refuse_block(struct pass *pass, const char *owner)
{
	const struct node_conf *node = pass->node;
	size_t n = node ? ports_n_blocks(node) : 0;
	char what[96], more[160], text[ADDR_TEXT_MAX];
	struct prefix other;

	(void)snprintf(what, sizeof(what), "NAT64's block of ports %u of %zu, this prefix's,",
		       pass->tenant->nat64_block, n); /* fits */
	if (n == 0) {
		more[0] = '\0';
	} else if (claims_free_block(pass->claims, node, pass->tenant, pass->by, &other)) {
		(void)snprintf(more, sizeof(more), ": put %s first, whose block is free",
			       prefix_format(&other, text)); /* fits */
	} else {
		(void)snprintf(more, sizeof(more),
			       ": %zu tenants x %u ports are more than %zu x %u (addresses x "
			       "ports); extend nat64.pool or lower nat64.ports_per_tenant",
			       n + 1, node->nat64.ports_per_tenant, node->nat64.n_pool,
			       node->nat64.ports.last - node->nat64.ports.first + 1u); /* fits */
	}
	refuse_with(pass, issue_path("/prefixes/%d", 0), what, owner, more);
}

static int take_block(struct pass *pass)
{
	const uint32_t *block = &pass->tenant->nat64_block;
	const struct key_claim *other;
	int rc = key_index_take(&pass->claims->keys, KEY_KIND_BLOCK, block, sizeof(*block), 0,
				pass->by, &other);

	if (rc == -EEXIST) {
		refuse_block(pass, other->claim.owner->name);
	}
	return rc;
}

static struct issue_path expose_path(const struct unit *unit, const char *key)
{
	return issue_path("/services/%zu/expose/%zu/%s", unit->service, unit->expose, key);
}

/* A tls port against other tenants' tcp exposures of that port. */
static int check_spread(struct pass *pass, const struct unit *unit)
{
	const struct key_claim *other;
	char what[64];

	if (unit->index > 0 || !claims_port_spreads(pass->node, unit->e->port)) {
		return 0;
	}
	other = key_index_foreign_port(&pass->claims->keys, unit->e->port, pass->by);
	if (!other) {
		return 0;
	}
	(void)snprintf(what, sizeof(what), "port %u of an address", unit->e->port);
	refuse(pass, expose_path(unit, "port"), what, other->claim.owner->name);
	return -EEXIST;
}

/* In the farm's zone a name has addresses, and no ports: it is one tenant's at all of them. */
static bool in_zone(const struct claims *claims, const char *name)
{
	size_t len = strlen(name), zone_len = strlen(claims->zone);

	return zone_len > 0 && len >= zone_len &&
	       strcmp(name + len - zone_len, claims->zone) == 0 &&
	       (len == zone_len || name[len - zone_len - 1] == '.');
}

static void refuse_name(struct pass *pass, struct issue_path path, const struct name_pattern *name,
			const struct name_conflict *conflict)
{
	bool same = strcmp(name->text, conflict->text) == 0 && name->wildcard == conflict->wildcard;
	const char *how = strlen(name->text) < strlen(conflict->text) ? "covers" : "is under";
	char what[sizeof(conflict->text) + OWN_NAME_MAX + 32];

	(void)snprintf(what, sizeof(what), same ? "%s%s" : "%s%s %s %s%s, which",
		       name->wildcard ? "*." : "", name->text, how, conflict->wildcard ? "*." : "",
		       conflict->text);
	refuse(pass, path, what, conflict->owner->name);
}

static int take_own_name(struct pass *pass, const struct unit *unit)
{
	char buf[OWN_NAME_MAX];
	const struct name_pattern name = own_name(pass->claims, pass->tenant, unit, buf);
	struct name_conflict conflict;
	int rc = name_index_take(&pass->claims->names, NAME_PORT_ZONE, str_from(name.text),
				 name.wildcard, pass->by, &conflict);

	if (rc == -EEXIST) {
		refuse_name(pass, issue_path("/tenant"), &name, &conflict);
	}
	return rc;
}

static int take_name(struct pass *pass, const struct unit *unit)
{
	const struct name_pattern *name = &unit->e->names[unit->index];
	const struct str text = str_from(name->text);
	struct name_index *names = &pass->claims->names;
	struct name_conflict conflict;
	int rc = check_spread(pass, unit);

	if (rc < 0) {
		return rc;
	}
	rc = name_index_take(names, unit->e->port, text, name->wildcard, pass->by, &conflict);
	if (rc == 0 && in_zone(pass->claims, name->text)) {
		rc = name_index_take(names, NAME_PORT_ZONE, text, name->wildcard, pass->by,
				     &conflict);
		if (rc < 0) {
			name_index_drop(names, unit->e->port, text, name->wildcard);
		}
	}
	if (rc == -EEXIST) {
		refuse_name(pass,
			    issue_path("/services/%zu/expose/%zu/names/%zu", unit->service,
				       unit->expose, unit->index),
			    name, &conflict);
	}
	return rc;
}

static void drop_name(struct claims *claims, uint16_t port, const struct name_pattern *name)
{
	const struct str text = str_from(name->text);

	name_index_drop(&claims->names, port, text, name->wildcard);
	if (in_zone(claims, name->text)) {
		name_index_drop(&claims->names, NAME_PORT_ZONE, text, name->wildcard);
	}
}

static int take_alpn(struct pass *pass, const struct unit *unit)
{
	struct name_conflict conflict;
	char buf[ALPN_NAME_MAX];
	int rc = check_spread(pass, unit);

	if (rc < 0) {
		return rc;
	}
	rc = name_index_take(&pass->claims->names, unit->e->port,
			     alpn_name(unit->e->alpn[unit->index], buf), false, pass->by,
			     &conflict);
	if (rc == -EEXIST) {
		refuse(pass,
		       issue_path("/services/%zu/expose/%zu/alpn/%zu", unit->service, unit->expose,
				  unit->index),
		       "this ALPN without a name", conflict.owner->name);
	}
	return rc;
}

static int take_endpoint(struct pass *pass, const struct unit *unit)
{
	const struct expose_conf *e = unit->e;
	const struct key_claim *other =
		key_index_foreign_address(&pass->claims->keys, &e->ipv4, true, pass->by);
	const struct key_claim *listen = NULL;
	struct endpoint endpoint = {e->ipv4, e->port};
	struct name_conflict conflict;
	char text[ENDPOINT_TEXT_MAX], what[64];
	int rc = -EEXIST;

	endpoint_format(&endpoint, text);
	if (!other && e->protocol == PROTOCOL_UDP && pass->node &&
	    check_is_machines(pass->node, &e->ipv4)) {
		listen = key_index_foreign_listen(&pass->claims->keys, e->port, pass->by);
	}
	if (listen) {
		(void)snprintf(what, sizeof(what), "UDP port %u, of a WireGuard device,", e->port);
		refuse(pass, expose_path(unit, "port"), what, listen->claim.owner->name);
	} else if (other) {
		refuse(pass, expose_path(unit, "ipv4"), text, other->claim.owner->name);
	} else if (e->protocol == PROTOCOL_TCP && claims_port_spreads(pass->node, e->port) &&
		   name_index_foreign(&pass->claims->names, e->port, pass->by, &conflict)) {
		(void)snprintf(what, sizeof(what), "port %u (tls) of all addresses", e->port);
		refuse(pass, expose_path(unit, "port"), what, conflict.owner->name);
	} else {
		rc = key_index_take(&pass->claims->keys, endpoint_kind(e), e->ipv4.b,
				    sizeof(e->ipv4.b), e->port, pass->by, &other);
		if (rc == -EEXIST) {
			refuse(pass, expose_path(unit, "port"), text, other->claim.owner->name);
		}
	}
	return rc;
}

static int take_address(struct pass *pass, const struct unit *unit)
{
	const struct addr *addr = &unit->e->ipv4;
	const struct key_claim *other =
		key_index_foreign_address(&pass->claims->keys, addr, false, pass->by);
	char text[ADDR_TEXT_MAX];

	if (other) {
		refuse(pass, expose_path(unit, "ipv4"), addr_format(addr, text),
		       other->claim.owner->name);
		return -EEXIST;
	}
	return key_index_take(&pass->claims->keys, KEY_KIND_ADDRESS, addr->b, sizeof(addr->b), 0,
			      pass->by, &other);
}

static int take(struct pass *pass, const struct unit *unit)
{
	switch (unit->kind) {
	case UNIT_PREFIX:
		return take_prefix(pass, unit);
	case UNIT_PUBLIC_KEY:
		return take_public_key(pass, unit);
	case UNIT_REMOTE:
		return take_remote(pass, unit);
	case UNIT_LISTEN_PORT:
		return take_listen_port(pass, unit);
	case UNIT_BLOCK:
		return take_block(pass);
	case UNIT_OWN_NAME:
		return take_own_name(pass, unit);
	case UNIT_NAME:
		return take_name(pass, unit);
	case UNIT_ALPN:
		return take_alpn(pass, unit);
	case UNIT_ENDPOINT:
		return take_endpoint(pass, unit);
	case UNIT_ADDRESS:
		return take_address(pass, unit);
	}
	return -EINVAL;
}

static void take_unit(struct pass *pass, const struct unit *unit)
{
	size_t i = pass->n++;
	int rc;

	if (pass->rc == -ENOMEM) {
		return;
	}
	rc = take(pass, unit);
	pass->taken[i] = rc == 0;
	if (rc == -ENOMEM) {
		pass->rc = rc;
	}
}

static void drop(struct claims *claims, const struct tenant_conf *tenant, const struct unit *unit)
{
	const struct expose_conf *e = unit->e;
	char buf[ALPN_NAME_MAX], own[OWN_NAME_MAX];
	struct name_pattern name;
	const char *key;

	switch (unit->kind) {
	case UNIT_PREFIX:
		prefix_index_drop(&claims->prefixes, &tenant->prefixes[unit->index]);
		return;
	case UNIT_PUBLIC_KEY:
		key = tenant->tunnels[unit->index].public_key;
		key_index_drop(&claims->keys, KEY_KIND_PUBLIC, key, strlen(key), 0);
		return;
	case UNIT_REMOTE:
		key_index_drop(&claims->keys, KEY_KIND_REMOTE,
			       tenant->tunnels[unit->index].remote.b, sizeof(struct addr), 0);
		return;
	case UNIT_LISTEN_PORT:
		key_index_drop(&claims->keys, KEY_KIND_LISTEN,
			       &tenant->tunnels[unit->index].listen_port, sizeof(uint16_t), 0);
		return;
	case UNIT_BLOCK:
		key_index_drop(&claims->keys, KEY_KIND_BLOCK, &tenant->nat64_block,
			       sizeof(tenant->nat64_block), 0);
		return;
	case UNIT_OWN_NAME:
		name = own_name(claims, tenant, unit, own);
		name_index_drop(&claims->names, NAME_PORT_ZONE, str_from(name.text), name.wildcard);
		return;
	case UNIT_NAME:
		drop_name(claims, e->port, &e->names[unit->index]);
		return;
	case UNIT_ALPN:
		name_index_drop(&claims->names, e->port, alpn_name(e->alpn[unit->index], buf),
				false);
		return;
	case UNIT_ENDPOINT:
		key_index_drop(&claims->keys, endpoint_kind(e), e->ipv4.b, sizeof(e->ipv4.b),
			       e->port);
		return;
	case UNIT_ADDRESS:
		key_index_drop(&claims->keys, KEY_KIND_ADDRESS, e->ipv4.b, sizeof(e->ipv4.b), 0);
		return;
	}
}

/* Without a list of what was taken: all was. */
static void drop_unit(struct pass *pass, const struct unit *unit)
{
	size_t i = pass->n++;

	if (!pass->taken || pass->taken[i]) {
		drop(pass->claims, pass->tenant, unit);
	}
}

int units_take(struct claims *claims, const struct node_conf *node,
	       const struct tenant_conf *tenant, struct claimant *by, struct issues *issues)
{
	struct pass pass = {.claims = claims,
			    .node = node,
			    .tenant = tenant,
			    .by = by,
			    .issues = issues};

	if (node && node->dns64.zone) {
		(void)snprintf(claims->zone, sizeof(claims->zone), "%s",
			       node->dns64.zone); /* fits */
	}
	each_unit(&pass, count_unit);
	pass.taken = calloc(pass.n > 0 ? pass.n : 1, sizeof(*pass.taken));
	if (!pass.taken) {
		return -ENOMEM;
	}
	pass.n = 0;
	each_unit(&pass, take_unit);
	if (pass.rc < 0) {
		pass.n = 0;
		each_unit(&pass, drop_unit);
	}
	free(pass.taken);
	return pass.rc;
}

void units_drop(struct claims *claims, const struct tenant_conf *tenant)
{
	struct pass pass = {.claims = claims, .tenant = tenant};

	each_unit(&pass, drop_unit);
}

static struct claim *find(struct claims *claims, const struct tenant_conf *tenant,
			  const struct unit *unit)
{
	const struct expose_conf *e = unit->e;
	char buf[ALPN_NAME_MAX], own[OWN_NAME_MAX];
	struct name_pattern name;
	const char *key;

	switch (unit->kind) {
	case UNIT_PREFIX:
		return prefix_index_claim(&claims->prefixes, &tenant->prefixes[unit->index]);
	case UNIT_PUBLIC_KEY:
		key = tenant->tunnels[unit->index].public_key;
		return key_index_claim(&claims->keys, KEY_KIND_PUBLIC, key, strlen(key), 0);
	case UNIT_REMOTE:
		return key_index_claim(&claims->keys, KEY_KIND_REMOTE,
				       tenant->tunnels[unit->index].remote.b, sizeof(struct addr),
				       0);
	case UNIT_LISTEN_PORT:
		return key_index_claim(&claims->keys, KEY_KIND_LISTEN,
				       &tenant->tunnels[unit->index].listen_port, sizeof(uint16_t),
				       0);
	case UNIT_BLOCK:
		return key_index_claim(&claims->keys, KEY_KIND_BLOCK, &tenant->nat64_block,
				       sizeof(tenant->nat64_block), 0);
	case UNIT_OWN_NAME:
		name = own_name(claims, tenant, unit, own);
		return name_index_claim(&claims->names, NAME_PORT_ZONE, str_from(name.text),
					name.wildcard);
	case UNIT_NAME:
		return name_index_claim(&claims->names, e->port,
					str_from(e->names[unit->index].text),
					e->names[unit->index].wildcard);
	case UNIT_ALPN:
		return name_index_claim(&claims->names, e->port,
					alpn_name(e->alpn[unit->index], buf), false);
	case UNIT_ENDPOINT:
		return key_index_claim(&claims->keys, endpoint_kind(e), e->ipv4.b,
				       sizeof(e->ipv4.b), e->port);
	case UNIT_ADDRESS:
		return key_index_claim(&claims->keys, KEY_KIND_ADDRESS, e->ipv4.b,
				       sizeof(e->ipv4.b), 0);
	}
	return NULL;
}

static void own_unit(struct pass *pass, const struct unit *unit)
{
	const struct name_pattern *name =
		unit->kind == UNIT_NAME ? &unit->e->names[unit->index] : NULL;

	claim_own(find(pass->claims, pass->tenant, unit), pass->by);
	if (name && in_zone(pass->claims, name->text)) {
		claim_own(name_index_claim(&pass->claims->names, NAME_PORT_ZONE,
					   str_from(name->text), name->wildcard),
			  pass->by);
	}
}

void units_own(struct claims *claims, const struct tenant_conf *tenant, struct claimant *by)
{
	struct pass pass = {.claims = claims, .tenant = tenant, .by = by};

	each_unit(&pass, own_unit);
}
