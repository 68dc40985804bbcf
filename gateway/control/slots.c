/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Counter slots: who has which number, and when a number may be given to somebody else. A tenant's
 * change keeps the numbers of what it keeps, so that totals go on.
 */
#include "gateway/control/slots.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "conf/model/tenant.h"

void slots_init(struct slots *slots, struct counters *const *segments, size_t n_segments)
{
	memset(slots, 0, sizeof(*slots));
	slots->segments = segments;
	slots->n_segments = n_segments;
	slots->fresh = 1;
	table_init(&slots->kept);
	hash_key_init(&slots->hash);
}

void slots_mark(struct slots *slots, uint32_t slot, bool used)
{
	uint64_t bit = UINT64_C(1) << slot % 64;

	if (used) {
		slots->used[slot / 64] |= bit;
	} else {
		slots->used[slot / 64] &= ~bit;
	}
}

bool slots_used(const struct slots *slots, uint32_t slot)
{
	return slot < COUNTERS_SLOTS && slots->used[slot / 64] >> slot % 64 & 1;
}

/* Sessions of its former owner may outlive the owner until their drain time is over. */
static bool slots_idle(const struct slots *slots, uint32_t slot)
{
	if (slots->n_living > 0 && slot < slots->held) {
		return false; /* a worker that is told nothing any more may still count in it */
	}
	return slots_sum(slots, slot, COUNTER_ACTIVE) == 0;
}

uint64_t slots_sum(const struct slots *slots, uint32_t slot, enum counter which)
{
	return counter_sum(slots->segments, slots->n_segments, slot, which) +
	       counter_sum(slots->former, slots->n_former, slot, which);
}

uint64_t slots_sum_workers(const struct slots *slots, enum worker_counter which)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < slots->n_segments + slots->n_former; i++) {
		struct counters *c = i < slots->n_segments ? slots->segments[i]
							   : slots->former[i - slots->n_segments];

		sum += atomic_load_explicit(&c->worker[which], memory_order_relaxed);
	}
	return sum;
}

static uint32_t slots_take_freed(struct slots *slots)
{
	uint32_t slot = slots->freed[slots->first];

	slots->first = (slots->first + 1) % COUNTERS_SLOTS;
	slots->n_freed--;
	return slot;
}

void slots_add_freed(struct slots *slots, uint32_t slot)
{
	slots->freed[(slots->first + slots->n_freed) % COUNTERS_SLOTS] = slot;
	slots->n_freed++;
}

/* Finds an idle slot among the first few that came back; a busy one goes to the end. */
static bool slots_reuse(struct slots *slots, uint32_t tries, uint32_t *ret_slot)
{
	while (tries-- > 0 && slots->n_freed > 0) {
		uint32_t slot = slots_take_freed(slots);

		if (slots_idle(slots, slot)) {
			*ret_slot = slot;
			return true;
		}
		slots_add_freed(slots, slot);
	}
	return false;
}

/* Also a new one is cleared: a worker may have written where nobody's slot was yet. */
static void slots_give(struct slots *slots, uint32_t slot)
{
	for (size_t i = 0; i < slots->n_segments; i++) {
		counters_clear_slot(slots->segments[i], slot);
	}
	for (size_t i = 0; i < slots->n_former; i++) {
		counters_clear_slot(slots->former[i], slot);
	}
	slots_mark(slots, slot, true);
}

int slots_get(struct slots *slots, uint32_t *ret_slot, struct err *err)
{
	bool found = slots_reuse(slots, 4, ret_slot);

	if (!found && slots->fresh < COUNTERS_SLOTS) {
		*ret_slot = slots->fresh++;
		found = true;
	}
	if (found || slots_reuse(slots, slots->n_freed, ret_slot)) {
		slots_give(slots, *ret_slot);
		return 0;
	}
	return err_set(err, -ENOSPC,
		       "all %d counters are taken: too many tenants, services and backends",
		       COUNTERS_SLOTS);
}

