/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_JSON_H
#define SIXGATE_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/str.h"

/*
 * Writes JSON (RFC 8259) into a buf: commas are placed by themselves. key is NULL inside arrays.
 * Bytes that are not printable ASCII are written as \u00NN, each byte one character, so that a
 * hostile string can neither end the line nor fail to decode.
 */
struct json {
	struct buf *out; /* borrowed */
	bool comma;
};

struct json json_to(struct buf *out);
void json_open(struct json *j, const char *key, char bracket); /* '{' or '[' */
void json_close(struct json *j, char bracket);                 /* '}' or ']' */
void json_str(struct json *j, const char *key, struct str value);
void json_text(struct json *j, const char *key, const char *value); /* NULL is null */
void json_u64(struct json *j, const char *key, uint64_t value);
void json_bool(struct json *j, const char *key, bool value);
/* "\n": one document a line. */
void json_end_line(struct json *j);

#endif
