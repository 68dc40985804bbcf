/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Borrowed strings: escaping, numbers, likeness. Pure. */
#include "base/str.h"

#include <errno.h>

#define DISTANCE_MAX 64 /* longer words are not compared */

char *str_escape(char *dst, size_t size, struct str s)
{
	static const char hex[] = "0123456789abcdef";
	size_t len = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= 0x20 && c < 0x7f && c != '\'' && c != '\\') {
			if (len + 1 >= size) {
				break;
			}
			dst[len++] = (char)c;
			continue;
		}
		if (len + 4 >= size) {
			break;
		}
		dst[len++] = '\\';
		dst[len++] = 'x';
		dst[len++] = hex[c >> 4];
		dst[len++] = hex[c & 15];
	}
	dst[len] = '\0';
	return dst;
}

int str_to_u64(struct str s, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (s.len == 0) {
		return -EINVAL;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9') {
			return -EINVAL;
		}
	}
	for (size_t i = 0; i < s.len; i++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value)) {
			return -ERANGE;
		}
	}
	if (value < min || value > max) {
		return -ERANGE;
	}
	*ret_value = value;
	return 0;
}

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Restricted Damerau-Levenshtein, three rows. */
unsigned int str_distance(const char *a, const char *b)
{
	unsigned int rows[3][DISTANCE_MAX + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > DISTANCE_MAX || lb > DISTANCE_MAX) {
		return DISTANCE_MAX;
	}
	for (size_t j = 0; j <= lb; j++) {
		rows[0][j] = (unsigned int)j;
	}
	for (size_t i = 1; i <= la; i++) {
		unsigned int *row = rows[i % 3];
		unsigned int *up = rows[(i - 1) % 3];
		unsigned int *up2 = rows[(i + 1) % 3];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= lb; j++) {
			row[j] =
				min3(up[j] + 1, row[j - 1] + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    up2[j - 2] + 1 < row[j]) {
				row[j] = up2[j - 2] + 1;
			}
		}
	}
	return rows[la % 3][lb];
}
