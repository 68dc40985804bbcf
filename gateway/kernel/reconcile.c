/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the node and each tenant want, and one change of that. The kernel as a whole is
 * reconcile_check.c's.
 */
#include "gateway/kernel/reconcile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "gateway/kernel/reconcile_internal.h"

int reconcile_new(const struct driver *drivers, size_t n_drivers, reconcile_failed_fn failed,
		  void *failed_ctx, struct reconcile **ret_reconcile, struct err *err)
{
	struct reconcile *r = calloc(1, sizeof(*r));

	if (!r) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	table_init(&r->holdings);
	buf_init(&r->look.drift, DRIFT_TEXT_MAX);
	hash_key_init(&r->key);
	r->failed = failed;
	r->failed_ctx = failed_ctx;
	r->parts.part = calloc(n_drivers + 1, sizeof(*r->parts.part)); /* never of size 0 */
	if (!r->parts.part || wants_init(&r->wants) < 0) {
		reconcile_free(r);
		return err_set(err, -ENOMEM, "out of memory");
	}
	while (r->parts.n < n_drivers) {
		r->parts.part[r->parts.n].driver = drivers[r->parts.n];
		r->parts.n++;
	}
	*ret_reconcile = r;
	return 0;
}

static void holding_free(struct holding *h)
{
	if (h) {
		object_set_fini(&h->set);
		free(h->name);
		free(h);
	}
}

void reconcile_free(struct reconcile *r)
{
	struct table_iter it = {0};
	struct table_node *node;

	if (!r) {
		return;
	}
	reconcile_mending_free(r);
	object_set_fini(&r->probed);
	buf_fini(&r->look.drift);
	wants_fini(&r->wants);
	while ((node = table_next(&r->holdings, &it))) {
		table_remove(&r->holdings, node);
		holding_free(container_of(node, struct holding, node));
	}
	table_fini(&r->holdings);
	free(r->parts.part);
	free(r);
}

static bool holding_eq(const struct table_node *node, const void *key)
{
	return strcmp(container_of(node, const struct holding, node)->name, key) == 0;
}

static uint64_t name_hash(const struct reconcile *r, const char *name)
{
	return hash_bytes(&r->key, name, strlen(name));
}

static struct holding *holding_find(const struct reconcile *r, const char *name)
{
	struct table_node *node = table_find(&r->holdings, name_hash(r, name), holding_eq, name);

	return node ? container_of(node, struct holding, node) : NULL;
}

const struct object_set *reconcile_wanted(const struct reconcile *r, const char *name)
{
	const struct holding *h = holding_find(r, name ? name : "");

	return h ? &h->set : NULL;
}

bool reconcile_has(struct reconcile *r, const struct object *o)
{
	const struct want *want = wants_find(&r->wants, o);

	return want && !want->failed && want_value(want, true) && reconcile_can(r, o);
}

bool reconcile_started(const struct reconcile *r)
{
	return r->started;
}

const char *reconcile_absent(const struct reconcile *r, enum object_kind kind, enum object_ns ns)
{
	const struct part *part = parts_find(&r->parts, kind, ns);

	return !part ? "this build cannot do it" : part->absent ? part->why : NULL;
}

bool reconcile_can(const struct reconcile *r, const struct object *o)
{
	const struct part *part = parts_find(&r->parts, o->kind, o->ns);

	return part && !part->absent && !(r->unguarded && reconcile_needs_guard(o));
}

bool reconcile_needs_guard(const struct object *o)
{
	return o->kind == OBJECT_ROUTE && o->route.type == ROUTE_LOCAL;
}

int reconcile_prepare(struct reconcile *r, struct object_set *set, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < set->n; i++) {
		struct part *part = parts_find(&r->parts, set->items[i].kind, set->items[i].ns);

		if (part && part->driver.prepare) {
			rc = part->driver.prepare(part->driver.ctx, &set->items[i], err);
		}
	}
	return rc;
}

/* The versions of one change. */
struct version {
	struct holding *former; /* NULL: none; borrowed from reconcile.holdings */
	struct holding *next;   /* owned until it is there */
};

/* Makes a holding of what c asks for; takes its set. */
static int version_init(struct reconcile *r, struct reconcile_change *c, struct version *v,
			struct err *err)
{
	struct object_set *set = &c->set;
	int rc;

	v->former = holding_find(r, c->name ? c->name : "");
	v->next = calloc(1, sizeof(*v->next));
	if (!v->next) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	v->next->coming = true;
	v->next->set = *set;
	object_set_init(set);
	set = &v->next->set;
	v->next->name = strdup(c->name ? c->name : "");
	if (!v->next->name || set->bad) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	rc = reconcile_prepare(r, set, err);
	return rc < 0 ? rc : object_set_sort(set, err);
}

/* Adds what is wanted before and after to the sets, for each key of set once. */
static void collect(struct reconcile *r, const struct object_set *set, struct object_set *before,
		    struct object_set *after)
{
	for (size_t i = 0; i < set->n; i++) {
		struct want *want = wants_find(&r->wants, &set->items[i]);
		const struct object *o;

		if (want->round == r->round || !reconcile_can(r, &set->items[i])) {
			continue;
		}
		want->round = r->round;
		o = want_value(want, false);
		if (o && reconcile_can(r, o)) {
			(void)object_set_add(before, o); /* before->bad says it */
		}
		o = want_value(want, true);
		if (o && reconcile_can(r, o)) {
			(void)object_set_add(after, o); /* after->bad says it */
		}
	}
}

static int try_versions(struct reconcile *r, const struct version *versions, size_t n,
			struct err *err)
{
	struct object_set before, after;
	struct plan plan = {0};
	int rc;

