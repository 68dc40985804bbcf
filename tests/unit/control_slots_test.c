/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gateway/control/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/model/tenant.h"
#include "gateway/control/totals.h"

#define SEGMENTS 2

struct fixture {
	struct counters *segments[SEGMENTS];
	struct slots slots;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	for (int i = 0; i < SEGMENTS; i++) {
		int fd = counters_create(&err);

		assert_true(fd >= 0);
		assert_int_equal(counters_map(fd, 1, &f->segments[i], &err), 0);
		close(fd);
	}
	slots_init(&f->slots, f->segments, SEGMENTS);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < SEGMENTS; i++) {
		counters_unmap(f->segments[i]);
	}
	free(f);
	return 0;
}

static uint32_t get(struct fixture *f)
{
	struct err err;
	uint32_t slot = 0;

	assert_int_equal(slots_get(&f->slots, &slot, &err), 0);
	assert_true(slot > 0); /* 0 is nobody's */
	return slot;
}

static void test_no_slot_is_given_twice(void **state)
{
	struct fixture *f = *state;
	uint32_t a = get(f), b = get(f), c = get(f);

	assert_true(a != b && b != c && a != c);
	slots_put(&f->slots, b);
	assert_int_equal(get(f), b);
	assert_true(get(f) > c);
}

static void test_slot_comes_back_with_zero_counters(void **state)
{
	struct fixture *f = *state;
	uint32_t slot = get(f);

	counter_add(f->segments[0], slot, COUNTER_ACCEPTED, 5);
	counter_add(f->segments[1], slot, COUNTER_BYTES_IN, 7);
	slots_put(&f->slots, slot);
	assert_int_equal(get(f), slot);
	assert_int_equal(counter_sum(f->segments, SEGMENTS, slot, COUNTER_ACCEPTED), 0);
	assert_int_equal(counter_sum(f->segments, SEGMENTS, slot, COUNTER_BYTES_IN), 0);
}

/* A worker can write into all of its segment, also where nobody's slot is yet. */
static void test_new_slot_has_zero_counters_whatever_a_worker_wrote(void **state)
{
	struct fixture *f = *state;
	uint32_t next = get(f) + 1;

	counter_add(f->segments[1], next, COUNTER_ACTIVE, UINT64_MAX / 2);
	assert_int_equal(get(f), next);
	assert_int_equal(counter_sum(f->segments, SEGMENTS, next, COUNTER_ACTIVE), 0);
}

static void test_slot_with_sessions_on_it_rests(void **state)
{
	struct fixture *f = *state;
	uint32_t busy = get(f), other;

	counter_add(f->segments[1], busy, COUNTER_ACTIVE, 1);
	slots_put(&f->slots, busy);
	other = get(f);
	assert_int_not_equal(other, busy);
	assert_int_equal(counter_sum(f->segments, SEGMENTS, busy, COUNTER_ACTIVE), 1);
	counter_sub(f->segments[1], busy, COUNTER_ACTIVE, 1);
	assert_int_equal(get(f), busy);
}

static void test_putting_twice_is_putting_once(void **state)
{
	struct fixture *f = *state;
	uint32_t slot = get(f);

	slots_put(&f->slots, slot);
	slots_put(&f->slots, slot);
	slots_put(&f->slots, 0);
	slots_put(&f->slots, UINT32_MAX);
	assert_int_equal(get(f), slot);
	assert_int_not_equal(get(f), slot);
}

static void test_all_taken_is_an_error_until_one_returns(void **state)
{
	struct fixture *f = *state;
	uint32_t slot = 0;
	struct err err;

	for (int i = 1; i < COUNTERS_SLOTS; i++) {
		assert_int_equal(slots_get(&f->slots, &slot, &err), 0);
	}
	assert_int_equal(slots_get(&f->slots, &slot, &err), -ENOSPC);
	slots_put(&f->slots, 4711);
	assert_int_equal(get(f), 4711);
	assert_int_equal(slots_get(&f->slots, &slot, &err), -ENOSPC);
}

