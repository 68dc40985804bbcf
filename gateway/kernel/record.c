/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The record of former settings, a small file that is replaced as a whole. Used by the drivers
 * for sysctls and offloads.
 */
#include "gateway/kernel/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/file.h"

static bool record_line(struct record *r, const char *line, size_t len)
{
	const char *tab = memchr(line, '\t', len);
	struct record_item *item = &r->items[r->n];
	size_t key, former;

	if (!tab || r->n == RECORDS_MAX) {
		return false;
	}
	key = (size_t)(tab - line);
	former = len - key - 1;
	if (key == 0 || key >= sizeof(item->key) || former >= sizeof(item->former)) {
		return false;
	}
	*item = (struct record_item){0};
	memcpy(item->key, line, key);
	memcpy(item->former, tab + 1, former);
	r->n++;
	return true;
}

static int record_read(struct record *r, struct err *err)
{
	FILE *f = fopen(r->path, "re");
	char line[RECORD_KEY_MAX + RECORD_FORMER_MAX + 2];

	if (!f) {
		return errno == ENOENT ? 0 : err_set_errno(err, -errno, "%s", r->path);
	}
	while (fgets(line, sizeof(line), f)) {
		(void)record_line(r, line, strcspn(line, "\n")); /* a spoilt line is left out */
	}
	(void)fclose(f); /* only read */
	return 0;
}

int record_new(const char *dir, const char *name, struct record **ret_record, struct err *err)
{
	struct record *r = calloc(1, sizeof(*r));
	int rc = r ? 0 : err_set(err, -ENOMEM, "record: out of memory");

	if (rc == 0 &&
	    snprintf(r->path, sizeof(r->path), "%s/%s", dir, name) >= (int)sizeof(r->path) - 4) {
		rc = err_set(err, -ENAMETOOLONG, "%s/%s: path is too long", dir, name);
	}
	rc = rc < 0 ? rc : record_read(r, err);
	if (rc < 0) {
		free(r);
		return rc;
	}
	*ret_record = r;
	return 0;
}

int record_write(const struct record *r, struct err *err)
{
	struct buf text;
	int rc;

	buf_init(&text, RECORDS_MAX * (RECORD_KEY_MAX + RECORD_FORMER_MAX + 2));
	for (size_t i = 0; i < r->n; i++) {
		buf_printf(&text, "%s\t%s\n", r->items[i].key, r->items[i].former);
	}
	rc = text.bad ? err_set(err, -ENOMEM, "%s: out of memory", r->path)
		      : file_replace(r->path, text.data, text.len, err);
	buf_fini(&text);
	return rc;
}

const struct record_item *record_find(const struct record *r, const char *key)
{
	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->items[i].key, key) == 0) {
			return &r->items[i];
		}
	}
	return NULL;
}

int record_note(struct record *r, const char *key, const char *former, struct err *err)
{
	struct record_item *item = &r->items[r->n];

	if (record_find(r, key)) {
		return 0;
	}
	if (r->n == RECORDS_MAX || strlen(key) >= sizeof(item->key) ||
	    strlen(former) >= sizeof(item->former)) {
		return err_set(err, -E2BIG, "%s: cannot be recorded: too long or too many", key);
	}
	*item = (struct record_item){0};
	memcpy(item->key, key, strlen(key));
	memcpy(item->former, former, strlen(former));
	r->n++;
	return 0;
}

void record_drop(struct record *r, const char *key)
{
	const struct record_item *found = record_find(r, key);

	if (found) {
		size_t at = (size_t)(found - r->items);

		r->n--;
		memmove(&r->items[at], &r->items[at + 1], (r->n - at) * sizeof(r->items[0]));
	}
}

int record_add(struct record *r, const char *key, const char *former, struct err *err)
{
	const size_t n = r->n;
	int rc = record_note(r, key, former, err);

	if (rc == 0 && r->n > n) {
		rc = record_write(r, err);
	}
	if (rc < 0) {
		r->n = n;
	}
	return rc;
}

int record_remove(struct record *r, const char *key, struct err *err)
{
	const struct record_item *found = record_find(r, key);
	struct record_item gone;
	int rc;

	if (!found) {
		return 0;
	}
	gone = *found;
	record_drop(r, key);
	rc = record_write(r, err);
	if (rc < 0) {
		r->items[r->n++] = gone;
	}
	return rc;
}
