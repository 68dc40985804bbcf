/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A tenant's version on its way to the kernel, the listeners and the workers, and back if one of
 * them says no. Called by tenants.c with versions that are checked; see its DOC.
 */
#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/model/message.h"
#include "gateway/control/internal.h"
#include "gateway/control/listeners.h"
#include "gateway/control/problems.h"
#include "gateway/control/slots.h"
#include "gateway/control/tenants.h"
#include "gateway/kernel/kernel.h"

#define MOD "tenants"

static void tenant_pack(struct item *item, unsigned int feed, struct buf *out,
			struct channel_msg *msg);
static void tenant_settled(struct item *item);
static void tenant_refused(struct item *item, unsigned int feed, struct str why);

static const struct item_ops tenant_ops = {
	.stage = STAGE_SET,
	.pack = tenant_pack,
	.remove_type = MSG_TENANT_REMOVE,
	.settled = tenant_settled,
	.refused = tenant_refused,
};

void tenant_init_item(struct tenant *t)
{
	t->item = (struct item){.ops = &tenant_ops};
}

/* Makes the kernel's part of conf (NULL: of no version any more). */
static int tenant_set_kernel(struct tenant *t, struct tenant_conf *conf, struct err *err)
{
	struct kernel *kernel = t->tenants->kernel;

	if (!kernel) {
		return 0;
	}
	return conf ? kernel_set_tenant(kernel, conf, err)
		    : kernel_remove_tenant(kernel, t->name, err);
}

/* The kernel follows what is being rolled back or removed, which cannot be refused. */
static void tenant_tell_kernel(struct tenant *t)
{
	struct tenants *ts = t->tenants;
	char what[TENANT_NAME_MAX + 16];
	struct err err;
	int rc = tenant_set_kernel(t, t->current, &err);

	(void)snprintf(what, sizeof(what), "kernel: %s", t->name); /* fits */
	if (rc < 0) {
		log_err(MOD, "%s: %s", what, err.msg);
		problem_set(ts->problems, LOG_LEVEL_ERR, what, err.msg);
	} else {
		problem_clear(ts->problems, what);
	}
}

/* Its listeners open when the version is on its way, so that no connection comes before it. */
static void tenant_expose(struct tenant *t)
{
	if (!t->exposed && t->current) {
		listeners_expose(t->tenants->listeners, t->current);
		t->exposed = true;
	}
}

static void tenant_send(struct tenant *t)
{
	struct tenants *ts = t->tenants;

	if (t->item.id > 0) {
		items_change(ts->items, &t->item);
	} else if (items_add(ts->items, &t->item) < 0) {
		file_refuse(ts, t->file, "out of memory");
	}
}

void tenant_begin(struct tenant *t, struct tenant_conf *conf)
{
	tenant_note_before(t);
	tenant_conf_unref(t->current);
	t->current = conf;
	t->exposed = false;
	tenant_send(t);
	tenant_expose(t);
}

/* The former version stays in force. Takes conf; the tenant may be gone on return. */
static void tenant_refuse(struct tenant *t, struct tenant_conf *conf, const char *text)
{
	log_err(MOD, "%s: serial %llu: %s", t->name, (unsigned long long)conf->serial, text);
	file_refuse(t->tenants, t->file, text);
	tenant_forget_text(t);
	tenant_let_go(t, conf);
	if (!t->good) {
		tenant_free(t);
	}
}

/* Takes conf; nothing of this tenant is on its way. The tenant may be gone on return. */
static void tenant_roll_out(struct tenant *t, struct tenant_conf *conf)
{
	struct err err;

	if (slots_assign(t->tenants->slots, conf, t->good, &err) < 0) {
		tenant_refuse(t, conf, err.msg);
		return;
	}
	if (tenant_set_kernel(t, conf, &err) < 0) {
		(void)err_prefix(&err, "kernel: "); /* its code is of no use here */
		slots_release(t->tenants->slots, conf, t->good);
		tenant_refuse(t, conf, err.msg);
		return;
	}
	tenant_begin(t, conf);
}

void tenant_take(struct tenant *t, struct tenant_conf *conf)
{
	if (item_waiting(&t->item)) {
		tenant_let_go(t, t->next);
		t->next = conf;
	} else {
		tenant_roll_out(t, conf);
	}
}

