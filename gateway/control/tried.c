/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tenants while a node config is on probation (`apply --confirm`). What a tenant had in force
 * before is kept when another version takes its place, which may be right with the new config only.
 * When the former config comes back all files are read again; whoever is then left with a version
 * that is wrong gets the kept one back, or goes, when there was none.
 */
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/model/check.h"
#include "conf/model/claims.h"
#include "gateway/control/internal.h"
#include "gateway/control/tenants.h"

#define MOD "tenants"

void tenants_probation(struct tenants *ts)
{
	ts->probation = true;
}

void tenant_note_before(struct tenant *t)
{
	if (t->tenants->probation && !t->tried) {
		t->tried = true;
		t->before = t->good ? tenant_conf_ref(t->good) : NULL;
	}
}

void tenant_forget_before(struct tenant *t)
{
	tenant_conf_unref(t->before);
	t->before = NULL;
	t->tried = false;
}

void tenants_keep_tried(struct tenants *ts)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&ts->by_name, &it))) {
		tenant_forget_before(container_of(node, struct tenant, node));
	}
	ts->probation = false;
	ts->n_changes++; /* a snapshot has what was before */
}

void tenants_go_back(struct tenants *ts, bool reread)
{
	if (reread) {
		ts->probation = false;
		ts->n_changes++;
	} else {
		tenants_keep_tried(ts); /* what was right is right */
	}
}

static bool is_right(const struct tenants *ts, const struct tenant_conf *conf)
{
	struct issues issues;
	bool right;

	issues_init(&issues);
	tenant_conf_check(conf, ts->conf, &issues);
	right = issues_count(&issues) == 0;
	issues_fini(&issues);
	return right;
}

/* Takes before. The tenant may be gone on return. */
static void give_back(struct tenant *t, struct tenant_conf *before)
{
	struct tenants *ts = t->tenants;
	struct file_text text = {0};
	struct issues issues;
	int rc;

	issues_init(&issues);
	rc = claims_add_version(ts->claims, ts->conf, before, &issues);
	issues_fini(&issues);
	if (rc < 0) {
		log_err(MOD,
			"%s: is gone, as another tenant has got what it had before the config on "
			"probation",
			t->name);
		tenant_conf_unref(before);
		tenant_drop(t);
		return;
	}
	log_info(MOD, "%s: serial %llu, from before the config on probation, is back", t->name,
		 (unsigned long long)before->serial);
	memcpy(text.digest, before->text, sizeof(text.digest));
	tenant_set_text(t, &text);
	t->generation--; /* what comes next is read */
	tenant_take(t, before);
}

void tenant_settle_tried(struct tenant *t)
{
	const struct tenant_conf *newest = t->next ? t->next : t->current;
	struct tenant_conf *before = t->before;

	if (!t->tried || t->tenants->probation || t->swapping) {
		return;
	}
	t->before = NULL;
	t->tried = false;
	if (!newest || t->gone || newest == before || is_right(t->tenants, newest)) {
		tenant_conf_unref(before);
	} else if (before) {
		give_back(t, before);
	} else {
		log_info(MOD, "%s: is gone, as it came with the config on probation", t->name);
		tenant_drop(t);
	}
}
