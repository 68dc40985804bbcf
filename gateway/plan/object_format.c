/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Objects as one line of text, for plans, drift reports and golden tests. No secret is written.
 */
#include "gateway/plan/object.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/base64.h"
#include "gateway/plan/firewall.h"

const char *object_kind_name(enum object_kind kind)
{
	static const char *const names[N_OBJECT_KINDS] = {
		[OBJECT_RULESET] = "ruleset",
		[OBJECT_ELEMENT] = "element",
		[OBJECT_SYSCTL] = "sysctl",
		[OBJECT_LINK_DOWN] = "link-down",
		[OBJECT_OFFLOAD] = "offload",
		[OBJECT_LINK] = "link",
		[OBJECT_WG_DEVICE] = "wg-device",
		[OBJECT_WG_PEER] = "wg-peer",
		[OBJECT_ADDRESS] = "address",
		[OBJECT_RULE] = "rule",
		[OBJECT_ROUTE] = "route",
		[OBJECT_PROXY_NEIGHBOUR] = "proxy-neighbour",
		[OBJECT_PROXY_PREFIX] = "proxy-prefix",
		[OBJECT_INSTANCE] = "instance",
		[OBJECT_GLOBAL] = "global",
		[OBJECT_POOL4] = "pool4",
		[OBJECT_BIB] = "bib",
		[OBJECT_EAM] = "eam",
	};

	return names[kind];
}

static const char *protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_TCP    ? "tcp"
	       : protocol == IPPROTO_UDP  ? "udp"
	       : protocol == IPPROTO_ICMP ? "icmp"
					  : "?";
}

static const char *translator_name(enum translator translator)
{
	return translator == TRANSLATOR_NAT64 ? "nat64" : "siit";
}

static void put_hex(struct buf *out, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%02x", bytes[i]);
	}
}

/* One field of a key or of data. Returns how many bytes it takes in a concatenation. */
static size_t put_field(struct buf *out, uint32_t type, const uint8_t *bytes)
{
	char text[ADDR_TEXT_MAX], name[4 * IFNAMSIZ + 1];
	struct addr a = {.b = {[10] = 0xff, [11] = 0xff}};
	uint16_t port_be;
	uint32_t mark;

	switch ((enum firewall_type)type) {
	case FIREWALL_TYPE_IPV4:
		memcpy(a.b + 12, bytes, 4);
		buf_printf(out, "%s", addr_format(&a, text));
		return 4;
	case FIREWALL_TYPE_IPV6:
		memcpy(a.b, bytes, 16);
		buf_printf(out, "%s", addr_format(&a, text));
		return 16;
	case FIREWALL_TYPE_PROTOCOL:
		buf_printf(out, "%s", protocol_name(bytes[0]));
		return 4;
	case FIREWALL_TYPE_SERVICE:
		memcpy(&port_be, bytes, sizeof(port_be));
		buf_printf(out, "%u", ntohs(port_be));
		return 4;
	case FIREWALL_TYPE_MARK:
		memcpy(&mark, bytes, sizeof(mark));
		buf_printf(out, "0x%x", mark);
		return 4;
	case FIREWALL_TYPE_IFNAME:
		buf_printf(out, "%s",
			   str_escape(name, sizeof(name),
				      (struct str){.p = (const char *)bytes,
						   .len = strnlen((const char *)bytes, IFNAMSIZ)}));
		return IFNAMSIZ;
	}
	return 0;
}

/* As the nft program writes a concatenation. Returns its bytes. */
static size_t put_fields(struct buf *out, uint32_t types, const uint8_t *bytes)
{
	size_t at = 0;
	int shift = 24; /* the first of at most five fields of 6 bits */

	while (shift > 0 && types >> shift == 0) {
		shift -= 6;
	}
	for (; shift >= 0; shift -= 6) {
		buf_printf(out, at > 0 ? " . " : " ");
		at += put_field(out, types >> shift & 0x3f, bytes + at);
	}
	return at;
}

/* NULL: it is none of ours. */
static const struct firewall_set_type *element_type(const struct object_element *e)
{
	return e->set < N_FIREWALL_SETS ? firewall_set_type((enum firewall_set)e->set) : NULL;
}

/* Bits and source stand for a prefix, for which a hash set has no type. */
static void put_from(struct buf *out, const struct object_element *e, uint32_t types)
{
	uint32_t bits;
	size_t at = put_fields(out, types >> 12, e->key);

	memcpy(&bits, e->key + at, sizeof(bits));
	buf_printf(out, " from");
	(void)put_fields(out, FIREWALL_TYPE_IPV6, e->key + at + sizeof(bits)); /* the last field */
	buf_printf(out, "/%u", bits);
}

