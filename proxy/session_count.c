/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which counters a session is in: accepted = refused + closed + active holds in each slot,
 * because a session enters and leaves one by the functions here only.
 */
#include <assert.h>

#include "proxy/listener.h"
#include "proxy/session.h"
#include "proxy/worker.h"

uint32_t session_slot(const struct session *s, enum count_level level)
{
	switch (level) {
	case COUNT_LISTENER:
		return s->listener->slot;
	case COUNT_TENANT:
		return s->tenant->slot;
	case COUNT_SERVICE:
		return s->conf->slot;
	case COUNT_BACKEND:
		return s->conf->backends[s->backend_index].slot;
	case N_COUNT_LEVELS:
		break;
	}
	assert(false);
	return 0;
}

void session_count(struct session *s, enum count_level level)
{
	uint32_t slot = session_slot(s, level);

	s->counted |= (uint8_t)(1u << level);
	counter_add(s->worker->own, slot, COUNTER_ACCEPTED, 1);
	counter_add(s->worker->own, slot, COUNTER_ACTIVE, 1);
}

void session_uncount(struct session *s, enum count_level level, bool closed)
{
	uint32_t slot;

	if (!(s->counted & (1u << level))) {
		return;
	}
	slot = session_slot(s, level);
	s->counted &= (uint8_t) ~(1u << level);
	counter_sub(s->worker->own, slot, COUNTER_ACTIVE, 1);
	counter_add(s->worker->own, slot, closed ? COUNTER_CLOSED : COUNTER_REFUSED, 1);
}

void session_add(const struct session *s, enum counter which, uint64_t n)
{
	for (unsigned int level = 0; level < N_COUNT_LEVELS && n > 0; level++) {
		if (s->counted & (1u << level)) {
			counter_add(s->worker->own, session_slot(s, level), which, n);
		}
	}
}

void session_account(struct session *s)
{
	uint64_t in = flow_bytes(&s->up), out = flow_bytes(&s->down);

	session_add(s, COUNTER_BYTES_IN, in - s->up.counted);
	session_add(s, COUNTER_BYTES_OUT, out - s->down.counted);
	s->up.counted = in;
	s->down.counted = out;
}

void session_count_end(struct session *s)
{
	if (s->reason == CLOSE_DENIED) {
		session_add(s, COUNTER_DENIED, 1);
	}
	if (s->reason == CLOSE_SOURCE_LIMIT || s->reason == CLOSE_SERVICE_LIMIT ||
	    s->reason == CLOSE_TENANT_LIMIT) {
		session_add(s, COUNTER_LIMITED, 1);
	}
	for (unsigned int level = 0; level < N_COUNT_LEVELS; level++) {
		session_uncount(s, level, s->connected);
	}
	worker_counter_add(s->worker->own, WORKER_REASON + s->reason, 1);
}
