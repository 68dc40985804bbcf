/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DOC: objects and feeds
 *
 * A feed is what one worker still has to be told. A worker that starts is sent BEGIN, the objects
 * of STAGE_SET by rising id, END, then those of STAGE_LATE; a place in the array is all there is
 * to remember. An object that changes before its turn needs nothing more; one that changes after
 * it joins the feed's dirty set. So a change costs one mark a worker however many objects there
 * are, and what is sent is always the newest version.
 *
 * object.waiting has a worker's bit from the change until that worker answered for exactly this
 * version, or died. At zero the version is settled.
 */
#include "gateway/control/objects.h"

#include <errno.h>
#include <stdlib.h>

#include "conf/model/message.h"

int objects_init(struct objects *objects, unsigned int n_feeds)
{
	*objects = (struct objects){.n_feeds = n_feeds, .n_ids = 1};
	buf_init(&objects->packed, CHANNEL_MSG_MAX);
	objects->feeds = calloc(n_feeds, sizeof(*objects->feeds));
	return objects->feeds ? 0 : -ENOMEM;
}

void objects_fini(struct objects *objects)
{
	for (unsigned int i = 0; objects->feeds && i < objects->n_feeds; i++) {
		dirty_fini(&objects->feeds[i].dirty);
	}
	free(objects->feeds);
	free(objects->by_id);
	free(objects->free_ids);
	buf_fini(&objects->packed);
}

static int objects_grow(struct objects *objects)
{
	size_t size = objects->size ? objects->size * 2 : 64;
	struct object **by_id = reallocarray(objects->by_id, size, sizeof(struct object *));
	uint32_t *free_ids;

	if (!by_id) {
		return -ENOMEM;
	}
	objects->by_id = by_id;
	free_ids = realloc(objects->free_ids, size * sizeof(*free_ids));
	if (!free_ids) {
		return -ENOMEM;
	}
	objects->free_ids = free_ids;
	for (unsigned int i = 0; i < objects->n_feeds; i++) {
		if (dirty_reserve(&objects->feeds[i].dirty, size) < 0) {
			return -ENOMEM;
		}
	}
	by_id[0] = NULL;
	objects->size = size;
	return 0;
}

int objects_add(struct objects *objects, struct object *object)
{
	if (objects->n_free > 0) {
		object->id = objects->free_ids[--objects->n_free];
	} else {
		if (objects->n_ids >= objects->size && objects_grow(objects) < 0) {
			return -ENOMEM;
		}
		object->id = (uint32_t)objects->n_ids++;
	}
	objects->by_id[object->id] = object;
	object->removed = false;
	objects_change(objects, object);
	return 0;
}

/* Whether the full set has already gone past the object, so that a change has to be sent again. */
static bool feed_passed(const struct feed *feed, const struct object *object)
{
	bool late = object->ops->stage == STAGE_LATE;

	switch (feed->phase) {
	case FEED_OFF:
	case FEED_BEGIN:
		return false;
	case FEED_SET:
		return !late && object->id < feed->next_id;
	case FEED_LATE:
		return !late || object->id < feed->next_id;
	case FEED_LIVE:
		return true;
	}
	return true;
}

/* Tells the owner; the object may be gone afterwards. */
static void object_settle(struct objects *objects, struct object *object)
{
	if (object->removed) {
		objects->by_id[object->id] = NULL;
		objects->free_ids[objects->n_free++] = object->id;
		object->id = 0;
	}
	object->ops->settled(object);
}

/* One worker less to wait for; the object may be gone afterwards. */
static void object_answered(struct objects *objects, struct object *object, unsigned int slot)
{
	uint64_t bit = UINT64_C(1) << slot;

	if (object->waiting & bit) {
		object->waiting &= ~bit;
		if (object->waiting == 0) {
			object_settle(objects, object);
		}
	}
}

void objects_change(struct objects *objects, struct object *object)
{
	object->serial = ++objects->serial;
	object->waiting = 0;
	for (unsigned int i = 0; i < objects->n_feeds; i++) {
		struct feed *feed = &objects->feeds[i];

		if (feed->phase == FEED_OFF) {
			continue;
		}
		object->waiting |= UINT64_C(1) << i;
		if (feed_passed(feed, object)) {
			dirty_add(&feed->dirty, object->id);
		}
	}
	if (object->waiting == 0) {
		object_settle(objects, object);
	}
}

void objects_remove(struct objects *objects, struct object *object)
{
	object->removed = true;
	objects_change(objects, object);
}

