/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Takes a tenant object apart into single claims and holds each against the index of its kind.
 * What was taken before a conflict is dropped again.
 */
#include "conf/model/claims_unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void take_unit(struct pass *pass, const struct unit *unit)
{
	size_t i = pass->n++;
	int rc;

	if (pass->rc == -ENOMEM) {
		return;
	}
	rc = unit_take(pass, unit);
	pass->taken[i] = rc == 0;
	if (rc == -ENOMEM) {
		pass->rc = rc;
	}
}

static void drop_name(struct claims *claims, uint16_t port, const struct name_pattern *name)
{
	const struct str text = str_from(name->text);

	name_index_drop(&claims->names, port, text, name->wildcard);
	if (unit_in_zone(claims, name->text)) {
		name_index_drop(&claims->names, NAME_PORT_ZONE, text, name->wildcard);
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
		name = unit_own_name(claims, tenant, unit, own);
		name_index_drop(&claims->names, NAME_PORT_ZONE, str_from(name.text), name.wildcard);
		return;
	case UNIT_NAME:
		drop_name(claims, e->port, &e->names[unit->index]);
		return;
	case UNIT_ALPN:
		name_index_drop(&claims->names, e->port, unit_alpn_name(e->alpn[unit->index], buf),
				false);
		return;
	case UNIT_ENDPOINT:
		key_index_drop(&claims->keys, unit_endpoint_kind(e), e->ipv4.b, sizeof(e->ipv4.b),
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
		name = unit_own_name(claims, tenant, unit, own);
		return name_index_claim(&claims->names, NAME_PORT_ZONE, str_from(name.text),
					name.wildcard);
	case UNIT_NAME:
		return name_index_claim(&claims->names, e->port,
					str_from(e->names[unit->index].text),
					e->names[unit->index].wildcard);
	case UNIT_ALPN:
		return name_index_claim(&claims->names, e->port,
					unit_alpn_name(e->alpn[unit->index], buf), false);
	case UNIT_ENDPOINT:
		return key_index_claim(&claims->keys, unit_endpoint_kind(e), e->ipv4.b,
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
	if (name && unit_in_zone(pass->claims, name->text)) {
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
