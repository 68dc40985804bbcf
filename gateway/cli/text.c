/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How values of an answer are shown. Strings may come from clients of the gateway: none reaches
 * the terminal unescaped, in the tables nor in --json.
 */
#include "gateway/cli/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Decodes one character of s, which jansson has checked to be UTF-8. Returns its bytes. */
static size_t utf8_next(const char *s, uint32_t *ret_code)
{
	const uint8_t *b = (const uint8_t *)s;

	if (b[0] < 0x80) {
		*ret_code = b[0];
		return 1;
	}
	if (b[0] < 0xe0) {
		*ret_code = (b[0] & 0x1fu) << 6 | (b[1] & 0x3fu);
		return 2;
	}
	if (b[0] < 0xf0) {
		*ret_code = (b[0] & 0x0fu) << 12 | (b[1] & 0x3fu) << 6 | (b[2] & 0x3fu);
		return 3;
	}
	*ret_code =
		(b[0] & 0x07u) << 18 | (b[1] & 0x3fu) << 12 | (b[2] & 0x3fu) << 6 | (b[3] & 0x3fu);
	return 4;
}

/* Characters up to U+00FF are bytes: that is how base/json writes what is not ASCII. */
static const char *escape(char *dst, const char *s, size_t len, bool backslash)
{
	size_t used = 0, pos = 0;

	while (pos < len && used + 12 + sizeof(TEXT_CUT) < TEXT_MAX) {
		uint32_t code;

		pos += utf8_next(s + pos, &code);
		if (code >= 0x20 && code < 0x7f && (code != '\\' || !backslash)) {
			dst[used++] = code;
		} else {
			used += snprintf(dst + used, TEXT_MAX - used,
					 code <= 0xff ? "\\x%02" PRIx32 : "\\u{%" PRIx32 "}", code);
		}
	}
	strcpy(dst + used, pos < len ? TEXT_CUT : "");
	return dst;
}

static const char *text_escaped(const json_t *object, const char *key, char *dst, bool backslash)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_string(value) && json_string_length(value) > 0) {
		return escape(dst, json_string_value(value), json_string_length(value), backslash);
	}
	if (json_is_integer(value)) {
		snprintf(dst, TEXT_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	} else if (json_is_boolean(value)) {
		snprintf(dst, TEXT_MAX, "%s", json_is_true(value) ? "yes" : "no");
	} else {
		snprintf(dst, TEXT_MAX, "-");
	}
	return dst;
}

const char *text_of(const json_t *object, const char *key, char *dst)
{
	return text_escaped(object, key, dst, true);
}

const char *text_printable(const json_t *object, const char *key, char *dst)
{
	return text_escaped(object, key, dst, false);
}

const char *text_line_of(const json_t *object, const char *key, char *dst)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value), *end = NULL;

	if (text) {
		end = memchr(text, '\n', json_string_length(value));
	}
	if (!end) {
		return text_of(object, key, dst);
	}
	return end == text ? strcpy(dst, "-") : escape(dst, text, (size_t)(end - text), true);
}

void text_print_lines(FILE *out, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);
	size_t left = json_string_length(value);
	char line[TEXT_MAX];

	while (text && left > 0) {
		const char *end = memchr(text, '\n', left);
		size_t len = end ? (size_t)(end - text) : left;

		fprintf(out, "%s\n", escape(line, text, len, true));
		len += end != NULL;
		text += len;
		left -= len;
	}
}

uint64_t text_u64(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

const char *text_size(const json_t *object, const char *key, char *dst)
{
	static const char units[] = "kMGTPE";
	uint64_t bytes = text_u64(object, key), unit = 1000, tenths;
	size_t i = 0;

	if (!json_is_integer(json_object_get(object, key)) || bytes < 1000) {
		return text_of(object, key, dst);
	}
	/* rounded once, by the unit that is shown: 999,950 is not "1000.0k" */
	while ((tenths = (bytes + unit / 20) / (unit / 10)) >= 10000) {
		unit *= 1000;
		i++;
	}
	snprintf(dst, TEXT_MAX, "%" PRIu64 ".%" PRIu64 "%c", tenths / 10, tenths % 10, units[i]);
	return dst;
}

const char *text_duration(const json_t *object, const char *key, char *dst)
{
	uint64_t s = text_u64(object, key) / 1000;

	if (!json_is_integer(json_object_get(object, key))) {
		return text_of(object, key, dst);
	}
	if (s < 60) {
		snprintf(dst, TEXT_MAX, "%" PRIu64 "s", s);
	} else if (s < 3600) {
		snprintf(dst, TEXT_MAX, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	} else if (s < 86400) {
		snprintf(dst, TEXT_MAX, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	} else {
		snprintf(dst, TEXT_MAX, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
	}
	return dst;
}

/* jansson leaves DEL as it is; it can only be inside a string. */
static int dump_ascii(const char *data, size_t len, void *arg)
{
	FILE *out = arg;

	for (size_t i = 0; i < len; i++) {
		if (data[i] == 0x7f) {
			fputs("\\u007f", out);
		} else {
			putc(data[i], out);
		}
	}
	return 0; /* a failed write shows when the command ends */
}

static void dump(FILE *out, const json_t *value)
{
	/* the callback never fails, and every value came out of the parser */
	(void)json_dump_callback(value, dump_ascii, out, JSON_COMPACT | JSON_ENSURE_ASCII);
}

struct document document_open(FILE *out, const char *list)
{
	fprintf(out, "{\"schema\":\"" CLI_SCHEMA "\",\"%s\":[", list);
	return (struct document){.out = out};
}

void document_item(struct document *doc, const json_t *item)
{
	fputs(doc->any ? ",\n" : "\n", doc->out);
	dump(doc->out, item);
	doc->any = true;
}

void document_close(struct document *doc, bool complete)
{
	fprintf(doc->out, "\n],\"complete\":%s}\n", complete ? "true" : "false");
}

int document_object(FILE *out, json_t *object)
{
	json_t *doc = json_pack("{s:s}", "schema", CLI_SCHEMA);
	int rc = doc ? json_object_update_missing(doc, object) : -1;

	if (rc == 0) {
		dump(out, doc);
		putc('\n', out);
	}
	json_decref(doc);
	return rc < 0 ? -ENOMEM : 0;
}