static void tenant_remove(struct tenant *t)
{
	tenant_conf_unref(t->current);
	t->current = NULL;
	tenant_tell_kernel(t);
	items_remove(t->tenants->items, &t->item);
}

void tenant_drop(struct tenant *t)
{
	t->gone = true;
	tenant_let_go(t, t->next);
	t->next = NULL;
	if (!item_waiting(&t->item) && !t->swapping) {
		tenant_remove(t);
	}
}

/* Lets go what the versions that are no longer in force had and their successor has not. */
static void tenant_let_go_former(struct tenant *t)
{
	struct tenants *ts = t->tenants;

	if (t->good != t->current) {
		if (t->good) {
			listeners_unexpose(ts->listeners, t->good);
			slots_release(ts->slots, t->good, t->current);
			tenant_let_go(t, t->good);
		}
		t->good = t->current ? tenant_conf_ref(t->current) : NULL;
	}
	if (t->refused) {
		slots_release(ts->slots, t->refused, t->current);
		tenant_let_go(t, t->refused);
		t->refused = NULL;
	}
}

/* Every worker has current, or with none of them knows the tenant any more. */
static void tenant_settled(struct item *item)
{
	struct tenant *t = container_of(item, struct tenant, item);

	if (t->current) {
		log_debug(MOD, "%s: serial %llu is in force", t->name,
			  (unsigned long long)t->current->serial);
	} else {
		log_debug(MOD, "%s: is gone", t->name);
	}
	tenant_expose(t);
	if (t->swapping) {
		swap_settled(t); /* the others of the swap are not as far, perhaps */
	} else {
		tenant_finish(t);
	}
}

void tenant_finish(struct tenant *t)
{
	struct tenant_conf *next = t->next;
	bool wants = t->wanted != NULL;

	t->tenants->n_changes++;
	tenant_let_go_former(t);
	if (wants) {
		conflicts_retry(t->tenants); /* it could not swap while this was under way */
	}
	t->next = NULL;
	if (next) {
		tenant_roll_out(t, next);
	} else if (!t->current) {
		tenant_free(t);
	} else if (t->gone) {
		tenant_remove(t);
	}
}

void tenant_go_back(struct tenant *t)
{
	tenant_forget_text(t);
	if (t->exposed) {
		listeners_unexpose(t->tenants->listeners, t->current);
	}
	t->refused = t->current;
	t->current = t->good ? tenant_conf_ref(t->good) : NULL;
	t->exposed = true;
	tenant_tell_kernel(t);
}

static void tenant_refused(struct item *item, unsigned int feed, struct str why)
{
	struct tenant *t = container_of(item, struct tenant, item);
	char text[ERR_MSG_MAX + 64], safe[ERR_MSG_MAX];

	(void)snprintf(text, sizeof(text), "%s: %s", t->tenants->items->feeds[feed].name,
		       str_escape(safe, sizeof(safe), why)); /* fits */
	file_refuse(t->tenants, t->file, text);
	if (t->current == t->good) {
		return; /* there is no other version to go back to */
	}
	if (t->swapping) {
		swap_go_back(t);
		return;
	}
	tenant_go_back(t);
	if (t->current) {
		items_change(t->tenants->items, &t->item);
	} else {
		items_remove(t->tenants->items, &t->item);
	}
}

static void tenant_pack(struct item *item, unsigned int feed, struct buf *out,
			struct channel_msg *msg)
{
	const struct tenant *t = container_of(item, struct tenant, item);

	(void)feed;
	msg->type = t->swapping ? MSG_TENANT_SWAP : MSG_TENANT;
	tenant_conf_pack(t->current, out);
}

struct tenant *tenants_walk(const struct tenants *ts, uint32_t *at)
{
	while (*at < ts->items->n_ids) {
		struct item *item = ts->items->by_id[(*at)++];

		if (item && item->ops == &tenant_ops) {
			return container_of(item, struct tenant, item);
		}
	}
	return NULL;
}

const struct tenant_conf *tenants_next(const struct tenants *ts, uint32_t *at)
{
	const struct tenant *t;

	while ((t = tenants_walk(ts, at))) {
		if (t->current && !t->gone) {
			return t->current;
		}
	}
	return NULL;
}
