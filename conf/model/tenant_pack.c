/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writes the wire form of message TENANT. Called by control for each object that changed;
 * tenant_unpack.c is its exact counterpart.
 */
#include "conf/model/internal.h"
#include "conf/model/tenant.h"

static void pack_limits(struct buf *out, const struct limits *limits)
{
	buf_u32(out, limits->connections);
	buf_u32(out, limits->new_per_second);
	buf_u32(out, limits->megabits);
}

static void pack_backend(struct buf *out, const struct backend_conf *backend)
{
	pack_bool(out, backend->is_name);
	pack_addr(out, &backend->address);
	pack_text(out, backend->name);
	buf_u32(out, backend->slot);
	pack_bool(out, backend->drained);
}

static void pack_expose(struct buf *out, const struct expose_conf *expose)
{
	buf_u8(out, (uint8_t)expose->protocol);
	buf_u32(out, (uint32_t)expose->n_names);
	for (size_t i = 0; i < expose->n_names; i++) {
		pack_text(out, expose->names[i].text);
		pack_bool(out, expose->names[i].wildcard);
	}
	buf_u32(out, (uint32_t)expose->n_alpn);
	for (size_t i = 0; i < expose->n_alpn; i++) {
		pack_text(out, expose->alpn[i]);
	}
	pack_bool(out, expose->has_ipv4);
	pack_addr(out, &expose->ipv4);
	buf_u16(out, expose->port);
	buf_u16(out, expose->to);
	buf_u8(out, (uint8_t)expose->client_address);
	buf_u8(out, (uint8_t)expose->via);
	pack_prefixes(out, expose->allow, expose->n_allow);
	pack_prefixes(out, expose->deny, expose->n_deny);
}

static void pack_service(struct buf *out, const struct service_conf *service)
{
	pack_text(out, service->name);
	buf_u32(out, service->slot);
	pack_bool(out, service->drained);
	buf_u8(out, (uint8_t)service->balance);
	buf_u8(out, (uint8_t)service->check_type);
	buf_u32(out, service->check_interval_ms);
	buf_u32(out, service->drain_ms);
	pack_timeouts(out, &service->timeouts);
	pack_limits(out, &service->limits);
	buf_u32(out, (uint32_t)service->n_backends);
	for (size_t i = 0; i < service->n_backends; i++) {
		pack_backend(out, &service->backends[i]);
	}
	buf_u32(out, (uint32_t)service->n_exposes);
	for (size_t i = 0; i < service->n_exposes; i++) {
		pack_expose(out, &service->exposes[i]);
	}
}

void tenant_conf_pack(const struct tenant_conf *tenant, struct buf *out)
{
	pack_text(out, tenant->name);
	buf_u64(out, tenant->serial);
	buf_u32(out, tenant->slot);
	buf_u8(out, (uint8_t)tenant->state);
	pack_limits(out, &tenant->limits);
	pack_prefixes(out, tenant->prefixes, tenant->n_prefixes);
	buf_u32(out, (uint32_t)tenant->n_services);
	for (size_t i = 0; i < tenant->n_services; i++) {
		pack_service(out, &tenant->services[i]);
	}
	pack_tenant_dns64(out, &tenant->dns64);
}
