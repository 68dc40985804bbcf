/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_RECORD_H
#define SIXGATE_GATEWAY_KERNEL_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * What settings of the machine were before sixgate changed them: a file of the run directory, so
 * that it is gone with the settings at a reboot and there for `sixgate down` after a crash. One
 * line a setting, "KEY<tab>FORMER". Written before the setting is, and synced.
 */
#define RECORD_MAIN       "settings" /* its name in the run directory */
#define RECORD_KEY_MAX    96
#define RECORD_FORMER_MAX 64
#define RECORDS_MAX       4096 /* two for each link of tenants, of which there may be 2,000 */

struct record_item {
	char key[RECORD_KEY_MAX];
	char former[RECORD_FORMER_MAX];
};

struct record {
	char path[256];
	struct record_item items[RECORDS_MAX];
	size_t n;
};

/*
 * Reads DIR/NAME; none there is an empty record, a line that cannot be read is left out. On 0
 * ret_record is owned by the caller: free().
 */
int record_new(const char *dir, const char *name, struct record **ret_record,
	       struct err *err) CHECKED;
/* NULL: nothing is recorded under key. */
const struct record_item *record_find(const struct record *r, const char *key);
/* Keeps what was recorded first. On failure the record is as before. */
int record_add(struct record *r, const char *key, const char *former, struct err *err) CHECKED;
/* Unknown keys are fine. */
int record_remove(struct record *r, const char *key, struct err *err) CHECKED;
/*
 * The same for several at once: they are on disk when record_write() says so. _note() puts the item
 * behind all others; r->n set back to what it was takes it back.
 */
int record_note(struct record *r, const char *key, const char *former, struct err *err) CHECKED;
void record_drop(struct record *r, const char *key);
int record_write(const struct record *r, struct err *err) CHECKED;

#endif
