/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Index of the claimed prefixes: a sorted list. Two prefixes are apart, or one lies in the other;
 * so what covers a prefix is found by looking up its own address at each shorter length that is in
 * use, and what lies in it follows it in the list.
 */
#include "conf/model/claims_prefix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Index of the first one that is not before prefix. */
static size_t lower_bound(const struct prefix_index *index, const struct prefix *prefix)
{
	size_t from = 0, to = index->n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (prefix_cmp(&index->list[middle].prefix, prefix) < 0) {
			from = middle + 1;
		} else {
			to = middle;
		}
	}
	return from;
}

static struct prefix_claim *find(const struct prefix_index *index, const struct prefix *prefix)
{
	size_t at = lower_bound(index, prefix);

	if (at < index->n && prefix_cmp(&index->list[at].prefix, prefix) == 0) {
		return &index->list[at];
	}
	return NULL;
}

static const struct prefix_claim *find_foreign(const struct prefix_index *index,
					       const struct prefix *prefix,
					       const struct claimant *by)
{
	for (unsigned int len = 0; len < prefix->len; len++) {
		struct prefix cover = {prefix->addr, (uint8_t)len};
		const struct prefix_claim *other;

		if (index->of_length[len] == 0) {
			continue;
		}
		addr_mask(&cover.addr, len);
		other = find(index, &cover);
		if (other && claim_is_foreign(&other->claim, by)) {
			return other;
		}
	}
	for (size_t i = lower_bound(index, prefix); i < index->n; i++) {
		if (!prefix_contains(prefix, &index->list[i].prefix.addr)) {
			break;
		}
		if (claim_is_foreign(&index->list[i].claim, by)) {
			return &index->list[i];
		}
	}
	return NULL;
}

static int make_room(struct prefix_index *index)
{
	size_t size = index->size > 0 ? index->size * 2 : 64;
	struct prefix_claim *list;

	if (index->n < index->size) {
		return 0;
	}
	list = reallocarray(index->list, size, sizeof(*list));
	if (!list) {
		return -ENOMEM;
	}
	index->list = list;
	index->size = size;
	return 0;
}

int prefix_index_take(struct prefix_index *index, const struct prefix *prefix, struct claimant *by,
		      const struct prefix_claim **ret_other)
{
	struct prefix_claim *claim = find(index, prefix);
	size_t at;

	*ret_other = find_foreign(index, prefix, by);
	if (*ret_other) {
		return -EEXIST;
	}
	if (!claim) {
		if (make_room(index) < 0) {
			return -ENOMEM;
		}
		at = lower_bound(index, prefix);
		claim = &index->list[at];
		memmove(claim + 1, claim, (index->n - at) * sizeof(*claim));
		*claim = (struct prefix_claim){.prefix = *prefix};
		index->n++;
		index->of_length[prefix->len]++;
	}
	claim_take(&claim->claim, by);
	return 0;
}

struct claim *prefix_index_claim(const struct prefix_index *index, const struct prefix *prefix)
{
	return &find(index, prefix)->claim;
}

void prefix_index_drop(struct prefix_index *index, const struct prefix *prefix)
{
	struct prefix_claim *claim = find(index, prefix);
	size_t at = (size_t)(claim - index->list);

	claim_drop(&claim->claim);
	if (!claim->claim.owner) {
		index->n--;
		index->of_length[prefix->len]--;
		memmove(claim, claim + 1, (index->n - at) * sizeof(*claim));
	}
}

void prefix_index_fini(struct prefix_index *index)
{
	free(index->list);
	*index = (struct prefix_index){0};
}
