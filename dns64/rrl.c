/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rate of answers by prefix of the source; see rrl.h. Called by authority.c. */
#include "dns64/rrl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER   1000 /* tokens */
#define BITS_4   (96 + 24)
#define BITS_6   56
#define N_GROUPS (RRL_ENTRIES / RRL_WAYS)

int rrl_init(struct rrl *r, uint32_t rate)
{
	*r = (struct rrl){.rate = rate};
	hash_key_init(&r->key);
	r->entries = calloc(RRL_ENTRIES, sizeof(*r->entries));
	return r->entries ? 0 : -ENOMEM;
}

void rrl_fini(struct rrl *r)
{
	free(r->entries);
	r->entries = NULL;
}

struct prefix rrl_prefix(const struct addr *from)
{
	struct prefix p = {.addr = *from, .len = addr_is_v4(from) ? BITS_4 : BITS_6};

	addr_mask(&p.addr, p.len);
	return p;
}

/* The place, which may have been another's. most: its tokens when it is new. */
static struct rrl_entry *find(struct rrl *r, uint64_t hash, uint64_t most, uint64_t now_ms)
{
	struct rrl_entry *group = &r->entries[(hash >> 1) % N_GROUPS * RRL_WAYS], *oldest = group;

	for (unsigned int i = 0; i < RRL_WAYS; i++) {
		if (group[i].prefix == hash) {
			return &group[i];
		}
		if (group[i].at_ms < oldest->at_ms) {
			oldest = &group[i];
		}
	}
	*oldest = (struct rrl_entry){.prefix = hash, .at_ms = now_ms, .tokens = (uint32_t)most};
	return oldest;
}

/* Never 0, which is a free place. */
static uint64_t hash_of(const struct rrl *r, const struct addr *from, bool known)
{
	const struct prefix p = rrl_prefix(from);
	uint8_t bytes[sizeof(from->b) + 1];

	memcpy(bytes, known ? from->b : p.addr.b, sizeof(from->b));
	bytes[sizeof(from->b)] = known;
	return hash_bytes(&r->key, bytes, sizeof(bytes)) | 1;
}

enum rrl_verdict rrl_check(struct rrl *r, const struct addr *from, bool known, uint64_t now_ms)
{
	uint64_t rate = (uint64_t)r->rate * (known ? RRL_KNOWN : 1), most = rate * ANSWER;
	struct rrl_entry *e = find(r, hash_of(r, from, known), most, now_ms);
	uint64_t tokens = e->tokens + (now_ms - e->at_ms) * rate; /* thousandths a ms */

	e->tokens = (uint32_t)(tokens < most ? tokens : most);
	e->at_ms = now_ms;
	if (e->tokens >= ANSWER) {
		e->tokens -= ANSWER;
		return RRL_PASS;
	}
	return e->n_over++ % 2 == 0 ? RRL_SLIP : RRL_DROP;
}
