/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_BASE_WHEEL_H
#define SIXGATE_BASE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One coarse timer wheel a process: arming and disarming is O(1), a timer fires up to one tick
 * late, never early. Timers beyond the wheel's turn are put back when their slot comes up.
 */
#define WHEEL_TICK_MS 50
#define WHEEL_SLOTS   1024

struct timer {
	struct timer *prev, *next; /* wheel slot; NULL when not armed */
	uint64_t deadline_ms;      /* monotonic */
	void (*fired)(struct timer *timer);
};

struct wheel {
	struct timer slots[WHEEL_SLOTS]; /* list heads */
	uint64_t tick;                   /* last tick run */
	uint64_t next_tick;              /* no slot before it holds a timer */
	unsigned int n_armed;
};

void wheel_init(struct wheel *w, uint64_t now_ms);
void timer_init(struct timer *t, void (*fired)(struct timer *timer));
/* Arms or re-arms t. */
void wheel_arm(struct wheel *w, struct timer *t, uint64_t deadline_ms);
void wheel_disarm(struct wheel *w, struct timer *t);
static inline bool timer_armed(const struct timer *t)
{
	return t->next != NULL;
}
/* Fires what is due, disarmed first, so that it may be armed again. */
void wheel_run(struct wheel *w, uint64_t now_ms);
/* Milliseconds until wheel_run() has to be called again, -1 when nothing is armed. */
int wheel_wait_ms(const struct wheel *w, uint64_t now_ms);

#endif
