/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PROXY headers and embedded source addresses; see client_address.h. */
#include "proxy/client_address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78 /* <linux/in6.h>, which does not go with <netinet/in.h> */
#endif

/* https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, 2.2 */
#define PP2_COMMAND_PROXY  0x21 /* version 2, PROXY */
#define PP2_TCP4           0x11
#define PP2_TCP6           0x21
#define PP2_TYPE_ALPN      0x01
#define PP2_TYPE_AUTHORITY 0x02

static const uint8_t pp2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

size_t proxy_v1_write(const struct endpoint *client, const struct endpoint *local,
		      uint8_t out[PROXY_HEADER_MAX])
{
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];
	int len;

	len = snprintf((char *)out, PROXY_HEADER_MAX, "PROXY %s %s %s %u %u\r\n",
		       addr_is_v4(&client->addr) ? "TCP4" : "TCP6",
		       addr_format(&client->addr, from), addr_format(&local->addr, to),
		       client->port, local->port);
	return (size_t)len; /* at most 104 */
}

static uint8_t *put_bytes(uint8_t *p, const void *data, size_t len)
{
	memcpy(p, data, len);
	return p + len;
}

static uint8_t *put_u16(uint8_t *p, size_t v)
{
	*p++ = (uint8_t)(v >> 8);
	*p++ = (uint8_t)v;
	return p;
}

static uint8_t *put_tlv(uint8_t *p, uint8_t type, struct str value)
{
	if (value.len == 0 || value.len > 255) {
		return p;
	}
	*p++ = type;
	p = put_u16(p, value.len);
	return put_bytes(p, value.p, value.len);
}

size_t proxy_v2_write(const struct endpoint *client, const struct endpoint *local,
		      struct str authority, struct str alpn, uint8_t out[PROXY_HEADER_MAX])
{
	bool v4 = addr_is_v4(&client->addr);
	size_t skip = v4 ? 12 : 0, len = 16 - skip;
	uint8_t *p = put_bytes(out, pp2_signature, sizeof(pp2_signature));
	uint8_t *length;

	*p++ = PP2_COMMAND_PROXY;
	*p++ = v4 ? PP2_TCP4 : PP2_TCP6;
	length = p;
	p += 2;
	p = put_bytes(p, client->addr.b + skip, len);
	p = put_bytes(p, local->addr.b + skip, len);
	p = put_u16(p, client->port);
	p = put_u16(p, local->port);
	p = put_tlv(p, PP2_TYPE_ALPN, alpn);
	p = put_tlv(p, PP2_TYPE_AUTHORITY, authority);
	(void)put_u16(length, (size_t)(p - length) - 2);
	return (size_t)(p - out);
}

int client_address_bind(int fd, const struct prefix *client_prefix, const struct addr *client)
{
	const struct endpoint from = {.addr = addr_embed(client_prefix, client)};
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&from, true, &sa);
	const int on = 1;

	if (setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, len) < 0) {
		return -errno;
	}
	return 0;
}
