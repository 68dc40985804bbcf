/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads neighbour solicitations and writes advertisements, also to switches. Called by the
 * neighbour child alone: root never looks at these bytes.
 */
#include "gateway/agent/solicitation.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cursor.h"

#define HEADER_BYTES 40
#define HOPS         255 /* one less shows that a router has forwarded it */
#define BODY_BYTES   24  /* without options */
#define OPTION_UNIT  8

#define ROUTER_ADVERTISED 151 /* RFC 4286 3 */

static const struct addr all_nodes = {.b = {0xff, 0x02, [15] = 1}};

/* RFC 2460 8.1, over the pseudo-header; 0xffff when the packet's own is among the bytes. */
static uint16_t checksum(const struct addr *source, const struct addr *destination,
			 const uint8_t *data, size_t len)
{
	uint32_t sum = (uint32_t)len + IPPROTO_ICMPV6;

	for (size_t i = 0; i < sizeof(source->b); i += 2) {
		sum += (uint32_t)source->b[i] << 8 | source->b[i + 1];
		sum += (uint32_t)destination->b[i] << 8 | destination->b[i + 1];
	}
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
	}
	while (sum >> 16 != 0) {
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

static bool is_multicast(const struct addr *a)
{
	return a->b[0] == 0xff;
}

static bool is_loopback(const struct addr *a)
{
	static const struct addr loopback = {.b = {[15] = 1}};

	return addr_eq(a, &loopback);
}

/* RFC 4291 2.7.1 */
static struct addr solicited_node(const struct addr *target)
{
	struct addr a = {.b = {0xff, 0x02, [11] = 1, [12] = 0xff}};

	memcpy(a.b + 13, target->b + 13, 3);
	return a;
}

static bool addr_take(struct cursor *c, struct addr *ret_addr)
{
	const uint8_t *bytes = cursor_bytes(c, sizeof(ret_addr->b));

	if (!bytes) {
		return false;
	}
	memcpy(ret_addr->b, bytes, sizeof(ret_addr->b));
	return true;
}

/* Options we do not know are passed over (RFC 4861 7.1.1). False: one has no length, or lies. */
static bool options_read(struct cursor *c, struct solicitation *s)
{
	while (c->left > 0) {
		uint8_t type = cursor_u8(c), units = cursor_u8(c);
		const uint8_t *data;

		if (c->bad || units == 0) {
			return false;
		}
		data = cursor_bytes(c, (size_t)units * OPTION_UNIT - 2);
		if (!data) {
			return false;
		}
		if (type == ND_OPT_SOURCE_LINKADDR && units == 1) {
			memcpy(s->mac.b, data, MAC_BYTES);
			s->has_mac = true;
		}
	}
	return true;
}

/* Who asks, and where: at the target itself or at its group. */
static bool addresses_fit(const struct solicitation *s, const struct addr *destination)
{
	struct addr group = solicited_node(&s->target);

	if (is_multicast(&s->target) || addr_is_any(&s->target) || is_loopback(&s->target) ||
	    is_multicast(&s->source) || is_loopback(&s->source)) {
		return false;
	}
	if (addr_is_any(&s->source)) {
		return addr_eq(destination, &group) && !s->has_mac;
	}
	return addr_eq(destination, &group) || addr_eq(destination, &s->target);
}

enum solicitation_result solicitation_read(const uint8_t *packet, size_t len,
					   struct solicitation *ret_solicitation)
{
	struct cursor c = cursor_from(packet, len);
	uint32_t version = cursor_u32(&c) >> 28;
	size_t body = cursor_u16(&c);
	uint8_t next = cursor_u8(&c), hops = cursor_u8(&c);
	struct solicitation s = {0};
	struct addr destination;
	uint8_t type, code;

	if (!addr_take(&c, &s.source) || !addr_take(&c, &destination) || version != 6 ||
	    next != IPPROTO_ICMPV6 || hops != HOPS || body < BODY_BYTES || body != c.left ||
	    len > SOLICITATION_BYTES_MAX ||
	    checksum(&s.source, &destination, c.p, c.left) != 0xffff) {
		return SOLICITATION_MALFORMED;
	}
	type = cursor_u8(&c);
	code = cursor_u8(&c);
	(void)cursor_u16(&c); /* the checksum */
	(void)cursor_u32(&c); /* reserved: ignored */
	if (type != ND_NEIGHBOR_SOLICIT || code != 0 || !addr_take(&c, &s.target) ||
	    !options_read(&c, &s) || !addresses_fit(&s, &destination) ||
	    (s.has_mac && (s.mac.b[0] & 1) != 0)) {
		return SOLICITATION_MALFORMED;
	}
	*ret_solicitation = s;
	return SOLICITATION_FOUND;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t n)
{
	memcpy(at, bytes, n);
	return at + n;
}

void advertisement_write(const struct solicitation *s, const struct addr *source,
			 const struct mac *own, const struct mac *from,
			 uint8_t ret_packet[ADVERTISEMENT_BYTES], struct mac *ret_mac)
{
	static const struct mac all_nodes_mac = {{0x33, 0x33, 0, 0, 0, 1}};
	static const uint8_t header[] =
		{0x60, 0, 0, 0, 0, ADVERTISEMENT_BYTES - HEADER_BYTES, IPPROTO_ICMPV6, HOPS};
	const bool probe = addr_is_any(&s->source);
	const struct addr *to = probe ? &all_nodes : &s->source;
	const uint8_t head[] = {ND_NEIGHBOR_ADVERT, 0, 0, 0, probe ? 0x80 : 0xc0, 0, 0, 0};
	const uint8_t option[] = {ND_OPT_TARGET_LINKADDR, 1};
	uint8_t *body = ret_packet + HEADER_BYTES, *at;
	uint16_t sum;

	at = put(ret_packet, header, sizeof(header));
	at = put(at, source->b, sizeof(source->b));
	at = put(at, to->b, sizeof(to->b));
	at = put(at, head, sizeof(head)); /* router; solicited unless a probe */
	at = put(at, s->target.b, sizeof(s->target.b));
	at = put(at, option, sizeof(option));
	(void)put(at, own->b, MAC_BYTES);
	sum = (uint16_t)~checksum(source, to, body, ADVERTISEMENT_BYTES - HEADER_BYTES);
	body[2] = (uint8_t)(sum >> 8);
	body[3] = (uint8_t)sum;
	*ret_mac = probe ? all_nodes_mac : s->has_mac ? s->mac : *from;
}

void snoopers_write(const struct addr *source, uint8_t ret_packet[SNOOPERS_BYTES],
		    struct mac *ret_mac)
{
	static const struct addr all_snoopers = {.b = {0xff, 0x02, [15] = 0x6a}};
	static const struct mac all_snoopers_mac = {{0x33, 0x33, 0, 0, 0, 0x6a}};
	static const uint8_t header[] =
		{0x60, 0, 0, 0, 0, SNOOPERS_BYTES - HEADER_BYTES, IPPROTO_HOPOPTS, 1};
	static const uint8_t alert[] = {IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0}; /* RFC 2711 */
	/* no intervals of MLD: we ask nobody for his groups */
	static const uint8_t body[] = {ROUTER_ADVERTISED, SNOOPERS_INTERVAL_S, 0, 0, 0, 0, 0, 0};
	uint16_t sum = (uint16_t)~checksum(source, &all_snoopers, body, sizeof(body));
	uint8_t *at;

	at = put(ret_packet, header, sizeof(header));
	at = put(at, source->b, sizeof(source->b));
	at = put(at, all_snoopers.b, sizeof(all_snoopers.b));
	at = put(at, alert, sizeof(alert));
	(void)put(at, body, sizeof(body));
	at[2] = (uint8_t)(sum >> 8);
	at[3] = (uint8_t)sum;
	*ret_mac = all_snoopers_mac;
}
