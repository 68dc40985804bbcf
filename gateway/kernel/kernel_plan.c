/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What would be done, for `plan` and `drift`, in steps: many tenants' objects are derived, read,
 * compared and written without holding anybody up. A tenant that changes meanwhile may be in it
 * with both versions.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "gateway/kernel/internal.h"
#include "gateway/kernel/survey.h"
#include "gateway/plan/firewall.h"

#define TENANTS_A_STEP 64

struct kernel_plan {
	struct survey survey;
	struct node_conf *node; /* owned: asks for it; NULL: what is wanted now */
	struct desired_facts facts;
	struct err key_failed; /* facts.preshared_ctx */
	struct firewall firewall;
	struct tenant_conf **tenants; /* owned, with a reference to each */
	size_t n_tenants, at;         /* at: the next to be derived */
	size_t n_written;             /* steps */
};

static int tenants_take(struct kernel_plan *p, const struct kernel *k, struct err *err)
{
	struct table_iter it = {0};
	struct table_node *node;

	p->tenants = calloc(k->tenants.count + 1, sizeof(*p->tenants)); /* never of size 0 */
	if (!p->tenants) {
		return err_set(err, -ENOMEM, "kernel: out of memory");
	}
	while ((node = table_next(&k->tenants, &it))) {
		struct tenant_conf *conf = container_of(node, struct ktenant, node)->conf;

		if (kernel_tenant_fits(p->node, conf)) {
			p->tenants[p->n_tenants++] = tenant_conf_ref(conf);
		}
	}
	return 0;
}

/* The node's own objects; the tenants' follow. */
static int begin(struct kernel_plan *p, struct kernel *k, struct err *err)
{
	struct object_set set;
	struct err why; /* is told of what is in force alone */
	int rc = kernel_facts_init(k, p->node, &k->uids, &p->facts, err);

	p->facts.preshared_ctx = &p->key_failed;
	kernel_on_link(k, p->node, &p->facts.on_link, &why);
	rc = rc < 0 ? rc : tenants_take(p, k, err);
	if (rc < 0) {
		return rc;
	}
	object_set_init(&set);
	desired_node(p->node, &p->facts, &p->firewall, &set);
	return survey_give(&p->survey, &set, err);
}

int kernel_plan_new(struct kernel *k, struct node_conf *node, struct kernel_plan **ret_plan,
		    struct err *err)
{
	struct kernel_plan *p = calloc(1, sizeof(*p));
	int rc = 0;

	if (!p) {
		node_conf_free(node);
		return err_set(err, -ENOMEM, "kernel: out of memory");
	}
	survey_init(&p->survey, k->reconcile, SLICES_ALL);
	p->node = node;
	if (!k->node) {
		rc = err_set(err, -EAGAIN,
			     "sixgated is starting: the kernel's turn has not come yet");
	} else if (node) {
		rc = begin(p, k, err);
	}
	if (rc < 0) {
		kernel_plan_free(p);
		return rc;
	}
	*ret_plan = p;
	return 0;
}

void kernel_plan_free(struct kernel_plan *p)
{
	if (!p) {
		return;
	}
	for (size_t i = 0; i < p->n_tenants; i++) {
		tenant_conf_unref(p->tenants[i]);
	}
	free(p->tenants);
	survey_fini(&p->survey);
	explicit_bzero(&p->facts, sizeof(p->facts));
	node_conf_free(p->node);
	free(p);
}

int kernel_plan_step(struct kernel_plan *p, struct err *err)
{
	int rc = 0;

	if (p->at == p->n_tenants) {
		return survey_step(&p->survey, err);
	}
	for (size_t i = 0; rc == 0 && i < TENANTS_A_STEP && p->at < p->n_tenants; i++, p->at++) {
		struct object_set set;

		object_set_init(&set);
		p->key_failed.code = 0;
		desired_tenant(p->node, &p->facts, p->tenants[p->at], &set);
		if (p->key_failed.code != 0) {
			kernel_keep_peers(p->survey.r, p->tenants[p->at]->name, false, &set);
		}
		rc = survey_give(&p->survey, &set, err);
	}
	return rc < 0 ? rc : 1;
}

bool kernel_plan_write(struct kernel_plan *p, size_t max_bytes, struct buf *out)
{
	const struct plan *plan = &p->survey.plan;
	const size_t first = out->len;

	while (p->n_written < plan->n && out->len - first < max_bytes && !out->bad) {
		step_format(&plan->steps[p->n_written++], out);
		buf_printf(out, "\n");
	}
	return p->n_written < plan->n && !out->bad;
}
