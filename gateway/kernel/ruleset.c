/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The driver of the table `inet sixgate`. A batch is made for what the table is like now, so a
 * change of the rules reads the table first and is valid for that generation alone; a change of
 * elements is sent as it is, and made anew from what is there only when the kernel refuses it.
 */
#include "gateway/kernel/ruleset.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/kernel/batch.h"
#include "gateway/kernel/element_batch.h"
#include "gateway/kernel/port_history.h"
#include "gateway/kernel/table.h"
#include "gateway/kernel/view.h"

#define APPLY_TRIES   10
#define OBSERVE_TRIES 10
#define KNOWN_MAX     4

struct ruleset {
	const struct kernel_ops *ops; /* borrowed */
	struct {
		uint64_t digest;
		struct firewall firewall;
	} known[KNOWN_MAX]; /* what prepare() was asked for, the newest at next - 1 */
	unsigned int next;
	const char *history; /* borrowed; NULL: none */
};

int ruleset_new(const struct kernel_ops *ops, struct ruleset **ret_ruleset, struct err *err)
{
	struct ruleset *r = calloc(1, sizeof(*r));

	if (!r) {
		return err_set(err, -ENOMEM, "nftables: out of memory");
	}
	r->ops = ops;
	*ret_ruleset = r;
	return 0;
}

void ruleset_keep_history(struct ruleset *r, const char *path)
{
	r->history = path;
}

void ruleset_free(struct ruleset *r)
{
	free(r);
}

static const struct firewall *known_find(const struct ruleset *r, uint64_t digest)
{
	for (unsigned int i = 0; i < KNOWN_MAX; i++) {
		if (digest != 0 && r->known[i].digest == digest) {
			return &r->known[i].firewall;
		}
	}
	return NULL;
}

/* The outline of the table that fw asks for. outline_fini() is due in any case. */
static int outline_of(const struct firewall *fw, struct outline *ret_outline)
{
	struct batch b;
	int rc;

	outline_init(ret_outline);
	rc = batch_init(&b);
	if (rc == 0) {
		b.outline = ret_outline;
		rc = table_define(&b, fw);
	}
	batch_fini(&b);
	return rc == 0 && ret_outline->bad ? -ENOMEM : rc;
}

static int ruleset_prepare(void *ctx, struct object *desired, struct err *err)
{
	struct ruleset *r = ctx;
	struct outline outline;
	int rc;

	if (desired->kind != OBJECT_RULESET || !desired->ruleset.firewall) {
		return 0;
	}
	rc = outline_of(desired->ruleset.firewall, &outline);
	if (rc == 0) {
		desired->ruleset.digest = outline.digest;
		if (!known_find(r, outline.digest)) {
			r->known[r->next].digest = outline.digest;
			r->known[r->next].firewall = *desired->ruleset.firewall;
			r->next = (r->next + 1) % KNOWN_MAX;
		}
	}
	outline_fini(&outline);
	return rc < 0 ? err_set(err, rc, "nftables: out of memory") : 0;
}

static int element_observed(const struct view_element *e, void *arg)
{
	const struct firewall_set_type *type = firewall_set_type(e->set);
	struct object o = {.kind = OBJECT_ELEMENT,
			   .element = {.set = (uint8_t)e->set,
				       .key_len = type->key_len,
				       .data_len = type->data_len}};

	if (e->key_len != type->key_len || e->data_len != type->data_len) {
		return 0; /* the set itself is not ours as it is, and will be replaced */
	}
	memcpy(o.element.key, e->key, e->key_len);
	if (e->data_len > 0) {
		memcpy(o.element.data, e->data, e->data_len);
	}
	return object_set_add(arg, &o) ? 0 : -ENOMEM;
}

/* Of one set. */
static int observe_set(const struct ruleset *r, uint32_t id, struct object_set *set,
		       struct err *err)
{
	return firewall_set_type(id)->max != 0
		       ? 0
		       : view_elements(r->ops, id, element_observed, set, err);
}

