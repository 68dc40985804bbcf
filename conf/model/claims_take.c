/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Holds a single claim of a tenant object against the index of its kind. */
#include "conf/model/claims_unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/model/internal.h"
#include "conf/model/name.h"
#include "conf/model/ports.h"

struct name_pattern unit_own_name(const struct claims *claims, const struct tenant_conf *tenant,
				  const struct unit *unit, char buf[OWN_NAME_MAX])
{
	(void)snprintf(buf, OWN_NAME_MAX, "%s.%s", tenant->name, claims->zone); /* fits */
	return (struct name_pattern){.text = buf, .wildcard = unit->index > 0};
}

struct str unit_alpn_name(const char *alpn, char buf[ALPN_NAME_MAX])
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

enum key_kind unit_endpoint_kind(const struct expose_conf *e)
{
	return e->protocol == PROTOCOL_UDP ? KEY_KIND_UDP : KEY_KIND_TCP;
}

bool unit_in_zone(const struct claims *claims, const char *name)
{
	size_t len = strlen(name), zone_len = strlen(claims->zone);

	return zone_len > 0 && len >= zone_len &&
	       strcmp(name + len - zone_len, claims->zone) == 0 &&
	       (len == zone_len || name[len - zone_len - 1] == '.');
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
	const struct name_pattern name = unit_own_name(pass->claims, pass->tenant, unit, buf);
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
	if (rc == 0 && unit_in_zone(pass->claims, name->text)) {
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

static int take_alpn(struct pass *pass, const struct unit *unit)
{
	struct name_conflict conflict;
	char buf[ALPN_NAME_MAX];
	int rc = check_spread(pass, unit);

	if (rc < 0) {
		return rc;
	}
	rc = name_index_take(&pass->claims->names, unit->e->port,
			     unit_alpn_name(unit->e->alpn[unit->index], buf), false, pass->by,
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
		rc = key_index_take(&pass->claims->keys, unit_endpoint_kind(e), e->ipv4.b,
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

int unit_take(struct pass *pass, const struct unit *unit)
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
