/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON writer; see json.h. Pure. */
#include "base/json.h"

struct json json_to(struct buf *out)
{
	return (struct json){.out = out};
}

static void json_quoted(struct buf *out, struct str s)
{
	static const char hex[] = "0123456789abcdef";
	size_t start = 0;

	buf_u8(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char esc[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
			continue;
		}
		buf_bytes(out, s.p + start, i - start);
		buf_bytes(out, esc, sizeof(esc));
		start = i + 1;
	}
	if (s.len > start) { /* an empty string may have no bytes to point at */
		buf_bytes(out, s.p + start, s.len - start);
	}
	buf_u8(out, '"');
}

static void json_key(struct json *j, const char *key)
{
	if (j->comma) {
		buf_u8(j->out, ',');
	}
	j->comma = true;
	if (key) {
		json_quoted(j->out, str_from(key));
		buf_u8(j->out, ':');
	}
}

void json_open(struct json *j, const char *key, char bracket)
{
	json_key(j, key);
	buf_u8(j->out, (uint8_t)bracket);
	j->comma = false;
}

void json_close(struct json *j, char bracket)
{
	buf_u8(j->out, (uint8_t)bracket);
	j->comma = true;
}

void json_str(struct json *j, const char *key, struct str value)
{
	json_key(j, key);
	json_quoted(j->out, value);
}

void json_text(struct json *j, const char *key, const char *value)
{
	json_key(j, key);
	if (value) {
		json_quoted(j->out, str_from(value));
	} else {
		buf_bytes(j->out, "null", 4);
	}
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	char digits[20];
	size_t n = sizeof(digits);

	json_key(j, key);
	do {
		digits[--n] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	buf_bytes(j->out, digits + n, sizeof(digits) - n);
}

void json_bool(struct json *j, const char *key, bool value)
{
	json_key(j, key);
	buf_bytes(j->out, value ? "true" : "false", value ? 4 : 5);
}

void json_end_line(struct json *j)
{
	buf_u8(j->out, '\n');
	j->comma = false;
}
