/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The whole tenant object as bytes, for the snapshot of the registry: message TENANT, and behind
 * it what workers need not know. Called by control; both directions are here, each the exact
 * counterpart of the other.
 */
#include <limits.h>

#include "conf/model/internal.h"
#include "conf/model/tenant.h"

static void pack_tunnel(struct buf *out, const struct tunnel_conf *tunnel)
{
	pack_text(out, tunnel->name);
	buf_u8(out, (uint8_t)tunnel->kind);
	pack_text(out, tunnel->public_key);
	pack_text(out, tunnel->preshared_key_file);
	pack_bool(out, tunnel->own_device);
	buf_u16(out, tunnel->listen_port);
	buf_u16(out, tunnel->keepalive_s);
	pack_bool(out, tunnel->has_endpoint);
	pack_addr(out, &tunnel->endpoint.addr);
	buf_u16(out, tunnel->endpoint.port);
	buf_u32(out, tunnel->mtu);
	pack_bool(out, tunnel->has_remote);
	pack_addr(out, &tunnel->remote);
	pack_text(out, tunnel->update_key_hash);
	pack_bool(out, tunnel->has_via);
	pack_addr(out, &tunnel->via);
	pack_text(out, tunnel->interface);
	pack_prefixes(out, tunnel->prefixes, tunnel->n_prefixes);
	pack_bool(out, tunnel->ipv4);
}

static void unpack_tunnel(struct unpack *u, struct tunnel_conf *tunnel)
{
	tunnel->name = unpack_id(u, "tunnel name");
	tunnel->kind = unpack_enum(u, TUNNEL_ROUTE + 1, "tunnel kind");
	tunnel->public_key = unpack_text(u, 0, TUNNEL_KEY_MAX, "public key");
	tunnel->preshared_key_file = unpack_text(u, 0, PATH_MAX, "preshared key file");
	tunnel->own_device = unpack_bool(u, "own device");
	tunnel->listen_port = cursor_u16(&u->in);
	tunnel->keepalive_s = cursor_u16(&u->in);
	tunnel->has_endpoint = unpack_bool(u, "endpoint");
	tunnel->endpoint.addr = unpack_addr(u);
	tunnel->endpoint.port = cursor_u16(&u->in);
	tunnel->mtu = cursor_u32(&u->in);
	tunnel->has_remote = unpack_bool(u, "remote");
	tunnel->remote = unpack_addr(u);
	tunnel->update_key_hash = unpack_text(u, 0, TUNNEL_HASH_MAX, "update key hash");
	tunnel->has_via = unpack_bool(u, "via");
	tunnel->via = unpack_addr(u);
	tunnel->interface = unpack_text(u, 0, TUNNEL_INTERFACE_MAX, "interface");
	tunnel->prefixes =
		unpack_prefixes(u, TENANT_PREFIXES_MAX, &tunnel->n_prefixes, "tunnel prefixes");
	tunnel->ipv4 = unpack_bool(u, "ipv4");
	if ((tunnel->kind == TUNNEL_WIREGUARD && !tunnel->public_key) ||
	    (tunnel->kind == TUNNEL_ROUTE && !tunnel->interface)) {
		unpack_fail(u, "tunnel");
	}
}

static void pack_inbound(struct buf *out, const struct inbound_rule *rule)
{
	buf_u8(out, (uint8_t)rule->protocol);
	buf_u32(out, (uint32_t)rule->n_ports);
	for (size_t i = 0; i < rule->n_ports; i++) {
		buf_u16(out, rule->ports[i]);
	}
	pack_text(out, rule->to);
	pack_prefixes(out, rule->from, rule->n_from);
}

static void unpack_inbound(struct unpack *u, struct inbound_rule *rule)
{
	rule->protocol = unpack_enum(u, PROTOCOL_UDP + 1, "inbound protocol");
	rule->ports = unpack_array(u, INBOUND_PORTS_MAX, sizeof(*rule->ports), &rule->n_ports,
				   "inbound ports");
	for (size_t i = 0; i < rule->n_ports; i++) {
		rule->ports[i] = cursor_u16(&u->in);
	}
	rule->to = unpack_text(u, 0, TENANT_NAME_MAX, "inbound service");
	rule->from = unpack_prefixes(u, EXPOSE_ACL_MAX, &rule->n_from, "inbound sources");
}

