/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DOC: covering for a dead worker
 *
 * A dead worker's sockets stay open, so the kernel goes on completing handshakes on them. Two
 * things keep these clients from waiting: the selector is attached anew without the dead slot, and
 * a live sibling is lent the dead worker's sockets, so that it accepts what is in their queues,
 * also handshakes that were half done. When the worker is READY again it gets its sources back
 * first and the loan ends after.
 *
 * A sibling that cannot take a socket (it has no descriptor left) says so: in a moment the next
 * one is asked, or the same if there is no other, until one has them all.
 *
 * A worker that is started for the first time is not covered for: what comes waits for it.
 */
#include "base/container.h"
#include "base/hash.h"
#include "conf/model/message.h"
#include "gateway/control/listeners.h"
#include "gateway/control/workers.h"

static bool worker_is_live(const struct worker *w)
{
	return w->state == WORKER_READY || !w->died;
}

void workers_loan_refused(struct worker *sibling)
{
	struct workers *ws = sibling->workers;

	sibling->refuses_loans = true;
	if (!timer_armed(&ws->loans)) {
		wheel_arm(&ws->loop->wheel, &ws->loans, ws->loop->now_ms + ws->times->loan_ms);
	}
}

static uint64_t workers_live(const struct workers *ws)
{
	uint64_t live = 0;

	for (unsigned int i = 0; i < ws->n; i++) {
		if (worker_is_live(&ws->worker[i])) {
			live |= UINT64_C(1) << i;
		}
	}
	return live;
}

/* Tells sibling to accept on the sockets of slot too (MSG_LEND), or on its own only (LEND_END). */
static void lend(struct workers *ws, struct worker *sibling, unsigned int slot, uint16_t type)
{
	struct table_iter it = {0};
	struct listener *listener;

	while ((listener = listeners_next(ws->listeners, &it))) {
		struct channel_msg msg = {.type = type, .id = listener->item.id};

		if (type == MSG_LEND) {
			msg.fds[msg.n_fds++] = listener->fds[slot];
		}
		(void)worker_send(sibling, &msg); /* logged; a dead sibling is replaced */
	}
}

/* The next worker after slot that is READY, or -1. */
static int find_sibling(const struct workers *ws, unsigned int slot)
{
	for (unsigned int i = 1; i < ws->n; i++) {
		unsigned int other = (slot + i) % ws->n;

		if (ws->worker[other].state == WORKER_READY) {
			return (int)other;
		}
	}
	return -1;
}

/* The sibling gives all loans back; those of workers it still covers for are made again. */
static void worker_lend_anew(struct workers *ws, struct worker *sibling)
{
	lend(ws, sibling, sibling->slot, MSG_LEND_END);
	for (unsigned int i = 0; i < ws->n; i++) {
		if (ws->worker[i].covered_by == (int)sibling->slot) {
			lend(ws, sibling, i, MSG_LEND);
		}
	}
}

/* w needs nobody any more. */
static void worker_uncover(struct workers *ws, struct worker *w)
{
	struct worker *sibling = &ws->worker[w->covered_by];

	w->covered_by = -1;
	worker_lend_anew(ws, sibling);
}

static void worker_cover(struct workers *ws, struct worker *w)
{
	bool covered = w->covered_by >= 0 && ws->worker[w->covered_by].state == WORKER_READY;

	if (worker_is_live(w)) {
		if (covered) {
			worker_uncover(ws, w);
		}
		w->covered_by = -1;
	} else if (!covered) {
		w->covered_by = find_sibling(ws, w->slot);
		if (w->covered_by >= 0) {
			lend(ws, &ws->worker[w->covered_by], w->slot, MSG_LEND);
		}
	}
}

/* All that it covers for goes to the next one, as it may have no room for some of it only. */
static void worker_pass_on(struct workers *ws, struct worker *sibling)
{
	int other = find_sibling(ws, sibling->slot);

	for (unsigned int i = 0; other >= 0 && i < ws->n; i++) {
		if (ws->worker[i].covered_by == (int)sibling->slot) {
			ws->worker[i].covered_by = other;
			lend(ws, &ws->worker[other], i, MSG_LEND);
		}
	}
	worker_lend_anew(ws, sibling);
}

void workers_lend_again(struct timer *timer)
{
	struct workers *ws = container_of(timer, struct workers, loans);

	for (unsigned int i = 0; i < ws->n; i++) {
		struct worker *sibling = &ws->worker[i];

		if (sibling->refuses_loans && sibling->state == WORKER_READY) {
			worker_pass_on(ws, sibling);
		}
		sibling->refuses_loans = false;
	}
}

void workers_cover(struct workers *ws)
{
	uint64_t live = workers_live(ws);

	if (ws->stopping) {
		return;
	}
	if (live != ws->listeners->selector.live) {
		listeners_set_live(ws->listeners, live);
	}
	for (unsigned int i = 0; i < ws->n; i++) {
		worker_cover(ws, &ws->worker[i]);
	}
}
