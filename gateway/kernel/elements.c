/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tenants' prefixes as elements of the table's hash sets, with a count of who needs each.
 * Pure bookkeeping: what has to be sent follows from refs and sent of each element.
 */
#include "gateway/kernel/elements.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"

static enum tenant_set prefix_set(const struct prefix *p)
{
	return p->len >= 56 ? TENANTS_64 : TENANTS_56;
}

static unsigned int set_bits(enum tenant_set set)
{
	return set == TENANTS_64 ? 64 : 56;
}

static uint32_t prefix_n_elements(const struct prefix *p)
{
	return UINT32_C(1) << (set_bits(prefix_set(p)) - p->len);
}

/* The i-th element of p. */
static struct element prefix_element(const struct prefix *p, uint32_t i)
{
	struct element e = {.set = prefix_set(p), .key = p->addr};
	unsigned int n_bytes = set_bits(e.set) / 8;

	for (unsigned int at = n_bytes; i != 0; i >>= 8) {
		e.key.b[--at] |= i & 0xff;
	}
	return e;
}

static bool element_eq(const struct table_node *node, const void *key)
{
	const struct element_node *en = container_of(node, const struct element_node, node);
	const struct element *e = key;

	return en->element.set == e->set && addr_eq(&en->element.key, &e->key);
}

static uint64_t element_hash(const struct elements *es, const struct element *e)
{
	uint8_t bytes[sizeof(e->key.b) + 1];

	memcpy(bytes, e->key.b, sizeof(e->key.b));
	bytes[sizeof(e->key.b)] = (uint8_t)e->set;
	return hash_bytes(&es->key, bytes, sizeof(bytes));
}

static struct element_node *element_find(const struct elements *es, const struct element *e)
{
	struct table_node *node = table_find(&es->table, element_hash(es, e), element_eq, e);

	return node ? container_of(node, struct element_node, node) : NULL;
}

void elements_init(struct elements *es)
{
	table_init(&es->table);
	hash_key_init(&es->key);
}

void elements_fini(struct elements *es)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&es->table, &it))) {
		table_remove(&es->table, node);
		free(node);
	}
	table_fini(&es->table);
}

int elements_count(const struct prefix *prefixes, size_t n_prefixes, struct err *err)
{
	uint32_t n = 0;

	for (size_t i = 0; i < n_prefixes; i++) {
		const struct prefix *p = &prefixes[i];
		char text[ADDR_TEXT_MAX];

		if (prefix_is_v4(p) || p->len < TENANT_PREFIX_SHORTEST || p->len > 64) {
			return err_set(err, -EINVAL, "%s: a tenant's prefix is an IPv6 /%d to /64",
				       prefix_format(p, text), TENANT_PREFIX_SHORTEST);
		}
		n += prefix_n_elements(p);
		if (n > TENANT_ELEMENTS_MAX) {
			return err_set(err, -EINVAL,
				       "the prefixes up to %s make more than %d set elements",
				       prefix_format(p, text), TENANT_ELEMENTS_MAX);
		}
	}
	return (int)n;
}

static int element_ref(struct elements *es, const struct element *e)
{
	struct element_node *en = element_find(es, e);

	if (!en) {
		en = calloc(1, sizeof(*en));
		if (!en) {
			return -ENOMEM;
		}
		en->element = *e;
		if (table_insert(&es->table, &en->node, element_hash(es, e)) < 0) {
			free(en);
			return -ENOMEM;
		}
	}
	en->refs++;
	return 0;
}

/* Takes back the first n references elements_ref() made for prefixes. */
static void elements_unref_some(struct elements *es, const struct prefix *prefixes,
				size_t n_prefixes, size_t n)
{
	for (size_t i = 0; i < n_prefixes; i++) {
		for (uint32_t j = 0; j < prefix_n_elements(&prefixes[i]) && n > 0; j++, n--) {
			struct element e = prefix_element(&prefixes[i], j);

			element_find(es, &e)->refs--;
		}
	}
}

int elements_ref(struct elements *es, const struct prefix *prefixes, size_t n_prefixes)
{
	size_t done = 0;

	for (size_t i = 0; i < n_prefixes; i++) {
		for (uint32_t j = 0; j < prefix_n_elements(&prefixes[i]); j++) {
			struct element e = prefix_element(&prefixes[i], j);

			if (element_ref(es, &e) < 0) {
				elements_unref_some(es, prefixes, n_prefixes, done);
				elements_sweep(es, prefixes, n_prefixes);
				return -ENOMEM;
			}
			done++;
		}
	}
	return 0;
}

void elements_unref(struct elements *es, const struct prefix *prefixes, size_t n_prefixes)
{
	elements_unref_some(es, prefixes, n_prefixes, SIZE_MAX);
}

void elements_each(struct elements *es, const struct prefix *prefixes, size_t n_prefixes,
		   element_fn fn, void *arg)
{
	for (size_t i = 0; i < n_prefixes; i++) {
		for (uint32_t j = 0; j < prefix_n_elements(&prefixes[i]); j++) {
			struct element e = prefix_element(&prefixes[i], j);
			struct element_node *en = element_find(es, &e);

			if (en) {
				fn(en, arg);
			}
		}
	}
}

static void element_sweep(struct element_node *en, void *arg)
{
	struct elements *es = arg;

	if (en->refs == 0) {
		table_remove(&es->table, &en->node);
		free(en);
	}
}

void elements_sweep(struct elements *es, const struct prefix *prefixes, size_t n_prefixes)
{
	elements_each(es, prefixes, n_prefixes, element_sweep, es);
}