/* What is of an exposure and not in message TENANT. */
static void pack_expose(struct buf *out, const struct expose_conf *expose)
{
	pack_bool(out, expose->redirect_https);
	pack_text(out, expose->certificate_chain);
	pack_text(out, expose->certificate_key);
	pack_bool(out, expose->backend_tls);
}

static void unpack_expose(struct unpack *u, struct expose_conf *expose)
{
	expose->redirect_https = unpack_bool(u, "redirect");
	expose->certificate_chain = unpack_text(u, 0, PATH_MAX, "certificate");
	expose->certificate_key = unpack_text(u, 0, PATH_MAX, "certificate key");
	expose->backend_tls = unpack_bool(u, "backend tls");
}

static void pack_rest(struct buf *out, const struct tenant_conf *tenant)
{
	for (size_t i = 0; i < tenant->n_services; i++) {
		for (size_t k = 0; k < tenant->services[i].n_exposes; k++) {
			pack_expose(out, &tenant->services[i].exposes[k]);
		}
	}
	buf_u32(out, (uint32_t)tenant->n_tunnels);
	for (size_t i = 0; i < tenant->n_tunnels; i++) {
		pack_tunnel(out, &tenant->tunnels[i]);
	}
	buf_u8(out, (uint8_t)tenant->inbound_policy);
	buf_u32(out, (uint32_t)tenant->n_inbound);
	for (size_t i = 0; i < tenant->n_inbound; i++) {
		pack_inbound(out, &tenant->inbound[i]);
	}
	pack_bool(out, tenant->mail);
}

static void unpack_rest(struct unpack *u, struct tenant_conf *tenant)
{
	for (size_t i = 0; i < tenant->n_services; i++) {
		for (size_t k = 0; k < tenant->services[i].n_exposes; k++) {
			unpack_expose(u, &tenant->services[i].exposes[k]);
		}
	}
	tenant->tunnels = unpack_array(u, TENANT_PREFIXES_MAX, sizeof(*tenant->tunnels),
				       &tenant->n_tunnels, "tunnels");
	for (size_t i = 0; i < tenant->n_tunnels; i++) {
		unpack_tunnel(u, &tenant->tunnels[i]);
	}
	tenant->inbound_policy = unpack_enum(u, INBOUND_OPEN + 1, "inbound policy");
	tenant->inbound = unpack_array(u, TENANT_INBOUND_MAX, sizeof(*tenant->inbound),
				       &tenant->n_inbound, "inbound");
	for (size_t i = 0; i < tenant->n_inbound; i++) {
		unpack_inbound(u, &tenant->inbound[i]);
	}
	tenant->mail = unpack_bool(u, "mail");
}

/* They were of the run that packed it. */
static void clear_slots(struct tenant_conf *tenant)
{
	tenant->slot = 0;
	for (size_t i = 0; i < tenant->n_services; i++) {
		struct service_conf *service = &tenant->services[i];

		service->slot = 0;
		for (size_t k = 0; k < service->n_backends; k++) {
			service->backends[k].slot = 0;
		}
	}
}

void tenant_conf_pack_whole(const struct tenant_conf *tenant, struct buf *out)
{
	tenant_conf_pack(tenant, out);
	pack_rest(out, tenant);
}

int tenant_conf_unpack_whole(struct cursor in, struct tenant_conf **ret_tenant, struct err *err)
{
	struct unpack u = {.in = in, .err = err};
	struct tenant_conf *tenant = unpack_tenant(&u);

	if (tenant) {
		clear_slots(tenant);
		unpack_rest(&u, tenant);
	}
	return unpack_tenant_end(&u, tenant, ret_tenant);
}
