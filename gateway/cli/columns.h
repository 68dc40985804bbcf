/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CLI_COLUMNS_H
#define SIXGATE_GATEWAY_CLI_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

#define COLUMNS_MAX  12
#define COLUMNS_ROWS 512 /* rows whose widths are known before the first is printed */

struct column {
	const char *title;
	bool right; /* numbers */
};

/*
 * A table on the terminal. It prints in blocks of COLUMNS_ROWS, so that its memory does not grow
 * with the answer; a later block may be wider, never narrower. Cells are copied.
 */
struct columns {
	FILE *out;                 /* borrowed */
	const struct column *cols; /* borrowed */
	size_t n_cols;
	size_t width[COLUMNS_MAX];
	char **cells; /* owned; of the block being filled */
	size_t n_cells;
	bool bold, titled;
};

/* bold: the titles, by escape sequences. */
void columns_init(struct columns *t, FILE *out, const struct column *cols, size_t n_cols,
		  bool bold);
/* The next cell, row by row. Returns 0 or -ENOMEM. */
int columns_cell(struct columns *t, const char *text) CHECKED;
/* Prints what is left, and the titles even when there is no row. */
void columns_end(struct columns *t);
void columns_fini(struct columns *t);

#endif
