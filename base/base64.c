/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Base64 (RFC 4648 4), strict: one text for each value. Used for WireGuard's keys.
 */
#include "base/base64.h"

#include <errno.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits of c, or -1. */
static int bits_of(char c)
{
	const char *at = c == '\0' ? NULL : strchr(alphabet, c);

	return at ? (int)(at - alphabet) : -1;
}

int base64_decode(struct str text, uint8_t *ret_bytes, size_t n)
{
	uint32_t held = 0; /* bits not written yet */
	unsigned int n_held = 0;
	size_t done = 0;

	if (text.len != BASE64_LEN(n)) {
		return -EINVAL;
	}
	for (size_t i = 0; i < text.len; i++) {
		int bits = bits_of(text.p[i]);

		if (done == n) {
			if (text.p[i] != '=') {
				return -EINVAL;
			}
			continue;
		}
		if (bits < 0) {
			return -EINVAL;
		}
		held = held << 6 | (uint32_t)bits;
		n_held += 6;
		if (n_held >= 8) {
			n_held -= 8;
			ret_bytes[done++] = (uint8_t)(held >> n_held);
			held &= (1u << n_held) - 1;
		}
	}
	return held == 0 ? 0 : -EINVAL;
}

char *base64_encode(const uint8_t *bytes, size_t n, char *dst)
{
	char *p = dst;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t group = (uint32_t)bytes[i] << 16;

		group |= i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0;
		group |= i + 2 < n ? bytes[i + 2] : 0;
		*p++ = alphabet[group >> 18];
		*p++ = alphabet[group >> 12 & 63];
		*p++ = i + 1 < n ? alphabet[group >> 6 & 63] : '=';
		*p++ = i + 2 < n ? alphabet[group & 63] : '=';
	}
	*p = '\0';
	return dst;
}
