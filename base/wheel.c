/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Coarse timer wheel; see wheel.h. No clock of its own. */
#include "base/wheel.h"

#include <stddef.h>

static void list_append(struct timer *head, struct timer *t)
{
	t->prev = head->prev;
	t->next = head;
	head->prev->next = t;
	head->prev = t;
}

static void list_remove(struct timer *t)
{
	t->prev->next = t->next;
	t->next->prev = t->prev;
	t->prev = NULL;
	t->next = NULL;
}

void wheel_init(struct wheel *w, uint64_t now_ms)
{
	for (size_t i = 0; i < WHEEL_SLOTS; i++) {
		w->slots[i] = (struct timer){.prev = &w->slots[i], .next = &w->slots[i]};
	}
	w->tick = now_ms / WHEEL_TICK_MS;
	w->next_tick = w->tick + WHEEL_SLOTS;
	w->n_armed = 0;
}

void timer_init(struct timer *t, void (*fired)(struct timer *timer))
{
	*t = (struct timer){.fired = fired};
}

/* Links t into the slot of its deadline, or the last one of this turn. */
static void wheel_place(struct wheel *w, struct timer *t)
{
	uint64_t tick = (t->deadline_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;

	if (tick <= w->tick) {
		tick = w->tick + 1;
	}
	if (tick > w->tick + WHEEL_SLOTS - 1) {
		tick = w->tick + WHEEL_SLOTS - 1;
	}
	list_append(&w->slots[tick % WHEEL_SLOTS], t);
	if (tick < w->next_tick) {
		w->next_tick = tick;
	}
}

void wheel_arm(struct wheel *w, struct timer *t, uint64_t deadline_ms)
{
	wheel_disarm(w, t);
	t->deadline_ms = deadline_ms;
	wheel_place(w, t);
	w->n_armed++;
}

void wheel_disarm(struct wheel *w, struct timer *t)
{
	if (timer_armed(t)) {
		list_remove(t);
		w->n_armed--;
	}
}

/* The slot's timers move to a list of their own first: a callback may arm and disarm any timer. */
static void wheel_run_slot(struct wheel *w, uint64_t now_ms)
{
	struct timer *head = &w->slots[w->tick % WHEEL_SLOTS];
	struct timer due = {.prev = &due, .next = &due};

	while (head->next != head) {
		struct timer *t = head->next;

		list_remove(t);
		list_append(&due, t);
	}
	while (due.next != &due) {
		struct timer *t = due.next;

		list_remove(t);
		if (t->deadline_ms > now_ms) {
			wheel_place(w, t);
			continue;
		}
		w->n_armed--;
		t->fired(t);
	}
}

/* The first tick with a timer in its slot, or the last one of this turn. */
static uint64_t wheel_find_next(const struct wheel *w)
{
	uint64_t tick;

	for (tick = w->tick + 1; tick < w->tick + WHEEL_SLOTS - 1; tick++) {
		const struct timer *head = &w->slots[tick % WHEEL_SLOTS];

		if (head->next != head) {
			break;
		}
	}
	return tick;
}

void wheel_run(struct wheel *w, uint64_t now_ms)
{
	uint64_t now_tick = now_ms / WHEEL_TICK_MS;

	if (w->n_armed == 0 || now_tick < w->next_tick) {
		/* the slots between are empty */
		w->tick = now_tick > w->tick ? now_tick : w->tick;
		return;
	}
	/* after a long stop one turn visits every slot */
	if (now_tick > w->tick + WHEEL_SLOTS) {
		w->tick = now_tick - WHEEL_SLOTS;
	}
	while (w->tick < now_tick) {
		w->tick++;
		wheel_run_slot(w, now_ms);
	}
	w->next_tick = wheel_find_next(w);
}

int wheel_wait_ms(const struct wheel *w, uint64_t now_ms)
{
	uint64_t next_ms = w->next_tick * WHEEL_TICK_MS;

	if (w->n_armed == 0) {
		return -1;
	}
	return next_ms > now_ms ? (int)(next_ms - now_ms) : 0;
}
