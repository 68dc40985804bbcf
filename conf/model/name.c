/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Host name rules, shared by the config and the proxy's matcher. The proxy calls
 * name_normalize() with bytes from the Internet: no allocation, one pass.
 */
#include "conf/model/name.h"

#include "conf/model/tenant.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_id_char(char c)
{
	return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-';
}

/* The last label is a number: an IPv4 address, or what a lax parser would take for one. */
static bool ends_in_number(const char *name, size_t len)
{
	size_t i = len;

	while (i > 0 && is_digit(name[i - 1])) {
		i--;
	}
	return i < len && (i == 0 || name[i - 1] == '.');
}

enum name_result name_normalize(struct str in, char out[NAME_BUF_SIZE], size_t *ret_len)
{
	size_t label = 0;

	if (in.len > 0 && in.p[in.len - 1] == '.') {
		in.len--;
	}
	if (in.len == 0) {
		return NAME_EMPTY;
	}
	if (in.len > NAME_TEXT_MAX) {
		return NAME_TOO_LONG;
	}
	for (size_t i = 0; i < in.len; i++) {
		char c = in.p[i];

		if (c >= 'A' && c <= 'Z') {
			c = (char)(c - 'A' + 'a');
		}
		if (c == '.') {
			if (label == 0) {
				return NAME_LABEL_EMPTY;
			}
			label = 0;
		} else if (!is_id_char(c) && c != '_') {
			return c == ':' ? NAME_IP_LITERAL : NAME_BAD_CHARACTER;
		} else if (++label > NAME_LABEL_MAX) {
			return NAME_LABEL_TOO_LONG;
		}
		out[i] = c;
	}
	if (label == 0) {
		return NAME_LABEL_EMPTY;
	}
	if (ends_in_number(out, in.len)) {
		return NAME_IP_LITERAL;
	}
	out[in.len] = '\0';
	*ret_len = in.len;
	return NAME_OK;
}

enum name_result name_pattern_parse(struct str in, char out[NAME_BUF_SIZE], size_t *ret_len,
				    bool *ret_wildcard)
{
	enum name_result result;
	bool wildcard = in.len >= 2 && in.p[0] == '*' && in.p[1] == '.';

	if (in.len == 1 && in.p[0] == '*') {
		return NAME_WILDCARD_ALONE;
	}
	if (wildcard) {
		in.p += 2;
		in.len -= 2;
	}
	if (in.len > 0 && memchr(in.p, '*', in.len)) {
		return NAME_WILDCARD_INSIDE;
	}
	result = name_normalize(in, out, ret_len);
	if (result != NAME_OK) {
		return result;
	}
	if (wildcard && !memchr(out, '.', *ret_len)) {
		return NAME_WILDCARD_ONE_LABEL;
	}
	*ret_wildcard = wildcard;
	return NAME_OK;
}

const char *name_result_text(enum name_result result)
{
	switch (result) {
	case NAME_OK:
		return "is fine";
	case NAME_EMPTY:
		return "is empty";
	case NAME_TOO_LONG:
		return "is longer than 253 characters";
	case NAME_LABEL_EMPTY:
		return "has an empty label";
	case NAME_LABEL_TOO_LONG:
		return "has a label of more than 63 characters";
	case NAME_BAD_CHARACTER:
		return "has a character that is not a letter, digit, '-', '_' or '.'";
	case NAME_IP_LITERAL:
		return "is an address, not a name";
	case NAME_WILDCARD_ALONE:
		return "would take every name";
	case NAME_WILDCARD_ONE_LABEL:
		return "would take every name of a top-level domain";
	case NAME_WILDCARD_INSIDE:
		return "has a '*' that is not its whole first label";
	}
	return "?";
}

bool name_is_id(struct str in)
{
	if (in.len == 0 || in.len > TENANT_NAME_MAX || in.p[0] == '-' || in.p[in.len - 1] == '-') {
		return false;
	}
	for (size_t i = 0; i < in.len; i++) {
		if (!is_id_char(in.p[i])) {
			return false;
		}
	}
	return true;
}
