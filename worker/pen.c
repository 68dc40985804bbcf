/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Log lines by hand; see pen.h. */
#include "worker/pen.h"

#include <string.h>

void pen_text(struct pen *pen, const char *text)
{
	size_t len = strlen(text);

	memcpy(pen->p, text, len);
	pen->p += len;
}

void pen_u64(struct pen *pen, uint64_t v)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	memcpy(pen->p, digits + n, sizeof(digits) - n);
	pen->p += sizeof(digits) - n;
}

static char hex(unsigned int v)
{
	return "0123456789abcdef"[v & 15];
}

/* Groups of four hexadecimal digits, the longest run of zeros as "::" (RFC 5952 4). */
static void pen_v6(struct pen *pen, const uint8_t b[16])
{
	unsigned int group[8], run = 0, best = 8, best_run = 1;

	for (unsigned int i = 0; i < 8; i++) {
		group[i] = (unsigned int)b[2 * i] << 8 | b[2 * i + 1];
		run = group[i] == 0 ? run + 1 : 0;
		if (run > best_run) {
			best_run = run;
			best = i + 1 - run;
		}
	}
	for (unsigned int i = 0; i < 8; i++) {
		if (i == best) {
			pen_text(pen, "::");
			i += best_run - 1;
			continue;
		}
		if (i > 0 && i != best + best_run) {
			*pen->p++ = ':';
		}
		for (unsigned int shift = 16; shift > 0; shift -= 4) {
			if (shift == 4 || group[i] >> (shift - 4) > 0) {
				*pen->p++ = hex(group[i] >> (shift - 4));
			}
		}
	}
}

void pen_endpoint(struct pen *pen, const struct endpoint *e)
{
	if (addr_is_v4(&e->addr)) {
		for (unsigned int i = 12; i < 16; i++) {
			pen_u64(pen, e->addr.b[i]);
			*pen->p++ = i < 15 ? '.' : ':';
		}
	} else {
		*pen->p++ = '[';
		pen_v6(pen, e->addr.b);
		pen_text(pen, "]:");
	}
	pen_u64(pen, e->port);
}

void pen_escaped(struct pen *pen, struct str s, const char *escape, char quote)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= 0x20 && c < 0x7f && c != (unsigned char)quote && c != '\\') {
			*pen->p++ = (char)c;
			continue;
		}
		pen_text(pen, escape);
		*pen->p++ = hex(c >> 4u);
		*pen->p++ = hex(c);
	}
}

void pen_time(struct pen *pen, const char *second, uint64_t time_ms)
{
	unsigned int ms = (unsigned int)(time_ms % 1000);

	pen_text(pen, second);
	*pen->p++ = '.';
	*pen->p++ = (char)('0' + ms / 100);
	*pen->p++ = (char)('0' + ms / 10 % 10);
	*pen->p++ = (char)('0' + ms % 10);
	*pen->p++ = 'Z';
}

void pen_name_json(struct pen *pen, const char *key, const char *value)
{
	pen_text(pen, key);
	if (!value) {
		pen_text(pen, "null");
		return;
	}
	*pen->p++ = '"';
	pen_text(pen, value);
	*pen->p++ = '"';
}

void pen_number(struct pen *pen, const char *key, uint64_t value)
{
	pen_text(pen, key);
	pen_u64(pen, value);
}

void pen_endpoint_json(struct pen *pen, const char *key, const struct endpoint *e)
{
	pen_text(pen, key);
	if (!e) {
		pen_text(pen, "null");
		return;
	}
	*pen->p++ = '"';
	pen_endpoint(pen, e);
	*pen->p++ = '"';
}

static void pen_two(struct pen *pen, unsigned int v)
{
	*pen->p++ = (char)('0' + v / 10 % 10);
	*pen->p++ = (char)('0' + v % 10);
}

void pen_second_format(uint64_t second, char out[PEN_SECOND_MAX])
{
	/* days since 1 March of year 0, so that the leap day is the last of a year */
	uint64_t days = second / 86400 + 719468, rest = second % 86400;
	uint64_t era = days / 146097, day_of_era = days % 146097;
	uint64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	uint64_t day = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint64_t month = (5 * day + 2) / 153; /* 0 is March */
	uint64_t year = era * 400 + year_of_era + (month >= 10);
	struct pen pen = {.p = out};

	pen_two(&pen, (unsigned int)(year / 100));
	pen_two(&pen, (unsigned int)(year % 100));
	pen_text(&pen, "-");
	pen_two(&pen, (unsigned int)(month < 10 ? month + 3 : month - 9));
	pen_text(&pen, "-");
	pen_two(&pen, (unsigned int)(day - (153 * month + 2) / 5 + 1));
	pen_text(&pen, "T");
	pen_two(&pen, (unsigned int)(rest / 3600));
	pen_text(&pen, ":");
	pen_two(&pen, (unsigned int)(rest / 60 % 60));
	pen_text(&pen, ":");
	pen_two(&pen, (unsigned int)(rest % 60));
	*pen.p = '\0';
}
