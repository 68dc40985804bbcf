/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DOC: items and feeds
 *
 * A feed is what one worker still has to be told. A worker that starts is sent BEGIN, the items
 * of STAGE_SET by rising id, END, then those of STAGE_LATE; a place in the array is all there is
 * to remember. An item that changes before its turn needs nothing more; one that changes after
 * it joins the feed's dirty set. So a change costs one mark a worker however many items there
 * are, and what is sent is always the newest version.
 *
 * item.waiting has a worker's bit from the change until that worker answered for exactly this
 * version, or died. At zero the version is settled.
 */
#include "gateway/control/items.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/model/message.h"

int items_init(struct items *items, unsigned int n_feeds)
{
	*items = (struct items){.n_feeds = n_feeds, .n_ids = 1};
	buf_init(&items->packed, CHANNEL_MSG_MAX);
	items->feeds = calloc(n_feeds, sizeof(*items->feeds));
	for (unsigned int i = 0; items->feeds && i < n_feeds; i++) {
		items->feeds[i].kind = FEED_PROXY;
		(void)snprintf(items->feeds[i].name, FEED_NAME_MAX, "worker %u", i); /* fits */
	}
	return items->feeds ? 0 : -ENOMEM;
}

void items_begin_at(struct items *items, uint64_t serial)
{
	items->serial = items->set_serial = serial;
}

void items_set_dns64(struct items *items, unsigned int first, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct feed *feed = &items->feeds[first + i];

		feed->kind = FEED_DNS64;
		(void)snprintf(feed->name, FEED_NAME_MAX, "dns64 worker %u", i); /* fits */
	}
}

void items_fini(struct items *items)
{
	for (unsigned int i = 0; items->feeds && i < items->n_feeds; i++) {
		dirty_fini(&items->feeds[i].dirty);
	}
	free(items->feeds);
	free(items->by_id);
	free(items->free_ids);
	buf_fini(&items->packed);
}

static int items_grow(struct items *items)
{
	size_t size = items->size ? items->size * 2 : 64;
	struct item **by_id = reallocarray(items->by_id, size, sizeof(struct item *));
	uint32_t *free_ids;

	if (!by_id) {
		return -ENOMEM;
	}
	items->by_id = by_id;
	free_ids = realloc(items->free_ids, size * sizeof(*free_ids));
	if (!free_ids) {
		return -ENOMEM;
	}
	items->free_ids = free_ids;
	for (unsigned int i = 0; i < items->n_feeds; i++) {
		if (dirty_reserve(&items->feeds[i].dirty, size) < 0) {
			return -ENOMEM;
		}
	}
	by_id[0] = NULL;
	items->size = size;
	return 0;
}

int items_add(struct items *items, struct item *item)
{
	if (items->n_free > 0) {
		item->id = items->free_ids[--items->n_free];
	} else {
		if (items->n_ids >= items->size && items_grow(items) < 0) {
			return -ENOMEM;
		}
		item->id = (uint32_t)items->n_ids++;
	}
	items->by_id[item->id] = item;
	item->removed = false;
	items_change(items, item);
	return 0;
}

/* Whether that kind of worker has such items. */
static bool feed_gets(const struct feed *feed, const struct item *item)
{
	return (item->ops->not_for & feed->kind) == 0;
}

/* Whether the full set has already gone past the item, so that a change has to be sent again. */
static bool feed_passed(const struct feed *feed, const struct item *item)
{
	bool late = item->ops->stage == STAGE_LATE;

	switch (feed->phase) {
	case FEED_OFF:
	case FEED_BEGIN:
		return false;
	case FEED_SET:
		return !late && item->id < feed->next_id;
	case FEED_LATE:
		return !late || item->id < feed->next_id;
	case FEED_LIVE:
		return true;
	}
	return true;
}

/* Tells the owner; the item may be gone afterwards. */
static void item_settle(struct items *items, struct item *item)
{
	if (item->removed) {
		items->by_id[item->id] = NULL;
		items->free_ids[items->n_free++] = item->id;
		item->id = 0;
	}
	item->ops->settled(item);
}

/* One worker less to wait for; the item may be gone afterwards. */
static void item_answered(struct items *items, struct item *item, unsigned int slot)
{
	uint64_t bit = UINT64_C(1) << slot;

	if (item->waiting & bit) {
		item->waiting &= ~bit;
		if (item->waiting == 0) {
			item_settle(items, item);
		}
	}
}

void items_change(struct items *items, struct item *item)
{
	item->serial = ++items->serial;
	if (item->ops->stage == STAGE_SET) {
		items->set_serial = item->serial;
	}
	item->waiting = 0;
	for (unsigned int i = 0; i < items->n_feeds; i++) {
		struct feed *feed = &items->feeds[i];

		if (feed->phase == FEED_OFF || !feed_gets(feed, item)) {
			continue;
		}
		item->waiting |= UINT64_C(1) << i;
		if (feed_passed(feed, item)) {
			dirty_add(&feed->dirty, item->id);
		}
	}
	if (item->waiting == 0) {
		item_settle(items, item);
	}
}

void items_remove(struct items *items, struct item *item)
{
	item->removed = true;
	items_change(items, item);
}

void feed_start(struct items *items, unsigned int slot)
{
	struct feed *feed = &items->feeds[slot];

	dirty_clear(&feed->dirty);
	feed->n_flight = feed->first = 0;
	feed->phase = FEED_BEGIN;
}

