/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SipHash against its published vectors; the table while it grows, shrinks and is walked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/container.h"
#include "base/hash.h"

#define N_ITEMS 100000

struct item {
	struct table_node node;
	uint32_t key;
	unsigned int seen;
};

static bool item_eq(const struct table_node *node, const void *key)
{
	return container_of(node, const struct item, node)->key == *(const uint32_t *)key;
}

/* Few distinct values, so that chains hold equal hashes. */
static uint64_t weak_hash(uint32_t key)
{
	return key % 1000;
}

static struct item *find(const struct table *t, uint32_t key, uint64_t hash)
{
	struct table_node *node = table_find(t, hash, item_eq, &key);

	return node ? container_of(node, struct item, node) : NULL;
}

/* The first and last of the reference implementation's 64 vectors, and one between. */
static void siphash_vectors(void **state)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} vectors[] = {
		{0, 0x726fdb47dd0e0e31},  {1, 0x74f839c593dc67fd},  {8, 0x93f5f5799a932462},
		{15, 0xa129ca6149be45e5}, {63, 0x958a324ceb064572},
	};
	struct hash_key key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};
	uint8_t data[64];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] = (uint8_t)i;
	}
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		assert_true(hash_bytes(&key, data, vectors[i].len) == vectors[i].hash);
	}
}

static void two_keys_differ(void **state)
{
	struct hash_key a, b;

	(void)state;
	hash_key_init(&a);
	hash_key_init(&b);
	assert_memory_not_equal(&a, &b, sizeof(a));
	assert_true(hash_bytes(&a, "x", 1) != hash_bytes(&b, "x", 1));
}

static void nothing_is_found_in_an_empty_table(void **state)
{
	struct table_iter it = {0};
	struct table t;

	(void)state;
	table_init(&t);
	assert_null(find(&t, 1, 1));
	assert_null(table_next(&t, &it));
	table_fini(&t);
}

static void everything_is_found_while_it_grows(void **state)
{
	struct item *items = calloc(N_ITEMS, sizeof(*items));
	struct hash_key key = {{1, 2}};
	struct table t;

	(void)state;
	table_init(&t);
	for (uint32_t i = 0; i < N_ITEMS; i++) {
		uint32_t old = (uint32_t)((uint64_t)i * 2654435761u % (i + 1));

		items[i].key = i;
		assert_int_equal(table_insert(&t, &items[i].node, hash_bytes(&key, &i, sizeof(i))),
				 0);
		assert_ptr_equal(find(&t, old, hash_bytes(&key, &old, sizeof(old))), &items[old]);
		old = i + 1;
		assert_null(find(&t, old, hash_bytes(&key, &old, sizeof(old))));
	}
	assert_int_equal(t.count, N_ITEMS);
	assert_true(t.n_buckets >= N_ITEMS / 2);
	table_fini(&t);
	free(items);
}

/* The growing itself: after a resize at n buckets the old ones go in steps, not at once. */
static void growing_is_spread_over_inserts(void **state)
{
	struct item *items = calloc(N_ITEMS, sizeof(*items));
	size_t steps = 0, last_moved = 0;
	struct hash_key key = {{1, 2}};
	struct table t;

	(void)state;
	table_init(&t);
	for (uint32_t i = 0; i < N_ITEMS; i++) {
		items[i].key = i;
		assert_int_equal(table_insert(&t, &items[i].node, hash_bytes(&key, &i, sizeof(i))),
				 0);
		if (t.old_buckets) {
			assert_true(t.moved - last_moved <= 16);
			last_moved = t.moved;
			steps++;
		} else {
			last_moved = 0;
		}
	}
	assert_true(steps > N_ITEMS / 32);
	table_fini(&t);
	free(items);
}

static void equal_hashes_and_removal(void **state)
{
	struct item *items = calloc(N_ITEMS, sizeof(*items));
	struct table t;

	(void)state;
	table_init(&t);
	for (uint32_t i = 0; i < 20000; i++) {
		items[i].key = i;
		assert_int_equal(table_insert(&t, &items[i].node, weak_hash(i)), 0);
		if (i % 3 == 2) { /* in the middle of growing too */
			table_remove(&t, &items[i - 1].node);
		}
	}
	for (uint32_t i = 0; i < 20000; i += 97) {
		struct item *want = i % 3 == 1 && i + 1 < 20000 ? NULL : &items[i];

		assert_ptr_equal(find(&t, i, weak_hash(i)), want);
	}
	table_fini(&t);
	free(items);
}

static void a_walk_meets_each_node_once_and_may_remove_it(void **state)
{
	struct item *items = calloc(N_ITEMS, sizeof(*items));
	struct hash_key key = {{3, 4}};
	struct table t;

	(void)state;
	/* at 1,100 of 1,024 buckets a table is in the middle of growing */
	for (uint32_t n = 0; n <= 1100; n += 50) {
		struct table_iter it = {0};
		struct table_node *node;
		size_t met = 0;

		table_init(&t);
		for (uint32_t i = 0; i < n; i++) {
			items[i] = (struct item){.key = i};
			assert_int_equal(table_insert(&t, &items[i].node,
						      hash_bytes(&key, &i, sizeof(i))),
					 0);
		}
		while ((node = table_next(&t, &it))) {
			struct item *item = container_of(node, struct item, node);

			assert_int_equal(item->seen++, 0);
			if (item->key % 2 == 0) {
				table_remove(&t, node);
			}
			met++;
		}
		assert_int_equal(met, n);
		assert_int_equal(t.count, n / 2);
		table_fini(&t);
	}
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_vectors),
		cmocka_unit_test(two_keys_differ),
		cmocka_unit_test(nothing_is_found_in_an_empty_table),
		cmocka_unit_test(everything_is_found_while_it_grows),
		cmocka_unit_test(growing_is_spread_over_inserts),
		cmocka_unit_test(equal_hashes_and_removal),
		cmocka_unit_test(a_walk_meets_each_node_once_and_may_remove_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