static int observe_elements(const struct ruleset *r, struct object_set *set, struct err *err)
{
	for (uint32_t id = 0; id < N_FIREWALL_SETS; id++) {
		int rc = observe_set(r, id, set, err);

		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

/* Of these kinds; -EINTR also when the rules have changed meanwhile. */
static int observe_kinds(const struct ruleset *r, uint32_t kinds, struct object_set *set,
			 struct err *err)
{
	struct object o = {.kind = OBJECT_RULESET};
	uint32_t generation_be;
	struct view view;
	int rc = view_read(r->ops, &view, err);

	if (rc < 0) {
		return rc;
	}
	o.ruleset.digest = view.outline.digest;
	if ((kinds & DRIVER_KIND(OBJECT_RULESET)) && view.has_table) {
		rc = object_set_add(set, &o) ? 0 : err_set(err, -ENOMEM, "nftables: out of memory");
	}
	if (rc == 0 && (kinds & DRIVER_KIND(OBJECT_ELEMENT)) && view.has_table) {
		rc = observe_elements(r, set, err);
	}
	if (rc == 0) {
		rc = generation_get(r->ops, &generation_be, NULL);
	}
	if (rc == 0 && generation_be != view.generation_be) {
		rc = err_set(err, -EINTR, "nftables rules change all the time");
	}
	view_fini(&view);
	return rc;
}

/* What others interrupted by a change is read again. */
static int observe_again(int (*observe)(const struct ruleset *r, uint32_t what,
					struct object_set *set, struct err *err),
			 const struct ruleset *r, uint32_t what, struct object_set *set,
			 struct err *err)
{
	size_t first = set->n;
	int rc = -EINTR;

	for (int tries = 0; tries < OBSERVE_TRIES && rc == -EINTR; tries++) {
		set->n = first; /* they borrow nothing */
		rc = observe(r, what, set, err);
	}
	return rc;
}

static int ruleset_observe_set(void *ctx, unsigned int id, struct object_set *set, struct err *err)
{
	return observe_again(observe_set, ctx, id, set, err);
}

static int ruleset_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	return observe_again(observe_kinds, ctx, kinds, set, err);
}

/* One apply(): what is asked for, and what is known of the table. */
struct change {
	const struct ruleset *r;
	const struct step *steps;
	size_t n_steps;
	const struct step *table;  /* the step of the ruleset; NULL: none */
	const struct firewall *fw; /* it asks for; NULL: none, or the rules are left as they are */
	bool careful;              /* present is filled */
	struct object_set present; /* elements in the kernel, sorted */
	struct view view;          /* with table */
	struct outline outline;    /* of fw */
};

static const struct object_element *element_of(const struct object *o)
{
	return o && o->kind == OBJECT_ELEMENT ? &o->element : NULL;
}

/* The set goes, since it is not as we define it; then the elements that stay go in again. */
static bool set_is_replaced(const struct change *c, uint8_t set)
{
	for (size_t i = 0; c->fw && i < c->view.outline.n; i++) {
		const struct outline_item *item = &c->view.outline.items[i];

		if (item->kind == OUTLINE_SET && !outline_has(&c->outline, item) &&
		    strcmp(item->name, firewall_set_type(set)->name) == 0) {
			return true;
		}
	}
	return false;
}

static bool any_set_is_replaced(const struct change *c)
{
	for (uint8_t set = 0; set < N_FIREWALL_SETS; set++) {
		if (set_is_replaced(c, set)) {
			return true;
		}
	}
	return false;
}

static int put_removals(const struct change *c, struct batch *b)
{
	struct element_batch eb;

	batch_what(b, "elements that go");
	element_batch_init(&eb, b, NFT_MSG_DELSETELEM);
	for (size_t i = 0; i < c->n_steps; i++) {
		const struct object *to = c->steps[i].to;
		const struct object *o = c->careful && element_of(to) ? to : c->steps[i].from;
		const struct object *there = NULL;

		if (!element_of(o)) {
			continue;
		}
		if (c->careful) {
			there = object_set_find(&c->present, o);
			if (!there || (element_of(to) && object_same(to, there))) {
				continue;
			}
		}
		element_batch_add(&eb, element_of(o));
	}
	return element_batch_finish(&eb);
}

static bool step_has_key(const struct change *c, const struct object *o)
{
	for (size_t i = 0; i < c->n_steps; i++) {
		const struct object *s = c->steps[i].to ? c->steps[i].to : c->steps[i].from;

		if (object_cmp(s, o) == 0) {
			return true;
		}
	}
	return false;
}

static int put_additions(const struct change *c, struct batch *b)
{
	struct element_batch eb;

	batch_what(b, "elements that come");
	element_batch_init(&eb, b, NFT_MSG_NEWSETELEM);
	for (size_t i = 0; i < c->n_steps; i++) {
		const struct object *to = c->steps[i].to;
		const struct object *there = NULL;

		if (!element_of(to)) {
			continue;
		}
		if (c->careful && !set_is_replaced(c, to->element.set)) {
			there = object_set_find(&c->present, to);
		}
		if (!there || !object_same(to, there)) {
			element_batch_add(&eb, element_of(to));
		}
	}
	for (size_t i = 0; i < c->present.n; i++) {
		const struct object *o = &c->present.items[i];

		if (set_is_replaced(c, o->element.set) && !step_has_key(c, o)) {
			element_batch_add(&eb, &o->element);
		}
	}
	return element_batch_finish(&eb);
}

static int change_put(const struct change *c, struct batch *b)
{
	int rc;

	if (c->table && !c->table->to) {
		return table_remove_put(b); /* the elements go with it */
	}
	rc = put_removals(c, b);
	if (c->fw) {
		rc |= table_change(b, c->fw, &c->view.outline, &c->outline);
	}
	return rc | put_additions(c, b);
}

/* What a careful change has to know. */
static int change_look(struct change *c, struct err *err)
{
	int rc = 0;

	if (c->fw) {
		rc = view_read(c->r->ops, &c->view, err);
	}
	if (rc == 0 && (c->careful || any_set_is_replaced(c))) {
		c->careful = true;
		rc = observe_elements(c->r, &c->present, err);
		rc = rc < 0 ? rc : object_set_sort(&c->present, err);
	}
	return rc;
}

static int change_try(struct change *c, struct err *err)
{
	struct batch b;
	int rc;

	object_set_init(&c->present);
	c->view = (struct view){0};
	rc = change_look(c, err);
	if (rc == 0) {
		rc = batch_init(&b);
		rc = rc < 0 ? rc : change_put(c, &b);
		if (rc < 0) {
			rc = err_set(err, -ENOMEM, "nftables: out of memory");
		} else if (c->fw) {
			rc = batch_commit_at(&b, c->r->ops, c->view.generation_be, err);
		} else {
			rc = batch_commit(&b, c->r->ops, err);
		}
		batch_fini(&b);
	}
	object_set_fini(&c->present);
	view_fini(&c->view);
	return rc;
}

static bool is_mismatch(int rc)
{
	return rc == -ENOENT || rc == -EEXIST || rc == -EBUSY;
}

static int change_apply(struct change *c, struct err *err)
{
	int rc = -ERESTART;

	for (int tries = 0; tries < APPLY_TRIES; tries++) {
		rc = change_try(c, err);
		if (is_mismatch(rc) && !c->careful) {
			c->careful = true; /* an element is there, or is not, against expectation */
		} else if (rc != -ERESTART && rc != -EINTR) {
			break;
		}
	}
	/* What a rule needs is not there. */
	return c->fw && rc == -ENOENT ? -EOPNOTSUPP : rc;
}

static int ruleset_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
			 struct err *err)
{
	struct change c = {.r = ctx, .steps = steps, .n_steps = n_steps};
	int rc = 0;

