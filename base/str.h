/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_STR_H
#define SIXGATE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

/* Borrowed characters: not NUL-terminated, may hold any byte. */
struct str {
	const char *p;
	size_t len;
};

static inline struct str str_from(const char *s)
{
	return (struct str){.p = s, .len = s ? strlen(s) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/*
 * Copies s to dst (size bytes, at least 1), escaping what is not printable ASCII, '\'' and '\\'
 * as \xNN, for logs and messages. Cuts at whole escapes; always terminated. Returns dst.
 */
char *str_escape(char *dst, size_t size, struct str s);

/*
 * Reads a decimal number of min..max, no sign, no space, nothing behind it.
 * Returns 0, -EINVAL (not a number) or -ERANGE.
 */
int str_to_u64(struct str s, uint64_t min, uint64_t max, uint64_t *ret_value) CHECKED;

/* How many edits (insert, delete, replace, swap) lead from a to b; for "did you mean". */
unsigned int str_distance(const char *a, const char *b);

#endif