void feed_start(struct objects *objects, unsigned int slot)
{
	struct feed *feed = &objects->feeds[slot];

	dirty_clear(&feed->dirty);
	feed->n_flight = feed->first = 0;
	feed->phase = FEED_BEGIN;
}

void feed_stop(struct objects *objects, unsigned int slot)
{
	objects->feeds[slot].phase = FEED_OFF;
	objects->feeds[slot].n_flight = 0;
	dirty_clear(&objects->feeds[slot].dirty);
	for (size_t id = 1; id < objects->n_ids; id++) {
		if (objects->by_id[id]) {
			object_answered(objects, objects->by_id[id], slot);
		}
	}
}

static void feed_refuse(struct objects *objects, unsigned int slot, struct object *object,
			struct str why)
{
	uint64_t serial = object->serial;

	object->ops->refused(object, slot, why);
	if (object->serial == serial) {
		object_answered(objects, object, slot);
	}
}

/*
 * Fills ret_msg with the object's newest version, or its removal, and notes it as sent. False
 * when the object is too large to be sent: it is refused then as if the worker had said so.
 */
static bool feed_pack(struct objects *objects, unsigned int slot, struct object *object,
		      struct channel_msg *ret_msg)
{
	struct feed *feed = &objects->feeds[slot];

	*ret_msg = (struct channel_msg){.id = object->id, .serial = object->serial};
	objects->packed.len = 0;
	objects->packed.bad = false;
	if (object->removed) {
		ret_msg->type = object->ops->remove_type;
	} else {
		object->ops->pack(object, slot, &objects->packed, ret_msg);
		ret_msg->data = objects->packed.data;
		ret_msg->len = objects->packed.len;
	}
	if (objects->packed.bad) {
		feed_refuse(objects, slot, object, str_from("does not fit into a message"));
		return false;
	}
	feed->n_sent++;
	feed->flight[(feed->first + feed->n_flight++) % FEED_FLIGHT_MAX] =
		(struct flight){.id = object->id, .serial = object->serial};
	return true;
}

/* The next object of a stage of the full set, or NULL at its end. */
static struct object *feed_walk(struct objects *objects, unsigned int slot, enum object_stage stage)
{
	struct feed *feed = &objects->feeds[slot];

	while (feed->next_id < objects->n_ids) {
		struct object *object = objects->by_id[feed->next_id++];

		if (!object || object->ops->stage != stage) {
			continue;
		}
		if (object->removed) {
			/* this worker has never had it */
			object_answered(objects, object, slot);
			continue;
		}
		return object;
	}
	return NULL;
}

/* The next object to send by the feed's phase; NULL: ret_mark is the message type, or 0. */
static struct object *feed_step(struct objects *objects, unsigned int slot, uint16_t *ret_mark)
{
	struct feed *feed = &objects->feeds[slot];
	struct object *object = NULL;
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
		object = feed_walk(objects, slot, STAGE_SET);
		if (object) {
			return object;
		}
		feed->phase = FEED_LATE;
		feed->next_id = 1;
		*ret_mark = MSG_END;
		return NULL;
	case FEED_LATE:
		object = feed_walk(objects, slot, STAGE_LATE);
		if (object) {
			return object;
		}
		feed->phase = FEED_LIVE;
		break;
	case FEED_LIVE:
		break;
	}
	return dirty_take(&feed->dirty, &id) ? objects->by_id[id] : NULL;
}

bool feed_next(struct objects *objects, unsigned int slot, struct channel_msg *ret_msg)
{
	struct object *object;
	uint16_t mark;

	if (objects->feeds[slot].n_flight == FEED_FLIGHT_MAX) {
		return false;
	}
	while ((object = feed_step(objects, slot, &mark))) {
		if (feed_pack(objects, slot, object, ret_msg)) {
			return true;
		}
	}
	*ret_msg = (struct channel_msg){.type = mark};
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

int feed_answer(struct objects *objects, unsigned int slot, uint32_t id, uint64_t serial,
		const struct str *refused)
{
	struct object *object;

	if (!feed_land(&objects->feeds[slot], id, serial)) {
		return -EPROTO;
	}
	object = objects->by_id[id];
	if (!object || object->serial != serial) {
		return 0; /* of a version that is no longer the newest */
	}
	if (refused) {
		feed_refuse(objects, slot, object, *refused);
	} else {
		object_answered(objects, object, slot);
	}
	return 0;
}
