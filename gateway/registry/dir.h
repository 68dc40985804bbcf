/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_DIR_H
#define SIXGATE_GATEWAY_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

/*
 * The registry as a folder of objects, one file a tenant (NAME.yaml, .yml or .json). Finds out
 * which files are new, changed or gone, and reads one; what is in them is the caller's business.
 * Hidden files and other suffixes are ignored, so that an object is written under another name
 * and renamed into place. Used by control.
 */
struct registry_dir;

/* Which file it is, and which state of it: what changes it changes one of these. */
struct file_identity {
	uint64_t dev, ino, size, mtime_ns, ctime_ns; /* all 0: of no file */
};

bool file_identity_eq(const struct file_identity *a, const struct file_identity *b);

/* file: name inside the folder, borrowed. Called out of dir_work() only, but for unreadable(). */
struct dir_ops {
	void (*changed)(void *ctx, const char *file);
	void (*gone)(void *ctx, const char *file);
	/* A scan is through and all its files were handed out; n_files are there. */
	void (*scanned)(void *ctx, size_t n_files);
	/* The folder cannot be watched; why is NULL when it can again. No file counts as gone. */
	void (*unreadable)(void *ctx, const char *why);
	/* So many files beyond files_max are as if they were not there; 0: no more. */
	void (*ignored)(void *ctx, size_t n);
	size_t files_max; /* REGISTRY_FILES_MAX of conf/text/conf.h */
	/*
	 * Asked once for each file of the first scan, for all of them before any is handed out:
	 * true when this one is known from an earlier run and needs no changed(). NULL allowed.
	 */
	bool (*recall)(void *ctx, const char *file, const struct file_identity *id);
};

/*
 * Begins to watch path; a folder that is not there yet is waited for. ops and ctx are borrowed.
 * On 0 ret_dir is owned by the caller. Returns -ENOMEM or the error of inotify.
 */
int dir_new(struct loop *loop, const char *path, const struct dir_ops *ops, void *ctx,
	    struct registry_dir **ret_dir, struct err *err) CHECKED;
void dir_free(struct registry_dir *dir);

/*
 * Scans and hands out files until until_ms (monotonic) or until nothing is left. True when there
 * is more: call it again from the loop.
 */
bool dir_work(struct registry_dir *dir, uint64_t until_ms);

/* Hands a file out again, even if it looks the same. */
void dir_touch(struct registry_dir *dir, const char *name);
/* The same, in a moment: for one that could not be read for want of descriptors or memory. */
void dir_retry(struct registry_dir *dir, const char *name);
/* Hands all files out again, also those that look the same. */
void dir_rescan(struct registry_dir *dir);

/*
 * Reads a file of the folder, at most CONF_FILE_MAX_MIB (conf/text/conf.h). On 0 ret_text is to be
 * freed by the caller and has a NUL behind its ret_len bytes. Fails for what is not a plain file of
 * root's or ours, or can be written by others. ret_id is what it was before it was read.
 */
int dir_read(struct registry_dir *dir, const char *file, char **ret_text, size_t *ret_len,
	     struct file_identity *ret_id, struct err *err) CHECKED;

#endif
