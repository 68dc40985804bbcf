/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_CONF_MODEL_CLAIMS_NAME_H
#define SIXGATE_CONF_MODEL_CLAIMS_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/str.h"
#include "conf/model/claim.h"

/* Names by port, as a tree of labels from the right: claims_name.c */
struct label {
	struct table_node node;      /* name_index.labels */
	struct label *parent;        /* borrowed; NULL: a port */
	struct label *first_child;   /* borrowed */
	struct label *next, *before; /* siblings */
	struct claim exact;          /* this name */
	struct claim wildcard;       /* "*." this name */
	uint16_t len;                /* bytes of text */
	char text[];
};

struct name_index {
	struct table labels;      /* owned; by parent and text */
	struct label *first_port; /* borrowed from labels; siblings */
	struct hash_key key;
};

#define NAME_PORT_ZONE 0 /* names in the farm's zone, whatever their ports */

#define ALPN_NAME_MAX (EXPOSE_ALPN_BYTES_MAX + 1) /* bytes; the longest name there is */

/* The claim that stands against another one. */
struct name_conflict {
	const struct claimant *owner;
	bool wildcard; /* the other's claim is "*." text */
	char text[ALPN_NAME_MAX + 8];
};

void name_index_init(struct name_index *index);
void name_index_fini(struct name_index *index);
/*
 * name is normalised (or ALPN without a name, as one label that begins with NUL). Returns 0;
 * -EEXIST with the conflict: someone else's same name, a wildcard above it, or below a wildcard
 * any name; -ENOMEM. The index is then unchanged.
 */
int name_index_take(struct name_index *index, uint16_t port, struct str name, bool wildcard,
		    struct claimant *by, struct name_conflict *ret_conflict) CHECKED;
/* What was taken with these arguments. */
struct claim *name_index_claim(const struct name_index *index, uint16_t port, struct str name,
			       bool wildcard);
/* Undoes one name_index_take(). */
void name_index_drop(struct name_index *index, uint16_t port, struct str name, bool wildcard);
/* Someone else's claim to any name on the port; false: none. */
bool name_index_foreign(const struct name_index *index, uint16_t port, const struct claimant *by,
			struct name_conflict *ret_conflict);
/* The number of a label that is a port. */
uint16_t label_port(const struct label *port);

#endif
