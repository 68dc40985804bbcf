/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The timer wheel under a clock of our own: never early, at most one tick late, whatever happens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/container.h"
#include "base/wheel.h"

#define TURN_MS (WHEEL_TICK_MS * WHEEL_SLOTS)

struct probe {
	struct timer timer;
	struct wheel *wheel;
	unsigned int fired;
	uint64_t again_ms;   /* 0: not armed again by its callback */
	struct probe *other; /* disarmed by its callback */
};

static void probe_fired(struct timer *timer)
{
	struct probe *p = container_of(timer, struct probe, timer);

	assert_false(timer_armed(timer));
	p->fired++;
	if (p->other) {
		wheel_disarm(p->wheel, &p->other->timer);
	}
	if (p->again_ms) {
		wheel_arm(p->wheel, timer, p->again_ms);
	}
}

static void probe_arm(struct probe *p, struct wheel *w, uint64_t deadline_ms)
{
	*p = (struct probe){.wheel = w};
	timer_init(&p->timer, probe_fired);
	wheel_arm(w, &p->timer, deadline_ms);
}

static void fires_within_one_tick(void **state)
{
	static const uint64_t deadlines[] = {0,           1,      49,          50,
					     51,          5000,   TURN_MS - 1, TURN_MS,
					     TURN_MS + 1, 600000, 5 * TURN_MS};
	struct wheel *w = malloc(sizeof(*w));

	(void)state;
	for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++) {
		uint64_t start = 123456789, now = start, due = start + deadlines[i];
		struct probe p;

		wheel_init(w, start);
		probe_arm(&p, w, due);
		while (!p.fired) {
			int wait = wheel_wait_ms(w, now);

			assert_true(wait >= 0 && wait <= TURN_MS);
			now += wait ? (uint64_t)wait : 1;
			wheel_run(w, now);
			assert_true(now < due + 2 * WHEEL_TICK_MS);
		}
		assert_true(now >= due);
		assert_int_equal(wheel_wait_ms(w, now), -1);
	}
	free(w);
}

static void a_random_load_is_never_early_nor_late(void **state)
{
	enum {
		N = 2000
	};
	struct probe *probes = calloc(N, sizeof(*probes));
	struct wheel *w = malloc(sizeof(*w));
	uint64_t now = 1000000;
	unsigned int left = N;

	(void)state;
	srand(4711);
	wheel_init(w, now);
	for (size_t i = 0; i < N; i++) {
		probe_arm(&probes[i], w, now + (uint64_t)rand() % (3 * TURN_MS));
	}
	while (left > 0) {
		now += (uint64_t)rand() % 200;
		wheel_run(w, now);
		for (size_t i = 0; i < N; i++) {
			uint64_t due = probes[i].timer.deadline_ms;

			if (probes[i].fired == 1) {
				assert_true(due <= now);
				probes[i].fired = 2;
				left--;
			}
			assert_true(probes[i].fired || now < due + WHEEL_TICK_MS);
		}
	}
	assert_int_equal(w->n_armed, 0);
	free(w);
	free(probes);
}

static void after_a_long_stop_everything_due_fires_once(void **state)
{
	struct wheel *w = malloc(sizeof(*w));
	struct probe p[50], later;

	(void)state;
	wheel_init(w, 0);
	for (size_t i = 0; i < 50; i++) {
		probe_arm(&p[i], w, i * 2000);
	}
	probe_arm(&later, w, 100 * (uint64_t)TURN_MS + 70);
	wheel_run(w, 100 * (uint64_t)TURN_MS);
	for (size_t i = 0; i < 50; i++) {
		assert_int_equal(p[i].fired, 1);
	}
	assert_int_equal(later.fired, 0);
	wheel_run(w, 100 * (uint64_t)TURN_MS + 120);
	assert_int_equal(later.fired, 1);
	free(w);
}

static void an_idle_wheel_keeps_time(void **state)
{
	struct wheel *w = malloc(sizeof(*w));
	struct probe p;

	(void)state;
	wheel_init(w, 0);
	assert_int_equal(wheel_wait_ms(w, 0), -1);
	wheel_run(w, 7 * TURN_MS + 13);
	probe_arm(&p, w, 7 * TURN_MS + 13 + 100);
	wheel_run(w, 7 * TURN_MS + 13 + 99);
	assert_int_equal(p.fired, 0);
	wheel_run(w, 7 * TURN_MS + 13 + 150);
	assert_int_equal(p.fired, 1);
	free(w);
}

static void disarmed_and_armed_again(void **state)
{
	struct wheel *w = malloc(sizeof(*w));
	struct probe a, b;

	(void)state;
	wheel_init(w, 0);
	probe_arm(&a, w, 100);
	probe_arm(&b, w, 100);
	wheel_disarm(w, &a.timer);
	wheel_disarm(w, &a.timer);
	assert_false(timer_armed(&a.timer));
	wheel_arm(w, &b.timer, 5000);
	wheel_run(w, 4999);
	assert_int_equal(a.fired + b.fired, 0);
	wheel_run(w, 5050);
	assert_int_equal(b.fired, 1);
	assert_int_equal(a.fired, 0);
	free(w);
}

static void a_callback_may_disarm_its_neighbour_and_arm_itself(void **state)
{
	struct wheel *w = malloc(sizeof(*w));
	struct probe a, b;

	(void)state;
	wheel_init(w, 0);
	probe_arm(&a, w, 100);
	probe_arm(&b, w, 100);
	a.other = &b;
	a.again_ms = 1; /* in the past: runs in a later tick, not in this one for ever */
	wheel_run(w, 100);
	assert_int_equal(a.fired, 1);
	assert_int_equal(b.fired, 0);
	assert_int_equal(w->n_armed, 1);
	a.again_ms = 0;
	wheel_run(w, 150);
	assert_int_equal(a.fired, 2);
	assert_int_equal(w->n_armed, 0);
	free(w);
}

/* What a sleeping loop needs: no wake-up without a timer, none missed after the last one went. */
static void wait_follows_what_is_armed(void **state)
{
	struct wheel *w = malloc(sizeof(*w));
	struct probe a, b;

	(void)state;
	wheel_init(w, 0);
	probe_arm(&a, w, 200);
	assert_int_equal(wheel_wait_ms(w, 0), 200);
	wheel_disarm(w, &a.timer);
	assert_int_equal(wheel_wait_ms(w, 0), -1);
	wheel_run(w, 1000);
	probe_arm(&b, w, 1300);
	wheel_run(w, 1000);
	assert_int_equal(wheel_wait_ms(w, 1000), 300);
	wheel_arm(w, &b.timer, 1100);
	assert_int_equal(wheel_wait_ms(w, 1000), 100);
	wheel_run(w, 1100);
	assert_int_equal(b.fired, 1);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_within_one_tick),
		cmocka_unit_test(a_random_load_is_never_early_nor_late),
		cmocka_unit_test(after_a_long_stop_everything_due_fires_once),
		cmocka_unit_test(an_idle_wheel_keeps_time),
		cmocka_unit_test(disarmed_and_armed_again),
		cmocka_unit_test(a_callback_may_disarm_its_neighbour_and_arm_itself),
		cmocka_unit_test(wait_follows_what_is_armed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
