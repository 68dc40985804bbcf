/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Counter slots over an upgrade: each key keeps its number. Filled by carry.c before anything asks
 * for a slot, emptied as tenants and listeners come back.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "conf/model/tenant.h"
#include "gateway/control/slots.h"
#include "gateway/control/totals.h"

struct kept {
	struct table_node node; /* slots.kept */
	uint32_t slot;
	char key[];
};

void slots_key_tenant(const char *tenant, char dst[SLOTS_KEY_MAX])
{
	(void)snprintf(dst, SLOTS_KEY_MAX, "t %s", tenant); /* fits, as all of these */
}

void slots_key_service(const char *tenant, const char *service, char dst[SLOTS_KEY_MAX])
{
	(void)snprintf(dst, SLOTS_KEY_MAX, "s %s/%s", tenant, service);
}

void slots_key_backend(const char *tenant, const char *service, const struct backend_conf *backend,
		       char dst[SLOTS_KEY_MAX])
{
	char text[ADDR_TEXT_MAX];

	(void)snprintf(dst, SLOTS_KEY_MAX, "b %s/%s %s", tenant, service,
		       backend->is_name ? backend->name : addr_format(&backend->address, text));
}

void slots_key_listener(const struct endpoint *local, char dst[SLOTS_KEY_MAX])
{
	char text[ENDPOINT_TEXT_MAX];

	(void)snprintf(dst, SLOTS_KEY_MAX, "%c %s", SLOTS_KEY_LISTENER,
		       endpoint_format(local, text));
}

static bool kept_eq(const struct table_node *node, const void *key)
{
	return str_eq(str_from(container_of(node, const struct kept, node)->key),
		      *(const struct str *)key);
}

static struct kept *kept_find(const struct slots *slots, struct str key, uint64_t *ret_hash)
{
	struct table_node *node;

	*ret_hash = hash_bytes(&slots->hash, key.p, key.len);
	node = table_find(&slots->kept, *ret_hash, kept_eq, &key);
	return node ? container_of(node, struct kept, node) : NULL;
}

void slots_keep_first(struct slots *slots, uint32_t fresh)
{
	slots->fresh = fresh < 1 ? 1 : fresh > COUNTERS_SLOTS ? COUNTERS_SLOTS : fresh;
	slots->held = slots->fresh;
}

void slots_keep_end(struct slots *slots)
{
	for (uint32_t slot = 1; slot < slots->held; slot++) {
		if (!slots_used(slots, slot)) {
			slots_add_freed(slots, slot);
		}
	}
}

int slots_keep(struct slots *slots, uint32_t slot, struct str key)
{
	struct kept *kept;
	uint64_t hash;

	if (slot == 0 || slot >= slots->held || slots_used(slots, slot) ||
	    key.len >= SLOTS_KEY_MAX || kept_find(slots, key, &hash)) {
		return -EINVAL;
	}
	kept = calloc(1, sizeof(*kept) + key.len + 1);
	if (!kept || table_insert(&slots->kept, &kept->node, hash) < 0) {
		free(kept);
		return -ENOMEM;
	}
	kept->slot = slot;
	memcpy(kept->key, key.p, key.len);
	slots_mark(slots, slot, true);
	return 0;
}

int slots_claim(struct slots *slots, const char *key, uint32_t *ret_slot, struct err *err)
{
	struct kept *kept;
	uint64_t hash;

	kept = slots->kept.count > 0 ? kept_find(slots, str_from(key), &hash) : NULL;
	if (!kept) {
		return slots_get(slots, ret_slot, err);
	}
	*ret_slot = kept->slot;
	table_remove(&slots->kept, &kept->node);
	free(kept);
	return 0;
}

uint64_t slots_kept_listeners(const struct slots *slots, enum counter which)
{
	struct table_iter it = {0};
	struct table_node *node;
	uint64_t sum = 0;

	while ((node = table_next(&slots->kept, &it))) {
		const struct kept *kept = container_of(node, struct kept, node);

		if (kept->key[0] == SLOTS_KEY_LISTENER) {
			sum += slots_sum(slots, kept->slot, which);
		}
	}
	return sum;
}

void slots_kept_end(struct slots *slots, struct totals *totals)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&slots->kept, &it))) {
		struct kept *kept = container_of(node, struct kept, node);

		if (totals && kept->key[0] == SLOTS_KEY_LISTENER) {
			totals_rest(totals, kept->slot);
		} else {
			slots_put(slots, kept->slot);
		}
		table_remove(&slots->kept, node);
		free(kept);
	}
	table_fini(&slots->kept);
	table_init(&slots->kept);
}

int slots_join(struct slots *slots, struct counters *segment, bool living)
{
	struct counters **more =
		reallocarray(slots->former, slots->n_former + 1, sizeof(struct counters *));

	if (!more) {
		return -ENOMEM;
	}
	more[slots->n_former++] = segment;
	slots->former = more;
	slots->n_living += living;
	return 0;
}

void slots_leave(struct slots *slots, const struct counters *segment, bool living)
{
	size_t i = 0;

	while (slots->former[i] != segment) {
		i++;
		assert(i < slots->n_former);
	}
	slots->former[i] = slots->former[--slots->n_former];
	slots->n_living -= living;
}

void slots_fini(struct slots *slots)
{
	slots_kept_end(slots, NULL);
	free(slots->former);
	slots->former = NULL;
	slots->n_former = slots->n_living = 0;
}
