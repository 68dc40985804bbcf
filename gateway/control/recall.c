/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tenants as the run before had them, at a start. What the snapshot holds is put in force first,
 * of all files that are still there; then those that are not as they were are read as a change of
 * it. So a broken object, an older serial or another tenant's claim meets what it would have met
 * while running. Called by the registry's folder, before any file is read.
 */
#include <string.h>

#include "base/log.h"
#include "conf/model/check.h"
#include "conf/model/name.h"
#include "conf/text/conf.h"
#include "gateway/control/internal.h"
#include "gateway/control/tenants.h"
#include "gateway/registry/snapshot.h"

/* It was found right under the very node config of now: keeper.c notes no file of others. */
static bool is_checked(const struct tenants *ts, const struct snapshot_object *object)
{
	return snapshot_same_node(ts->former) && object->id.ino != 0;
}

/* The snapshot's object, right under the node config of now. NULL: it is not, or out of memory. */
static struct tenant_conf *recall_object(const struct tenants *ts,
					 const struct snapshot_object *object, struct str name)
{
	struct tenant_conf *conf;
	struct issues issues;
	struct err err;
	bool right;

	if (tenant_conf_unpack_whole(object->packed, &conf, &err) < 0) {
		log_warn("snapshot", "%.*s: what it has of that tenant cannot be read: %s",
			 (int)name.len, name.p, err.msg);
		return NULL;
	}
	issues_init(&issues);
	conf_tenant_complete(conf, ts->conf);
	if (!is_checked(ts, object)) {
		tenant_conf_check(conf, ts->conf, &issues);
	}
	right = issues_count(&issues) == 0 && str_eq(str_from(conf->name), name);
	issues_fini(&issues);
	if (!right) {
		tenant_conf_unref(conf);
		return NULL;
	}
	return conf;
}

bool tenants_recall(struct tenants *ts, const char *file, const struct file_identity *id)
{
	struct str name = {.p = file, .len = conf_object_name_len(file)};
	const struct snapshot_object *object =
		ts->former ? snapshot_find(ts->former, str_from(file)) : NULL;
	struct file_text text = {.file = file};
	struct tenant_conf *conf;
	struct tenant *t;

	if (!object || !name_is_id(name) || tenants_lookup(ts, name)) {
		return false;
	}
	conf = recall_object(ts, object, name);
	if (!conf) {
		return false;
	}
	memcpy(text.digest, object->digest, sizeof(text.digest));
	text.id = object->id;
	file_apply(ts, &text, name, conf);
	t = tenants_lookup(ts, name);
	if (!t || !t->current) {
		return false;
	}
	tenant_forget_before(t);
	if (!snapshot_same_node(ts->former)) {
		t->generation--; /* it may read differently now */
		return false;
	}
	if (object->id.ino == 0 || !file_identity_eq(&object->id, id)) {
		return false;
	}
	ts->n_recalled++;
	return true;
}
