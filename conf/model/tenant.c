/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tenant object's life; its wire form is in tenant_pack.c and tenant_unpack.c.
 */
#include "conf/model/tenant.h"

#include <assert.h>
#include <string.h>

struct tenant_conf *tenant_conf_ref(struct tenant_conf *tenant)
{
	tenant->refs++;
	return tenant;
}

void tenant_conf_unref(struct tenant_conf *tenant)
{
	if (!tenant) {
		return;
	}
	assert(tenant->refs > 0);
	if (--tenant->refs == 0) {
		arena_free(tenant->arena);
	}
}

bool tenant_may_have(const struct prefix *p)
{
	bool multicast = p->addr.b[0] == 0xff;

	return p->addr.b[0] != 0 && !addr_is_link_local(&p->addr) && !multicast;
}

bool tenant_conf_owns(const struct tenant_conf *tenant, const struct addr *a)
{
	for (size_t i = 0; i < tenant->n_prefixes; i++) {
		if (prefix_contains(&tenant->prefixes[i], a)) {
			return true;
		}
	}
	return false;
}

bool tenant_conf_routes_by(const struct tenant_conf *tenant, const char *link)
{
	for (size_t i = 0; i < tenant->n_tunnels; i++) {
		const struct tunnel_conf *tunnel = &tenant->tunnels[i];

		if (tunnel->kind == TUNNEL_ROUTE && strcmp(tunnel->interface, link) == 0) {
			return true;
		}
	}
	return false;
}

bool expose_has_alpn(const struct expose_conf *expose, struct str protocol)
{
	for (size_t i = 0; i < expose->n_alpn; i++) {
		if (str_eq(str_from(expose->alpn[i]), protocol)) {
			return true;
		}
	}
	return false;
}
