/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_MODEL_ISSUE_H
#define SIXGATE_CONF_MODEL_ISSUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cursor.h"
#include "base/err.h"
#include "base/json.h"

/*
 * What is wrong with config files and objects: every place in one run. The checks of conf/model
 * know the path of a value in its object; conf/text adds line, column and the source line.
 */

#define ISSUES_MAX       100
#define ISSUE_PATH_MAX   160
#define ISSUE_SOURCE_MAX 120 /* bytes shown of the source line */

struct issue {
	char *file;                /* owned; NULL: not known */
	unsigned int line, col;    /* from 1; 0: not known. A column is a character */
	char path[ISSUE_PATH_MAX]; /* "/listeners/2/port"; empty: the file as a whole */
	char msg[ERR_MSG_MAX];
	char source[ISSUE_SOURCE_MAX + 1]; /* what is shown of the line; empty: not known */
	unsigned int caret;                /* characters of source before the place */
};

struct issues {
	struct issue *list; /* owned */
	size_t n;
	size_t n_dropped; /* more than ISSUES_MAX, or no memory for them */
};

/* A path made as by printf, cut where it is too long; lives as long as the expression it is in. */
struct issue_path {
	char text[ISSUE_PATH_MAX];
};
struct issue_path issue_path(const char *fmt, ...) PRINTF_LIKE(1, 2);

void issues_init(struct issues *issues);
void issues_fini(struct issues *issues);
/* How many there are, the dropped ones as well. */
static inline size_t issues_count(const struct issues *issues)
{
	return issues->n + issues->n_dropped;
}

/*
 * Adds one at path with the message fmt; both are cut where they are too long.
 * Returns it for the caller to fill in the place, or NULL when it was dropped.
 */
struct issue *issues_add(struct issues *issues, const char *path, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* Gives file to those from index first on that have none. */
void issues_set_file(struct issues *issues, size_t first, const char *file);
/* Orders those from index first on by line and column. */
void issues_sort(struct issues *issues, size_t first);

/*
 * "file:line:col: /path: what is wrong", the source line, a caret; one block an issue, and a last
 * line when some were dropped.
 */
void issues_text(const struct issues *issues, struct buf *out);
/* The array named key, one object an issue. */
void issues_json(const struct issues *issues, const char *key, struct json *json);
/* The first one as one line without source, for a log; err is left alone when there is none. */
void issues_first(const struct issues *issues, int code, struct err *err);

#endif
