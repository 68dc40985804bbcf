/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of sources: limits, reuse, floods. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/source.h"

#define NOW_MS 1000000

/* A client's address as accept(2) gives it on a socket of that family. */
static struct addr parse(const char *text)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct endpoint peer;

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&v4, &peer), 0);
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
		assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&v6, &peer), 0);
	}
	return peer.addr;
}

/* 10.x.y.z by number. */
static struct addr numbered(uint32_t n)
{
	struct addr addr = parse("10.0.0.0");

	addr.b[13] = (uint8_t)(n >> 16);
	addr.b[14] = (uint8_t)(n >> 8);
	addr.b[15] = (uint8_t)n;
	return addr;
}

static void table_make(struct source_table *t, size_t max)
{
	assert_int_equal(source_table_init(t, max), 0);
}

static enum source_result admit(struct source_table *t, const char *text,
				const struct source_limits *limits, uint64_t now_ms,
				struct source **ret_source)
{
	struct addr addr = parse(text);

	return source_admit(t, &addr, limits, now_ms, ret_source);
}

static void test_f1_sessions_of_a_source_are_limited(void **state)
{
	const struct source_limits limits = {.connections = 2};
	struct source *a, *b, *c;
	struct source_table t;

	(void)state;
	table_make(&t, 10);
	assert_int_equal(admit(&t, "192.0.2.1", &limits, NOW_MS, &a), SOURCE_ADMITTED);
	assert_int_equal(admit(&t, "192.0.2.1", &limits, NOW_MS, &b), SOURCE_ADMITTED);
	assert_ptr_equal(a, b);
	assert_int_equal(admit(&t, "192.0.2.1", &limits, NOW_MS, &c), SOURCE_TOO_MANY);
	assert_int_equal(admit(&t, "192.0.2.2", &limits, NOW_MS, &c), SOURCE_ADMITTED);
	source_release(&t, b, NOW_MS);
	assert_int_equal(admit(&t, "192.0.2.1", &limits, NOW_MS, &b), SOURCE_ADMITTED);
	source_release(&t, a, NOW_MS);
	source_release(&t, b, NOW_MS);
	source_release(&t, c, NOW_MS);
	assert_int_equal(source_count(&t), 0);
	source_table_fini(&t);
}

static void test_f1_v4_and_v4_mapped_share_and_so_does_a_v6_64(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"2001:db8::1", "2001:db8:0:0:8000::", true},
		/* a /64 of zeros is not the IPv4 addresses */
		{"::1", "::ffff:0.0.0.1", false},
	};
	const struct source_limits limits = {.connections = 1};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct source *a, *b = NULL;
		struct source_table t;

		table_make(&t, 10);
		assert_int_equal(admit(&t, cases[i].a, &limits, NOW_MS, &a), SOURCE_ADMITTED);
		assert_int_equal(admit(&t, cases[i].b, &limits, NOW_MS, &b),
				 cases[i].same ? SOURCE_TOO_MANY : SOURCE_ADMITTED);
		source_release(&t, a, NOW_MS);
		source_release(&t, b, NOW_MS);
		source_table_fini(&t);
	}
}

static void test_f1_new_sessions_per_second_fill_up_again(void **state)
{
	const struct source_limits limits = {.new_per_second = 4};
	struct source *s[4], *more;
	struct source_table t;

	(void)state;
	table_make(&t, 10);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(admit(&t, "192.0.2.1", &limits, NOW_MS, &s[i]), SOURCE_ADMITTED);
	}
	assert_int_equal(admit(&t, "192.0.2.1", &limits, NOW_MS, &more), SOURCE_TOO_FAST);
	assert_int_equal(admit(&t, "192.0.2.1", &limits, NOW_MS + 249, &more), SOURCE_TOO_FAST);
	assert_int_equal(admit(&t, "192.0.2.1", &limits, NOW_MS + 250, &more), SOURCE_ADMITTED);
	source_release(&t, more, NOW_MS + 250);
	assert_int_equal(admit(&t, "192.0.2.1", &limits, NOW_MS + 250, &more), SOURCE_TOO_FAST);
	for (int i = 0; i < 4; i++) {
		source_release(&t, s[i], NOW_MS + 250);
	}
	source_table_fini(&t);
}

/* Integer arithmetic must lose nothing: 10 s of attempts each millisecond give rate * 10. */
static void test_f1_rates_are_exact_over_time(void **state)
{
	static const uint32_t rates[] = {1, 3, 7, 10, 333, 500};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
		const struct source_limits limits = {.new_per_second = rates[i]};
		uint64_t admitted = 0;
		struct source_table t;
		struct source *s;

		table_make(&t, 10);
		for (uint64_t ms = 1; ms <= 10000; ms++) {
			if (admit(&t, "192.0.2.1", &limits, NOW_MS + ms, &s) == SOURCE_ADMITTED) {
				admitted++;
				source_release(&t, s, NOW_MS + ms);
			}
		}
		/* ten seconds' worth and the full bucket at the start */
		assert_in_range(admitted, rates[i] * 10 + rates[i] - 1, rates[i] * 11);
		source_table_fini(&t);
	}
}