static void put_element_key(struct buf *out, const struct object_element *e)
{
	const struct firewall_set_type *type = element_type(e);

	if (!type || type->key_len != e->key_len) {
		buf_printf(out, " %u ", e->set);
		put_hex(out, e->key, e->key_len);
		return;
	}
	buf_printf(out, " %s", type->name);
	if (e->set == FIREWALL_OCTETS) {
		buf_printf(out, " %u.0.0.0/8", e->key[0]);
	} else if (e->set == FIREWALL_FROM_128 || e->set == FIREWALL_FROM_64 ||
		   e->set == FIREWALL_FROM_56) {
		put_from(out, e, type->key_type);
	} else {
		(void)put_fields(out, type->key_type, e->key); /* all of it */
	}
}

static void put_element_data(struct buf *out, const struct object_element *e)
{
	const struct firewall_set_type *type = element_type(e);
	size_t at;

	buf_printf(out, " :");
	if (!type || type->data_len != e->data_len) {
		buf_printf(out, " ");
		put_hex(out, e->data, e->data_len);
		return;
	}
	at = put_fields(out, type->data_type, e->data);
	if (type->is_range) {
		buf_printf(out, " -");
		(void)put_fields(out, type->data_type, e->data + at); /* the rest */
	}
}

/* As Jool's manual calls them. */
static void put_global(struct buf *out, const struct object_global *global)
{
	static const char *const names[] = {
		[1] = "enabled",
		[3] = "lowest-ipv6-mtu",
		[14] = "address-dependent-filtering",
		[15] = "drop-externally-initiated-tcp",
		[26] = "maximum-simultaneous-opens",
	};

	buf_printf(out, " %s", translator_name(global->translator));
	if (global->id < sizeof(names) / sizeof(names[0]) && names[global->id]) {
		buf_printf(out, " %s", names[global->id]);
	} else {
		buf_printf(out, " %u", global->id);
	}
}

static void put_rule(struct buf *out, const struct object_rule *rule)
{
	char text[ADDR_TEXT_MAX];

	buf_printf(out, " %u", rule->priority);
	if (rule->from.len != 0) {
		buf_printf(out, " from %s", prefix_format(&rule->from, text));
	}
	if (rule->iif[0] != '\0') {
		buf_printf(out, " iif %s", rule->iif);
	}
	buf_printf(out, " table %u", rule->table);
	if (rule->ignore_below != 0) {
		buf_printf(out, " ignore below /%u", rule->ignore_below);
	}
}

static void put_route_key(struct buf *out, const struct object_route *route)
{
	char text[ADDR_TEXT_MAX];

	buf_printf(out, " %s table %u", prefix_format(&route->to, text), route->table);
	if (route->metric != 0) {
		buf_printf(out, " metric %u", route->metric);
	}
}

void object_format_key(const struct object *o, struct buf *out)
{
	char text[ENDPOINT_TEXT_MAX], key[BASE64_KEY_LEN + 1];

	buf_printf(out, "%s%s", object_kind_name(o->kind), o->ns == NS_SIIT ? " @siit" : "");
	switch (o->kind) {
	case OBJECT_ELEMENT:
		put_element_key(out, &o->element);
		break;
	case OBJECT_SYSCTL:
		buf_printf(out, " %s", o->sysctl.path);
		break;
	case OBJECT_LINK_DOWN:
		buf_printf(out, " %s", o->link_down);
		break;
	case OBJECT_OFFLOAD:
		buf_printf(out, " %s %s", o->offload.link, o->offload.feature);
		break;
	case OBJECT_LINK:
		buf_printf(out, " %s", o->link.name);
		break;
	case OBJECT_WG_DEVICE:
		buf_printf(out, " %s", o->wg_device.link);
		break;
	case OBJECT_WG_PEER:
		buf_printf(out, " %s %s", o->wg_peer.link,
			   base64_encode(o->wg_peer.public_key, WG_KEY_BYTES, key));
		break;
	case OBJECT_ADDRESS:
		buf_printf(out, " %s dev %s", prefix_format(&o->address.address, text),
			   o->address.link);
		break;
	case OBJECT_RULE:
		put_rule(out, &o->rule);
		break;
	case OBJECT_ROUTE:
		put_route_key(out, &o->route);
		break;
	case OBJECT_PROXY_NEIGHBOUR:
		buf_printf(out, " %s dev %s", addr_format(&o->proxy_neighbour.address, text),
			   o->proxy_neighbour.link);
		break;
	case OBJECT_PROXY_PREFIX:
		buf_printf(out, " %s", prefix_format(&o->proxy_prefix, text));
		break;
	case OBJECT_INSTANCE:
		buf_printf(out, " %s", translator_name(o->instance.translator));
		break;
	case OBJECT_GLOBAL:
		put_global(out, &o->global);
		break;
	case OBJECT_POOL4:
		buf_printf(out, " %s %s %u-%u mark 0x%x", protocol_name(o->pool4.protocol),
			   addr_format(&o->pool4.address, text), o->pool4.first, o->pool4.last,
			   o->pool4.mark);
		break;
	case OBJECT_BIB:
		buf_printf(out, " %s %s", protocol_name(o->bib.protocol),
			   endpoint_format(&o->bib.inside, text));
		break;
	case OBJECT_EAM:
		buf_printf(out, " %s", prefix_format(&o->eam.outside, text));
		break;
	case OBJECT_RULESET:
	case N_OBJECT_KINDS:
		break;
	}
}

