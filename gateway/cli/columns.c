/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables for people. Whatever comes in is already safe to print: see gateway/cli/text.h. */
#include "gateway/cli/columns.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2

void columns_init(struct columns *t, FILE *out, const struct column *cols, size_t n_cols, bool bold)
{
	assert(n_cols > 0 && n_cols <= COLUMNS_MAX);
	*t = (struct columns){.out = out, .cols = cols, .n_cols = n_cols, .bold = bold};
	for (size_t i = 0; i < n_cols; i++) {
		t->width[i] = strlen(cols[i].title);
	}
}

/* The last cell of a row is never padded: no line ends in blanks. */
static void print_cell(const struct columns *t, size_t col, const char *text)
{
	int width = (int)t->width[col];

	if (t->cols[col].right) {
		fprintf(t->out, "%*s", width, text);
	} else if (col + 1 < t->n_cols) {
		fprintf(t->out, "%-*s", width, text);
	} else {
		fputs(text, t->out);
	}
	if (col + 1 < t->n_cols) {
		fprintf(t->out, "%*s", GAP, "");
	}
}

static void print_block(struct columns *t)
{
	if (!t->titled) {
		t->titled = true;
		fputs(t->bold ? "\033[1m" : "", t->out);
		for (size_t i = 0; i < t->n_cols; i++) {
			print_cell(t, i, t->cols[i].title);
		}
		fputs(t->bold ? "\033[0m\n" : "\n", t->out);
	}
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t col = i % t->n_cols;

		print_cell(t, col, t->cells[i]);
		if (col + 1 == t->n_cols) {
			fputc('\n', t->out);
		}
		free(t->cells[i]);
	}
	t->n_cells = 0;
}

int columns_cell(struct columns *t, const char *text)
{
	size_t max = t->n_cols * COLUMNS_ROWS, len = strlen(text), col;
	char *copy;

	if (!t->cells) {
		t->cells = calloc(max, sizeof(*t->cells));
		if (!t->cells) {
			return -ENOMEM;
		}
	}
	if (t->n_cells == max) {
		print_block(t);
	}
	copy = strdup(text);
	if (!copy) {
		return -ENOMEM;
	}
	col = t->n_cells % t->n_cols;
	if (len > t->width[col]) {
		t->width[col] = len;
	}
	t->cells[t->n_cells++] = copy;
	return 0;
}

void columns_end(struct columns *t)
{
	/* a row that memory ran out in is left out */
	while (t->n_cells % t->n_cols != 0) {
		free(t->cells[--t->n_cells]);
	}
	print_block(t);
}

void columns_fini(struct columns *t)
{
	for (size_t i = 0; i < t->n_cells; i++) {
		free(t->cells[i]);
	}
	free(t->cells);
	t->cells = NULL;
	t->n_cells = 0;
}
