/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The whole tenant object, packed and unpacked. Objects are made, and compared, by the schema: a
 * key that somebody adds to it and not to the packed form fails here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/model/tenant.h"
#include "conf/text/schema.h"

#define LIST 2 /* elements of each list */

struct maker {
	struct arena *arena;
	unsigned int n; /* values so far: no two are the same */
};

static void fill_map(struct maker *m, const struct schema *schema, uint8_t *object);

static const char *text_of(struct maker *m, const char *before, const char *behind)
{
	char text[64];

	snprintf(text, sizeof(text), "%s%u%s", before, m->n, behind);
	return arena_strdup(m->arena, str_from(text));
}

static struct addr addr_of(struct maker *m, const char *before, const char *behind)
{
	struct addr a;

	assert_int_equal(addr_parse(str_from(text_of(m, before, behind)), &a), 0);
	return a;
}

static void fill_value(struct maker *m, const struct key *key, uint8_t *out)
{
	m->n++;
	switch (key->type) {
	case KEY_MAP:
		fill_map(m, key->sub, out);
		break;
	case KEY_ID:
		*(const char **)out = text_of(m, "id-", "");
		break;
	case KEY_HOST:
		*(const char **)out = text_of(m, "host-", ".example");
		break;
	case KEY_PATH:
	case KEY_TEXT:
		*(const char **)out = text_of(m, "/text/", "");
		break;
	case KEY_BOOL:
	case KEY_FLAG:
		*(bool *)out = true;
		break;
	case KEY_U16:
		*(uint16_t *)out = (uint16_t)(60000 + m->n);
		break;
	case KEY_U32:
	case KEY_DURATION:
		*(uint32_t *)out = 70000 + m->n;
		break;
	case KEY_U64:
	case KEY_BYTES:
		*(uint64_t *)out = UINT64_C(5000000000) + m->n;
		break;
	case KEY_WORD:
		while (key->words[*(unsigned int *)out + 1]) {
			++*(unsigned int *)out; /* the last one is no default */
		}
		break;
	case KEY_ADDR4:
		*(struct addr *)out = addr_of(m, "203.0.113.", "");
		break;
	case KEY_ADDR:
	case KEY_ADDR6:
	case KEY_ADDR_ANY:
		*(struct addr *)out = addr_of(m, "2001:db8::", "");
		break;
	case KEY_PREFIX:
	case KEY_PREFIX4:
	case KEY_PREFIX6:
		*(struct prefix *)out = (struct prefix){addr_of(m, "2001:db8:0:", "::"), 64};
		break;
	case KEY_ENDPOINT:
		*(struct endpoint *)out = (struct endpoint){addr_of(m, "192.0.2.", ""), 4000};
		break;
	case KEY_PATTERN:
		*(struct name_pattern *)out =
			(struct name_pattern){text_of(m, "n", ".example"), true};
		break;
	case KEY_BACKEND: /* its address by the caller */
		*(struct backend_conf *)out = (struct backend_conf){.slot = 99};
		break;
	case KEY_PORTS:
	case KEY_SERVICE:
		fail_msg("%s: not of a tenant so far", key->name);
	}
}

static size_t element_size(const struct key *key)
{
	return key->type == KEY_MAP ? key->sub->size : value_size(key);
}

static void fill_map(struct maker *m, const struct schema *schema, uint8_t *object)
{
	for (const struct key *key = schema->keys; key->name; key++) {
		uint8_t *out = object + key->offset, *list;

		if (key->n_max == 0) {
			fill_value(m, key, out);
			if (key->aux > 0) {
				*(bool *)(object + key->aux) = true;
			}
			continue;
		}
		list = arena_array(m->arena, LIST, element_size(key));
		for (size_t i = 0; i < LIST; i++) {
			fill_value(m, key, list + i * element_size(key));
		}
		*(void **)out = list;
		*(size_t *)(object + key->aux) = LIST;
	}
}

static struct tenant_conf *make_tenant(void)
{
	struct maker m = {.arena = arena_new(TENANT_ARENA_MAX)};
	struct tenant_conf *tenant = arena_alloc(m.arena, sizeof(*tenant));

