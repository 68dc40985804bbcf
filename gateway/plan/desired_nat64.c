/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NAT64: the instance and its settings, a tenant's block of ports as rows of pool4 under its mark,
 * and a static mapping an exposure with `via: nat64`. Called by desired.c alone.
 */
#include "conf/model/ports.h"
#include "gateway/plan/derive.h"
#include "gateway/plan/desired.h"

/*
 * A port outside the tenant's block has a row of its own, so that Jool takes its packets. No
 * packet carries the row's mark, so nobody leaves by it; each port has another, because rows of
 * one mark that touch become one.
 */
#define MARK_OF_PORT 0x80000000u

/*
 * What IPv4 packets are cut to that may be cut; senders of others are told the tunnel's MTU. More
 * than IPv6's least would need to fit each link behind each tunnel (RFC 7915 4), which only the
 * tenants know: no IPv6 router cuts a packet, and who sends what may be cut does not heed errors.
 * It is also one value for all: by the smallest tunnel's MTU, a tenant's would change the others'.
 */
#define LOWEST_IPV6_MTU 1280

/* Jool's numbers of what is set; nat64/jool.h has them, too. */
static const struct object_global globals[] = {
	{TRANSLATOR_NAT64, 1, 1}, /* enabled */
	{TRANSLATOR_NAT64, 3, LOWEST_IPV6_MTU},
	{TRANSLATOR_NAT64, 14, 0}, /* address-dependent-filtering would close exposures */
	{TRANSLATOR_NAT64, 15, 0}, /* drop-externally-initiated-tcp, too */
	{TRANSLATOR_NAT64, 26, 0}, /* maximum-simultaneous-opens: a refusal at once */
};

static void add_row(struct object_set *set, const struct addr *address, uint8_t protocol,
		    uint32_t mark, struct port_range ports)
{
	struct object o = {.kind = OBJECT_POOL4,
			   .pool4 = {.address = *address,
				     .protocol = protocol,
				     .mark = mark,
				     .first = ports.first,
				     .last = ports.last}};

	(void)object_set_add(set, &o); /* out of memory is sticky */
}

/*
 * While pool4 is empty Jool takes ports 61001 to 65535 of all addresses of this machine. This row
 * is there before those of tenants come and after they went; no packet goes to its address.
 */
static void add_guard(struct object_set *set)
{
	static const struct addr nowhere = {.b = {[10] = 0xff, [11] = 0xff}}; /* 0.0.0.0 */

	add_row(set, &nowhere, IPPROTO_ICMP, MARK_OF_PORT, (struct port_range){0});
}

void desired_nat64_node(const struct node_conf *node, const struct desired_facts *facts,
			struct object_set *set)
{
	struct object o = {.kind = OBJECT_INSTANCE,
			   .instance = {.translator = TRANSLATOR_NAT64,
					.pool6 = node->nat64.prefix}};

	if (!node->nat64.on || !facts->has_jool) {
		return;
	}
	(void)object_set_add(set, &o); /* out of memory is sticky */
	for (size_t i = 0; i < sizeof(globals) / sizeof(globals[0]); i++) {
		o = (struct object){.kind = OBJECT_GLOBAL, .global = globals[i]};
		(void)object_set_add(set, &o);
	}
	add_guard(set);
}

static void add_exposure(const struct service_conf *service, const struct expose_conf *expose,
			 const struct port_block *block, struct object_set *set)
{
	uint8_t protocol = expose->protocol == PROTOCOL_UDP ? IPPROTO_UDP : IPPROTO_TCP;
	struct object o = {.kind = OBJECT_BIB,
			   .bib = {.protocol = protocol,
				   .inside = {.addr = service->backends[0].address,
					      .port = expose->to},
				   .outside = {.addr = expose->ipv4, .port = expose->port}}};
	const struct port_range one = {.first = expose->port, .last = expose->port};

	if (!block || !addr_eq(&block->address, &expose->ipv4) ||
	    expose->port < block->ports.first || expose->port > block->ports.last) {
		add_row(set, &expose->ipv4, protocol, MARK_OF_PORT | expose->port, one);
	}
	(void)object_set_add(set, &o);
}

void desired_nat64_tenant(const struct node_conf *node, const struct desired_facts *facts,
			  const struct tenant_conf *tenant, struct object_set *set)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
	struct port_block block;
	bool has_block;

	if (!node->nat64.on || !facts->has_jool) {
		return;
	}
	has_block = ports_tenant(node, tenant, &block) == 0;
	for (size_t i = 0; has_block && i < sizeof(protocols); i++) {
		add_row(set, &block.address, protocols[i], derive_mark(node, tenant), block.ports);
	}
	for (size_t i = 0; i < tenant->n_services; i++) {
		const struct service_conf *service = &tenant->services[i];

		for (size_t n = 0; n < service->n_exposes; n++) {
			/* The check of the object made sure of one backend, an address. */
			if (service->exposes[n].via == VIA_NAT64 && service->n_backends > 0 &&
			    !service->backends[0].is_name) {
				add_exposure(service, &service->exposes[n],
					     has_block ? &block : NULL, set);
			}
		}
	}
}
