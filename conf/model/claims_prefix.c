/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Index of the claimed prefixes: a skip list in order, in which one of four has a pointer of the
 * next level, so that what 100,000 tenants claim is put in its place in some 20 steps each. Two
 * prefixes are apart, or one lies in the other; so what covers a prefix is found by looking up its
 * own address at each shorter length that is in use, and what lies in it follows it in the list.
 */
#include "conf/model/claims_prefix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The first one that is not before prefix. ret_before, if not NULL: where each level points on. */
static struct prefix_claim *lower_bound(struct prefix_index *index, const struct prefix *prefix,
					struct prefix_claim ***ret_before)
{
	struct prefix_claim **links = index->first;

	for (int level = PREFIX_INDEX_LEVELS - 1; level >= 0; level--) {
		while (links[level] && prefix_cmp(&links[level]->prefix, prefix) < 0) {
			links = links[level]->next;
		}
		if (ret_before) {
			ret_before[level] = &links[level];
		}
	}
	return links[0];
}

static struct prefix_claim *find(struct prefix_index *index, const struct prefix *prefix)
{
	struct prefix_claim *claim = lower_bound(index, prefix, NULL);

	return claim && prefix_cmp(&claim->prefix, prefix) == 0 ? claim : NULL;
}

static const struct prefix_claim *
find_foreign(struct prefix_index *index, const struct prefix *prefix, const struct claimant *by)
{
	const struct prefix_claim *other;

	for (unsigned int len = 0; len < prefix->len; len++) {
		struct prefix cover = {prefix->addr, (uint8_t)len};

		if (index->of_length[len] == 0) {
			continue;
		}
		addr_mask(&cover.addr, len);
		other = find(index, &cover);
		if (other && claim_is_foreign(&other->claim, by)) {
			return other;
		}
	}
	for (other = lower_bound(index, prefix, NULL);
	     other && prefix_contains(prefix, &other->prefix.addr); other = other->next[0]) {
		if (claim_is_foreign(&other->claim, by)) {
			return other;
		}
	}
	return NULL;
}

/* Of how many levels the next one is. Nobody gains by knowing. */
static int new_levels(struct prefix_index *index)
{
	uint64_t bits = index->random = index->random * 6364136223846793005u + 1442695040888963407u;
	int levels = 1;

	for (bits >>= 32; levels < PREFIX_INDEX_LEVELS && (bits & 3) == 0; bits >>= 2) {
		levels++;
	}
	return levels;
}

/* One that is not there yet. NULL when out of memory. */
static struct prefix_claim *insert(struct prefix_index *index, const struct prefix *prefix)
{
	struct prefix_claim **before[PREFIX_INDEX_LEVELS], *claim;
	int levels = new_levels(index);

	claim = calloc(1, sizeof(*claim) + (size_t)levels * sizeof(claim->next[0]));
	if (!claim) {
		return NULL;
	}
	(void)lower_bound(index, prefix, before);
	claim->prefix = *prefix;
	do {
		levels--;
		claim->next[levels] = *before[levels];
		*before[levels] = claim;
	} while (levels > 0);
	index->of_length[prefix->len]++;
	return claim;
}

int prefix_index_take(struct prefix_index *index, const struct prefix *prefix, struct claimant *by,
		      const struct prefix_claim **ret_other)
{
	struct prefix_claim *claim = find(index, prefix);

	*ret_other = find_foreign(index, prefix, by);
	if (*ret_other) {
		return -EEXIST;
	}
	claim = claim ? claim : insert(index, prefix);
	if (!claim) {
		return -ENOMEM;
	}
	claim_take(&claim->claim, by);
	return 0;
}

struct claim *prefix_index_claim(struct prefix_index *index, const struct prefix *prefix)
{
	return &find(index, prefix)->claim;
}

void prefix_index_drop(struct prefix_index *index, const struct prefix *prefix)
{
	struct prefix_claim **before[PREFIX_INDEX_LEVELS];
	struct prefix_claim *claim = lower_bound(index, prefix, before);

	claim_drop(&claim->claim);
	if (claim->claim.owner) {
		return;
	}
	for (int i = 0; i < PREFIX_INDEX_LEVELS && *before[i] == claim; i++) {
		*before[i] = claim->next[i];
	}
	index->of_length[prefix->len]--;
	free(claim);
}

void prefix_index_fini(struct prefix_index *index)
{
	struct prefix_claim *claim;

	while ((claim = index->first[0])) {
		index->first[0] = claim->next[0];
		free(claim);
	}
	*index = (struct prefix_index){0};
}
