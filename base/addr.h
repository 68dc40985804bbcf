/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_ADDR_H
#define SIXGATE_BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"

/* An IPv6 address, or an IPv4 one as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). Network order. */
struct addr {
	uint8_t b[16];
};

/* len counts from the start of the 16 bytes: an IPv4 /24 has 96 + 24. Host bits are zero. */
struct prefix {
	struct addr addr;
	uint8_t len;
};

struct endpoint {
	struct addr addr;
	uint16_t port; /* host order */
};

#define ADDR_TEXT_MAX     48 /* address, prefix */
#define ENDPOINT_TEXT_MAX 56 /* "[address]:port" */

bool addr_is_v4(const struct addr *a);
/* The unspecified address of either family. */
bool addr_is_any(const struct addr *a);
bool addr_is_link_local(const struct addr *a); /* fe80::/10 */
bool addr_eq(const struct addr *a, const struct addr *b);
int addr_cmp(const struct addr *a, const struct addr *b);

/*
 * Reads one address, no zone, no brackets. IPv4 is dotted quad only, not ::ffff:1.2.3.4 either.
 * Returns 0 or -EINVAL.
 */
int addr_parse(struct str text, struct addr *ret_addr) CHECKED;
/* IPv4 as dotted quad, IPv6 by RFC 5952. Returns dst (ADDR_TEXT_MAX bytes). */
char *addr_format(const struct addr *a, char *dst);

/* Reads "address/length"; a plain address gets its full length. -EINVAL also with host bits set. */
int prefix_parse(struct str text, struct prefix *ret_prefix, struct err *err) CHECKED;
char *prefix_format(const struct prefix *p, char *dst);
bool prefix_is_v4(const struct prefix *p);
/* A prefix of one family holds and meets nothing of the other: ::/0 is not all of IPv4. */
bool prefix_contains(const struct prefix *p, const struct addr *a);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
/* The order of prefixes: by address, the wider one first. */
int prefix_cmp(const struct prefix *a, const struct prefix *b);
/* The same of two struct prefix, for qsort(3). */
int prefix_order(const void *a, const void *b);
/* Clears the bits of a behind len. */
void addr_mask(struct addr *a, unsigned int len);

/*
 * The IPv4 address v4 in an IPv6 one under p, whose length is of RFC 6052 2.2: 32, 40, 48, 56, 64
 * or 96. The bits 64 to 71 are stepped over, what is behind it is zero.
 */
struct addr addr_embed(const struct prefix *p, const struct addr *v4);
/* The IPv4 address in a. False: a is not under p, or not as addr_embed() makes it. */
bool addr_extract(const struct prefix *p, const struct addr *a, struct addr *ret_v4);

/* "1.2.3.4:80", "[2001:db8::1]:80". Returns dst (ENDPOINT_TEXT_MAX bytes). */
char *endpoint_format(const struct endpoint *e, char *dst);

/*
 * An IPv4 address becomes AF_INET, or with mapped AF_INET6. Returns the length.
 */
socklen_t endpoint_to_sockaddr(const struct endpoint *e, bool mapped,
			       struct sockaddr_storage *ret_sa);
/* Returns 0, or -EAFNOSUPPORT. */
int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *ret_endpoint) CHECKED;

#endif
