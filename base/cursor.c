/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Wire reader with a sticky error, and its counterpart that writes; see cursor.h. Pure. */
#include "base/cursor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const uint8_t *cursor_bytes(struct cursor *c, size_t len)
{
	const uint8_t *p = c->p;

	if (c->bad || len > c->left) {
		c->bad = true;
		c->left = 0;
		return NULL;
	}
	if (len == 0) { /* p may be NULL */
		return p;
	}
	c->p += len;
	c->left -= len;
	return p;
}

static uint64_t cursor_be(struct cursor *c, size_t len)
{
	const uint8_t *p = cursor_bytes(c, len);
	uint64_t v = 0;

	for (size_t i = 0; p && i < len; i++) {
		v = v << 8 | p[i];
	}
	return v;
}

uint8_t cursor_u8(struct cursor *c)
{
	return (uint8_t)cursor_be(c, 1);
}

uint16_t cursor_u16(struct cursor *c)
{
	return (uint16_t)cursor_be(c, 2);
}

uint32_t cursor_u24(struct cursor *c)
{
	return (uint32_t)cursor_be(c, 3);
}

uint32_t cursor_u32(struct cursor *c)
{
	return (uint32_t)cursor_be(c, 4);
}

uint64_t cursor_u64(struct cursor *c)
{
	return cursor_be(c, 8);
}

struct cursor cursor_sub(struct cursor *c, size_t len)
{
	const uint8_t *p = cursor_bytes(c, len);

	if (c->bad) {
		return (struct cursor){.bad = true};
	}
	return cursor_from(p, len);
}

struct str cursor_str(struct cursor *c)
{
	size_t len = cursor_u32(c);
	const uint8_t *p = cursor_bytes(c, len);

	if (c->bad) {
		return (struct str){.p = "", .len = 0};
	}
	return (struct str){.p = (const char *)p, .len = len};
}

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

/* Makes room for len more bytes and one that is not counted; false sets bad. */
static bool buf_reserve(struct buf *b, size_t len)
{
	size_t size = b->size ? b->size : 256;
	uint8_t *data;

	if (b->bad || len > b->max || b->len > b->max - len) {
		b->bad = true;
		return false;
	}
	if (b->len + len < b->size) {
		return true;
	}
	while (size <= b->len + len) {
		size *= 2;
	}
	data = realloc(b->data, size);
	if (!data) {
		b->bad = true;
		return false;
	}
	b->data = data;
	b->size = size;
	return true;
}

void buf_bytes(struct buf *b, const void *data, size_t len)
{
	if (len == 0 || !buf_reserve(b, len)) {
		return;
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void buf_be(struct buf *b, uint64_t v, size_t len)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < len; i++) {
		bytes[i] = (uint8_t)(v >> (8 * (len - 1 - i)));
	}
	buf_bytes(b, bytes, len);
}

void buf_u8(struct buf *b, uint8_t v)
{
	buf_bytes(b, &v, 1);
}

void buf_u16(struct buf *b, uint16_t v)
{
	buf_be(b, v, 2);
}

void buf_u32(struct buf *b, uint32_t v)
{
	buf_be(b, v, 4);
}

void buf_u64(struct buf *b, uint64_t v)
{
	buf_be(b, v, 8);
}

void buf_str(struct buf *b, struct str s)
{
	if (s.len > UINT32_MAX) {
		b->bad = true;
		return;
	}
	buf_u32(b, (uint32_t)s.len);
	buf_bytes(b, s.p, s.len);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	/* vsnprintf's terminator is not kept */
	if (len > 0 && buf_reserve(b, (size_t)len)) {
		(void)vsnprintf((char *)b->data + b->len, (size_t)len + 1, fmt, again); /* fits */
		b->len += (size_t)len;
	}
	va_end(again);
}

void buf_consume(struct buf *b, size_t len)
{
	if (len >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
}
