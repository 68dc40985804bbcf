/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Driver for OBJECT_PROXY_PREFIX; see proxy_prefix.h. What it observes is what it was told before:
 * nothing of it outlives sixgated.
 */
#include "gateway/kernel/proxy_prefix.h"

#include <errno.h>
#include <stdlib.h>

#include "base/container.h"

struct entry {
	struct table_node node; /* proxy_prefixes.table */
	struct prefix prefix;
};

void proxy_prefixes_init(struct proxy_prefixes *pp)
{
	*pp = (struct proxy_prefixes){0};
	hash_key_init(&pp->key);
	table_init(&pp->table);
}

void proxy_prefixes_fini(struct proxy_prefixes *pp)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&pp->table, &it))) {
		table_remove(&pp->table, node);
		free(container_of(node, struct entry, node));
	}
	table_fini(&pp->table);
}

void proxy_prefixes_each(const struct proxy_prefixes *pp, kernel_prefix_fn fn, void *ctx)
{
	struct table_iter it = {0};
	const struct table_node *node;

	while ((node = table_next(&pp->table, &it))) {
		fn(ctx, &container_of(node, const struct entry, node)->prefix, true);
	}
}

static bool entry_eq(const struct table_node *node, const void *key)
{
	const struct prefix *a = &container_of(node, const struct entry, node)->prefix, *b = key;

	return a->len == b->len && addr_eq(&a->addr, &b->addr);
}

static int entry_put(struct proxy_prefixes *pp, const struct prefix *p, bool wanted)
{
	uint64_t hash = hash_bytes(&pp->key, p->addr.b, sizeof(p->addr.b)) + p->len;
	struct table_node *node = table_find(&pp->table, hash, entry_eq, p);
	struct entry *e;

	if (wanted == (node != NULL)) {
		return 0;
	}
	if (node) {
		table_remove(&pp->table, node);
		free(container_of(node, struct entry, node));
	} else {
		e = calloc(1, sizeof(*e));
		if (!e || table_insert(&pp->table, &e->node, hash) < 0) {
			free(e);
			return -ENOMEM;
		}
		e->prefix = *p;
	}
	if (pp->changed) {
		pp->changed(pp->ctx, p, wanted);
	}
	return 0;
}

static int driver_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	const struct proxy_prefixes *pp = ctx;
	struct table_iter it = {0};
	const struct table_node *node;

	(void)kinds; /* there is one */
	(void)err;
	while ((node = table_next(&pp->table, &it))) {
		const struct object o = {
			.kind = OBJECT_PROXY_PREFIX,
			.proxy_prefix = container_of(node, const struct entry, node)->prefix,
		};

		(void)object_set_add(set, &o); /* set->bad says it */
	}
	return 0;
}

static int driver_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
			struct err *err)
{
	for (*ret_done = 0; *ret_done < n_steps; ++*ret_done) {
		const struct step *step = &steps[*ret_done];
		const struct object *o = step->to ? step->to : step->from;

		if (entry_put(ctx, &o->proxy_prefix, step->to != NULL) < 0) {
			return err_set(err, -ENOMEM, "out of memory");
		}
	}
	return 0;
}

struct driver proxy_prefix_driver(struct proxy_prefixes *pp)
{
	return (struct driver){
		.name = "proxy-prefix",
		.kinds = DRIVER_KIND(OBJECT_PROXY_PREFIX),
		.ns = NS_MAIN,
		.ctx = pp,
		.observe = driver_observe,
		.apply = driver_apply,
	};
}
