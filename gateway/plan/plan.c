/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The difference of two sets as ordered steps: a merge by key, walked once for each of the three
 * phases that plan.h tells of.
 *
 * What cannot change while it is there is taken away and made anew: a link of another kind, with
 * all that hangs on it, and what has a value that another one gets (two tunnels that swap their
 * remote ends).
 */
#include "gateway/plan/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What would stand in the way of something new, and what hangs on it. */
#define IN_THE_WAY                                                           \
	(1u << OBJECT_LINK | 1u << OBJECT_WG_DEVICE | 1u << OBJECT_WG_PEER | \
	 1u << OBJECT_ADDRESS | 1u << OBJECT_RULE | 1u << OBJECT_ROUTE |     \
	 1u << OBJECT_PROXY_NEIGHBOUR | 1u << OBJECT_BIB | 1u << OBJECT_EAM)

struct diff {
	const struct object_set *observed, *desired;
	const struct object **remade; /* owned: links and instances that are made anew */
	size_t n_remade;
	const struct object **rows; /* owned: of pool4, removed before anything is added */
	size_t n_rows;
	struct plan *plan;
};

/* An object as it is and as it shall be; one of them may be NULL. */
struct pair {
	const struct object *from, *to;
	size_t i_from, i_to; /* of the pair behind */
};

void plan_init(struct plan *plan)
{
	*plan = (struct plan){0};
}

void plan_fini(struct plan *plan)
{
	free(plan->steps);
	plan_init(plan);
}

static int plan_reserve(struct plan *plan, size_t n, struct err *err)
{
	plan_init(plan);
	plan->steps = calloc(n + 1, sizeof(*plan->steps)); /* never of size 0 */
	if (!plan->steps) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	plan->size = n;
	return 0;
}

static void plan_add(struct plan *plan, const struct object *from, const struct object *to)
{
	plan->steps[plan->n++] = (struct step){
		.verb = !from ? STEP_ADD
			: !to ? STEP_REMOVE
			      : STEP_CHANGE,
		.from = from,
		.to = to,
	};
}

/* The pair at i_from and i_to. False at the end. */
static bool pair_at(const struct diff *d, size_t i_from, size_t i_to, struct pair *ret)
{
	const struct object *from = i_from < d->observed->n ? &d->observed->items[i_from] : NULL;
	const struct object *to = i_to < d->desired->n ? &d->desired->items[i_to] : NULL;
	int cmp;

	if (!from && !to) {
		return false;
	}
	cmp = !from ? 1 : !to ? -1 : object_cmp(from, to);
	ret->from = cmp <= 0 ? from : NULL;
	ret->to = cmp >= 0 ? to : NULL;
	ret->i_from = i_from + (cmp <= 0);
	ret->i_to = i_to + (cmp >= 0);
	return true;
}

/* The pair before i_from and i_to, for walks from the end. */
static bool pair_before(const struct diff *d, size_t i_from, size_t i_to, struct pair *ret)
{
	const struct object *from = i_from > 0 ? &d->observed->items[i_from - 1] : NULL;
	const struct object *to = i_to > 0 ? &d->desired->items[i_to - 1] : NULL;
	int cmp;

	if (!from && !to) {
		return false;
	}
	cmp = !from ? -1 : !to ? 1 : object_cmp(from, to);
	ret->from = cmp >= 0 ? from : NULL;
	ret->to = cmp <= 0 ? to : NULL;
	ret->i_from = i_from - (cmp >= 0);
	ret->i_to = i_to - (cmp <= 0);
	return true;
}

/* Only one object of a kind may have this value. */
static bool value_clashes(const struct object *to, const struct object *other)
{
	switch (to->kind) {
	case OBJECT_LINK:
		return to->link.kind == LINK_SIT && other->link.kind == LINK_SIT &&
		       addr_eq(&to->link.local, &other->link.local) &&
		       addr_eq(&to->link.remote, &other->link.remote);
	case OBJECT_WG_DEVICE:
		return to->wg_device.port == other->wg_device.port;
	case OBJECT_BIB:
		return to->bib.protocol == other->bib.protocol &&
		       to->bib.outside.port == other->bib.outside.port &&
		       addr_eq(&to->bib.outside.addr, &other->bib.outside.addr);
	case OBJECT_EAM:
		return prefix_overlaps(&to->eam.inside, &other->eam.inside);
	default:
		return false; /* of the others any value may occur twice */
	}
}

/* Something else shall get the value that from has: it has to go first. */
static bool value_is_wanted(const struct diff *d, const struct pair *p)
{
	const struct object *end = d->desired->items + d->desired->n, *o = p->to;

	while (o > d->desired->items && o[-1].kind == p->to->kind && o[-1].ns == p->to->ns) {
		o--;
	}
	for (; o < end && o->kind == p->to->kind && o->ns == p->to->ns; o++) {
		if (o != p->to && value_clashes(p->from, o)) {
			return true;
		}
	}
	return false;
}

