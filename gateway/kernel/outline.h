/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_OUTLINE_H
#define SIXGATE_GATEWAY_KERNEL_OUTLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct nftnl_chain;
struct nftnl_rule;
struct nftnl_set;

/*
 * What a table is made of, as a list of names with a hash of each one's text: the same of a table
 * that is to be put in and of one that was read back. Elements and counts are not part of it.
 */
enum outline_kind {
	OUTLINE_TABLE,
	OUTLINE_CHAIN,
	OUTLINE_SET,
	OUTLINE_COUNTER,
	OUTLINE_TIMEOUT,
	OUTLINE_RULE, /* its name is its chain's */
};

struct outline_item {
	enum outline_kind kind;
	char *name; /* owned */
	uint64_t hash;
};

struct outline {
	struct outline_item *items; /* owned */
	size_t n, size;
	uint64_t digest; /* of all items; rules count in their order within a chain */
	bool bad;        /* out of memory; sticky */
};

void outline_init(struct outline *o);
void outline_fini(struct outline *o);
void outline_table(struct outline *o, uint32_t flags);
void outline_chain(struct outline *o, const struct nftnl_chain *c);
void outline_set(struct outline *o, const struct nftnl_set *s);
void outline_counter(struct outline *o, const char *name);
void outline_timeout(struct outline *o, const char *name);
/* Takes the handle and the position off r, which say nothing about what the rule does. */
void outline_rule(struct outline *o, struct nftnl_rule *r);
/* True when there is an item with that kind, name and hash. */
bool outline_has(const struct outline *o, const struct outline_item *item);

#endif