/* Closing and coming again at once must not give a new bucket. */
static void test_f1_a_released_source_keeps_its_bucket(void **state)
{
	const struct source_limits limits = {.new_per_second = 2};
	struct source_table t;
	struct source *s;

	(void)state;
	table_make(&t, 10);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(admit(&t, "192.0.2.1", &limits, NOW_MS, &s), SOURCE_ADMITTED);
		source_release(&t, s, NOW_MS);
	}
	assert_int_equal(admit(&t, "192.0.2.1", &limits, NOW_MS, &s), SOURCE_TOO_FAST);
	assert_int_equal(source_count(&t), 1);
	assert_true(source_expire(&t, NOW_MS + 999, 10));
	assert_int_equal(source_count(&t), 1);
	assert_false(source_expire(&t, NOW_MS + 1000, 10));
	assert_int_equal(source_count(&t), 0);
	source_table_fini(&t);
}

static void test_f1_full_table_refuses_new_sources_only(void **state)
{
	const struct source_limits limits = {.connections = 2, .new_per_second = 100};
	struct source *s[100], *more;
	struct source_table t;

	(void)state;
	table_make(&t, 100);
	for (uint32_t i = 0; i < 100; i++) {
		struct addr addr = numbered(i);

		assert_int_equal(source_admit(&t, &addr, &limits, NOW_MS, &s[i]), SOURCE_ADMITTED);
	}
	assert_int_equal(admit(&t, "192.0.2.1", &limits, NOW_MS, &more), SOURCE_TABLE_FULL);
	assert_int_equal(admit(&t, "192.0.2.1", &limits, NOW_MS + 9999, &more), SOURCE_TABLE_FULL);
	/* a known source goes on */
	assert_int_equal(admit(&t, "10.0.0.7", &limits, NOW_MS, &more), SOURCE_ADMITTED);
	source_release(&t, more, NOW_MS);
	/* an entry is free once its source has no session and a full bucket */
	source_release(&t, s[50], NOW_MS + 10);
	assert_int_equal(admit(&t, "192.0.2.1", &limits, NOW_MS + 999, &more), SOURCE_TABLE_FULL);
	assert_int_equal(admit(&t, "192.0.2.1", &limits, NOW_MS + 1000, &more), SOURCE_ADMITTED);
	s[50] = more;
	for (uint32_t i = 0; i < 100; i++) {
		source_release(&t, s[i], NOW_MS + 5000);
	}
	assert_int_equal(source_count(&t), 0);
	source_table_fini(&t);
}

/* One source that hammers at its limit must not keep idle ones in the table. */
static void test_f1_hammering_source_does_not_fill_the_table(void **state)
{
	const struct source_limits limits = {.new_per_second = 1};
	struct source_table t;
	struct source *s;

	(void)state;
	table_make(&t, 100);
	for (uint32_t i = 0; i < 10000; i++) {
		uint64_t now_ms = NOW_MS + i * 20; /* 50 new sources a second */
		struct addr addr = numbered(i);

		if (admit(&t, "192.0.2.1", &limits, now_ms, &s) == SOURCE_ADMITTED) {
			source_release(&t, s, now_ms);
		}
		assert_int_equal(source_admit(&t, &addr, &limits, now_ms, &s), SOURCE_ADMITTED);
		source_release(&t, s, now_ms);
	}
	assert_in_range(source_count(&t), 1, 60);
	source_table_fini(&t);
}

static void test_f1_2_16_sources_of_one_v6_48_are_2_16_entries(void **state)
{
	const struct source_limits limits = {.connections = 1};
	struct addr addr = parse("2001:db8:77::1");
	struct source_table t;
	struct source *s;

	(void)state;
	table_make(&t, 1000);
	for (uint32_t i = 0; i < 65536; i++) {
		addr.b[6] = (uint8_t)(i >> 8);
		addr.b[7] = (uint8_t)i;
		assert_int_equal(source_admit(&t, &addr, &limits, NOW_MS, &s),
				 i < 1000 ? SOURCE_ADMITTED : SOURCE_TABLE_FULL);
	}
	assert_int_equal(source_count(&t), 1000);
	/* sessions are left: the table is thrown away with them, as at a worker's exit */
	source_table_fini(&t);
}

struct churn {
	struct source *s;
	uint32_t n;
};

