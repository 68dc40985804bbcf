/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tables of an instance. A table is read in pages of 4 KB; each next page is asked for with the
 * last entry of the one before.
 */
#include "nat64/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nat64/internal.h"

#define ENTRY      1 /* in a list */
#define LIST_TRIES 10

#define POOL4_MARK       1
#define POOL4_ITERATIONS 2
#define POOL4_FLAGS      3
#define POOL4_PROTO      4
#define POOL4_PREFIX     5
#define POOL4_FIRST      6
#define POOL4_LAST       7

#define BIB_SRC6   1
#define BIB_SRC4   2
#define BIB_PROTO  3
#define BIB_STATIC 4

#define SESSION_SRC6    1
#define SESSION_DST6    2
#define SESSION_SRC4    3
#define SESSION_DST4    4
#define SESSION_PROTO   5
#define SESSION_STATE   6
#define SESSION_TIMER   7
#define SESSION_EXPIRES 8

#define EAM_PREFIX6 1
#define EAM_PREFIX4 2

/* Jool's numbers. */
static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
#define N_PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

static uint8_t proto_put(uint8_t protocol)
{
	for (uint8_t i = 0; i < N_PROTOCOLS; i++) {
		if (protocols[i] == protocol) {
			return i;
		}
	}
	return UINT8_MAX; /* refused by the module */
}

static bool proto_get(const struct nlattr *attr, uint8_t *ret_protocol)
{
	uint8_t number;

	if (!jool_get(attr, &number, sizeof(number)) || number >= N_PROTOCOLS) {
		return false;
	}
	*ret_protocol = protocols[number];
	return true;
}

static bool u8_get(const struct nlattr *attr, uint8_t *ret)
{
	return jool_get(attr, ret, sizeof(*ret));
}

static bool u16_get(const struct nlattr *attr, uint16_t *ret)
{
	return jool_get(attr, ret, sizeof(*ret));
}

static bool u32_get(const struct nlattr *attr, uint32_t *ret)
{
	return jool_get(attr, ret, sizeof(*ret));
}

/* The readers of one attribute of an entry; one that is not known is skipped. */
static bool pool4_attribute(const struct nlattr *attr, struct jool_entry *e)
{
	switch (mnl_attr_get_type(attr)) {
	case POOL4_MARK:
		return u32_get(attr, &e->mark);
	case POOL4_ITERATIONS:
		return u32_get(attr, &e->iterations);
	case POOL4_FLAGS:
		return u8_get(attr, &e->flags);
	case POOL4_PROTO:
		return proto_get(attr, &e->protocol);
	case POOL4_PREFIX:
		return jool_get_prefix(attr, &e->range) && prefix_is_v4(&e->range);
	case POOL4_FIRST:
		return u16_get(attr, &e->first);
	case POOL4_LAST:
		return u16_get(attr, &e->last);
	default:
		return true;
	}
}

static bool bib_attribute(const struct nlattr *attr, struct jool_entry *e)
{
	uint8_t flag = 0;
	bool good;

	switch (mnl_attr_get_type(attr)) {
	case BIB_SRC6:
		return jool_get_endpoint(attr, &e->src6);
	case BIB_SRC4:
		return jool_get_endpoint(attr, &e->src4);
	case BIB_PROTO:
		return proto_get(attr, &e->protocol);
	case BIB_STATIC:
		good = u8_get(attr, &flag);
		e->is_static = flag != 0;
		return good;
	default:
		return true;
	}
}

static bool session_attribute(const struct nlattr *attr, struct jool_entry *e)
{
	switch (mnl_attr_get_type(attr)) {
	case SESSION_SRC6:
		return jool_get_endpoint(attr, &e->src6);
	case SESSION_DST6:
		return jool_get_endpoint(attr, &e->dst6);
	case SESSION_SRC4:
		return jool_get_endpoint(attr, &e->src4);
	case SESSION_DST4:
		return jool_get_endpoint(attr, &e->dst4);
	case SESSION_PROTO:
		return proto_get(attr, &e->protocol);
	case SESSION_STATE:
		return u8_get(attr, &e->state);
	case SESSION_EXPIRES:
		return u32_get(attr, &e->expires_ms);
	default:
		return true;
	}
}

static bool eam_attribute(const struct nlattr *attr, struct jool_entry *e)
{
	switch (mnl_attr_get_type(attr)) {
	case EAM_PREFIX6:
		return jool_get_prefix(attr, &e->inside6);
	case EAM_PREFIX4:
		return jool_get_prefix(attr, &e->range) && prefix_is_v4(&e->range);
	default:
		return true;
	}
}