	object_set_init(&before);
	object_set_init(&after);
	r->round++;
	for (size_t i = 0; i < n; i++) {
		if (versions[i].former) {
			collect(r, &versions[i].former->set, &before, &after);
		}
		collect(r, &versions[i].next->set, &before, &after);
	}
	rc = object_set_sort(&before, err);
	if (rc == 0) {
		rc = object_set_sort(&after, err);
	}
	if (rc == 0) {
		rc = plan_diff(&before, &after, &plan, err);
	}
	if (rc == 0) {
		rc = steps_apply(&r->parts, &plan, err);
	}
	plan_fini(&plan);
	object_set_fini(&before);
	object_set_fini(&after);
	return rc;
}

/*
 * A change that failed may have met what somebody else did to ours: when there was such a thing, it
 * is mended, and the change tried again.
 */
static int put_in_force(struct reconcile *r, struct version *versions, size_t n, struct err *err)
{
	struct err first;
	struct buf drift;
	int rc = try_versions(r, versions, n, &first), n_mended;

	if (rc == 0 || rc == -ENOMEM) {
		return rc == 0 ? 0 : err_set(err, rc, "%s", first.msg);
	}
	buf_init(&drift, 1 << 20);
	r->former_wanted = true;
	n_mended = reconcile_mend(r, SLICES_ALL, NULL, &drift, NULL);
	r->former_wanted = false;
	buf_fini(&drift);
	if (rc != -EUCLEAN && n_mended > 0 && try_versions(r, versions, n, &first) == 0) {
		return 0;
	}
	return err_set(err, rc == -EUCLEAN ? -EIO : rc, "%s", first.msg);
}

static int versions_insert(struct reconcile *r, struct version *versions, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct holding *h = versions[i].next;

		if (wants_add(&r->wants, h) == 0) {
			if (table_insert(&r->holdings, &h->node, name_hash(r, h->name)) == 0) {
				continue;
			}
			wants_remove(&r->wants, h);
		}
		while (i-- > 0) {
			table_remove(&r->holdings, &versions[i].next->node);
			wants_remove(&r->wants, versions[i].next);
		}
		return -ENOMEM;
	}
	return 0;
}

/* Takes the versions that do not stay out of the tables; the former with kept, else the next. */
static void versions_settle(struct reconcile *r, struct version *versions, size_t n, bool kept)
{
	for (size_t i = 0; i < n; i++) {
		struct holding *out = kept ? versions[i].former : versions[i].next;

		versions[i].next->coming = false;
		if (versions[i].former) {
			versions[i].former->leaving = false;
		}
		if (out) {
			table_remove(&r->holdings, &out->node);
			wants_remove(&r->wants, out);
			holding_free(out);
		}
	}
}

/* Both versions are known until versions_settle(); on failure only the former ones. */
static int versions_begin(struct reconcile *r, struct version *versions, size_t n, struct err *err)
{
	int rc = versions_insert(r, versions, n);

	if (rc < 0) {
		for (size_t i = 0; i < n; i++) {
			holding_free(versions[i].next);
		}
		return err_set(err, rc, "out of memory");
	}
	for (size_t i = 0; i < n; i++) {
		if (versions[i].former) {
			versions[i].former->leaving = true;
		}
	}
	return 0;
}

/* Makes versions of the changes, whose sets are taken; ret_versions is the caller's on success. */
static int versions_new(struct reconcile *r, struct reconcile_change *changes, size_t n_changes,
			struct version **ret_versions, struct err *err)
{
	struct version *versions = calloc(n_changes + 1, sizeof(*versions)); /* never of size 0 */
	size_t n = 0;
	int rc = versions ? 0 : err_set(err, -ENOMEM, "out of memory");

	for (; rc == 0 && n < n_changes; n++) {
		rc = version_init(r, &changes[n], &versions[n], err);
	}
	if (rc == 0) {
		rc = versions_begin(r, versions, n, err);
	} else {
		for (size_t i = 0; versions && i < n; i++) {
			holding_free(versions[i].next);
		}
	}
	for (size_t i = 0; i < n_changes; i++) {
		object_set_fini(&changes[i].set); /* those that were not taken */
	}
	if (rc < 0) {
		free(versions);
		return rc;
	}
	*ret_versions = versions;
	return 0;
}

int reconcile_change(struct reconcile *r, struct reconcile_change *changes, size_t n_changes,
		     struct err *err)
{
	struct version *versions;
	int rc = versions_new(r, changes, n_changes, &versions, err);

	if (rc < 0) {
		return rc;
	}
	reconcile_mending_drop(r);
	rc = r->started ? put_in_force(r, versions, n_changes, err) : 0;
	versions_settle(r, versions, n_changes, rc == 0);
	free(versions);
	return rc;
}

int reconcile_node(struct reconcile *r, struct object_set *set, struct err *err)
{
	struct reconcile_change change = {.set = *set};

	object_set_init(set);
	return reconcile_change(r, &change, 1, err);
}

int reconcile_tenant(struct reconcile *r, const char *name, struct object_set *set, struct err *err)
{
	struct reconcile_change change = {.name = name, .set = *set};

	object_set_init(set);
	return reconcile_change(r, &change, 1, err);
}

int reconcile_remove_tenant(struct reconcile *r, const char *name, struct err *err)
{
	struct reconcile_change change = {.name = name};
	struct holding *h = holding_find(r, name);
	int rc;

	if (!h) {
		return 0;
	}
	rc = reconcile_change(r, &change, 1, err);
	h = rc == 0 ? holding_find(r, name) : NULL;
	if (h) {
		table_remove(&r->holdings, &h->node); /* it is empty: nothing is wanted by it */
		holding_free(h);
	}
	return rc;
}
