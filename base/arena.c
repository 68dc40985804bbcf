/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Memory freed as a whole, from a chain of growing chunks; see arena.h. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#define ARENA_CHUNK       1024 /* bytes; the first chunk, each further one is twice as large */
#define ARENA_CHUNK_LIMIT 65536

struct chunk {
	struct chunk *next; /* arena.chunks */
	size_t size, used;  /* bytes of data */
	alignas(max_align_t) uint8_t data[];
};

struct arena {
	struct chunk *chunks; /* owned; newest first */
	size_t size, max;     /* bytes */
	size_t next_chunk;    /* bytes */
};

struct arena *arena_new(size_t max)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (a) {
		a->max = max;
		a->next_chunk = ARENA_CHUNK;
	}
	return a;
}

void arena_free(struct arena *a)
{
	if (!a) {
		return;
	}
	while (a->chunks) {
		struct chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
	free(a);
}

static struct chunk *arena_grow(struct arena *a, size_t size)
{
	size_t data = size > a->next_chunk ? size : a->next_chunk;
	struct chunk *chunk;
	size_t bytes;

	if (__builtin_add_overflow(sizeof(*chunk), data, &bytes)) {
		return NULL;
	}
	chunk = calloc(1, bytes);
	if (!chunk) {
		return NULL;
	}
	chunk->size = data;
	chunk->next = a->chunks;
	a->chunks = chunk;
	if (a->next_chunk < ARENA_CHUNK_LIMIT) {
		a->next_chunk *= 2;
	}
	return chunk;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct chunk *chunk = a->chunks;
	size_t rounded;
	void *p;

	if (__builtin_add_overflow(size, alignof(max_align_t) - 1, &rounded)) {
		return NULL;
	}
	rounded &= ~(alignof(max_align_t) - 1);
	if (rounded > a->max - a->size) {
		return NULL;
	}
	if (!chunk || chunk->size - chunk->used < rounded) {
		chunk = arena_grow(a, rounded);
	}
	if (!chunk) {
		return NULL;
	}
	p = chunk->data + chunk->used;
	chunk->used += rounded;
	a->size += rounded;
	return p;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		return NULL;
	}
	return arena_alloc(a, bytes);
}

char *arena_strdup(struct arena *a, struct str s)
{
	char *copy = arena_alloc(a, s.len + 1);

	if (copy && s.len > 0) {
		memcpy(copy, s.p, s.len);
	}
	return copy;
}

size_t arena_size(const struct arena *a)
{
	return a->size;
}
