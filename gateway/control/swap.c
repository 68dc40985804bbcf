/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DOC: tenants that exchange what they have
 *
 * Two tenants whose new objects trade a name (a port, a prefix) stand in each other's way: each
 * is refused for what the other still has. Whoever is refused like that is remembered as `wanted`;
 * when its owner wants something itself, the objects of both are checked as if both were in force,
 * and rolled out together. More than two may form such a ring.
 *
 * Until every worker has all of them, the claims of both versions of each stand, so that one
 * refusal brings the former versions back to all, and nobody else can have got anything of
 * theirs. What their files say meanwhile is read afterwards. One swap at a time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/model/claims.h"
#include "gateway/control/internal.h"
#include "gateway/control/slots.h"
#include "gateway/control/tenants.h"
#include "gateway/kernel/kernel.h"

#define MOD      "tenants"
#define SWAP_MAX 8 /* tenants */

struct swap {
	struct tenant *member[SWAP_MAX]; /* borrowed: none is freed while it is in here */
	size_t n, n_waiting;
	bool back; /* a worker refused one */
};

void swap_forget(struct tenant *t)
{
	tenant_conf_unref(t->wanted);
	t->wanted = NULL;
}

static bool can_join(const struct tenant *t)
{
	return t->wanted && t->wanted_generation == t->tenants->generation && t->current &&
	       t->current == t->good && !t->next && !t->gone && !item_waiting(&t->item) &&
	       memcmp(t->wanted_digest, t->swap_digest, sizeof(t->swap_digest)) != 0;
}

static bool is_member(const struct swap *swap, const struct tenant *t)
{
	for (size_t i = 0; i < swap->n; i++) {
		if (swap->member[i] == t) {
			return true;
		}
	}
	return false;
}

static int swap_claim(const struct swap *swap, struct tenants *ts)
{
	const struct tenant_conf *wanted[SWAP_MAX], *former[SWAP_MAX];
	struct issues issues;
	int rc;

	for (size_t i = 0; i < swap->n; i++) {
		wanted[i] = swap->member[i]->wanted;
		former[i] = swap->member[i]->good;
	}
	issues_init(&issues);
	rc = claims_swap(ts->claims, ts->conf, wanted, former, swap->n, &issues);
	issues_fini(&issues);
	return rc;
}

/* Adds whoever stands in the way and wants something, too, until nobody does. */
static bool swap_find(struct swap *swap, struct tenants *ts)
{
	int rc;

	while ((rc = swap_claim(swap, ts)) == -EEXIST && swap->n < SWAP_MAX) {
		struct tenant *other = tenants_lookup(ts, str_from(claims_refused_by(ts->claims)));

		if (!other || is_member(swap, other) || !can_join(other)) {
			return false;
		}
		swap->member[swap->n++] = other;
	}
	return rc == 0;
}

/* Whose claims stay: those of the former versions, or of the new ones. */
static void swap_keep(const struct swap *swap, bool former)
{
	const struct tenant_conf *keep[SWAP_MAX];

	for (size_t i = 0; i < swap->n; i++) {
		keep[i] = former ? swap->member[i]->good : swap->member[i]->current;
	}
	claims_swap_end(swap->member[0]->tenants->claims, keep, swap->n);
}

/* Counter slots for all. On failure, which is a problem of its file, none has any. */
static bool swap_assign(const struct swap *swap, struct tenants *ts)
{
	struct err err;

	for (size_t i = 0; i < swap->n; i++) {
		struct tenant *t = swap->member[i];

		if (slots_assign(ts->slots, t->wanted, t->good, &err) == 0) {
			continue;
		}
		log_err(MOD, "%s: %s", t->name, err.msg);
		while (i-- > 0) {
			slots_release(ts->slots, swap->member[i]->wanted, swap->member[i]->good);
		}
		swap_keep(swap, true);
		for (i = 0; i < swap->n; i++) {
			claims_remove(ts->claims, swap->member[i]->wanted);
		}
		return false;
	}
	return true;
}