static void put_link(struct buf *out, const struct object_link *link)
{
	static const char *const kinds[] = {
		[LINK_WIREGUARD] = "wireguard",
		[LINK_SIT] = "sit",
		[LINK_VETH] = "veth",
	};
	char text[ADDR_TEXT_MAX];

	buf_printf(out, " %s", kinds[link->kind]);
	if (link->kind == LINK_SIT) {
		buf_printf(out, " local %s", addr_format(&link->local, text));
		buf_printf(out, " remote %s", addr_format(&link->remote, text));
	}
	if (link->kind == LINK_VETH) {
		buf_printf(out, " peer %s", link->peer);
	}
	if (link->mtu != 0) {
		buf_printf(out, " mtu %u", link->mtu);
	}
	if (link->underlay_netns[0] != '\0') {
		buf_printf(out, " underlay %s", link->underlay_netns);
	}
	if (link->down) {
		buf_printf(out, " down");
	}
	if (link->odd) {
		buf_printf(out, " with another ttl, tos or pmtudisc");
	}
	buf_printf(out, " alias %s", link->alias);
}

static void put_peer(struct buf *out, const struct object_wg_peer *peer)
{
	char text[ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < peer->n_allowed; i++) {
		buf_printf(out, "%s%s", i == 0 ? " allowed " : ",",
			   prefix_format(&peer->allowed[i], text));
	}
	if (peer->keepalive_s != 0) {
		buf_printf(out, " keepalive %u", peer->keepalive_s);
	}
	if (peer->endpoint.port != 0) {
		buf_printf(out, " endpoint %s", endpoint_format(&peer->endpoint, text));
	}
}

static void put_route(struct buf *out, const struct object_route *route)
{
	static const char *const types[] = {
		[ROUTE_UNICAST] = "unicast",
		[ROUTE_LOCAL] = "local",
		[ROUTE_BLACKHOLE] = "blackhole",
		[ROUTE_UNREACHABLE] = "unreachable",
	};
	char text[ADDR_TEXT_MAX];

	buf_printf(out, " %s", types[route->type]);
	if (route->has_via) {
		buf_printf(out, " via %s", addr_format(&route->via, text));
	}
	if (route->link[0] != '\0') {
		buf_printf(out, " dev %s", route->link);
	}
	if (!addr_is_any(&route->source)) {
		buf_printf(out, " src %s", addr_format(&route->source, text));
	}
	if (route->mtu != 0) {
		buf_printf(out, " mtu %u", route->mtu);
	}
}

void object_format_value(const struct object *o, struct buf *out)
{
	char text[ENDPOINT_TEXT_MAX];

	switch (o->kind) {
	case OBJECT_RULESET:
		buf_printf(out, " %016llx", (unsigned long long)o->ruleset.digest);
		break;
	case OBJECT_ELEMENT:
		if (o->element.data_len > 0) {
			put_element_data(out, &o->element);
		}
		break;
	case OBJECT_SYSCTL:
		buf_printf(out, " = %s", o->sysctl.value);
		break;
	case OBJECT_LINK:
		put_link(out, &o->link);
		break;
	case OBJECT_WG_DEVICE:
		buf_printf(out, " port %u", o->wg_device.port);
		break;
	case OBJECT_WG_PEER:
		put_peer(out, &o->wg_peer);
		break;
	case OBJECT_ROUTE:
		put_route(out, &o->route);
		break;
	case OBJECT_INSTANCE:
		buf_printf(out, " pool6 %s", prefix_format(&o->instance.pool6, text));
		break;
	case OBJECT_GLOBAL:
		buf_printf(out, " = %u", o->global.value);
		break;
	case OBJECT_BIB:
		buf_printf(out, " at %s", endpoint_format(&o->bib.outside, text));
		break;
	case OBJECT_EAM:
		buf_printf(out, " is %s", prefix_format(&o->eam.inside, text));
		break;
	case OBJECT_LINK_DOWN:
	case OBJECT_OFFLOAD:
	case OBJECT_ADDRESS:
	case OBJECT_RULE:
	case OBJECT_PROXY_NEIGHBOUR:
	case OBJECT_PROXY_PREFIX:
	case OBJECT_POOL4:
	case N_OBJECT_KINDS:
		break;
	}
}

void object_format(const struct object *o, struct buf *out)
{
	object_format_key(o, out);
	object_format_value(o, out);
}