/* Sessions come and go in an order of their own; at the end nothing is counted any more. */
static void test_f1_counters_are_0_after_churn(void **state)
{
	const struct source_limits limits = {.connections = 5, .new_per_second = 50};
	static struct churn open[2000];
	uint64_t now_ms = NOW_MS, admitted = 0, refused = 0;
	struct source_table t;
	uint32_t seed = 4711;
	size_t n = 0;

	(void)state;
	table_make(&t, 700);
	for (int i = 0; i < 400000; i++) {
		seed = seed * 1664525 + 1013904223;
		now_ms += (seed >> 28) == 0;
		if (n < 2000 && (seed >> 16) % 5 < 3) {
			struct addr addr = numbered((seed >> 8) % 1000);

			if (source_admit(&t, &addr, &limits, now_ms, &open[n].s) ==
			    SOURCE_ADMITTED) {
				admitted++;
				n++;
			} else {
				refused++;
			}
		} else if (n > 0) {
			size_t k = seed % n;

			source_release(&t, open[k].s, now_ms);
			open[k] = open[--n];
		}
		assert_true(source_count(&t) <= 700);
	}
	assert_true(admitted > 10000 && refused > 10000);
	while (n > 0) {
		source_release(&t, open[--n].s, now_ms);
	}
	assert_false(source_expire(&t, now_ms + 1000, 700));
	assert_int_equal(source_count(&t), 0);
	/* and every entry is to be had again */
	for (uint32_t i = 0; i < 700; i++) {
		struct addr addr = numbered(i);

		assert_int_equal(source_admit(&t, &addr, &limits, now_ms, &open[i].s),
				 SOURCE_ADMITTED);
	}
	for (uint32_t i = 0; i < 700; i++) {
		source_release(&t, open[i].s, now_ms + 2000);
	}
	assert_int_equal(source_count(&t), 0);
	source_table_fini(&t);
}

/* Else a peer would know which sources share a bucket. */
static void test_f1_each_table_hashes_with_a_key_of_its_own(void **state)
{
	const struct source_limits limits = {.connections = 1};
	struct source_table t[2];
	struct source *s[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		table_make(&t[i], 10);
		assert_int_equal(admit(&t[i], "192.0.2.1", &limits, NOW_MS, &s[i]),
				 SOURCE_ADMITTED);
	}
	assert_true(s[0]->node.hash != s[1]->node.hash);
	for (int i = 0; i < 2; i++) {
		source_release(&t[i], s[i], NOW_MS);
		source_table_fini(&t[i]);
	}
}

static void test_without_limits_nothing_is_kept(void **state)
{
	const struct source_limits none = {0};
	struct source_table t;
	struct source *s = (struct source *)&t;

	(void)state;
	table_make(&t, 0);
	assert_int_equal(admit(&t, "192.0.2.1", &none, NOW_MS, &s), SOURCE_ADMITTED);
	assert_null(s);
	source_release(&t, s, NOW_MS);
	source_table_fini(&t);
}

/* A reload lowers a limit while sessions are there: none is cut, new ones wait. */
static void test_f1_lowered_limit_holds_for_new_sessions(void **state)
{
	const struct source_limits high = {.connections = 3, .new_per_second = 100};
	const struct source_limits low = {.connections = 1, .new_per_second = 1};
	struct source *s[3], *more;
	struct source_table t;

	(void)state;
	table_make(&t, 10);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(admit(&t, "192.0.2.1", &high, NOW_MS, &s[i]), SOURCE_ADMITTED);
	}
	assert_int_equal(admit(&t, "192.0.2.1", &low, NOW_MS, &more), SOURCE_TOO_MANY);
	for (int i = 0; i < 3; i++) {
		source_release(&t, s[i], NOW_MS);
	}
	assert_int_equal(admit(&t, "192.0.2.1", &low, NOW_MS, &more), SOURCE_TOO_FAST);
	assert_int_equal(admit(&t, "192.0.2.1", &low, NOW_MS + 3000, &more), SOURCE_ADMITTED);
	source_release(&t, more, NOW_MS + 9000);
	assert_int_equal(source_count(&t), 0);
	source_table_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_f1_sessions_of_a_source_are_limited),
		cmocka_unit_test(test_f1_v4_and_v4_mapped_share_and_so_does_a_v6_64),
		cmocka_unit_test(test_f1_new_sessions_per_second_fill_up_again),
		cmocka_unit_test(test_f1_rates_are_exact_over_time),
		cmocka_unit_test(test_f1_a_released_source_keeps_its_bucket),
		cmocka_unit_test(test_f1_full_table_refuses_new_sources_only),
		cmocka_unit_test(test_f1_hammering_source_does_not_fill_the_table),
		cmocka_unit_test(test_f1_2_16_sources_of_one_v6_48_are_2_16_entries),
		cmocka_unit_test(test_f1_counters_are_0_after_churn),
		cmocka_unit_test(test_f1_each_table_hashes_with_a_key_of_its_own),
		cmocka_unit_test(test_without_limits_nothing_is_kept),
		cmocka_unit_test(test_f1_lowered_limit_holds_for_new_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