/* All of them at once, as none fits beside a former one. On failure nothing has changed. */
static bool swap_kernel(const struct swap *swap, struct tenants *ts)
{
	struct tenant_conf *wanted[SWAP_MAX];
	struct err err;

	for (size_t i = 0; i < swap->n; i++) {
		wanted[i] = swap->member[i]->wanted;
	}
	if (!ts->kernel || kernel_set_tenants(ts->kernel, wanted, swap->n, &err) == 0) {
		return true;
	}
	log_err(MOD, "kernel: %s", err.msg);
	for (size_t i = 0; i < swap->n; i++) {
		slots_release(ts->slots, wanted[i], swap->member[i]->good);
	}
	swap_keep(swap, true);
	for (size_t i = 0; i < swap->n; i++) {
		claims_remove(ts->claims, wanted[i]);
	}
	return false;
}

static void swap_start(const struct swap *swap, struct tenants *ts)
{
	for (size_t i = 0; i < swap->n; i++) {
		struct tenant *t = swap->member[i];
		struct file_text text = {.id = t->wanted_id};

		memcpy(text.digest, t->wanted_digest, sizeof(text.digest));
		t->swapping = true;
		tenant_set_text(t, &text);
		file_accept(ts, t->file);
	}
	for (size_t i = 0; i < swap->n; i++) {
		struct tenant_conf *conf = swap->member[i]->wanted;

		swap->member[i]->wanted = NULL;
		tenant_begin(swap->member[i], conf);
	}
}

bool swap_try(struct tenant *t, struct tenant_conf *conf, const struct file_text *text)
{
	struct tenants *ts = t->tenants;
	struct swap swap = {.n = 1, .member = {t}}, *room;

	swap_forget(t);
	t->wanted = tenant_conf_ref(conf);
	memcpy(t->wanted_digest, text->digest, sizeof(t->wanted_digest));
	t->wanted_id = text->id;
	t->wanted_generation = ts->generation;
	if (ts->swap || !can_join(t)) {
		return false;
	}
	room = malloc(sizeof(*room));
	if (!room || !swap_find(&swap, ts) || !swap_assign(&swap, ts) || !swap_kernel(&swap, ts)) {
		free(room);
		return false;
	}
	swap.n_waiting = swap.n;
	*room = swap;
	ts->swap = room;
	swap_start(&swap, ts); /* which may have ended on return */
	return true;
}

/* All of them are through: each goes on alone. */
static void swap_end(struct tenants *ts)
{
	struct swap swap = *ts->swap;

	if (!swap.back) {
		swap_keep(&swap, false);
	}
	free(ts->swap);
	ts->swap = NULL;
	for (size_t i = 0; i < swap.n; i++) {
		swap.member[i]->swapping = false;
	}
	for (size_t i = 0; i < swap.n; i++) {
		tenant_finish(swap.member[i]);
	}
}

void swap_settled(struct tenant *t)
{
	if (--t->tenants->swap->n_waiting == 0) {
		swap_end(t->tenants);
	}
}

void swap_go_back(struct tenant *t)
{
	struct tenants *ts = t->tenants;
	struct swap swap = *ts->swap;
	char text[TENANT_NAME_MAX + 64];

	ts->swap->back = true;
	ts->swap->n_waiting = swap.n;
	swap_keep(&swap, true);
	(void)snprintf(text, sizeof(text), "a worker refused %s, which swaps with this one",
		       t->name); /* fits */
	for (size_t i = 0; i < swap.n; i++) {
		struct tenant *m = swap.member[i];

		if (m != t) {
			file_refuse(ts, m->file, text);
		}
		memcpy(m->swap_digest, m->digest, sizeof(m->swap_digest));
		tenant_go_back(m);
	}
	for (size_t i = 0; i < swap.n; i++) {
		items_change(ts->items, &swap.member[i]->item);
	}
}