static bool link_is_remade(const struct diff *d, const struct pair *p)
{
	const struct object_link *from = &p->from->link, *to = &p->to->link;

	return from->kind != to->kind || strcmp(from->peer, to->peer) != 0 ||
	       strcmp(from->underlay_netns, to->underlay_netns) != 0 || value_is_wanted(d, p);
}

static bool is_remade(const struct diff *d, const struct pair *p)
{
	if (!p->from || !p->to || object_same(p->to, p->from)) {
		return false;
	}
	return p->to->kind == OBJECT_INSTANCE ||
	       (p->to->kind == OBJECT_LINK && link_is_remade(d, p));
}

static bool hangs_on_link(const struct object *o, const char *link)
{
	switch (o->kind) {
	case OBJECT_LINK:
		return strcmp(o->link.name, link) == 0;
	case OBJECT_WG_DEVICE:
		return strcmp(o->wg_device.link, link) == 0;
	case OBJECT_WG_PEER:
		return strcmp(o->wg_peer.link, link) == 0;
	case OBJECT_ADDRESS:
		return strcmp(o->address.link, link) == 0;
	case OBJECT_ROUTE:
		return strcmp(o->route.link, link) == 0;
	case OBJECT_PROXY_NEIGHBOUR:
		return strcmp(o->proxy_neighbour.link, link) == 0;
	default:
		return false; /* the others survive a link */
	}
}

static bool hangs_on_instance(const struct object *o, enum translator translator)
{
	switch (o->kind) {
	case OBJECT_INSTANCE:
		return o->instance.translator == translator;
	case OBJECT_GLOBAL:
		return o->global.translator == translator;
	case OBJECT_POOL4:
	case OBJECT_BIB:
		return translator == TRANSLATOR_NAT64;
	case OBJECT_EAM:
		return translator == TRANSLATOR_SIIT;
	default:
		return false;
	}
}

static bool hangs_on_remade(const struct diff *d, const struct object *o)
{
	for (size_t i = 0; i < d->n_remade; i++) {
		const struct object *remade = d->remade[i];

		if (o->ns == remade->ns &&
		    (remade->kind == OBJECT_LINK
			     ? hangs_on_link(o, remade->link.name)
			     : hangs_on_instance(o, remade->instance.translator))) {
			return true;
		}
	}
	return false;
}

/* A row that meets one of these ports would be cut by its removal. */
static bool row_is_wanted(const struct diff *d, const struct object_pool4 *row)
{
	for (size_t i = 0; i < d->desired->n; i++) {
		const struct object *o = &d->desired->items[i];

		if (o->kind == OBJECT_POOL4 && o->pool4.protocol == row->protocol &&
		    o->pool4.first <= row->last && row->first <= o->pool4.last &&
		    addr_eq(&o->pool4.address, &row->address)) {
			return true;
		}
	}
	return false;
}

/* What lies in a row goes with it, so it is taken away before and made anew. */
static bool loses_row(const struct diff *d, const struct object *o)
{
	for (size_t i = 0; i < d->n_rows && o->kind == OBJECT_BIB; i++) {
		const struct object_pool4 *row = &d->rows[i]->pool4;

		if (row->protocol == o->bib.protocol && o->bib.outside.port >= row->first &&
		    o->bib.outside.port <= row->last &&
		    addr_eq(&row->address, &o->bib.outside.addr)) {
			return true;
		}
	}
	return false;
}

/* Taken away and made anew, though it is there and wanted. */
static bool pair_is_split(const struct diff *d, const struct pair *p)
{
	if (!p->from || !p->to) {
		return false;
	}
	return hangs_on_remade(d, p->to) || hangs_on_remade(d, p->from) || loses_row(d, p->from) ||
	       (!object_same(p->to, p->from) && value_is_wanted(d, p));
}

/* Goes before anything new comes. */
static bool is_in_the_way(const struct diff *d, const struct pair *p)
{
	return (IN_THE_WAY >> p->from->kind & 1) != 0 || p->to || hangs_on_remade(d, p->from) ||
	       (p->from->kind == OBJECT_POOL4 && row_is_wanted(d, &p->from->pool4));
}

static int find_remade(struct diff *d, struct err *err)
{
	struct pair p = {0};
	size_t n = 0;

	while (pair_at(d, p.i_from, p.i_to, &p)) {
		n += is_remade(d, &p);
	}
	d->remade = calloc(n + 1, sizeof(const struct object *)); /* never of size 0 */
	if (!d->remade) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	for (p = (struct pair){0}; d->n_remade < n && pair_at(d, p.i_from, p.i_to, &p);) {
		if (is_remade(d, &p)) {
			d->remade[d->n_remade++] = p.to;
		}
	}
	return 0;
}

