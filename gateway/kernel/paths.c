/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ways of the tunnels' outer packets, and when a change of one is believed. */
#include "gateway/kernel/paths.h"

#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "gateway/kernel/rt_path.h"

#define PATHS_A_STEP 32

struct path {
	struct table_node node; /* paths.table */
	TAILQ_ENTRY(path) all;  /* paths.all */
	struct outer outer;
	struct rt_path way; /* what is in force; mtu 0: not known */
	uint64_t wider_s;   /* since when more is seen; 0: it is not */
	uint64_t told_s;    /* when a change was told last; 0: none was */
	uint32_t told_mtu;  /* what was in force then */
	unsigned int n_untold;
	bool changed, used; /* since the last paths_settle() */
};

void paths_init(struct paths *p, struct rt *rt)
{
	*p = (struct paths){.rt = rt};
	hash_key_init(&p->key);
	table_init(&p->table);
	TAILQ_INIT(&p->all);
}

static void path_remove(struct paths *p, struct path *path)
{
	if (p->at == path) {
		p->at = TAILQ_NEXT(path, all);
	}
	table_remove(&p->table, &path->node);
	TAILQ_REMOVE(&p->all, path, all);
	free(path);
}

void paths_fini(struct paths *p)
{
	struct path *path;

	while ((path = TAILQ_FIRST(&p->all))) {
		path_remove(p, path);
	}
	table_fini(&p->table);
}

static bool path_eq(const struct table_node *node, const void *key)
{
	return memcmp(&container_of(node, struct path, node)->outer, key, sizeof(struct outer)) ==
	       0;
}

static struct path *path_find(const struct paths *p, const struct outer *outer, uint64_t *ret_hash)
{
	struct table_node *node;

	*ret_hash = hash_bytes(&p->key, outer, sizeof(*outer));
	node = table_find(&p->table, *ret_hash, path_eq, outer);
	return node ? container_of(node, struct path, node) : NULL;
}

static int way_read(struct rt *rt, const struct outer *outer, struct rt_path *ret_way)
{
	int rc = outer->link[0] != '\0'
			 ? rt_path_of_link(rt, outer->link, ret_way, NULL)
			 : rt_path_read(rt, &outer->local, &outer->remote, ret_way, NULL);

	if (rc == 0 && ret_way->learnt && ret_way->mtu < PATHS_LEARNT_MIN) {
		ret_way->mtu =
			ret_way->link_mtu < PATHS_LEARNT_MIN ? ret_way->link_mtu : PATHS_LEARNT_MIN;
	}
	return rc;
}

uint32_t paths_mtu(void *ctx, const struct outer *outer)
{
	struct paths *p = ctx;
	uint64_t hash;
	struct path *path = path_find(p, outer, &hash);

	if (path) {
		return path->way.mtu;
	}
	path = calloc(1, sizeof(*path));
	if (!path || table_insert(&p->table, &path->node, hash) < 0) {
		free(path);
		return 0;
	}
	path->outer = *outer;
	path->used = true;
	TAILQ_INSERT_TAIL(&p->all, path, all);
	if (way_read(p->rt, outer, &path->way) < 0) {
		path->way = (struct rt_path){0}; /* it is tried again by each look */
	}
	path->told_mtu = path->way.mtu;
	return path->way.mtu;
}

void paths_look(struct paths *p)
{
	p->due = true;
}

bool paths_looking(const struct paths *p)
{
	return p->due || p->at;
}

/* What has changed since the last word, if that is not too short a while ago. */
static void tell(struct path *path, uint64_t now_s, struct buf *told)
{
	char text[ADDR_TEXT_MAX];
	bool by_link = path->outer.link[0] != '\0';

	if (path->n_untold == 0 || (path->told_s != 0 && now_s - path->told_s < PATHS_TELL_S)) {
		return;
	}
	buf_printf(told, "%s %s carries %u bytes", by_link ? "link" : "the way to",
		   by_link ? path->outer.link : addr_format(&path->outer.remote, text),
		   path->way.mtu);
	if (path->told_mtu != 0 && path->told_mtu != path->way.mtu) {
		buf_printf(told, " instead of %u", path->told_mtu);
	}
	buf_printf(told, "%s", path->way.learnt ? ", as a router on it says" : "");
	if (path->n_untold > 1) {
		buf_printf(told, " (%u changes)", path->n_untold);
	}
	buf_printf(told, "\n");
	path->told_s = now_s;
	path->told_mtu = path->way.mtu;
	path->n_untold = 0;
}

static bool is_same_way(const struct rt_path *a, const struct rt_path *b)
{
	return a->link == b->link && a->link_mtu == b->link_mtu && addr_eq(&a->via, &b->via);
}

/* seen is to be in force from now on. */
static bool is_believed(struct path *path, const struct rt_path *seen, uint64_t now_s)
{
	bool was_told = path->way.learnt && is_same_way(&path->way, seen);

	if (path->way.mtu == 0 || seen->mtu <= path->way.mtu) {
		return true;
	}
	if (path->wider_s == 0) {
		path->wider_s = now_s;
	}
	return now_s - path->wider_s >= (was_told ? PATHS_LEARNT_S : PATHS_HOLD_S);
}

static void path_look(struct paths *p, struct path *path, uint64_t now_s)
{
	uint32_t before = path->way.mtu;
	struct rt_path seen;

	if (way_read(p->rt, &path->outer, &seen) < 0 || !is_believed(path, &seen, now_s)) {
		return; /* without a way what was is as good as anything */
	}
	path->way = seen;
	path->wider_s = 0;
	if (seen.mtu != before) {
		path->changed = true;
		path->n_untold++;
	}
}

bool paths_look_step(struct paths *p, uint64_t now_s, struct buf *told)
{
	if (!p->at) {
		p->at = TAILQ_FIRST(&p->all);
		p->due = false;
	}
	for (size_t i = 0; i < PATHS_A_STEP && p->at; i++) {
		path_look(p, p->at, now_s);
		tell(p->at, now_s, told);
		p->at = TAILQ_NEXT(p->at, all);
	}
	return p->at;
}

bool paths_changed(struct paths *p, const struct outer *outer)
{
	uint64_t hash;
	struct path *path = path_find(p, outer, &hash);

	if (path) {
		path->used = true;
	}
	return path && path->changed;
}

void paths_settle(struct paths *p)
{
	struct path *path = TAILQ_FIRST(&p->all), *next;

	for (; path; path = next) {
		next = TAILQ_NEXT(path, all);
		if (path->used) {
			path->used = path->changed = false;
		} else {
			path_remove(p, path);
		}
	}
}
