/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Offloads of network cards that merge packets before the translator sees them: turned off, with
 * what they were in the record, and put back from there.
 */
#include "gateway/kernel/offload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/kernel/features.h"

#define KEY_PREFIX "offload" /* "offload eth0 rx-gro-list" */
#define KEPT       "kept"    /* in place of "on": it could not be turned off */

static int offload_err(struct err *err, int rc, const struct object_offload *want,
		       const char *doing)
{
	return err_set(err, rc, "%s offload %s of %s: %s%s", doing, want->feature, want->link,
		       strerror(-rc), rc == -ENODEV ? "; there is no such link" : "");
}

static char *offload_key(const struct object_offload *want, char key[RECORD_KEY_MAX])
{
	(void)snprintf(key, RECORD_KEY_MAX, KEY_PREFIX " %s %s", want->link,
		       want->feature); /* fits */
	return key;
}

static bool key_read(const char *key, struct object_offload *want)
{
	const char *link = key + sizeof(KEY_PREFIX), *feature;

	if (strncmp(key, KEY_PREFIX " ", sizeof(KEY_PREFIX)) != 0) {
		return false;
	}
	feature = strchr(link, ' ');
	if (!feature || (size_t)(feature - link) >= sizeof(want->link) ||
	    strlen(feature + 1) >= sizeof(want->feature)) {
		return false;
	}
	*want = (struct object_offload){0};
	memcpy(want->link, link, (size_t)(feature - link));
	memcpy(want->feature, feature + 1, strlen(feature + 1));
	return true;
}

/* Those that are recorded; returns of how many links they are. */
static size_t features_recorded(const struct record *r, struct features *fs)
{
	size_t n_links = 0;

	fs->n = 0;
	for (size_t i = 0; i < r->n; i++) {
		struct feature *f = &fs->items[fs->n];

		*f = (struct feature){.item = i};
		fs->n += key_read(r->items[i].key, &f->name);
	}
	qsort(fs->items, fs->n, sizeof(*fs->items), feature_by_link);
	for (size_t i = 0; i < fs->n; i++) {
		n_links += i == 0 || feature_by_link(&fs->items[i - 1], &fs->items[i]) != 0;
	}
	return n_links;
}

static bool is_kept(const struct record_item *item)
{
	return strcmp(item->former, KEPT) == 0;
}

static void note_kept(struct offloads *os, const struct object_offload *o)
{
	(void)err_set(&os->kept, -EOPNOTSUPP,
		      "%s keeps its offload %s on, whatever it is told: packets that it merges are "
		      "lost in the translator, or slow; take another card for tenants, or find out "
		      "with 'ethtool -k %s' what holds it",
		      o->link, o->feature, o->link); /* to be shown */
}

/* What was on goes by its link: the record is of those that are there. */
static void forget_gone(struct record *r, const struct features *fs)
{
	bool any = false;
	char key[RECORD_KEY_MAX];

	for (size_t i = 0; i < fs->n; i++) {
		if (!fs->items[i].seen) {
			record_drop(r, offload_key(&fs->items[i].name, key));
			any = true;
		}
	}
	if (any) {
		(void)!record_write(r, NULL); /* else with the next change */
	}
}

static int offloads_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	struct offloads *os = ctx;
	struct features fs = {0};
	size_t n_links;
	int rc;

	if ((kinds & DRIVER_KIND(OBJECT_OFFLOAD)) == 0) {
		return 0;
	}
	fs.items = calloc(os->record->n + 1, sizeof(*fs.items));
	if (!fs.items) {
		return err_set(err, -ENOMEM, "offloads: out of memory");
	}
	n_links = features_recorded(os->record, &fs);
	rc = n_links > 0 ? features_ask(os->ops, &fs, n_links, err) : 0;
	if (rc == 0) {
		os->kept = (struct err){0};
	}
	for (size_t i = 0; rc == 0 && i < fs.n; i++) {
		const struct feature *f = &fs.items[i];
		const struct object o = {.kind = OBJECT_OFFLOAD, .offload = f->name};
		bool kept = f->seen && f->on && is_kept(&os->record->items[f->item]);

		if (kept) {
			note_kept(os, &f->name);
		}
		if (f->seen && (!f->on || kept) && !object_set_add(set, &o)) {
			rc = err_set(err, -ENOMEM, "offloads: out of memory");
		}
	}
	if (rc == 0) {
		forget_gone(os->record, &fs);
	}
	free(fs.items);
	return rc;
}

/* Steps on their way. */
struct change {
	struct offloads *os;
	uint16_t family;
	struct {
		bool is_new, on; /* was not recorded; is on now */
	} * was;                 /* owned; of each step */
	bool unwritten;          /* the record on disk is not what it should be */
};

