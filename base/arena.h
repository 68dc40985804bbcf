/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_ARENA_H
#define SIXGATE_BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

/* Memory that is freed as a whole: one for the node config, one for each tenant object. */
struct arena;

/* NULL when out of memory. max: bytes it may hand out. */
struct arena *arena_new(size_t max);
void arena_free(struct arena *a);

/* Zeroed, aligned for any type. NULL when out of memory or over max. */
void *arena_alloc(struct arena *a, size_t size);
/* n * size, checked for overflow. */
void *arena_array(struct arena *a, size_t n, size_t size);
/* A terminated copy. */
char *arena_strdup(struct arena *a, struct str s);
/* Bytes held, for accounting. */
size_t arena_size(const struct arena *a);

#endif
