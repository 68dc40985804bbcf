/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads the wire form of message TENANT in a worker. Control has checked the object already; a
 * worker trusts none of it: each length, enum and name is checked again, and above all that a
 * backend lies in its own tenant's prefixes.
 */
#include "conf/model/tenant.h"

#include <errno.h>

#include "conf/model/internal.h"
#include "conf/model/name.h"

const char *unpack_host(struct unpack *u, const char *what)
{
	const char *text = unpack_text(u, 1, NAME_TEXT_MAX, what);
	char normal[NAME_BUF_SIZE];
	size_t len;

	if (text && (name_normalize(str_from(text), normal, &len) != NAME_OK ||
		     strcmp(normal, text) != 0)) {
		unpack_fail(u, what);
	}
	return text;
}

static struct limits unpack_limits(struct unpack *u)
{
	struct limits limits;

	limits.connections = cursor_u32(&u->in);
	limits.new_per_second = cursor_u32(&u->in);
	limits.megabits = cursor_u32(&u->in);
	return limits;
}

static void unpack_backend(struct unpack *u, const struct tenant_conf *tenant,
			   struct backend_conf *backend)
{
	backend->is_name = unpack_bool(u, "backend");
	backend->address = unpack_addr(u);
	if (backend->is_name) {
		backend->name = unpack_host(u, "backend name");
	} else if (unpack_text(u, 0, 0, "backend name") == NULL &&
		   !tenant_conf_owns(tenant, &backend->address)) {
		unpack_fail(u, "backend outside the tenant's prefixes");
	}
	backend->slot = cursor_u32(&u->in);
	backend->drained = unpack_bool(u, "backend");
}

static void unpack_names(struct unpack *u, struct expose_conf *expose)
{
	expose->names = unpack_array(u, EXPOSE_NAMES_MAX, sizeof(*expose->names), &expose->n_names,
				     "names");
	for (size_t i = 0; i < expose->n_names; i++) {
		expose->names[i].text = unpack_host(u, "name");
		expose->names[i].wildcard = unpack_bool(u, "wildcard");
	}
	expose->alpn =
		unpack_array(u, EXPOSE_ALPN_MAX, sizeof(*expose->alpn), &expose->n_alpn, "alpn");
	for (size_t i = 0; i < expose->n_alpn; i++) {
		expose->alpn[i] = unpack_text(u, 1, EXPOSE_ALPN_BYTES_MAX, "alpn");
	}
}

static void unpack_expose(struct unpack *u, struct expose_conf *expose)
{
	expose->protocol = unpack_enum(u, PROTOCOL_ADDRESS + 1, "protocol");
	unpack_names(u, expose);
	expose->has_ipv4 = unpack_bool(u, "ipv4");
	expose->ipv4 = unpack_addr(u);
	expose->port = cursor_u16(&u->in);
	expose->to = cursor_u16(&u->in);
	expose->client_address = unpack_enum(u, CLIENT_ADDRESS_PROXY_V2 + 1, "client address");
	expose->via = unpack_enum(u, VIA_NAT64 + 1, "via");
	expose->allow = unpack_prefixes(u, EXPOSE_ACL_MAX, &expose->n_allow, "allow");
	expose->deny = unpack_prefixes(u, EXPOSE_ACL_MAX, &expose->n_deny, "deny");
	if (expose->protocol != PROTOCOL_ADDRESS && (expose->port == 0 || expose->to == 0)) {
		unpack_fail(u, "port");
	}
	if (expose->protocol == PROTOCOL_TCP && (!expose->has_ipv4 || !addr_is_v4(&expose->ipv4))) {
		unpack_fail(u, "ipv4");
	}
}

static void unpack_service(struct unpack *u, const struct tenant_conf *tenant,
			   struct service_conf *service)
{
	service->name = unpack_id(u, "service name");
	service->slot = cursor_u32(&u->in);
	service->drained = unpack_bool(u, "service");
	service->balance = unpack_enum(u, BALANCE_SOURCE_HASH + 1, "balance");
	service->check_type = unpack_enum(u, CHECK_HTTP + 1, "check");
	service->check_interval_ms = cursor_u32(&u->in);
	service->drain_ms = cursor_u32(&u->in);
	service->timeouts = unpack_timeouts(u);
	service->limits = unpack_limits(u);
	service->backends = unpack_array(u, SERVICE_BACKENDS_MAX, sizeof(*service->backends),
					 &service->n_backends, "backends");
	for (size_t i = 0; i < service->n_backends; i++) {
		unpack_backend(u, tenant, &service->backends[i]);
	}
	service->exposes = unpack_array(u, SERVICE_EXPOSES_MAX, sizeof(*service->exposes),
					&service->n_exposes, "exposures");
	for (size_t i = 0; i < service->n_exposes; i++) {
		unpack_expose(u, &service->exposes[i]);
	}
}

static void read_tenant(struct unpack *u, struct tenant_conf *tenant)
{
	tenant->name = unpack_id(u, "name");
	tenant->serial = cursor_u64(&u->in);
	tenant->slot = cursor_u32(&u->in);
	tenant->state = unpack_enum(u, TENANT_SUSPENDED + 1, "state");
	tenant->limits = unpack_limits(u);
	tenant->prefixes = unpack_prefixes(u, TENANT_PREFIXES_MAX, &tenant->n_prefixes, "prefixes");
	for (size_t i = 0; i < tenant->n_prefixes; i++) {
		/* which unicast a tenant may have is control's to say: tests use the loopback */
		if (tenant->prefixes[i].len < TENANT_PREFIX_LEN_MIN ||
		    tenant->prefixes[i].len > TENANT_PREFIX_LEN_MAX) {
			unpack_fail(u, "prefixes");
		}
	}
	tenant->services = unpack_array(u, TENANT_SERVICES_MAX, sizeof(*tenant->services),
					&tenant->n_services, "services");
	for (size_t i = 0; i < tenant->n_services; i++) {
		unpack_service(u, tenant, &tenant->services[i]);
	}
	unpack_tenant_dns64(u, &tenant->dns64);
}

struct tenant_conf *unpack_tenant(struct unpack *u)
{
	struct tenant_conf *tenant;

	u->arena = arena_new(TENANT_ARENA_MAX);
	tenant = u->arena ? arena_alloc(u->arena, sizeof(*tenant)) : NULL;
	if (!tenant) {
		arena_free(u->arena);
		u->rc = err_set(u->err, -ENOMEM, "tenant: out of memory");
		return NULL;
	}
	tenant->arena = u->arena;
	tenant->refs = 1;
	read_tenant(u, tenant);
	return tenant;
}

int unpack_tenant_end(struct unpack *u, struct tenant_conf *tenant, struct tenant_conf **ret_tenant)
{
	if (!tenant) {
		return u->rc;
	}
	if (unpack_end(u) < 0) {
		tenant_conf_unref(tenant);
		(void)err_prefix(u->err, "tenant: "); /* the code is u->rc */
		return u->rc;
	}
	*ret_tenant = tenant;
	return 0;
}

int tenant_conf_unpack(struct cursor in, struct tenant_conf **ret_tenant, struct err *err)
{
	struct unpack u = {.in = in, .err = err};
	struct tenant_conf *tenant = unpack_tenant(&u);

	return unpack_tenant_end(&u, tenant, ret_tenant);
}
