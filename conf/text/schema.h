/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_TEXT_SCHEMA_H
#define SIXGATE_CONF_TEXT_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "conf/model/issue.h"
#include "conf/model/node.h"
#include "conf/text/tree.h"

/*
 * The schema as tables, and the reader that fills a struct by them. For the files of this folder
 * only.
 */

enum key_type {
	KEY_MAP,      /* by sub; into the struct at offset */
	KEY_ID,       /* const char *: [a-z0-9-] */
	KEY_HOST,     /* const char *: a host name, normalised */
	KEY_PATH,     /* const char *: an absolute path */
	KEY_TEXT,     /* const char *: min..max bytes */
	KEY_BOOL,     /* bool */
	KEY_U16,      /* uint16_t: min..max */
	KEY_U32,      /* uint32_t: min..max */
	KEY_U64,      /* uint64_t: min..max */
	KEY_DURATION, /* uint32_t: milliseconds, min..max */
	KEY_BYTES,    /* uint64_t: min..max */
	KEY_WORD,     /* an enum: the word's index */
	KEY_FLAG,     /* bool: the one word that sets it */
	KEY_ADDR,     /* struct addr */
	KEY_ADDR4,    /* struct addr: IPv4 */
	KEY_ADDR6,    /* struct addr: IPv6 */
	KEY_ADDR_ANY, /* struct addr, or the word any: bool at aux */
	KEY_PREFIX,   /* struct prefix */
	KEY_PREFIX4,  /* struct prefix: IPv4 */
	KEY_PREFIX6,  /* struct prefix: IPv6 */
	KEY_PORTS,    /* struct port_range: first-last */
	KEY_ENDPOINT, /* struct endpoint: an address and a port */
	KEY_PATTERN,  /* struct name_pattern */
	KEY_BACKEND,  /* struct backend_conf: an address or a host name */
	KEY_SERVICE,  /* two const char *, at offset and aux: tenant/service */
};

struct schema;

struct key {
	const char *name;
	enum key_type type;
	bool mandatory;
	uint32_t n_max;    /* not 0: a list of at most so many, count at aux, pointer at offset */
	uint64_t min, max; /* of a number */
	uint64_t dflt;     /* of a number or word that is not given */
	const char *const *words; /* KEY_WORD: in the enum's order, NULL behind the last; KEY_MAP,
				     or a list: a word that may stand in its place */
	const struct schema *sub; /* KEY_MAP */
	size_t offset;
	size_t aux; /* not 0, single value: offset of the bool that says it was given */
};

struct reader {
	struct arena *arena; /* borrowed; what is read goes there */
	struct issues *issues;
	const struct tree *tree;
	const struct node_conf *node; /* may be NULL: reading a tenant without its node */
	bool no_memory;
};

struct schema {
	const char *name;       /* what a map of it is: "an exposure" */
	const struct key *keys; /* a NULL name behind the last */
	size_t size;            /* of the struct, in lists */
	/* Called for each map after its keys, for what a table cannot say. May be NULL. */
	void (*finish)(struct reader *r, const struct tree_node *map, void *object);
};

extern const struct schema schema_node, schema_uplink, schema_pool_range, schema_listener;
extern const struct schema schema_exit_wireguard, schema_exit_6in4;
extern const struct schema schema_access_log, schema_query_log;
extern const struct schema schema_nat64, schema_nat44, schema_siit, schema_dns64, schema_wireguard;
extern const struct schema schema_six_in_four, schema_bgp, schema_registry, schema_timeouts;
extern const struct schema schema_tenant, schema_service, schema_tunnel, schema_expose,
	schema_limits, schema_tenant_dns64;

/*
 * Fills object from map and adds an issue for each key that is unknown, given twice, missing, of
 * the wrong form, or not in this build. What could not be read stays zero.
 */
void schema_read(struct reader *r, const struct tree_node *map, const struct schema *schema,
		 void *object);

/* schema_network.c, for schema_node.c: where DNS64 listens, when all of the config was read. */
void schema_finish_dns64(struct reader *r, struct node_conf *node);

/* Reads one scalar (not KEY_MAP) into out; notes an issue when it cannot. */
void value_read(struct reader *r, const struct tree_node *node, const struct key *key, void *object,
		void *out);
/* Bytes of one element of a list of this type. */
size_t value_size(const struct key *key);

/* Adds an issue at node's value. */
void reader_issue(struct reader *r, const struct tree_node *node, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* The word of words (NULL behind the last) nearest to text, or NULL when none is near. */
const char *nearest_word(struct str text, const char *const *words);

/*
 * What this build cannot do yet (unbuilt.c): a key, or with value (else NULL) this value of a key.
 * Returns what to call it, or NULL when it is built.
 */
const char *unbuilt_find(const struct schema *schema, const char *key, const struct str *value);

/*
 * Why what people look for under this word, a key or a value of `kind`, is not done at all
 * (refused.c). NULL: nothing is known of it.
 */
const char *refused_find(struct str word);

#endif