static int find_rows(struct diff *d, struct err *err)
{
	struct pair p = {0};
	size_t n = 0;

	while (pair_at(d, p.i_from, p.i_to, &p)) {
		n += p.from && !p.to && p.from->kind == OBJECT_POOL4;
	}
	d->rows = calloc(n + 1, sizeof(const struct object *)); /* never of size 0 */
	if (!d->rows) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	for (p = (struct pair){0}; n > 0 && pair_at(d, p.i_from, p.i_to, &p);) {
		if (p.from && !p.to && p.from->kind == OBJECT_POOL4 && is_in_the_way(d, &p)) {
			d->rows[d->n_rows++] = p.from;
		}
	}
	return 0;
}

/* Removes, from the last kind to the first, what is in the way, or all the rest. */
static void diff_removals(const struct diff *d, bool in_the_way)
{
	struct pair p = {.i_from = d->observed->n, .i_to = d->desired->n};

	while (pair_before(d, p.i_from, p.i_to, &p)) {
		if (p.from && (!p.to || pair_is_split(d, &p)) &&
		    is_in_the_way(d, &p) == in_the_way) {
			plan_add(d->plan, p.from, NULL);
		}
	}
}

static void diff_changes(const struct diff *d)
{
	struct pair p = {0};

	while (pair_at(d, p.i_from, p.i_to, &p)) {
		if (!p.to) {
			continue;
		}
		if (!p.from || pair_is_split(d, &p)) {
			plan_add(d->plan, NULL, p.to);
		} else if (!object_same(p.to, p.from)) {
			plan_add(d->plan, p.from, p.to);
		}
	}
}

int plan_diff(const struct object_set *observed, const struct object_set *desired,
	      struct plan *plan, struct err *err)
{
	struct diff d = {.observed = observed, .desired = desired, .plan = plan};
	int rc = plan_reserve(plan, observed->n + desired->n, err);

	if (rc == 0) {
		rc = find_remade(&d, err);
	}
	if (rc == 0) {
		rc = find_rows(&d, err);
	}
	if (rc == 0) {
		diff_removals(&d, true);
		diff_changes(&d);
		diff_removals(&d, false);
	} else {
		plan_fini(plan);
	}
	free(d.remade);
	free(d.rows);
	return rc;
}

int plan_remove_first(struct plan *plan, const struct object_set *extra, struct err *err)
{
	struct plan whole;
	int rc = extra->n > 0 ? plan_reserve(&whole, extra->n + plan->n, err) : 0;

	if (rc < 0 || extra->n == 0) {
		return rc;
	}
	for (size_t i = extra->n; i > 0; i--) {
		plan_add(&whole, &extra->items[i - 1], NULL);
	}
	for (size_t i = 0; i < plan->n; i++) {
		plan_add(&whole, plan->steps[i].from, plan->steps[i].to);
	}
	plan_fini(plan);
	*plan = whole;
	return 0;
}

int plan_undo(const struct plan *plan, size_t n_done, struct plan *ret_undo, struct err *err)
{
	int rc = plan_reserve(ret_undo, n_done, err);

	for (size_t i = n_done; rc == 0 && i > 0; i--) {
		plan_add(ret_undo, plan->steps[i - 1].to, plan->steps[i - 1].from);
	}
	return rc;
}

/* Value and former value; two that read alike differ in a secret. */
static void format_change(const struct step *step, struct buf *out)
{
	struct buf former;
	size_t at;

	buf_init(&former, 1 << 20);
	object_format_value(step->from, &former);
	object_format_key(step->to, out);
	at = out->len;
	object_format_value(step->to, out);
	if (former.bad) {
		out->bad = true;
	} else if (!out->bad && out->len - at == former.len &&
		   (former.len == 0 || memcmp(out->data + at, former.data, former.len) == 0)) {
		buf_printf(out, " was another key");
	} else {
		buf_printf(out, " was");
		buf_bytes(out, former.data, former.len);
	}
	buf_fini(&former);
}

void step_format(const struct step *step, struct buf *out)
{
	const struct object *o = step->to ? step->to : step->from;

	switch (step->verb) {
	case STEP_ADD:
		buf_printf(out, "+ ");
		object_format(o, out);
		break;
	case STEP_CHANGE:
		buf_printf(out, "~ ");
		format_change(step, out);
		break;
	case STEP_REMOVE:
		buf_printf(out, "- ");
		object_format(o, out);
		break;
	}
	if (o->owner) {
		buf_printf(out, " (%s)", o->owner);
	}
}

void plan_format(const struct plan *plan, struct buf *out)
{
	for (size_t i = 0; i < plan->n; i++) {
		step_format(&plan->steps[i], out);
		buf_printf(out, "\n");
	}
}