	fill_map(&m, &schema_tenant, (uint8_t *)tenant);
	tenant->arena = m.arena;
	tenant->refs = 1;
	tenant->slot = 77;
	for (size_t i = 0; i < LIST; i++) {
		tenant->services[i].slot = 88;
		for (size_t k = 0; k < LIST; k++) {
			tenant->services[i].backends[k].address = tenant->prefixes[k].addr;
		}
	}
	return tenant;
}

static bool text_eq(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static void compare_map(const struct schema *schema, const uint8_t *a, const uint8_t *b);

static void compare_value(const struct key *key, const uint8_t *a, const uint8_t *b)
{
	const struct backend_conf *c = (const void *)a, *d = (const void *)b;
	bool same = false;

	switch (key->type) {
	case KEY_MAP:
		compare_map(key->sub, a, b);
		return;
	case KEY_ID:
	case KEY_HOST:
	case KEY_PATH:
	case KEY_TEXT:
		same = text_eq(*(const char *const *)a, *(const char *const *)b);
		break;
	case KEY_PATTERN:
		same = text_eq(((const struct name_pattern *)a)->text,
			       ((const struct name_pattern *)b)->text) &&
		       ((const struct name_pattern *)b)->wildcard;
		break;
	case KEY_ENDPOINT:
		same = addr_eq(&((const struct endpoint *)a)->addr,
			       &((const struct endpoint *)b)->addr) &&
		       ((const struct endpoint *)b)->port == 4000;
		break;
	case KEY_BACKEND:
		same = addr_eq(&c->address, &d->address) && d->slot == 0;
		break;
	default:
		same = memcmp(a, b, value_size(key)) == 0;
		break;
	}
	if (!same) {
		fail_msg("%s does not come back", key->name);
	}
}

static void compare_map(const struct schema *schema, const uint8_t *a, const uint8_t *b)
{
	for (const struct key *key = schema->keys; key->name; key++) {
		const uint8_t *p = a + key->offset, *q = b + key->offset;

		if (key->n_max == 0) {
			compare_value(key, p, q);
			assert_true(key->aux == 0 || *(const bool *)(b + key->aux));
			continue;
		}
		assert_int_equal(*(const size_t *)(b + key->aux), LIST);
		for (size_t i = 0; i < LIST; i++) {
			compare_value(key, *(const uint8_t *const *)p + i * element_size(key),
				      *(const uint8_t *const *)q + i * element_size(key));
		}
	}
}

static struct buf pack(const struct tenant_conf *tenant)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	tenant_conf_pack_whole(tenant, &out);
	assert_false(out.bad);
	return out;
}

static void every_key_of_the_schema_comes_back(void **state)
{
	struct tenant_conf *before = make_tenant(), *after = NULL;
	struct buf out = pack(before);
	struct err err = {0};

	(void)state;
	if (tenant_conf_unpack_whole(cursor_from(out.data, out.len), &after, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	compare_map(&schema_tenant, (const uint8_t *)before, (const uint8_t *)after);
	tenant_conf_unref(before);
	tenant_conf_unref(after);
	buf_fini(&out);
}

static void counter_slots_are_not_kept(void **state)
{
	struct tenant_conf *before = make_tenant(), *after = NULL;
	struct buf out = pack(before);

	(void)state;
	assert_int_equal(tenant_conf_unpack_whole(cursor_from(out.data, out.len), &after, NULL), 0);
	assert_int_equal(after->slot, 0);
	assert_int_equal(after->services[1].slot, 0);
	tenant_conf_unref(before);
	tenant_conf_unref(after);
	buf_fini(&out);
}

static void one_cut_short_or_longer_is_refused(void **state)
{
	struct tenant_conf *tenant = make_tenant(), *after = NULL;
	struct buf out = pack(tenant);

	(void)state;
	for (size_t len = 0; len < out.len; len++) {
		uint8_t *exact = malloc(len > 0 ? len : 1); /* a sanitizer sees its end */

		assert_non_null(exact);
		memcpy(exact, out.data, len);
		assert_int_equal(tenant_conf_unpack_whole(cursor_from(exact, len), &after, NULL),
				 -EPROTO);
		free(exact);
	}
	buf_u8(&out, 0);
	assert_int_equal(tenant_conf_unpack_whole(cursor_from(out.data, out.len), &after, NULL),
			 -EPROTO);
	tenant_conf_unref(tenant);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_the_schema_comes_back),
		cmocka_unit_test(counter_slots_are_not_kept),
		cmocka_unit_test(one_cut_short_or_longer_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