struct sample {
	struct tenant_conf tenant;
	struct service_conf services[3];
	struct backend_conf backends[3][2];
};

/* Services by name, two backends each that belong to the service of that name. */
static void sample_make(struct sample *s, const char *const *names)
{
	*s = (struct sample){.tenant = {.name = "acme", .services = s->services}};
	for (size_t i = 0; names[i]; i++) {
		s->services[i] = (struct service_conf){.name = names[i],
						       .backends = s->backends[i],
						       .n_backends = 2};
		s->backends[i][0].address.b[15] = (uint8_t)names[i][0];
		s->backends[i][1].is_name = true;
		s->backends[i][1].name = names[i];
		s->tenant.n_services++;
	}
}

static void test_change_keeps_slots_of_what_stays(void **state)
{
	struct fixture *f = *state;
	struct sample before, after;
	uint32_t gone, gone_backend;
	struct err err;

	sample_make(&before, (const char *const[]){"web", "mail", NULL});
	assert_int_equal(slots_assign(&f->slots, &before.tenant, NULL, &err), 0);
	gone = before.services[1].slot;
	gone_backend = before.backends[1][0].slot;
	sample_make(&after, (const char *const[]){"ftp", "web", NULL});
	assert_int_equal(slots_assign(&f->slots, &after.tenant, &before.tenant, &err), 0);
	assert_int_equal(after.tenant.slot, before.tenant.slot);
	assert_int_equal(after.services[1].slot, before.services[0].slot);
	assert_int_equal(after.backends[1][0].slot, before.backends[0][0].slot);
	assert_int_equal(after.backends[1][1].slot, before.backends[0][1].slot);
	assert_int_not_equal(after.services[0].slot, gone);

	/* what is gone comes back, what stays does not */
	slots_release(&f->slots, &before.tenant, &after.tenant);
	assert_int_equal(f->slots.n_freed, 3);
	assert_int_equal(get(f), gone);
	assert_int_equal(get(f), gone_backend);
}

static void test_removal_gives_all_back(void **state)
{
	struct fixture *f = *state;
	struct sample s;
	struct err err;

	sample_make(&s, (const char *const[]){"web", "mail", "ftp", NULL});
	assert_int_equal(slots_assign(&f->slots, &s.tenant, NULL, &err), 0);
	slots_release(&f->slots, &s.tenant, NULL);
	assert_int_equal(f->slots.n_freed, 10);
}

static void test_failed_assignment_takes_nothing(void **state)
{
	struct fixture *f = *state;
	struct sample before, after;
	uint32_t slot;
	struct err err;

	sample_make(&before, (const char *const[]){"web", NULL});
	assert_int_equal(slots_assign(&f->slots, &before.tenant, NULL, &err), 0);
	while (f->slots.fresh < COUNTERS_SLOTS - 2) {
		assert_int_equal(slots_get(&f->slots, &slot, &err), 0);
	}
	sample_make(&after, (const char *const[]){"web", "mail", NULL});
	assert_int_equal(slots_assign(&f->slots, &after.tenant, &before.tenant, &err), -ENOSPC);
	assert_int_equal(f->slots.n_freed, 2); /* the two that were left */
}

/* What a test keeps of before an upgrade: slots 1 to 3 of 5. */
static void keep_three(struct fixture *f)
{
	slots_keep_first(&f->slots, 5);
	assert_int_equal(slots_keep(&f->slots, 1, str_from("t acme")), 0);
	assert_int_equal(slots_keep(&f->slots, 2, str_from("l 192.0.2.1:80")), 0);
	assert_int_equal(slots_keep(&f->slots, 3, str_from("t globex")), 0);
	slots_keep_end(&f->slots);
}

