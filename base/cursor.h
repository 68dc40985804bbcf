/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_CURSOR_H
#define SIXGATE_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/*
 * Reader over borrowed bytes, integers in network order. The error is sticky: a read past the
 * end yields zero or an empty string and sets bad, so a parser is straight-line code with one
 * check at its end.
 */
struct cursor {
	const uint8_t *p;
	size_t left; /* bytes */
	bool bad;
};

static inline struct cursor cursor_from(const void *data, size_t len)
{
	return (struct cursor){.p = data, .left = len};
}

uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u24(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);

/* Points into the cursor's bytes; NULL when fewer than len are left. */
const uint8_t *cursor_bytes(struct cursor *c, size_t len);

/* A cursor over the next len bytes, which are consumed; empty and bad when there are fewer. */
struct cursor cursor_sub(struct cursor *c, size_t len);

/* A string written by buf_str(); borrowed. */
struct str cursor_str(struct cursor *c);

/* True when everything was read and nothing failed. */
static inline bool cursor_done(const struct cursor *c)
{
	return !c->bad && c->left == 0;
}

/* Growing byte buffer; out of memory and the size limit are sticky in bad. */
struct buf {
	uint8_t *data; /* owned */
	size_t len;    /* bytes */
	size_t size;   /* bytes allocated */
	size_t max;    /* bytes it may grow to */
	bool bad;
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_bytes(struct buf *b, const void *data, size_t len);
/* 32-bit length and bytes. */
void buf_str(struct buf *b, struct str s);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Removes the first len bytes. */
void buf_consume(struct buf *b, size_t len);

#endif