/* How a table is spoken of on the wire. */
static const struct {
	enum jool_op list, add, remove;
	bool (*attribute)(const struct nlattr *attr, struct jool_entry *e);
	uint32_t must; /* bits of attributes that an entry has */
} tables[] = {
	[JOOL_POOL4] = {JOOL_OP_POOL4, JOOL_OP_POOL4_ADD, JOOL_OP_POOL4_REMOVE, pool4_attribute,
			1u << POOL4_PROTO | 1u << POOL4_PREFIX | 1u << POOL4_FIRST |
				1u << POOL4_LAST},
	[JOOL_BIB] = {JOOL_OP_BIB, JOOL_OP_BIB_ADD, JOOL_OP_BIB_REMOVE, bib_attribute,
		      1u << BIB_SRC6 | 1u << BIB_SRC4 | 1u << BIB_PROTO},
	[JOOL_SESSION] = {JOOL_OP_SESSION, 0, 0, session_attribute,
			  1u << SESSION_SRC6 | 1u << SESSION_SRC4 | 1u << SESSION_DST4},
	[JOOL_EAMT] = {JOOL_OP_EAMT, JOOL_OP_EAMT_ADD, JOOL_OP_EAMT_REMOVE, eam_attribute,
		       1u << EAM_PREFIX6 | 1u << EAM_PREFIX4},
};

static void pool4_put(struct nlmsghdr *nlh, const struct jool_entry *e)
{
	mnl_attr_put_u32(nlh, POOL4_MARK, e->mark);
	mnl_attr_put_u32(nlh, POOL4_ITERATIONS, e->iterations);
	mnl_attr_put_u8(nlh, POOL4_FLAGS, e->flags);
	mnl_attr_put_u8(nlh, POOL4_PROTO, proto_put(e->protocol));
	jool_put_prefix(nlh, POOL4_PREFIX, &e->range);
	mnl_attr_put_u16(nlh, POOL4_FIRST, e->first);
	mnl_attr_put_u16(nlh, POOL4_LAST, e->last);
}

static void bib_put(struct nlmsghdr *nlh, const struct jool_entry *e)
{
	if (e->src6.port != 0 || !addr_is_any(&e->src6.addr)) {
		jool_put_endpoint(nlh, BIB_SRC6, &e->src6);
	}
	if (e->src4.port != 0 || !addr_is_any(&e->src4.addr)) {
		jool_put_endpoint(nlh, BIB_SRC4, &e->src4);
	}
	mnl_attr_put_u8(nlh, BIB_PROTO, proto_put(e->protocol));
	mnl_attr_put_u8(nlh, BIB_STATIC, e->is_static);
}

/* An entry, as operand of a change or as the place where a walk goes on. */
static void entry_put(struct nlmsghdr *nlh, uint16_t type, enum jool_table table,
		      const struct jool_entry *e)
{
	struct nlattr *nest;

	if (table == JOOL_EAMT && type == JOOL_ROOT_OFFSET) {
		jool_put_prefix(nlh, type, &e->range);
		return;
	}
	nest = mnl_attr_nest_start(nlh, type);
	switch (table) {
	case JOOL_POOL4:
		pool4_put(nlh, e);
		break;
	case JOOL_BIB:
		bib_put(nlh, e);
		break;
	case JOOL_SESSION:
		jool_put_endpoint(nlh, SESSION_SRC4, &e->src4);
		jool_put_endpoint(nlh, SESSION_DST4, &e->dst4);
		break;
	case JOOL_EAMT:
		jool_put_prefix(nlh, EAM_PREFIX6, &e->inside6);
		jool_put_prefix(nlh, EAM_PREFIX4, &e->range);
		break;
	}
	mnl_attr_nest_end(nlh, nest);
}

struct page {
	enum jool_table table;
	struct jool_walk *walk;
	jool_entry_fn fn;
	void *arg;
	bool any;
};

/* The families that an entry's addresses have. */
static bool entry_valid(enum jool_table table, const struct jool_entry *e)
{
	switch (table) {
	case JOOL_POOL4:
		return e->first <= e->last;
	case JOOL_BIB:
		return !addr_is_v4(&e->src6.addr) && addr_is_v4(&e->src4.addr);
	case JOOL_SESSION:
		return !addr_is_v4(&e->src6.addr) && addr_is_v4(&e->src4.addr) &&
		       addr_is_v4(&e->dst4.addr);
	case JOOL_EAMT:
		return !prefix_is_v4(&e->inside6);
	}
	return false;
}

