/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_BASE64_H
#define SIXGATE_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* Base64 with padding (RFC 4648 4), as WireGuard's tools write keys. */
#define BASE64_LEN(n)  (((n) + 2) / 3 * 4) /* characters of n bytes */
#define BASE64_KEY_LEN BASE64_LEN(32)      /* 44 */

/*
 * Reads exactly n bytes: text has BASE64_LEN(n) characters, no white space, and the bits behind
 * the last byte are zero, so that each value has one text. Returns 0 or -EINVAL.
 */
int base64_decode(struct str text, uint8_t *ret_bytes, size_t n) CHECKED;
/* Writes BASE64_LEN(n) characters and NUL. Returns dst. */
char *base64_encode(const uint8_t *bytes, size_t n, char *dst);

#endif