static uint32_t claim(struct fixture *f, const char *key)
{
	struct err err;
	uint32_t slot = 0;

	assert_int_equal(slots_claim(&f->slots, key, &slot, &err), 0);
	return slot;
}

static void test_kept_slot_goes_to_its_key_with_its_counters(void **state)
{
	struct fixture *f = *state;

	keep_three(f);
	counter_add(f->segments[0], 3, COUNTER_ACCEPTED, 9);
	assert_int_equal(claim(f, "t globex"), 3);
	assert_int_equal(slots_sum(&f->slots, 3, COUNTER_ACCEPTED), 9);
	assert_int_equal(claim(f, "t other"), 4);  /* in use before, whose is not known */
	assert_int_equal(claim(f, "t globex"), 5); /* a second one of that name */
	slots_fini(&f->slots);
}

static void test_kept_slot_is_for_one_key_and_one_slot(void **state)
{
	struct fixture *f = *state;

	keep_three(f);
	assert_int_equal(slots_keep(&f->slots, 4, str_from("t acme")), -EINVAL);
	assert_int_equal(slots_keep(&f->slots, 1, str_from("t more")), -EINVAL);
	assert_int_equal(slots_keep(&f->slots, 0, str_from("t more")), -EINVAL);
	assert_int_equal(slots_keep(&f->slots, 5, str_from("t more")), -EINVAL);
	slots_fini(&f->slots);
}

static void test_unclaimed_slots_go_back_and_listeners_count_on(void **state)
{
	struct fixture *f = *state;
	struct totals totals = {.slots = &f->slots};

	keep_three(f);
	counter_add(f->segments[0], 2, COUNTER_ACCEPTED, 7);
	assert_int_equal(slots_kept_listeners(&f->slots, COUNTER_ACCEPTED), 7);
	slots_kept_end(&f->slots, &totals);
	assert_int_equal(slots_kept_listeners(&f->slots, COUNTER_ACCEPTED), 0);
	assert_int_equal(totals_get(&totals, COUNTER_ACCEPTED), 7);
	for (int i = 0; i < 4; i++) {
		assert_true(get(f) < 5); /* all of them are free */
	}
	totals_fini(&totals);
	slots_fini(&f->slots);
}

static void test_slots_of_before_rest_while_a_former_worker_lives(void **state)
{
	struct fixture *f = *state;
	struct counters *living;
	struct err err;
	int fd = counters_create(&err);

	assert_int_equal(counters_map(fd, 1, &living, &err), 0);
	keep_three(f);
	assert_int_equal(slots_join(&f->slots, living, true), 0);
	slots_kept_end(&f->slots, NULL);
	assert_int_equal(get(f), 5); /* none of those that it may still count in */
	counter_add(living, 5, COUNTER_ACCEPTED, 3);
	assert_int_equal(slots_sum(&f->slots, 5, COUNTER_ACCEPTED), 3);
	slots_leave(&f->slots, living, true);
	assert_int_equal(slots_sum(&f->slots, 5, COUNTER_ACCEPTED), 0);
	assert_true(get(f) < 5);
	counters_unmap(living);
	close(fd);
	slots_fini(&f->slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_no_slot_is_given_twice),
		TEST(test_slot_comes_back_with_zero_counters),
		TEST(test_new_slot_has_zero_counters_whatever_a_worker_wrote),
		TEST(test_slot_with_sessions_on_it_rests),
		TEST(test_putting_twice_is_putting_once),
		TEST(test_all_taken_is_an_error_until_one_returns),
		TEST(test_change_keeps_slots_of_what_stays),
		TEST(test_removal_gives_all_back),
		TEST(test_failed_assignment_takes_nothing),
		TEST(test_kept_slot_goes_to_its_key_with_its_counters),
		TEST(test_kept_slot_is_for_one_key_and_one_slot),
		TEST(test_unclaimed_slots_go_back_and_listeners_count_on),
		TEST(test_slots_of_before_rest_while_a_former_worker_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
