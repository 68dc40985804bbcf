/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_FILE_H
#define SIXGATE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Reads up to len bytes, or to the end. Returns 0 with how many there were, or a negative errno. */
int file_read(int fd, void *data, size_t len, size_t *ret_len) CHECKED;
/*
 * Whether somebody has it open for writing. False as well where nobody can tell: not every file
 * system does, nor of what is another user's. fd: for reading.
 */
bool file_is_written(int fd);
/* Writes all of it. Returns 0 or a negative errno. */
int file_write(int fd, const void *data, size_t len) CHECKED;

/*
 * A file replaced as a whole: written beside its place, as PATH.new, for its owner alone, and
 * renamed into it when it is on disk. Until then, and when anything fails, the old one counts.
 */
/* Returns the descriptor of the new file, for file_write(), or a negative errno. */
int file_replace_begin(const char *path, struct err *err) CHECKED;
/* Closes fd, also on failure. Returns 0 or a negative errno. */
int file_replace_commit(const char *path, int fd, struct err *err) CHECKED;
/* Takes the new file away; closes fd. */
void file_replace_abort(const char *path, int fd);
/* All of that in one. */
int file_replace(const char *path, const void *data, size_t len, struct err *err) CHECKED;

#endif