/* Notes what they are before they are changed. ret_n: up to one that cannot be read. */
static int change_note(struct change *c, const struct step *steps, size_t *ret_n, struct err *err)
{
	struct record *r = c->os->record;
	size_t former = r->n, n = *ret_n;
	char key[RECORD_KEY_MAX];
	int rc = 0;

	for (*ret_n = 0; *ret_n < n; (*ret_n)++) {
		const struct step *step = &steps[*ret_n];
		size_t before = r->n;

		if (!step->to) {
			continue;
		}
		rc = feature_get(c->os->ops, c->family, &step->to->offload, &c->was[*ret_n].on);
		if (rc < 0) {
			rc = offload_err(err, rc, &step->to->offload, "reading");
			break;
		}
		rc = record_note(r, offload_key(&step->to->offload, key),
				 c->was[*ret_n].on ? "on" : "off", err);
		if (rc < 0) {
			break;
		}
		c->was[*ret_n].is_new = r->n > before;
	}
	if (r->n > former) {
		struct err why;
		int rc_write = record_write(r, &why);

		if (rc_write < 0) {
			r->n = former;
			*ret_n = 0;
			rc = err_set(err, rc_write, "%s", why.msg);
		}
	}
	return rc;
}

/* A card without the feature has it off. */
static int offload_make(struct change *c, size_t i, const struct object_offload *want,
			struct err *err)
{
	char key[RECORD_KEY_MAX];
	bool on = false;
	int rc;

	if (!c->was[i].on) {
		return 0;
	}
	rc = feature_set(c->os->ops, c->family, want, false);
	rc = rc < 0 && rc != -EOPNOTSUPP ? rc : feature_get(c->os->ops, c->family, want, &on);
	if (rc < 0) {
		return offload_err(err, rc, want, "turning off");
	}
	if (on) {
		record_drop(c->os->record, offload_key(want, key));
		rc = record_note(c->os->record, key, KEPT, err); /* there is room now */
		c->unwritten = true;
		note_kept(c->os, want);
	}
	return rc;
}

static int offload_unmake(struct change *c, const struct object_offload *want, struct err *err)
{
	char key[RECORD_KEY_MAX];
	const struct record_item *item = record_find(c->os->record, offload_key(want, key));
	int rc = item && strcmp(item->former, "on") == 0
			 ? feature_set(c->os->ops, c->family, want, true)
			 : 0;

	if (rc < 0 && rc != -ENODEV) {
		return offload_err(err, rc, want, "putting back");
	}
	record_drop(c->os->record, key);
	c->unwritten = true;
	return 0;
}

/* What was noted of the steps from the i-th on, which did not come to be. */
static void change_cut(struct change *c, const struct step *steps, size_t i, size_t n)
{
	char key[RECORD_KEY_MAX];

	for (; i < n; i++) {
		if (c->was[i].is_new) {
			record_drop(c->os->record, offload_key(&steps[i].to->offload, key));
			c->unwritten = true;
		}
	}
}

static int change_make(struct change *c, const struct step *steps, size_t n, size_t *ret_done,
		       struct err *err)
{
	int rc = 0;

	for (; *ret_done < n; (*ret_done)++) {
		const struct step *step = &steps[*ret_done];

		rc = step->to ? offload_make(c, *ret_done, &step->to->offload, err)
			      : offload_unmake(c, &step->from->offload, err);
		if (rc < 0) {
			change_cut(c, steps, *ret_done, n);
			break;
		}
	}
	return rc;
}

static int offloads_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
			  struct err *err)
{
	struct change c = {.os = ctx};
	struct err why;
	size_t n = n_steps;
	int rc_note, rc = features_family(c.os->ops, &c.family);

	*ret_done = 0;
	if (rc < 0) {
		return err_set_errno(err, rc, "offloads: asking for ethtool");
	}
	c.was = calloc(n_steps, sizeof(*c.was));
	if (!c.was) {
		return err_set(err, -ENOMEM, "offloads: out of memory");
	}
	rc_note = change_note(&c, steps, &n, &why);
	rc = change_make(&c, steps, n, ret_done, err);
	if (rc == 0 && rc_note < 0) {
		rc = err_set(err, rc_note, "%s", why.msg);
	}
	if (c.unwritten) {
		int rc_write = record_write(c.os->record, rc == 0 ? err : NULL);

		rc = rc == 0 ? rc_write : rc;
	}
	free(c.was);
	return rc;
}

struct driver offload_driver(struct offloads *o)
{
	return (struct driver){
		.name = "offload",
		.kinds = DRIVER_KIND(OBJECT_OFFLOAD),
		.ns = NS_MAIN,
		.ctx = o,
		.observe = offloads_observe,
		.apply = offloads_apply,
	};
}
