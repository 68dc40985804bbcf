/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The outline of a table: from it follow the digest by which a table that was altered is known,
 * and what of a table is to be taken away. The hash has no secret key, so that the next run of
 * sixgated finds the same digest.
 */
#include "gateway/kernel/outline.h"

#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define ITEMS_MAX 65536
#define TEXT_MAX  65536 /* bytes; a longer rule is not ours */

static const struct hash_key no_key;

void outline_init(struct outline *o)
{
	*o = (struct outline){0};
}

void outline_fini(struct outline *o)
{
	for (size_t i = 0; i < o->n; i++) {
		free(o->items[i].name);
	}
	free(o->items);
	outline_init(o);
}

static void outline_add(struct outline *o, enum outline_kind kind, const char *name,
			const char *text)
{
	struct outline_item item = {.kind = kind};
	uint64_t parts[3] = {(uint64_t)kind, hash_bytes(&no_key, name, strlen(name))};

	if (o->n == o->size) {
		size_t size = o->size == 0 ? 64 : 2 * o->size;
		struct outline_item *items =
			size <= ITEMS_MAX ? realloc(o->items, size * sizeof(*items)) : NULL;

		if (!items) {
			o->bad = true;
			return;
		}
		o->items = items;
		o->size = size;
	}
	item.name = strdup(name);
	if (!item.name) {
		o->bad = true;
		return;
	}
	/* A chain's rule carries the hash of the one before it: their order counts. */
	for (size_t i = o->n; kind == OUTLINE_RULE && i > 0; i--) {
		if (o->items[i - 1].kind == kind && strcmp(o->items[i - 1].name, name) == 0) {
			parts[2] = o->items[i - 1].hash;
			break;
		}
	}
	parts[0] ^= hash_bytes(&no_key, text, strlen(text));
	item.hash = hash_bytes(&no_key, parts, sizeof(parts));
	o->items[o->n++] = item;
	o->digest += item.hash;
}

void outline_table(struct outline *o, uint32_t flags)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%x", flags); /* fits */
	outline_add(o, OUTLINE_TABLE, "", text);
}

void outline_chain(struct outline *o, const struct nftnl_chain *c)
{
	const char *type = nftnl_chain_get_str(c, NFTNL_CHAIN_TYPE);
	char text[128] = "";

	if (nftnl_chain_is_set(c, NFTNL_CHAIN_HOOKNUM)) {
		(void)snprintf(text, sizeof(text), "%s %u %d %u", type ? type : "", /* to compare */
			       nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM),
			       nftnl_chain_get_s32(c, NFTNL_CHAIN_PRIO),
			       nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY));
	}
	outline_add(o, OUTLINE_CHAIN, nftnl_chain_get_str(c, NFTNL_CHAIN_NAME), text);
}

void outline_set(struct outline *o, const struct nftnl_set *s)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "%x %u %u %u %u %u %llu", /* fits */
		       nftnl_set_get_u32(s, NFTNL_SET_FLAGS),
		       nftnl_set_get_u32(s, NFTNL_SET_KEY_TYPE),
		       nftnl_set_get_u32(s, NFTNL_SET_KEY_LEN),
		       nftnl_set_get_u32(s, NFTNL_SET_DATA_TYPE),
		       nftnl_set_get_u32(s, NFTNL_SET_DATA_LEN),
		       nftnl_set_get_u32(s, NFTNL_SET_DESC_SIZE),
		       (unsigned long long)nftnl_set_get_u64(s, NFTNL_SET_TIMEOUT));
	outline_add(o, OUTLINE_SET, nftnl_set_get_str(s, NFTNL_SET_NAME), text);
}

void outline_counter(struct outline *o, const char *name)
{
	outline_add(o, OUTLINE_COUNTER, name, "");
}

void outline_timeout(struct outline *o, const char *name)
{
	outline_add(o, OUTLINE_TIMEOUT, name, "");
}

void outline_rule(struct outline *o, struct nftnl_rule *r)
{
	char *text = malloc(TEXT_MAX);

	if (!text) {
		o->bad = true;
		return;
	}
	nftnl_rule_unset(r, NFTNL_RULE_HANDLE);
	nftnl_rule_unset(r, NFTNL_RULE_POSITION);
	nftnl_rule_unset(r, NFTNL_RULE_USERDATA);
	if (nftnl_rule_snprintf(text, TEXT_MAX, r, NFTNL_OUTPUT_DEFAULT, 0) < 0) {
		text[0] = '\0';
	}
	outline_add(o, OUTLINE_RULE, nftnl_rule_get_str(r, NFTNL_RULE_CHAIN), text);
	free(text);
}

bool outline_has(const struct outline *o, const struct outline_item *item)
{
	for (size_t i = 0; i < o->n; i++) {
		if (o->items[i].kind == item->kind && o->items[i].hash == item->hash &&
		    strcmp(o->items[i].name, item->name) == 0) {
			return true;
		}
	}
	return false;
}
