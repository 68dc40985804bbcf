/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The list of what is wrong and its two forms of output. Used by whoever reads config files:
 * control, the agent, the command.
 */
#include "conf/model/issue.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define ISSUE_FILE_SHOWN_MAX 1024 /* bytes of a file's name, escaped */

struct issue_path issue_path(const char *fmt, ...)
{
	struct issue_path path;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(path.text, sizeof(path.text), fmt, ap); /* cut if too long */
	va_end(ap);
	return path;
}

void issues_init(struct issues *issues)
{
	*issues = (struct issues){0};
}

void issues_fini(struct issues *issues)
{
	for (size_t i = 0; i < issues->n; i++) {
		free(issues->list[i].file);
	}
	free(issues->list);
	issues_init(issues);
}

struct issue *issues_add(struct issues *issues, const char *path, const char *fmt, ...)
{
	struct issue *issue;
	va_list ap;

	if (!issues->list) {
		issues->list = calloc(ISSUES_MAX, sizeof(*issues->list));
	}
	if (!issues->list || issues->n == ISSUES_MAX) {
		issues->n_dropped++;
		return NULL;
	}
	issue = &issues->list[issues->n++];
	*issue = (struct issue){0};
	(void)snprintf(issue->path, sizeof(issue->path), "%s", path); /* cut if too long */
	va_start(ap, fmt);
	(void)vsnprintf(issue->msg, sizeof(issue->msg), fmt, ap); /* cut if too long */
	va_end(ap);
	return issue;
}

void issues_set_file(struct issues *issues, size_t first, const char *file)
{
	for (size_t i = first; i < issues->n; i++) {
		if (!issues->list[i].file) {
			issues->list[i].file = strdup(file); /* without memory: not shown */
		}
	}
}

static bool comes_before(const struct issue *a, const struct issue *b)
{
	return a->line != b->line ? a->line < b->line : a->col < b->col;
}

/* By insertion: stable, and there are few. */
void issues_sort(struct issues *issues, size_t first)
{
	for (size_t i = first + 1; i < issues->n; i++) {
		struct issue issue = issues->list[i];
		size_t at = i;

		while (at > first && comes_before(&issue, &issues->list[at - 1])) {
			issues->list[at] = issues->list[at - 1];
			at--;
		}
		issues->list[at] = issue;
	}
}

static void issue_head(const struct issue *issue, struct buf *out)
{
	char file[ISSUE_FILE_SHOWN_MAX];

	if (issue->file) {
		buf_printf(out, "%s:", str_escape(file, sizeof(file), str_from(issue->file)));
	}
	if (issue->line > 0) {
		buf_printf(out, "%u:%u:", issue->line, issue->col);
	}
	if (issue->file || issue->line > 0) {
		buf_printf(out, " ");
	}
	if (issue->path[0] != '\0') {
		buf_printf(out, "%s: ", issue->path);
	}
	buf_printf(out, "%s", issue->msg);
}

/* Below the source line; tabs stay tabs, so that the caret stands where the place is. */
static void issue_caret(const struct issue *issue, struct buf *out)
{
	const char *p = issue->source;

	buf_printf(out, "%s\n", issue->source);
	for (unsigned int i = 0; i < issue->caret && *p != '\0'; i++) {
		buf_u8(out, *p == '\t' ? '\t' : ' ');
		do {
			p++;
		} while (((unsigned char)*p & 0xc0) == 0x80); /* the rest of a UTF-8 character */
	}
	buf_printf(out, "^\n");
}

void issues_text(const struct issues *issues, struct buf *out)
{
	for (size_t i = 0; i < issues->n; i++) {
		issue_head(&issues->list[i], out);
		buf_printf(out, "\n");
		if (issues->list[i].source[0] != '\0') {
			issue_caret(&issues->list[i], out);
		}
	}
	if (issues->n_dropped > 0) {
		buf_printf(out, "and %zu more\n", issues->n_dropped);
	}
}

void issues_json(const struct issues *issues, const char *key, struct json *json)
{
	json_open(json, key, '[');
	for (size_t i = 0; i < issues->n; i++) {
		const struct issue *issue = &issues->list[i];

		json_open(json, NULL, '{');
		json_text(json, "file", issue->file);
		json_u64(json, "line", issue->line);
		json_u64(json, "column", issue->col);
		json_text(json, "path", issue->path);
		json_text(json, "message", issue->msg);
		json_close(json, '}');
	}
	json_close(json, ']');
}

void issues_first(const struct issues *issues, int code, struct err *err)
{
	const struct issue *issue = issues->list;

	if (issues->n == 0) {
		return;
	}
	/* the result is the caller's own code */
	if (issue->line > 0) {
		(void)err_set(err, code, "%s:%u:%u: %s: %s", issue->file ? issue->file : "-",
			      issue->line, issue->col, issue->path, issue->msg);
	} else {
		(void)err_set(err, code, "%s: %s: %s", issue->file ? issue->file : "-", issue->path,
			      issue->msg);
	}
}
