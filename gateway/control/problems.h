/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_PROBLEMS_H
#define SIXGATE_GATEWAY_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"

/*
 * What is wrong right now, for `status`: at most one text for each thing, gone when it is mended.
 * A text may have several lines (the source line of a config error and its caret).
 */
#define PROBLEMS_MAX     200000 /* as many as objects */
#define PROBLEMS_SHOWN   100
#define PROBLEM_TEXT_MAX 4096 /* bytes */

struct problems {
	struct hash_key key;
	struct table by_what; /* owned */
	size_t n_errors;
};

void problems_init(struct problems *problems);
void problems_fini(struct problems *problems);
/* Notes text for what ("tenant acme", "worker 3"), in place of a former one. */
void problem_set(struct problems *problems, enum log_level level, const char *what,
		 const char *text);
/* what is in order again, or always was. */
void problem_clear(struct problems *problems, const char *what);
bool problem_has(const struct problems *problems, const char *what);
size_t problems_count(const struct problems *problems);
/* An array of {level, what, text}, errors first, at most PROBLEMS_SHOWN. */
void problems_write(const struct problems *problems, struct json *j, const char *key);

#endif