void feed_stop(struct items *items, unsigned int slot)
{
	items->feeds[slot].phase = FEED_OFF;
	items->feeds[slot].n_flight = 0;
	dirty_clear(&items->feeds[slot].dirty);
	for (size_t id = 1; id < items->n_ids; id++) {
		if (items->by_id[id]) {
			item_answered(items, items->by_id[id], slot);
		}
	}
}

static void feed_refuse(struct items *items, unsigned int slot, struct item *item, struct str why)
{
	uint64_t serial = item->serial;

	item->ops->refused(item, slot, why);
	if (item->serial == serial) {
		item_answered(items, item, slot);
	}
}

/*
 * Fills ret_msg with the item's newest version, or its removal, and notes it as sent. False
 * when the item is too large to be sent: it is refused then as if the worker had said so.
 */
static bool feed_pack(struct items *items, unsigned int slot, struct item *item,
		      struct channel_msg *ret_msg)
{
	struct feed *feed = &items->feeds[slot];

	*ret_msg = (struct channel_msg){.id = item->id, .serial = item->serial};
	items->packed.len = 0;
	items->packed.bad = false;
	if (item->removed) {
		ret_msg->type = item->ops->remove_type;
	} else {
		item->ops->pack(item, slot, &items->packed, ret_msg);
		ret_msg->data = items->packed.data;
		ret_msg->len = items->packed.len;
	}
	if (items->packed.bad) {
		feed_refuse(items, slot, item, str_from("does not fit into a message"));
		return false;
	}
	feed->n_sent++;
	feed->flight[(feed->first + feed->n_flight++) % FEED_FLIGHT_MAX] =
		(struct flight){.id = item->id, .serial = item->serial};
	return true;
}

/* The next item of a stage of the full set, or NULL at its end. */
static struct item *feed_walk(struct items *items, unsigned int slot, enum item_stage stage)
{
	struct feed *feed = &items->feeds[slot];

	while (feed->next_id < items->n_ids) {
		struct item *item = items->by_id[feed->next_id++];

		if (!item || item->ops->stage != stage || !feed_gets(feed, item)) {
			continue;
		}
		if (item->removed) {
			/* this worker has never had it */
			item_answered(items, item, slot);
			continue;
		}
		return item;
	}
	return NULL;
}

/* The next item to send by the feed's phase; NULL: ret_mark is the message type, or 0. */
static struct item *feed_step(struct items *items, unsigned int slot, uint16_t *ret_mark)
{
	struct feed *feed = &items->feeds[slot];
	struct item *item = NULL;
	uint32_t id;

	*ret_mark = 0;
	switch (feed->phase) {
	case FEED_OFF:
		return NULL;
	case FEED_BEGIN:
		feed->phase = FEED_SET;
		feed->next_id = 1;
		*ret_mark = MSG_BEGIN;
		return NULL;
	case FEED_SET:
		item = feed_walk(items, slot, STAGE_SET);
		if (item) {
			return item;
		}
		feed->phase = FEED_LATE;
		feed->next_id = 1;
		*ret_mark = MSG_END;
		return NULL;
	case FEED_LATE:
		item = feed_walk(items, slot, STAGE_LATE);
		if (item) {
			return item;
		}
		feed->phase = FEED_LIVE;
		break;
	case FEED_LIVE:
		break;
	}
	return dirty_take(&feed->dirty, &id) ? items->by_id[id] : NULL;
}

bool feed_next(struct items *items, unsigned int slot, struct channel_msg *ret_msg)
{
	struct item *item;
	uint16_t mark;

	if (items->feeds[slot].n_flight == FEED_FLIGHT_MAX) {
		return false;
	}
	while ((item = feed_step(items, slot, &mark))) {
		if (feed_pack(items, slot, item, ret_msg)) {
			return true;
		}
	}
	*ret_msg = (struct channel_msg){.type = mark, .serial = items->set_serial};
	return mark != 0;
}

/* Takes the answered version out of those in flight; it is the oldest but for rare disorder. */
static bool feed_land(struct feed *feed, uint32_t id, uint64_t serial)
{
	for (unsigned int i = 0; i < feed->n_flight; i++) {
		struct flight *flight = &feed->flight[(feed->first + i) % FEED_FLIGHT_MAX];

		if (flight->id == id && flight->serial == serial) {
			*flight = feed->flight[feed->first];
			feed->first = (feed->first + 1) % FEED_FLIGHT_MAX;
			feed->n_flight--;
			return true;
		}
	}
	return false;
}

int feed_answer(struct items *items, unsigned int slot, uint32_t id, uint64_t serial,
		const struct str *refused)
{
	struct item *item;

	if (!feed_land(&items->feeds[slot], id, serial)) {
		return -EPROTO;
	}
	item = items->by_id[id];
	if (!item || item->serial != serial) {
		return 0; /* of a version that is no longer the newest */
	}
	if (refused) {
		feed_refuse(items, slot, item, *refused);
	} else {
		item_answered(items, item, slot);
	}
	return 0;
}

int feed_answer_first(struct items *items, unsigned int slot, uint32_t n)
{
	const struct feed *feed = &items->feeds[slot];
	int rc = n > feed->n_flight ? -EPROTO : 0;

	while (rc == 0 && n-- > 0) {
		const struct flight flight = feed->flight[feed->first];

		rc = feed_answer(items, slot, flight.id, flight.serial, NULL);
	}
	return rc;
}
