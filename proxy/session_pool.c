/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The memory of sessions; see session.h. */
#include <errno.h>
#include <stdlib.h>

#include "proxy/session.h"

static int pool_grow(struct session_pool *pool)
{
	size_t size = (pool->n_blocks + 1) * sizeof(struct session *);
	struct session **blocks = realloc(pool->blocks, size);
	struct session *block;

	if (!blocks) {
		return -ENOMEM;
	}
	pool->blocks = blocks;
	block = calloc(SESSION_BLOCK, sizeof(*block));
	if (!block) {
		return -ENOMEM;
	}
	blocks[pool->n_blocks++] = block;
	for (size_t i = 0; i < SESSION_BLOCK; i++) {
		block[i].next_ready = pool->free;
		pool->free = &block[i];
	}
	return 0;
}

void session_pool_fini(struct session_pool *pool)
{
	for (size_t i = 0; i < pool->n_blocks; i++) {
		free(pool->blocks[i]);
	}
	free(pool->blocks);
	*pool = (struct session_pool){0};
}

struct session *session_at(const struct session_pool *pool, size_t i)
{
	if (i >= pool->n_blocks * SESSION_BLOCK) {
		return NULL;
	}
	return &pool->blocks[i / SESSION_BLOCK][i % SESSION_BLOCK];
}

struct session *session_pool_take(struct session_pool *pool)
{
	struct session *s;

	if (!pool->free && pool_grow(pool) < 0) {
		return NULL;
	}
	s = pool->free;
	pool->free = s->next_ready;
	return s;
}

void session_pool_give(struct session_pool *pool, struct session *s)
{
	s->number = 0;
	s->next_ready = pool->free;
	pool->free = s;
}
