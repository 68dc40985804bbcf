/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Driver for OBJECT_PROXY_PREFIX; see proxy_prefix.h. What it observes is what it was told before:
 * nothing of it outlives sixgated.
 */
#include "gateway/kernel/proxy_prefix.h"

#include <errno.h>

void proxy_prefixes_init(struct proxy_prefixes *pp)
{
	*pp = (struct proxy_prefixes){0};
	prefix_set_init(&pp->set);
}

void proxy_prefixes_fini(struct proxy_prefixes *pp)
{
	prefix_set_fini(&pp->set);
}

void proxy_prefixes_each(const struct proxy_prefixes *pp, kernel_prefix_fn fn, void *ctx)
{
	struct table_iter it = {0};
	const struct prefix *p;

	while ((p = prefix_set_next(&pp->set, &it))) {
		fn(ctx, p, true);
	}
}

static int driver_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	const struct proxy_prefixes *pp = ctx;
	struct table_iter it = {0};
	const struct prefix *p;

	(void)kinds; /* there is one */
	(void)err;
	while ((p = prefix_set_next(&pp->set, &it))) {
		const struct object o = {.kind = OBJECT_PROXY_PREFIX, .proxy_prefix = *p};

		(void)object_set_add(set, &o); /* set->bad says it */
	}
	return 0;
}

static int driver_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
			struct err *err)
{
	struct proxy_prefixes *pp = ctx;

	for (*ret_done = 0; *ret_done < n_steps; ++*ret_done) {
		const struct step *step = &steps[*ret_done];
		const struct prefix *p = &(step->to ? step->to : step->from)->proxy_prefix;
		int rc = prefix_set_put(&pp->set, p, step->to != NULL);

		if (rc < 0) {
			return err_set(err, rc, "out of memory");
		}
		if (rc > 0 && pp->changed) {
			pp->changed(pp->ctx, p, step->to != NULL);
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
