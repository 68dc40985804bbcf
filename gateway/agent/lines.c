/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines out of a worker's pipe; see lines.h. Pure: no I/O. */
#include "gateway/agent/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int lines_init(struct lines *l)
{
	*l = (struct lines){.data = malloc(LINES_BUFFER)};
	return l->data ? 0 : -ENOMEM;
}

void lines_fini(struct lines *l)
{
	free(l->data);
	l->data = NULL;
}

uint8_t *lines_space(struct lines *l, size_t *ret_room)
{
	*ret_room = LINES_BUFFER - l->len;
	return l->data + l->len;
}

/* Throws away up to and with the end of the line that is too long. */
static void lines_skip(struct lines *l)
{
	const uint8_t *end = memchr(l->data, '\n', l->len);

	if (!end) {
		l->len = 0;
		return;
	}
	l->skipping = false;
	lines_next(l, (struct str){.p = (const char *)l->data, .len = (size_t)(end + 1 - l->data)});
}

unsigned int lines_take(struct lines *l, size_t n, struct str *ret_whole)
{
	const uint8_t *end;

	*ret_whole = (struct str){.p = (const char *)l->data};
	l->len += n;
	if (l->skipping) {
		lines_skip(l);
	}
	end = l->len > 0 ? memrchr(l->data, '\n', l->len) : NULL;
	if (end) {
		ret_whole->len = (size_t)(end + 1 - l->data);
	} else if (l->len == LINES_BUFFER) {
		l->len = 0;
		l->skipping = true;
		return 1;
	}
	return 0;
}

void lines_next(struct lines *l, struct str whole)
{
	l->len -= whole.len;
	if (l->len > 0) {
		memmove(l->data, l->data + whole.len, l->len);
	}
}

unsigned int lines_end(const struct lines *l)
{
	return l->len > 0 && !l->skipping;
}
