/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_TEXT_INTERNAL_H
#define SIXGATE_CONF_TEXT_INTERNAL_H

#include <stddef.h>

#include "conf/text/conf.h"

/*
 * Reads a whole file after looking at its kind, owner and mode; for the files of this folder only.
 * Returns 0 with ret_data owned by the caller (free()) and terminated; else a negative errno with
 * one issue, which has no file name yet.
 */
int conf_file_read(const char *path, enum conf_flags flags, char **ret_data, size_t *ret_len,
		   struct issues *issues) CHECKED;

#endif