static int page_entry(const struct nlattr *nest, void *arg, struct err *err)
{
	struct page *page = arg;
	const struct nlattr *attr;
	uint32_t seen = 0, must = tables[page->table].must;
	struct jool_entry e;
	bool good = true;

	if (mnl_attr_get_type(nest) != ENTRY) {
		return 0;
	}
	memset(&e, 0, sizeof(e)); /* two entries are compared with their padding */
	e.protocol = page->walk->protocol;
	mnl_attr_for_each_nested(attr, nest)
	{
		seen |= mnl_attr_get_type(attr) < 32 ? UINT32_C(1) << mnl_attr_get_type(attr) : 0;
		good = good && tables[page->table].attribute(attr, &e);
	}
	if (!good || (seen & must) != must || e.protocol != page->walk->protocol ||
	    !entry_valid(page->table, &e)) {
		return err_set(err, -EPROTO, "jool: an entry that makes no sense");
	}
	page->walk->last = e;
	page->walk->begun = true;
	page->any = true;
	return page->fn(&e, page->arg);
}

void jool_walk_from(struct jool_walk *walk, uint8_t protocol, const struct endpoint *outside)
{
	*walk = (struct jool_walk){.protocol = protocol, .begun = true};
	walk->last.protocol = protocol;
	walk->last.src6 = (struct endpoint){.addr = {.b = {[15] = 1}}, .port = 1}; /* any */
	walk->last.src4 = *outside;
	walk->last.src4.port--; /* a public port is never 0 */
}

int jool_walk(const struct jool *jool, enum jool_table table, struct jool_walk *walk,
	      jool_entry_fn fn, void *arg, bool *ret_more, struct err *err)
{
	struct page page = {.table = table, .walk = walk, .fn = fn, .arg = arg};
	struct jool_entry from = walk->last;
	struct jool_message m;
	int rc = jool_begin(jool, &m, tables[table].list, err);

	if (rc < 0) {
		return rc;
	}
	if (walk->begun) {
		entry_put(m.nlh, JOOL_ROOT_OFFSET, table, &walk->last);
	}
	if (table != JOOL_EAMT && (!walk->begun || table == JOOL_SESSION)) {
		mnl_attr_put_u8(m.nlh, JOOL_ROOT_PROTO, proto_put(walk->protocol));
	}
	rc = jool_exchange(jool, &m, page_entry, &page, ret_more, err);
	if (rc == 0 && *ret_more && (!page.any || memcmp(&from, &walk->last, sizeof(from)) == 0)) {
		return err_set(err, -EPROTO, "jool: pages without end");
	}
	return rc;
}

int jool_list_add(struct jool_list *list, const struct jool_entry *entry)
{
	if (list->n == list->size) {
		size_t size = list->size ? 2 * list->size : 64;
		struct jool_entry *more = reallocarray(list->items, size, sizeof(*more));

		if (!more) {
			return -ENOMEM;
		}
		list->items = more;
		list->size = size;
	}
	list->items[list->n++] = *entry;
	return 0;
}

void jool_list_fini(struct jool_list *list)
{
	free(list->items);
	*list = (struct jool_list){0};
}

struct list_max {
	struct jool_list *list;
	size_t max;
};

static int list_entry(const struct jool_entry *entry, void *arg)
{
	struct list_max *l = arg;

	return l->list->n >= l->max ? -E2BIG : jool_list_add(l->list, entry);
}

int jool_list_read(const struct jool *jool, enum jool_table table, uint8_t protocol, size_t max,
		   struct jool_list *list, struct err *err)
{
	size_t before = list->n;
	struct list_max l = {.list = list, .max = max};
	int rc = -EAGAIN;

	for (int tries = 0; tries < LIST_TRIES && rc == -EAGAIN; tries++) {
		struct jool_walk walk = {.protocol = protocol};
		bool more = true;

		list->n = before;
		rc = 0;
		while (rc == 0 && more) {
			rc = jool_walk(jool, table, &walk, list_entry, &l, &more, err);
		}
	}
	return rc;
}

static int entry_change(const struct jool *jool, enum jool_op op, enum jool_table table,
			const struct jool_entry *entry, struct err *err)
{
	struct jool_message m;
	int rc = jool_begin(jool, &m, op, err);

	if (rc < 0) {
		return rc;
	}
	entry_put(m.nlh, JOOL_ROOT_OPERAND, table, entry);
	return jool_exchange(jool, &m, NULL, NULL, NULL, err);
}

int jool_entry_add(const struct jool *jool, enum jool_table table, const struct jool_entry *entry,
		   struct err *err)
{
	return entry_change(jool, tables[table].add, table, entry, err);
}

int jool_entry_remove(const struct jool *jool, enum jool_table table,
		      const struct jool_entry *entry, struct err *err)
{
	return entry_change(jool, tables[table].remove, table, entry, err);
}
