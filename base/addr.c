/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Addresses, prefixes and endpoints of both families in one form; see addr.h. Pure. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define V4_OFFSET 12 /* bytes of ::ffff:0:0/96 before the IPv4 address */

static const uint8_t mapped[V4_OFFSET] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool addr_is_v4(const struct addr *a)
{
	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

bool addr_is_link_local(const struct addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

bool addr_is_any(const struct addr *a)
{
	static const uint8_t zero[16];

	if (addr_is_v4(a)) {
		return memcmp(a->b + V4_OFFSET, zero, 4) == 0;
	}
	return memcmp(a->b, zero, sizeof(zero)) == 0;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

int addr_parse(struct str text, struct addr *ret_addr)
{
	char s[ADDR_TEXT_MAX];
	struct addr a;

	if (text.len == 0 || text.len >= sizeof(s) || memchr(text.p, '\0', text.len)) {
		return -EINVAL;
	}
	memcpy(s, text.p, text.len);
	s[text.len] = '\0';
	if (inet_pton(AF_INET6, s, a.b) == 1) {
		/* one way to write an IPv4 address: two would pass for two addresses */
		if (addr_is_v4(&a)) {
			return -EINVAL;
		}
		*ret_addr = a;
		return 0;
	}
	memcpy(a.b, mapped, sizeof(mapped));
	if (inet_pton(AF_INET, s, a.b + V4_OFFSET) != 1) {
		return -EINVAL;
	}
	*ret_addr = a;
	return 0;
}

char *addr_format(const struct addr *a, char *dst)
{
	if (addr_is_v4(a)) {
		(void)inet_ntop(AF_INET, a->b + V4_OFFSET, dst, ADDR_TEXT_MAX); /* fits */
	} else {
		(void)inet_ntop(AF_INET6, a->b, dst, ADDR_TEXT_MAX); /* fits */
	}
	return dst;
}

void addr_mask(struct addr *a, unsigned int len)
{
	unsigned int whole = len / 8;

	if (whole < sizeof(a->b)) {
		a->b[whole] &= (uint8_t)(0xff00u >> len % 8);
		memset(a->b + whole + 1, 0, sizeof(a->b) - whole - 1);
	}
}

int prefix_parse(struct str text, struct prefix *ret_prefix, struct err *err)
{
	const char *slash = text.len > 0 ? memchr(text.p, '/', text.len) : NULL;
	size_t addr_len = slash ? (size_t)(slash - text.p) : text.len;
	struct addr masked;
	struct prefix p;
	uint64_t len;
	unsigned int bits;

	if (addr_parse((struct str){text.p, addr_len}, &p.addr) < 0) {
		return err_set(err, -EINVAL, "is not an address or a prefix");
	}
	bits = addr_is_v4(&p.addr) ? 32 : 128;
	len = bits;
	if (slash &&
	    str_to_u64((struct str){slash + 1, text.len - addr_len - 1}, 0, bits, &len) < 0) {
		return err_set(err, -EINVAL, "has a prefix length that is not 0..%u", bits);
	}
	p.len = (uint8_t)(len + 128 - bits);
	masked = p.addr;
	addr_mask(&masked, p.len);
	if (!addr_eq(&masked, &p.addr)) {
		char good[ADDR_TEXT_MAX];
		struct prefix q = {.addr = masked, .len = p.len};

		return err_set(err, -EINVAL, "has bits set behind its length; %s would be right",
			       prefix_format(&q, good));
	}
	*ret_prefix = p;
	return 0;
}

bool prefix_is_v4(const struct prefix *p)
{
	return p->len >= 96 && addr_is_v4(&p->addr);
}

char *prefix_format(const struct prefix *p, char *dst)
{
	char a[ADDR_TEXT_MAX];

	(void)snprintf(dst, ADDR_TEXT_MAX, "%.*s/%u", 43, addr_format(&p->addr, a), /* fits */
		       prefix_is_v4(p) ? p->len - 96u : p->len);
	return dst;
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	unsigned int whole = p->len / 8, rest = p->len % 8;

	/* ::/0 is all of IPv6, not also what stands for IPv4 in here */
	if (prefix_is_v4(p) != addr_is_v4(a)) {
		return false;
	}
	if (memcmp(p->addr.b, a->b, whole) != 0) {
		return false;
	}
	return rest == 0 || ((p->addr.b[whole] ^ a->b[whole]) & (0xff00u >> rest) & 0xff) == 0;
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return a->len <= b->len ? prefix_contains(a, &b->addr) : prefix_contains(b, &a->addr);
}

int prefix_cmp(const struct prefix *a, const struct prefix *b)
{
	int cmp = addr_cmp(&a->addr, &b->addr);

	return cmp != 0 ? cmp : (int)a->len - (int)b->len;
}

int prefix_order(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

/* Where the n-th byte of an embedded IPv4 address is. */
static unsigned int embedded_at(const struct prefix *p, unsigned int n)
{
	unsigned int at = p->len / 8u + n;

	return at >= 8 && p->len <= 64 ? at + 1 : at;
}

struct addr addr_embed(const struct prefix *p, const struct addr *v4)
{
	struct addr a = p->addr;

	for (unsigned int n = 0; n < 4; n++) {
		a.b[embedded_at(p, n)] = v4->b[V4_OFFSET + n];
	}
	return a;
}

bool addr_extract(const struct prefix *p, const struct addr *a, struct addr *ret_v4)
{
	struct addr v4 = {.b = {[10] = 0xff, [11] = 0xff}}, again;

	if (!prefix_contains(p, a)) {
		return false;
	}
	for (unsigned int n = 0; n < 4; n++) {
		v4.b[V4_OFFSET + n] = a->b[embedded_at(p, n)];
	}
	again = addr_embed(p, &v4);
	if (!addr_eq(&again, a)) {
		return false;
	}
	*ret_v4 = v4;
	return true;
}

char *endpoint_format(const struct endpoint *e, char *dst)
{
	char a[ADDR_TEXT_MAX];
	bool v4 = addr_is_v4(&e->addr);

	addr_format(&e->addr, a);
	(void)snprintf(dst, ENDPOINT_TEXT_MAX, v4 ? "%s:%u" : "[%s]:%u", a, e->port); /* fits */
	return dst;
}

socklen_t endpoint_to_sockaddr(const struct endpoint *e, bool as_mapped,
			       struct sockaddr_storage *ret_sa)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_sa;
	struct sockaddr_in *in = (struct sockaddr_in *)ret_sa;

	if (addr_is_v4(&e->addr) && !as_mapped) {
		*in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(e->port)};
		memcpy(&in->sin_addr, e->addr.b + V4_OFFSET, 4);
		return sizeof(*in);
	}
	*in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(e->port)};
	memcpy(&in6->sin6_addr, e->addr.b, 16);
	return sizeof(*in6);
}

int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *ret_endpoint)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

	if (sa->sa_family == AF_INET) {
		memcpy(ret_endpoint->addr.b, mapped, sizeof(mapped));
		memcpy(ret_endpoint->addr.b + V4_OFFSET, &in->sin_addr, 4);
		ret_endpoint->port = ntohs(in->sin_port);
		return 0;
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(ret_endpoint->addr.b, &in6->sin6_addr, 16);
		ret_endpoint->port = ntohs(in6->sin6_port);
		return 0;
	}
	return -EAFNOSUPPORT;
}