void slots_put(struct slots *slots, uint32_t slot)
{
	if (slots_used(slots, slot)) {
		slots_mark(slots, slot, false);
		slots_add_freed(slots, slot);
	}
}

/* Finds the service of that name; most often it is still the i-th. */
static const struct service_conf *service_find(const struct tenant_conf *tenant, const char *name,
					       size_t i)
{
	for (size_t n = 0; tenant && n < tenant->n_services; n++) {
		const struct service_conf *service =
			&tenant->services[(i + n) % tenant->n_services];

		if (strcmp(service->name, name) == 0) {
			return service;
		}
	}
	return NULL;
}

static bool backend_same(const struct backend_conf *a, const struct backend_conf *b)
{
	if (a->is_name != b->is_name) {
		return false;
	}
	return a->is_name ? strcmp(a->name, b->name) == 0 : addr_eq(&a->address, &b->address);
}

static const struct backend_conf *backend_find(const struct service_conf *service,
					       const struct backend_conf *wanted, size_t i)
{
	for (size_t n = 0; service && n < service->n_backends; n++) {
		const struct backend_conf *backend =
			&service->backends[(i + n) % service->n_backends];

		if (backend_same(backend, wanted)) {
			return backend;
		}
	}
	return NULL;
}

/* The former slot if there is one, else the one kept for key, else a new one. */
static int slots_stay(struct slots *slots, const uint32_t *former, const char *key,
		      uint32_t *ret_slot, struct err *err)
{
	if (former) {
		*ret_slot = *former;
		return 0;
	}
	return slots_claim(slots, key, ret_slot, err);
}

static int slots_assign_service(struct slots *slots, const char *tenant,
				struct service_conf *service, const struct service_conf *former,
				struct err *err)
{
	char key[SLOTS_KEY_MAX];
	int rc;

	slots_key_service(tenant, service->name, key);
	rc = slots_stay(slots, former ? &former->slot : NULL, key, &service->slot, err);
	for (size_t i = 0; rc == 0 && i < service->n_backends; i++) {
		struct backend_conf *backend = &service->backends[i];
		const struct backend_conf *same = backend_find(former, backend, i);

		slots_key_backend(tenant, service->name, backend, key);
		rc = slots_stay(slots, same ? &same->slot : NULL, key, &backend->slot, err);
	}
	return rc;
}

int slots_assign(struct slots *slots, struct tenant_conf *tenant, const struct tenant_conf *former,
		 struct err *err)
{
	char key[SLOTS_KEY_MAX];
	int rc;

	slots_key_tenant(tenant->name, key);
	rc = slots_stay(slots, former ? &former->slot : NULL, key, &tenant->slot, err);
	for (size_t i = 0; rc == 0 && i < tenant->n_services; i++) {
		struct service_conf *service = &tenant->services[i];

		rc = slots_assign_service(slots, tenant->name, service,
					  service_find(former, service->name, i), err);
	}
	if (rc < 0) {
		slots_release(slots, tenant, former);
	}
	return rc;
}

static void slots_release_service(struct slots *slots, const struct service_conf *gone,
				  const struct service_conf *kept)
{
	if (!kept || kept->slot != gone->slot) {
		slots_put(slots, gone->slot);
	}
	for (size_t i = 0; i < gone->n_backends; i++) {
		const struct backend_conf *same = backend_find(kept, &gone->backends[i], i);

		if (!same || same->slot != gone->backends[i].slot) {
			slots_put(slots, gone->backends[i].slot);
		}
	}
}

void slots_release(struct slots *slots, const struct tenant_conf *gone,
		   const struct tenant_conf *kept)
{
	if (!kept || kept->slot != gone->slot) {
		slots_put(slots, gone->slot);
	}
	for (size_t i = 0; i < gone->n_services; i++) {
		const struct service_conf *service = &gone->services[i];

		slots_release_service(slots, service, service_find(kept, service->name, i));
	}
}