	*ret_done = 0;
	outline_init(&c.outline);
	for (size_t i = 0; i < n_steps; i++) {
		const struct object *to = steps[i].to;

		if ((to ? to : steps[i].from)->kind != OBJECT_RULESET) {
			continue;
		}
		c.table = &steps[i];
		if (to) {
			c.fw = to->ruleset.firewall ? to->ruleset.firewall
						    : known_find(c.r, to->ruleset.digest);
		}
	}
	if (c.fw && outline_of(c.fw, &c.outline) < 0) {
		rc = err_set(err, -ENOMEM, "nftables: out of memory");
	}
	rc = rc < 0 ? rc : change_apply(&c, err);
	outline_fini(&c.outline);
	if (rc == 0) {
		*ret_done = n_steps;
	}
	if (rc == 0 && c.r->history) {
		port_history_write(c.r->history, steps, n_steps, (uint64_t)time(NULL));
	}
	return rc;
}

struct driver ruleset_driver(struct ruleset *r)
{
	return (struct driver){.name = "nftables",
			       .kinds = DRIVER_KIND(OBJECT_RULESET) | DRIVER_KIND(OBJECT_ELEMENT),
			       .ns = NS_MAIN,
			       .ctx = r,
			       .observe = ruleset_observe,
			       .observe_set = ruleset_observe_set,
			       .prepare = ruleset_prepare,
			       .apply = ruleset_apply};
}
