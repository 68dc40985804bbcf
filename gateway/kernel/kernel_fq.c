/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A warning for whoever has `fq` where translated packets leave, and a Jool that it drops them of.
 * Called when what is not ours is looked at.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "gateway/kernel/internal.h"
#include "gateway/kernel/qdisc.h"
#include "gateway/plan/derive.h"

/* The first that is free of it: it clears the packet's time stamp. */
static const struct jool_version mended = {4, 1, 10};

static uint32_t version_number(const struct jool_version *v)
{
	return (uint32_t)v->major << 16 | (uint32_t)v->minor << 8 | v->revision;
}

/* Translated packets may leave by it: to the outside, or to a tenant. */
static bool link_is_used(const struct kernel *k, const char *link)
{
	struct table_iter it = {0};
	const struct table_node *node;
	char own[IFNAMSIZ];

	if (k->node->interface && strcmp(link, k->node->interface) == 0) {
		return true;
	}
	while ((node = table_next(&k->tenants, &it))) {
		const struct tenant_conf *conf =
			container_of(node, const struct ktenant, node)->conf;

		for (size_t i = 0; conf->state == TENANT_ACTIVE && i < conf->n_tunnels; i++) {
			derive_link(k->node, &conf->tunnels[i], own);
			if (strcmp(link, own) == 0) {
				return true;
			}
		}
	}
	return false;
}

struct fq_look {
	struct kernel *k;
	int last; /* link: it has one for each of its queues, in a row */
};

static void fq_seen(void *ctx, int link)
{
	struct fq_look *look = ctx;
	struct kernel *k = look->k;
	bool again = link == look->last;
	char name[IFNAMSIZ];

	look->last = link;
	if (!again && k->fq.code == 0 && if_indextoname((unsigned int)link, name) &&
	    link_is_used(k, name)) {
		(void)err_set(&k->fq, -EEXIST,
			      "%s has an fq qdisc, which drops packets that Jool before 4.1.10 has "
			      "translated: run 'tc qdisc replace dev %s root fq_codel', or install "
			      "a newer Jool",
			      name, name); /* to be shown */
	}
}

void kernel_look_at_fq(struct kernel *k)
{
	struct fq_look look = {.k = k};
	struct jool_version version;

	k->fq = (struct err){0};
	k->fq_due = false;
	if (!k->node || !k->node->nat64.on ||
	    jool_module_version(&k->drivers.jool, &version, NULL) < 0 ||
	    version_number(&version) >= version_number(&mended)) {
		return;
	}
	/* What cannot be read now is read in a moment again. */
	(void)!qdisc_each_fq(&k->drivers.rt, fq_seen, &look, NULL);
}

const char *kernel_fq_problem(const struct kernel *k)
{
	return k->fq.code != 0 ? k->fq.msg : NULL;
}
