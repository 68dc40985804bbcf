/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_NAT64_TABLE_H
#define SIXGATE_NAT64_TABLE_H

#include "nat64/jool.h"

/* Tables of an instance, a page or a whole one at a time, and changes of one entry. */

enum jool_table {
	JOOL_POOL4,
	JOOL_BIB,
	JOOL_SESSION,
	JOOL_EAMT, /* SIIT */
};

enum jool_tcp_state {
	JOOL_ESTABLISHED,
	JOOL_V6_INIT,
	JOOL_V4_INIT,
	JOOL_V4_FIN_RCV,
	JOOL_V6_FIN_RCV,
	JOOL_V4_FIN_V6_FIN_RCV,
	JOOL_TRANS,
};

/* One entry; which members mean something depends on the table. */
struct jool_entry {
	uint8_t protocol;    /* IPPROTO_TCP, _UDP, _ICMP */
	uint32_t mark;       /* pool4 */
	uint32_t iterations; /* pool4; sent back as it came */
	uint8_t flags;       /* same */
	struct prefix range; /* pool4: IPv4, EAMT: IPv4 */
	uint16_t first, last;
	struct prefix inside6;      /* EAMT */
	struct endpoint src6, dst6; /* BIB: src6; sessions: both. The tenant is src6 */
	struct endpoint src4, dst4; /* BIB: src4, our address; sessions: both */
	bool is_static;             /* BIB */
	uint8_t state;              /* sessions of TCP: enum jool_tcp_state */
	uint32_t expires_ms;        /* sessions */
};

typedef int (*jool_entry_fn)(const struct jool_entry *entry, void *arg);

/* Where a walk through a table is. Zeroed with protocol set: before the first entry. */
struct jool_walk {
	uint8_t protocol; /* not for the EAMT */
	bool begun;
	struct jool_entry last; /* of the BIB: an entry before the first wanted one will do */
};

/* Of the BIB: the first entry it will find is the one at outside, or the next one behind that. */
void jool_walk_from(struct jool_walk *walk, uint8_t protocol, const struct endpoint *outside);

/*
 * Calls fn for the entries of the next page, some ten of them. ret_more: there are more. A
 * negative return of fn ends it and is returned. -EAGAIN: the entry at which the walk stood is
 * gone (pool4), begin again.
 */
int jool_walk(const struct jool *jool, enum jool_table table, struct jool_walk *walk,
	      jool_entry_fn fn, void *arg, bool *ret_more, struct err *err) CHECKED;

/* A whole table of one protocol in memory. */
struct jool_list {
	struct jool_entry *items; /* owned */
	size_t n, size;
};
/* Begins again by itself when the table changes. -E2BIG for more than max entries. */
int jool_list_read(const struct jool *jool, enum jool_table table, uint8_t protocol, size_t max,
		   struct jool_list *list, struct err *err) CHECKED;
/* Adds one. Returns 0 or -ENOMEM. */
int jool_list_add(struct jool_list *list, const struct jool_entry *entry) CHECKED;
void jool_list_fini(struct jool_list *list);

/*
 * Adds or removes an entry of pool4, BIB (a static one) or EAMT. To remove one of the BIB, src6 or
 * src4 alone will do: the other has port 0 and no address. -EEXIST: it collides with another;
 * -ESRCH: there is none.
 */
int jool_entry_add(const struct jool *jool, enum jool_table table, const struct jool_entry *entry,
		   struct err *err) CHECKED;
int jool_entry_remove(const struct jool *jool, enum jool_table table,
		      const struct jool_entry *entry, struct err *err) CHECKED;

#endif
