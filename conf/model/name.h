/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_MODEL_NAME_H
#define SIXGATE_CONF_MODEL_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/*
 * Host names as config, SNI and (later) Host know them: one set of rules for all, so that no two
 * places can disagree on whether two names are the same.
 */

#define NAME_TEXT_MAX  253 /* bytes of a normalised name */
#define NAME_LABEL_MAX 63  /* bytes */
#define NAME_BUF_SIZE  256

enum name_result {
	NAME_OK,
	NAME_EMPTY,
	NAME_TOO_LONG,
	NAME_LABEL_EMPTY,
	NAME_LABEL_TOO_LONG,
	NAME_BAD_CHARACTER, /* not a-z, 0-9, '-', '_' */
	NAME_IP_LITERAL,
	NAME_WILDCARD_ALONE,     /* "*": everything */
	NAME_WILDCARD_ONE_LABEL, /* "*.com" */
	NAME_WILDCARD_INSIDE,    /* "*" elsewhere than as the first label */
};

/*
 * Normalises a host name: ASCII letters to lower case, one trailing dot removed. On NAME_OK out
 * holds ret_len bytes and a NUL. A name that reads as an address (any whose last label is a
 * number) is NAME_IP_LITERAL.
 */
enum name_result name_normalize(struct str in, char out[NAME_BUF_SIZE], size_t *ret_len) CHECKED;

/*
 * As name_normalize() for a name or "*.name"; out is without the "*.".
 */
enum name_result name_pattern_parse(struct str in, char out[NAME_BUF_SIZE], size_t *ret_len,
				    bool *ret_wildcard) CHECKED;

/* What is wrong, to follow the name: "has an empty label", ... */
const char *name_result_text(enum name_result result);

/* A tenant's, service's or tunnel's own name: 1 to 63 of a-z, 0-9, '-', not at the ends a '-'. */
bool name_is_id(struct str in);

#endif
