/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The wire form of what a tenant object says of DNS64, a part of message TENANT; both directions
 * are here, each the exact counterpart of the other.
 */
#include "conf/model/internal.h"
#include "conf/model/name.h"
#include "conf/model/tenant.h"

static void pack_names(struct buf *out, const char *const *names, size_t n)
{
	buf_u32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		pack_text(out, names[i]);
	}
}

static const char **unpack_names(struct unpack *u, size_t *ret_n)
{
	const char **names = unpack_array(u, DNS64_NAMES_MAX, sizeof(*names), ret_n, "dns64 names");

	for (size_t i = 0; i < *ret_n; i++) {
		names[i] = unpack_host(u, "dns64 name");
	}
	return names;
}

static void pack_record(struct buf *out, const struct dns64_record *record)
{
	pack_text(out, record->name);
	buf_u32(out, (uint32_t)record->n_addresses);
	for (size_t i = 0; i < record->n_addresses; i++) {
		pack_addr(out, &record->addresses[i]);
	}
}

static void unpack_record(struct unpack *u, struct dns64_record *record)
{
	record->name = unpack_host(u, "dns64 record");
	record->addresses = unpack_array(u, DNS64_ADDRESSES_MAX, sizeof(*record->addresses),
					 &record->n_addresses, "dns64 record");
	for (size_t i = 0; i < record->n_addresses; i++) {
		record->addresses[i] = unpack_addr(u);
	}
}

static void unpack_prefix64(struct unpack *u, struct dns64_prefix *p)
{
	p->prefix = unpack_prefix(u, "dns64 prefix");
	if (p->prefix.len != 96 &&
	    (p->prefix.len < 32 || p->prefix.len > 64 || p->prefix.len % 8 != 0)) {
		unpack_fail(u, "dns64 prefix"); /* addr_embed() knows no other */
	}
	p->ipv4 = unpack_prefixes(u, DNS64_MAPPED_MAX, &p->n_ipv4, "dns64 prefix");
}

void pack_tenant_dns64(struct buf *out, const struct tenant_dns64 *dns64)
{
	buf_u8(out, (uint8_t)dns64->synthesis);
	buf_u8(out, (uint8_t)dns64->ipv4hint);
	buf_u8(out, (uint8_t)dns64->address);
	buf_u32(out, dns64->queries_per_second);
	buf_u32(out, (uint32_t)dns64->n_prefixes);
	for (size_t i = 0; i < dns64->n_prefixes; i++) {
		pack_prefix(out, &dns64->prefixes[i].prefix);
		pack_prefixes(out, dns64->prefixes[i].ipv4, dns64->prefixes[i].n_ipv4);
	}
	pack_prefixes(out, dns64->exclude, dns64->n_exclude);
	pack_names(out, dns64->never, dns64->n_never);
	pack_names(out, dns64->always, dns64->n_always);
	buf_u32(out, (uint32_t)dns64->n_records);
	for (size_t i = 0; i < dns64->n_records; i++) {
		pack_record(out, &dns64->records[i]);
	}
}

void unpack_tenant_dns64(struct unpack *u, struct tenant_dns64 *dns64)
{
	dns64->synthesis = unpack_enum(u, DNS64_SYNTHESIS_OFF + 1, "dns64 synthesis");
	dns64->ipv4hint = unpack_enum(u, DNS64_HINT_DROP + 1, "dns64 ipv4hint");
	dns64->address = unpack_enum(u, DNS64_ADDRESS_OFF + 1, "dns64 address");
	dns64->queries_per_second = cursor_u32(&u->in);
	dns64->prefixes = unpack_array(u, DNS64_PREFIXES_MAX, sizeof(*dns64->prefixes),
				       &dns64->n_prefixes, "dns64 prefixes");
	for (size_t i = 0; i < dns64->n_prefixes; i++) {
		unpack_prefix64(u, &dns64->prefixes[i]);
	}
	dns64->exclude = unpack_prefixes(u, DNS64_EXCLUDE_MAX, &dns64->n_exclude, "dns64 exclude");
	dns64->never = unpack_names(u, &dns64->n_never);
	dns64->always = unpack_names(u, &dns64->n_always);
	dns64->records = unpack_array(u, DNS64_RECORDS_MAX, sizeof(*dns64->records),
				      &dns64->n_records, "dns64 records");
	for (size_t i = 0; i < dns64->n_records; i++) {
		unpack_record(u, &dns64->records[i]);
	}
}
