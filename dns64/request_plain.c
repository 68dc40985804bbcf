/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What nearly all queries look like, without anything from the heap: one question, and no other
 * record but an OPT without options. Whatever is otherwise, or wrong, is request.c's.
 */
#include <string.h>

#include "dns64/internal.h"
#include "dns64/request.h"

#define FLAG_RD   0x01
#define FLAG_AD   0x20
#define FLAG_CD   0x10
#define OPT_BYTES 11
#define LABEL_MAX 63

static uint16_t u16_at(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* No flag but those three, and no counts but one question and at most one record behind it. */
static bool is_plain(const uint8_t *wire, size_t len)
{
	return len >= DNS_HEADER_BYTES && (wire[2] & ~FLAG_RD) == 0 &&
	       (wire[3] & ~(FLAG_AD | FLAG_CD)) == 0 && u16_at(wire + 4) == 1 &&
	       u16_at(wire + 6) == 0 && u16_at(wire + 8) == 0 && u16_at(wire + 10) <= 1;
}

/* Length of the name at wire + DNS_HEADER_BYTES; 0: it is none, or compressed. */
static size_t name_len(const uint8_t *wire, size_t len)
{
	size_t at = DNS_HEADER_BYTES;

	while (at < len && wire[at] != 0) {
		if (wire[at] > LABEL_MAX) {
			return 0;
		}
		at += wire[at] + 1u;
	}
	at++;
	return at <= len && at - DNS_HEADER_BYTES <= QUESTION_NAME_MAX ? at - DNS_HEADER_BYTES : 0;
}

/* No length of a label is an upper-case letter: those are 65 to 90. */
static void copy_lower(uint8_t *dst, const uint8_t *src, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		dst[i] = src[i] >= 'A' && src[i] <= 'Z' ? (uint8_t)(src[i] + ('a' - 'A')) : src[i];
	}
}

/* Version 0, no flag but DO, no options (RFC 6891 6.1.2). */
static bool read_opt(const uint8_t *opt, struct request *r)
{
	if (opt[0] != 0 || u16_at(opt + 1) != 41 || u16_at(opt + 5) != 0 ||
	    (u16_at(opt + 7) & 0x7fff) != 0 || u16_at(opt + 9) != 0) {
		return false;
	}
	r->edns = true;
	r->udp_size = u16_at(opt + 3);
	r->dnssec = opt[7] != 0;
	return true;
}

bool request_plain(const uint8_t *wire, size_t len, struct request *ret_request)
{
	struct request *r = ret_request;
	size_t n = is_plain(wire, len) ? name_len(wire, len) : 0;
	size_t end = DNS_HEADER_BYTES + n + QUESTION_TAIL_BYTES;
	bool has_opt = n > 0 && u16_at(wire + 10) == 1;

	if (n == 0 || len != end + (has_opt ? OPT_BYTES : 0)) {
		return false;
	}
	request_clear(r);
	r->id = u16_at(wire);
	r->rd = wire[2] & FLAG_RD;
	r->cd = wire[3] & FLAG_CD;
	r->ad = wire[3] & FLAG_AD;
	if (has_opt && !read_opt(wire + end, r)) {
		return false;
	}
	r->q.type = u16_at(wire + end - 4);
	r->q.class = u16_at(wire + end - 2);
	r->q.len = (uint8_t)n;
	memcpy(r->name, wire + DNS_HEADER_BYTES, n);
	copy_lower(r->q.name, r->name, n);
	r->q.flags = (uint8_t)((r->dnssec ? QUESTION_DO : 0) | (r->cd ? QUESTION_CD : 0));
	return true;
}
